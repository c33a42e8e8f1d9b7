# ---------------------------------------------------------------------------------------------
# The stack
# ---------------------------------------------------------------------------------------------

variable "name_prefix" {
  description = "Start of every resource name."
  type        = string
  default     = "meterflow"
  nullable    = false
}

variable "tags" {
  description = "Tags for every resource."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deletion_protection" {
  description = "Protects the stack from `terraform destroy`, and its table from every deletion."
  type        = bool
  default     = true
}

variable "aws_endpoint_url" {
  description = "Endpoint that the functions use for every AWS service."
  type        = string
  default     = null
}

# ---------------------------------------------------------------------------------------------
# The functions
# ---------------------------------------------------------------------------------------------

variable "detector_package" {
  description = "Deployment package of the detector."
  type        = string
  default     = "../target/lambda/anomaly-detection/bootstrap.zip"
  nullable    = false
}

variable "api_package" {
  description = "Deployment package of the API."
  type        = string
  default     = "../target/lambda/anomaly-api/bootstrap.zip"
  nullable    = false
}

variable "notifier_package" {
  description = "Deployment package of the notifier."
  type        = string
  default     = "../target/lambda/anomaly-notifier/bootstrap.zip"
  nullable    = false
}

variable "architecture" {
  description = "Processor of the functions: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "reserved_concurrency" {
  description = "Copies of the detector that may run at once for each of detector_shards."
  type        = number
  default     = 1
}

variable "vpc_subnet_ids" {
  description = "Private subnets for the functions, if ClickHouse is only reachable inside a VPC."
  type        = list(string)
  default     = []
}

variable "vpc_security_group_ids" {
  description = "Security groups of the functions inside the VPC."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 30
}

variable "log_level" {
  description = "Least severe level that the functions log: trace, debug, info, warn or error."
  type        = string
  default     = "info"
}

variable "xray_tracing" {
  description = "Whether Lambda sends a trace of each invocation to AWS X-Ray."
  type        = bool
  default     = false
}

variable "otel_endpoint" {
  description = "Address of an OpenTelemetry collector that takes OTLP over HTTP, such as http://localhost:4318 for one that runs as a Lambda extension."
  type        = string
  default     = null
}

# ---------------------------------------------------------------------------------------------
# The schedule
# ---------------------------------------------------------------------------------------------

variable "schedule_expression" {
  description = "Schedule of the detector, as an EventBridge rate or cron expression (UTC)."
  type        = string
  default     = "rate(1 hour)"
}

variable "schedule_enabled" {
  description = "Whether the schedule fires."
  type        = bool
  default     = true
}

variable "detector_shards" {
  description = "Number of shards of the customers: 1, 2, 4 or 8."
  type        = number
  default     = 1
}

variable "detector_memory_mb" {
  description = "Memory of a run in MB, from 512 to 10240. It buys processor time too: 1769 are one core. A storm, in which many customers look odd at once, is judged and told sooner."
  type        = number
  default     = 512
}

variable "missing_run_alarm_minutes" {
  description = "Minutes without a completed run, of any of detector_shards, until the alarm goes off."
  type        = number
  default     = 75
}

# ---------------------------------------------------------------------------------------------
# ClickHouse and the catalog of metrics
# ---------------------------------------------------------------------------------------------

variable "clickhouse_url" {
  description = "Address of ClickHouse's HTTP interface, without user and password. For a cluster it may be a list of all its servers: a semicolon between two shards, a comma between two replicas of a shard, such as \"https://a1:8443,https://a2:8443;https://b1:8443,https://b2:8443\"."
  type        = string
}

variable "clickhouse_allow_plaintext" {
  description = "Allows plain http with any ClickHouse server, also with a password."
  type        = bool
  default     = false
}

variable "clickhouse_database" {
  description = "Database that holds the events and the hourly rollup."
  type        = string
  default     = "meterflow"
}

variable "clickhouse_secret_arn" {
  description = "Complete ARN of the Secrets Manager secret with the text {\"username\": \"…\", \"password\": \"…\"}, for the API's user."
  type        = string
  default     = null
}

variable "detector_clickhouse_secret_arn" {
  description = "Complete ARN of the secret for the detector's user."
  type        = string
  default     = null
}

variable "clickhouse_secret_kms_key_arn" {
  description = "ARN of the customer-managed key that encrypts the secrets."
  type        = string
  default     = null
}

variable "catalog_file" {
  description = "Path of a TOML catalog of metrics, relative to the directory that Terraform runs in."
  type        = string
  default     = null
}

variable "catalog_files" {
  description = "Parts of one catalog, in the place of catalog_file: paths of files, and presets such as preset:usage, which has the built-in metrics of customers, or preset:executions."
  type        = list(string)
  default     = []
}
