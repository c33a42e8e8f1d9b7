# ---------------------------------------------------------------------------------------------
# The stack
# ---------------------------------------------------------------------------------------------

variable "name_prefix" {
  description = "Start of every resource name. Two stacks in one account and region need two prefixes."
  type        = string
  default     = "meterflow"
  nullable    = false

  # The longest name made of it is the role's, `PREFIX-anomaly-detection-REGION`, which IAM limits to 64 characters.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 3 to 30 characters: lower-case letters, digits and hyphens, with a letter first and no hyphen last. Example: \"meterflow\"."
  }

  # Parameter Store keeps names that start with these two words to itself.
  validation {
    condition     = !can(regex("^(aws|ssm)", var.name_prefix))
    error_message = "name_prefix must not start with \"aws\" or \"ssm\": AWS reserves both for its own parameters."
  }
}

variable "tags" {
  description = "Tags for every resource, beside `Stack`, which holds the name prefix."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the anomalies table. `terraform destroy` needs an apply with false first."
  type        = bool
  default     = true
  nullable    = false
}

variable "aws_endpoint_url" {
  description = "Endpoint that the functions use for every AWS service. Only the local cloud sets it; null means AWS itself."
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
  description = "Path of the detector's deployment package, relative to the directory that Terraform runs in (infra)."
  type        = string
  default     = "../target/lambda/anomaly-detection/bootstrap.zip"
  nullable    = false

  validation {
    condition     = length(trimspace(var.detector_package)) > 0
    error_message = "detector_package must be the path of a zip file. `cargo lambda build --release --arm64 --output-format zip -p detector` makes the default one."
  }
}

variable "api_package" {
  description = "Path of the API's deployment package, relative to the directory that Terraform runs in (infra)."
  type        = string
  default     = "../target/lambda/anomaly-api/bootstrap.zip"
  nullable    = false

  validation {
    condition     = length(trimspace(var.api_package)) > 0
    error_message = "api_package must be the path of a zip file. `cargo lambda build --release --arm64 --output-format zip -p api` makes the default one."
  }
}

variable "architecture" {
  description = "Processor of the functions, the one that the packages were built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"x86_64\"."
  }
}

variable "reserved_concurrency" {
  description = "How many copies of the detector may run at once. One keeps runs in order; -1 reserves nothing, for accounts whose limit leaves nothing to reserve."
  type        = number
  default     = 1
  nullable    = false

  # Zero would be accepted by AWS and would silently stop every run.
  validation {
    condition     = var.reserved_concurrency == -1 || (var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency)
    error_message = "reserved_concurrency must be -1 (no reservation) or a whole number of at least 1. To pause the detector set schedule_enabled to false."
  }
}

variable "vpc_subnet_ids" {
  description = "Private subnets for the functions, when ClickHouse is only reachable inside a VPC. They need a way to the AWS services (NAT or VPC endpoints). Empty means no VPC."
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

# ---------------------------------------------------------------------------------------------
# The schedule
# ---------------------------------------------------------------------------------------------

variable "schedule_expression" {
  description = "When the detector runs, as an EventBridge rate or cron expression (UTC)."
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

variable "missing_run_alarm_minutes" {
  description = "Minutes without a completed run after which the alarm goes off. It must be longer than the schedule's interval."
  type        = number
  default     = 75
  nullable    = false

  # The alarm counts periods of 15 minutes, and CloudWatch looks back one day at most.
  validation {
    condition     = var.missing_run_alarm_minutes >= 15 && var.missing_run_alarm_minutes <= 1440 && var.missing_run_alarm_minutes % 15 == 0
    error_message = "missing_run_alarm_minutes must be a multiple of 15 from 15 to 1440."
  }
}

# ---------------------------------------------------------------------------------------------
# ClickHouse and the catalog of metrics
# ---------------------------------------------------------------------------------------------

variable "clickhouse_url" {
  description = "Address of ClickHouse's HTTP interface, without user and password."
  type        = string
  nullable    = false

  # A password in the address would end up in the state, in the console and in logs.
  validation {
    condition     = can(regex("^https?://[^/@\\s]+(/[^@\\s]*)?$", var.clickhouse_url))
    error_message = "clickhouse_url must be an http(s) address without credentials, such as \"https://abc.eu-central-1.aws.clickhouse.cloud:8443\". User and password belong into the secret of clickhouse_secret_arn."
  }
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
  description = "Complete ARN of the Secrets Manager secret with the text {\"username\": \"…\", \"password\": \"…\"}. Null means a ClickHouse that asks for none."
  type        = string
  default     = null

  # The permission names exactly this secret, so the six characters that AWS appends to its name must be there.
  validation {
    condition     = var.clickhouse_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.clickhouse_secret_arn))
    error_message = "clickhouse_secret_arn must be null or the complete ARN of a secret with its six last characters, such as \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123\"."
  }
}

variable "clickhouse_secret_kms_key_arn" {
  description = "ARN of the customer-managed key that encrypts the secret. Null when the secret uses the account's aws/secretsmanager key, which needs no permission."
  type        = string
  default     = null

  validation {
    condition     = var.clickhouse_secret_kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.clickhouse_secret_kms_key_arn))
    error_message = "clickhouse_secret_kms_key_arn must be null or the ARN of a key (not of an alias), such as \"arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }

  validation {
    condition     = var.clickhouse_secret_kms_key_arn == null || var.clickhouse_secret_arn != null
    error_message = "clickhouse_secret_kms_key_arn is of use only together with clickhouse_secret_arn."
  }
}

variable "catalog_file" {
  description = "Path of a TOML catalog of metrics, relative to the directory that Terraform runs in (infra). It goes to Parameter Store (8 KB at most). Null means the catalog built into the functions."
  type        = string
  default     = null
}

# ---------------------------------------------------------------------------------------------
# The check
# ---------------------------------------------------------------------------------------------

variable "window_delay_seconds" {
  description = "Seconds by which the checked window ends before the scheduled time, for events that reach ClickHouse late."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.window_delay_seconds >= 0 && var.window_delay_seconds <= 86400 && floor(var.window_delay_seconds) == var.window_delay_seconds
    error_message = "window_delay_seconds must be a whole number from 0 to 86400."
  }
}

variable "baseline_days" {
  description = "Windows of 24 hours before the checked one that make the baseline."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.baseline_days >= 2 && var.baseline_days <= 90 && floor(var.baseline_days) == var.baseline_days
    error_message = "baseline_days must be a whole number from 2 to 90."
  }
}

variable "min_samples" {
  description = "Fewest baseline windows with a value; with fewer a series is not judged."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.min_samples >= 2 && var.min_samples <= var.baseline_days && floor(var.min_samples) == var.min_samples
    error_message = "min_samples must be a whole number from 2 to baseline_days: with more, no series could ever be judged."
  }
}

variable "threshold" {
  description = "|z-score| from which a change is an anomaly, unless the catalog sets another for the metric."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.threshold > 0 && var.threshold <= 100
    error_message = "threshold must be above 0 and at most 100, where z-scores are capped."
  }
}

variable "critical_threshold" {
  description = "|z-score| from which an anomaly is critical and alerted."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.critical_threshold >= var.threshold && var.critical_threshold <= 100
    error_message = "critical_threshold must be from threshold to 100, where z-scores are capped."
  }
}

variable "min_relative_change" {
  description = "Smallest change that can be an anomaly, as a share of the mean (0.1 is 10 %)."
  type        = number
  default     = 0.1
  nullable    = false

  validation {
    condition     = var.min_relative_change >= 0
    error_message = "min_relative_change must not be negative; 0.1 means 10 % of the mean."
  }
}

variable "anomaly_retention_days" {
  description = "Days after which an anomaly expires from the table."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.anomaly_retention_days >= 1 && var.anomaly_retention_days <= 3650 && floor(var.anomaly_retention_days) == var.anomaly_retention_days
    error_message = "anomaly_retention_days must be a whole number from 1 to 3650."
  }
}

# ---------------------------------------------------------------------------------------------
# Alerts and alarms
# ---------------------------------------------------------------------------------------------

variable "alert_emails" {
  description = "Addresses that get every alert on a critical anomaly. AWS asks each of them to confirm."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alert_emails must hold e-mail addresses such as \"billing@example.com\"."
  }

  validation {
    condition     = length(distinct([for address in var.alert_emails : lower(address)])) == length(var.alert_emails)
    error_message = "alert_emails must not hold an address twice."
  }
}

variable "ops_emails" {
  description = "Addresses that get the alarms on the system itself. AWS asks each of them to confirm."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.ops_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "ops_emails must hold e-mail addresses such as \"oncall@example.com\"."
  }

  validation {
    condition     = length(distinct([for address in var.ops_emails : lower(address)])) == length(var.ops_emails)
    error_message = "ops_emails must not hold an address twice."
  }
}

variable "max_alerts_per_run" {
  description = "Most alerts that one run publishes; what is beyond comes as one digest."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.max_alerts_per_run >= 1 && floor(var.max_alerts_per_run) == var.max_alerts_per_run
    error_message = "max_alerts_per_run must be a whole number of at least 1."
  }
}

variable "max_alerts_per_customer" {
  description = "Most alerts that one run publishes on one customer; what is beyond comes as one digest."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_alerts_per_customer >= 1 && floor(var.max_alerts_per_customer) == var.max_alerts_per_customer
    error_message = "max_alerts_per_customer must be a whole number of at least 1."
  }
}

variable "anomalies_per_hour_alarm" {
  description = "Anomalies in one hour above which the alarm goes off: more than that is rather a fault of the data than of the customers."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.anomalies_per_hour_alarm >= 0
    error_message = "anomalies_per_hour_alarm must not be negative."
  }
}

# ---------------------------------------------------------------------------------------------
# The API
# ---------------------------------------------------------------------------------------------

variable "api_jwt_issuer" {
  description = "Who issues the tokens of the API, exactly as their claim `iss` has it. API Gateway fetches the keys from its /.well-known/openid-configuration. Null means a stack without the API."
  type        = string
  default     = null

  # Keys that come unencrypted could be anybody's; only the local cloud has its issuer on the machine itself.
  validation {
    condition     = var.api_jwt_issuer == null || can(regex("^(https://[^/?#@\\s]+|http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?)(/[^?#\\s]*)?$", var.api_jwt_issuer))
    error_message = "api_jwt_issuer must be null or an https address without a query, such as \"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI\". Plain http is for issuers on 127.0.0.1 or localhost only."
  }
}

variable "api_jwt_audience" {
  description = "Audiences of which a token must name one in `aud` or, if it has none, in `client_id`, as those of Cognito do."
  type        = list(string)
  default     = []
  nullable    = false

  # Without an audience every token of the issuer would do, also those for other applications.
  validation {
    condition     = var.api_jwt_issuer == null || length(var.api_jwt_audience) > 0
    error_message = "api_jwt_audience must name at least one audience when api_jwt_issuer is set."
  }

  validation {
    condition     = alltrue([for audience in var.api_jwt_audience : length(trimspace(audience)) > 0])
    error_message = "api_jwt_audience must not hold an empty audience."
  }
}

variable "api_scopes" {
  description = "What the issuer calls the three scopes of the API: to read anomalies and usage, to change the state of anomalies, and to change settings and start runs. Cognito writes them with a slash: anomalies/read."
  type = object({
    read  = optional(string, "anomalies:read")
    write = optional(string, "anomalies:write")
    admin = optional(string, "anomalies:admin")
  })
  default  = {}
  nullable = false

  # The characters are those of RFC 6749, the length is that of API Gateway.
  validation {
    condition     = alltrue([for scope in values(var.api_scopes) : can(regex("^[!#-\\[\\]-~]{1,64}$", scope))])
    error_message = "api_scopes must hold scopes of 1 to 64 characters without spaces, quotes and backslashes, such as \"anomalies:read\"."
  }

  # One name for two of them would give the rights of the one to whoever has the other.
  validation {
    condition     = length(distinct(values(var.api_scopes))) == length(values(var.api_scopes))
    error_message = "api_scopes must hold three different scopes."
  }
}

variable "api_cors_allow_origins" {
  description = "Origins whose pages may call the API from a browser, or \"*\" for all. Empty means none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.api_cors_allow_origins : origin == "*" || can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "api_cors_allow_origins must hold \"*\" or origins as browsers send them: scheme, host in lower case and perhaps a port, such as \"https://dashboard.example.com\", without a path or a slash at the end."
  }

  validation {
    condition     = !contains(var.api_cors_allow_origins, "*") || length(var.api_cors_allow_origins) == 1
    error_message = "api_cors_allow_origins must hold either \"*\" alone or the origins that are meant."
  }
}

variable "api_throttling_rate_limit" {
  description = "Requests a second that the API answers in the long run, those of all callers together; what is beyond gets 429."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.api_throttling_rate_limit > 0
    error_message = "api_throttling_rate_limit must be above 0."
  }
}

variable "api_throttling_burst_limit" {
  description = "Requests that may come at once, before the rate limit counts."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.api_throttling_burst_limit >= 1 && floor(var.api_throttling_burst_limit) == var.api_throttling_burst_limit
    error_message = "api_throttling_burst_limit must be a whole number of at least 1."
  }
}
