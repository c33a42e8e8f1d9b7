# ---------------------------------------------------------------------------------------------
# The stack
# ---------------------------------------------------------------------------------------------

variable "name_prefix" {
  description = "Start of every resource name. Two stacks in one account and region need two prefixes."
  type        = string
  default     = "meterflow"
  nullable    = false

  # The longest name is the role's, `PREFIX-anomaly-detection-REGION`. IAM limits it to 64 characters.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 3 to 30 characters: lower-case letters, digits and hyphens, with a letter first and no hyphen last. Example: \"meterflow\"."
  }

  # Parameter Store reserves names that start with these two words.
  validation {
    condition     = !can(regex("^(aws|ssm)", var.name_prefix))
    error_message = "name_prefix must not start with \"aws\" or \"ssm\": AWS reserves both for its own parameters."
  }
}

variable "tags" {
  description = "Tags for every resource. infra/ adds `Stack`, which holds the name prefix."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deletion_protection" {
  description = "Protects the stack from `terraform destroy`, and its table from every deletion. To destroy the stack, set false and apply first. Otherwise `terraform destroy` says so and destroys nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "aws_endpoint_url" {
  description = "Endpoint that the functions use for every AWS service. Only the local cloud sets it. Null means AWS itself."
  type        = string
  default     = null

  validation {
    condition     = var.aws_endpoint_url == null || can(regex("^https?://[^/@\\s]+/?$", var.aws_endpoint_url))
    error_message = "aws_endpoint_url must be null or an http(s) address without a path, such as \"http://127.0.0.1:4566\"."
  }
}

# ---------------------------------------------------------------------------------------------
# The functions
# ---------------------------------------------------------------------------------------------

variable "detector_package" {
  description = "Deployment package of the detector. One of three: the path of a zip file, relative to the directory that Terraform runs in; an object in a bucket of the stack's region, such as s3://artifacts/meterflow/0.2.0/anomaly-detection.zip; an image in ECR, by its URI. Lambda takes a new object or image only if its name is new. An image is based on Amazon Linux 2023."
  type        = string
  default     = null

  validation {
    condition     = var.detector_package == null ? true : length(trimspace(var.detector_package)) > 0
    error_message = "detector_package must name a package. `cargo lambda build --release --arm64 --output-format zip -p detector` makes a zip file."
  }
}

variable "api_package" {
  description = "Deployment package of the API. The same three kinds as detector_package. A stack with the API needs it, or a release."
  type        = string
  default     = null

  validation {
    condition     = var.api_package == null ? true : length(trimspace(var.api_package)) > 0
    error_message = "api_package must name a package. `cargo lambda build --release --arm64 --output-format zip -p api` makes a zip file."
  }

  validation {
    condition     = var.api_package != null || var.api_jwt_issuer == null || var.release != null
    error_message = "api_package must be set in a stack with the API (api_jwt_issuer)."
  }
}

variable "notifier_package" {
  description = "Deployment package of the notifier. The same three kinds as detector_package."
  type        = string
  default     = null

  validation {
    condition     = var.notifier_package == null ? true : length(trimspace(var.notifier_package)) > 0
    error_message = "notifier_package must name a package. `cargo lambda build --release --arm64 --output-format zip -p notifier` makes a zip file."
  }
}

variable "architecture" {
  description = "Processor of the functions: arm64 or x86_64. The packages must be built for it."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"x86_64\"."
  }
}

variable "reserved_concurrency" {
  description = "Copies of the detector that may run at once for each of detector_shards. One keeps runs in order. -1 reserves nothing, for accounts whose limit leaves nothing to reserve."
  type        = number
  default     = 1
  nullable    = false

  # AWS accepts zero, which would silently stop every run.
  validation {
    condition     = var.reserved_concurrency == -1 || (var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency)
    error_message = "reserved_concurrency must be -1 (no reservation) or a whole number of at least 1. To pause the detector set schedule_enabled to false."
  }
}

variable "vpc_subnet_ids" {
  description = "Private subnets for the functions, if ClickHouse is only reachable inside a VPC. The subnets need a way to the AWS services (NAT or VPC endpoints). Empty means no VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "vpc_subnet_ids must hold subnet ids such as \"subnet-0a1b2c3d4e5f60718\"."
  }

  validation {
    condition     = (length(var.vpc_subnet_ids) == 0) == (length(var.vpc_security_group_ids) == 0)
    error_message = "vpc_subnet_ids and vpc_security_group_ids belong together: set both, or neither for functions outside a VPC."
  }
}

variable "vpc_security_group_ids" {
  description = "Security groups of the functions inside the VPC. Empty means no VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_security_group_ids : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "vpc_security_group_ids must hold security group ids such as \"sg-0a1b2c3d4e5f60718\"."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods that CloudWatch offers: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "log_level" {
  description = "Least severe level that the functions log: trace, debug, info, warn or error."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["trace", "debug", "info", "warn", "error"], var.log_level)
    error_message = "log_level must be trace, debug, info, warn or error."
  }
}

variable "xray_tracing" {
  description = "Whether Lambda sends a trace of each invocation to AWS X-Ray. The trace has the time of start and run. otel_endpoint gives spans of what a request asks of ClickHouse and AWS."
  type        = bool
  default     = false
  nullable    = false
}

variable "otel_endpoint" {
  description = "Address of an OpenTelemetry collector that takes OTLP over HTTP, such as http://localhost:4318 for one that runs as a Lambda extension. API and detector send it a span for each request, and for what the request asks of ClickHouse and AWS. Not set: no spans."
  type        = string
  default     = null

  validation {
    condition     = var.otel_endpoint == null || can(regex("^https?://[^/ ]+", var.otel_endpoint))
    error_message = "otel_endpoint must be an address such as http://localhost:4318. The functions add /v1/traces to it."
  }
}

# ---------------------------------------------------------------------------------------------
# The schedule
# ---------------------------------------------------------------------------------------------

variable "schedule_expression" {
  description = "Schedule of the detector, as an EventBridge rate or cron expression (UTC)."
  type        = string
  default     = "rate(1 hour)"
  nullable    = false

  validation {
    condition = (
      can(regex("^rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)$", var.schedule_expression)) ||
      can(regex("^cron\\([^ ()]+( [^ ()]+){5}\\)$", var.schedule_expression))
    )
    error_message = "schedule_expression must be rate(1 hour), rate(2 hours) and the like (the singular only with 1), or cron(...) with six fields such as cron(5 * * * ? *)."
  }
}

variable "schedule_enabled" {
  description = "Whether the schedule fires. False also silences the alarm on missing runs."
  type        = bool
  default     = true
  nullable    = false
}

variable "detector_shards" {
  description = "Number of shards of the customers: 1, 2, 4 or 8. Each shard has a run of its own at each scheduled time, all at once. Use shards if one run for all customers takes too long. max_pages_per_run, reserved_concurrency and the alarm on missing runs hold for each shard."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 8], var.detector_shards)
    error_message = "detector_shards must be 1, 2, 4 or 8."
  }
}

variable "detector_memory_mb" {
  description = "Memory of a run in MB, from 512 to 10240. It buys processor time too: 1769 are one core. A storm, in which many customers look odd at once, is judged and told sooner."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.detector_memory_mb >= 512 && var.detector_memory_mb <= 10240 && floor(var.detector_memory_mb) == var.detector_memory_mb
    error_message = "detector_memory_mb must be a whole number from 512 to 10240."
  }
}

variable "missing_run_alarm_minutes" {
  description = "Minutes without a completed run, of any of detector_shards, until the alarm goes off. They must exceed the schedule's interval."
  type        = number
  default     = 75
  nullable    = false

  # The alarm counts periods of 15 minutes. CloudWatch looks back one day at most.
  validation {
    condition     = var.missing_run_alarm_minutes >= 15 && var.missing_run_alarm_minutes <= 1440 && var.missing_run_alarm_minutes % 15 == 0
    error_message = "missing_run_alarm_minutes must be a multiple of 15 from 15 to 1440."
  }
}

# ---------------------------------------------------------------------------------------------
# ClickHouse and the catalog of metrics
# ---------------------------------------------------------------------------------------------

variable "clickhouse_url" {
  description = "Address of ClickHouse's HTTP interface, without user and password. For a cluster it may be a list of all its servers: a semicolon between two shards, a comma between two replicas of a shard, such as \"https://a1:8443,https://a2:8443;https://b1:8443,https://b2:8443\". Then a run has a part for each shard. The API asks the first address. Plain http works only for a loopback or private IP address and without a secret, unless clickhouse_allow_plaintext is true."
  type        = string
  nullable    = false

  # A password in the address would end up in the state, in the console and in logs.
  validation {
    condition     = alltrue([for address in split(",", replace(var.clickhouse_url, ";", ",")) : can(regex("^https?://[^/@\\s|]+(/[^@\\s|]*)?$", trimspace(address)))])
    error_message = "clickhouse_url must be an http(s) address without credentials, such as \"https://abc.eu-central-1.aws.clickhouse.cloud:8443\", or a list of them, with a semicolon between two shards and a comma between two replicas of a shard. Put user and password into the secret of clickhouse_secret_arn."
  }

  # Each address is that of one replica of one shard. A slash at the end does not count.
  validation {
    condition     = length(distinct([for address in split(",", replace(var.clickhouse_url, ";", ",")) : trim(trimspace(address), "/")])) == length(split(",", replace(var.clickhouse_url, ";", ",")))
    error_message = "clickhouse_url names an address twice. Each address is that of one replica of one shard."
  }

  # Anybody on the way could read and change unencrypted data. A name does not show where it leads.
  validation {
    condition     = var.clickhouse_allow_plaintext || alltrue([for address in split(",", replace(var.clickhouse_url, ";", ",")) : !startswith(trimspace(address), "http://") || can(regex(local.private_http_url, trimspace(address)))])
    error_message = "clickhouse_url must begin with https://. Plain http is for loopback and private IP addresses, such as \"http://10.0.0.1:8123\". If the network on the way is yours, set clickhouse_allow_plaintext to true."
  }

  validation {
    condition     = var.clickhouse_allow_plaintext || !can(regex("http://", var.clickhouse_url)) || (var.clickhouse_secret_arn == null && var.detector_clickhouse_secret_arn == null)
    error_message = "clickhouse_url must begin with https:// if clickhouse_secret_arn or detector_clickhouse_secret_arn is set: plain http would send the password unencrypted. If the network on the way is yours, set clickhouse_allow_plaintext to true."
  }
}

variable "clickhouse_allow_plaintext" {
  description = "Allows plain http with any ClickHouse server, also with a password. Everybody on the way can then read and change usage, and read the password."
  type        = bool
  default     = false
  nullable    = false
}

variable "clickhouse_database" {
  description = "Database that holds the events and the hourly rollup."
  type        = string
  default     = "meterflow"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]*$", var.clickhouse_database))
    error_message = "clickhouse_database must be a plain ClickHouse name: letters, digits and underscores, no digit first."
  }
}

variable "clickhouse_secret_arn" {
  description = "Complete ARN of the Secrets Manager secret with the text {\"username\": \"…\", \"password\": \"…\"}, for the API's user. The detector uses the same user unless detector_clickhouse_secret_arn is set. infra/clickhouse/users.sql makes both users. Null means a ClickHouse without passwords."
  type        = string
  default     = null

  # The permission names exactly this secret, so its name needs the six characters that AWS appends.
  validation {
    condition     = var.clickhouse_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.clickhouse_secret_arn))
    error_message = "clickhouse_secret_arn must be null or the complete ARN of a secret with its six last characters, such as \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123\"."
  }
}

variable "detector_clickhouse_secret_arn" {
  description = "Complete ARN of the secret for the detector's user. This user may also insert into usage_models and usage_model_fits. Runs then read fitted models instead of a month of hours, and load on the API does not slow them down. Null means the user of clickhouse_secret_arn. A stack with an API then warns."
  type        = string
  default     = null

  validation {
    condition     = var.detector_clickhouse_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.detector_clickhouse_secret_arn))
    error_message = "detector_clickhouse_secret_arn must be null or the complete ARN of a secret with its six last characters, such as \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:detector-AbC123\"."
  }
}

variable "clickhouse_secret_kms_key_arn" {
  description = "ARN of the customer-managed key that encrypts the secrets. Null if they use the account's aws/secretsmanager key, which needs no permission."
  type        = string
  default     = null

  validation {
    condition     = var.clickhouse_secret_kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.clickhouse_secret_kms_key_arn))
    error_message = "clickhouse_secret_kms_key_arn must be null or the ARN of a key (not of an alias), such as \"arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }

  validation {
    condition     = var.clickhouse_secret_kms_key_arn == null || var.clickhouse_secret_arn != null || var.detector_clickhouse_secret_arn != null
    error_message = "clickhouse_secret_kms_key_arn needs clickhouse_secret_arn or detector_clickhouse_secret_arn."
  }
}

variable "catalog_file" {
  description = "Path of a TOML catalog of metrics, relative to the directory that Terraform runs in. Terraform puts the catalog into Parameter Store, compressed if it has more than 8 KB. The line presets = [\"usage\", \"executions\"] at its top adds catalogs that are built into the functions. Null means the catalog built into the functions, unless catalog_files is set."
  type        = string
  default     = null
}

variable "catalog_files" {
  description = "Parts of one catalog, in the place of catalog_file: paths of files, and presets such as preset:usage, which has the built-in metrics of customers, or preset:executions. docs/presets.md lists the presets. They are built into the functions. Terraform puts their names and the texts of the files into Parameter Store, compressed if they have more than 8 KB. Empty means none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.catalog_files) == 0 || var.catalog_file == null
    error_message = "catalog_files and catalog_file exclude each other: add the path of catalog_file to catalog_files, and leave catalog_file out."
  }

  validation {
    condition     = length(distinct(var.catalog_files)) == length(var.catalog_files) && alltrue([for path in var.catalog_files : length(trimspace(path)) > 0])
    error_message = "catalog_files must hold different paths of files."
  }

  validation {
    condition     = alltrue([for part in var.catalog_files : contains(local.known_presets, trimprefix(part, "preset:")) if startswith(part, "preset:")])
    error_message = "catalog_files may name the presets ${join(", ", [for name in local.known_presets : "preset:${name}"])}."
  }
}
