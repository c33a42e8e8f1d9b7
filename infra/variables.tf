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
  description = "Tags for every resource, beside `Stack`, which holds the name prefix."
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

variable "notifier_package" {
  description = "Path of the notifier's deployment package, relative to the directory that Terraform runs in (infra)."
  type        = string
  default     = "../target/lambda/anomaly-notifier/bootstrap.zip"
  nullable    = false

  validation {
    condition     = length(trimspace(var.notifier_package)) > 0
    error_message = "notifier_package must be the path of a zip file. `cargo lambda build --release --arm64 --output-format zip -p notifier` makes the default one."
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
  description = "Address of ClickHouse's HTTP interface, without user and password. Plain http works only for a loopback or private IP address and without a secret, unless clickhouse_allow_plaintext is true."
  type        = string
  nullable    = false

  # A password in the address would end up in the state, in the console and in logs.
  validation {
    condition     = can(regex("^https?://[^/@\\s]+(/[^@\\s]*)?$", var.clickhouse_url))
    error_message = "clickhouse_url must be an http(s) address without credentials, such as \"https://abc.eu-central-1.aws.clickhouse.cloud:8443\". Put user and password into the secret of clickhouse_secret_arn."
  }

  # Anybody on the way could read and change unencrypted data. A name does not show where it leads.
  validation {
    condition     = var.clickhouse_allow_plaintext || !can(regex("^http://", var.clickhouse_url)) || can(regex(local.private_http_url, var.clickhouse_url))
    error_message = "clickhouse_url must begin with https://. Plain http is for loopback and private IP addresses, such as \"http://10.0.0.1:8123\". If the network on the way is yours, set clickhouse_allow_plaintext to true."
  }

  validation {
    condition     = var.clickhouse_allow_plaintext || !can(regex("^http://", var.clickhouse_url)) || (var.clickhouse_secret_arn == null && var.detector_clickhouse_secret_arn == null)
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
  description = "Complete ARN of the secret for the detector's user. This user may also insert into usage_baselines and usage_baseline_builds. Runs then read prebuilt baselines instead of a month of hours, and load on the API does not slow them down. Null means the user of clickhouse_secret_arn. A stack with an API then warns."
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
  description = "Path of a TOML catalog of metrics, relative to the directory that Terraform runs in (infra). Terraform puts the catalog into Parameter Store (8 KB at most). Null means the catalog built into the functions."
  type        = string
  default     = null
}

# ---------------------------------------------------------------------------------------------
# The check
# ---------------------------------------------------------------------------------------------

variable "window_delay_seconds" {
  description = "Seconds between the end of the window and the scheduled time, for events that reach ClickHouse late."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.window_delay_seconds >= 0 && var.window_delay_seconds <= 86400 && floor(var.window_delay_seconds) == var.window_delay_seconds
    error_message = "window_delay_seconds must be a whole number from 0 to 86400."
  }
}

variable "baseline_days" {
  description = "Number of earlier windows of 24 hours in the baseline."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.baseline_days >= 2 && var.baseline_days <= 90 && floor(var.baseline_days) == var.baseline_days
    error_message = "baseline_days must be a whole number from 2 to 90."
  }
}

variable "min_samples" {
  description = "Least number of baseline windows with a value. A series with fewer is not judged."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.min_samples >= 2 && var.min_samples <= var.baseline_days && floor(var.min_samples) == var.min_samples
    error_message = "min_samples must be a whole number from 2 to baseline_days: with more, no series could ever be judged."
  }
}

variable "threshold" {
  description = "|z-score| from which a change is an anomaly, unless the catalog sets another value for the metric."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.threshold > 0 && var.threshold <= 100
    error_message = "threshold must be above 0 and at most 100, where z-scores are capped."
  }
}

variable "critical_threshold" {
  description = "|z-score| from which an anomaly is critical."
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
    error_message = "min_relative_change must not be negative. 0.1 means 10 % of the mean."
  }
}

variable "min_relative_spread" {
  description = "Least spread of a z-score, as a share of the mean (0.04 is 4 %). It keeps an exactly regular customer from being critical at the first change. 0 gives the plain z-score."
  type        = number
  default     = 0.04
  nullable    = false

  validation {
    condition     = var.min_relative_spread >= 0 && var.min_relative_spread <= 1
    error_message = "min_relative_spread must be a share of the mean from 0 to 1. 0.04 means 4 %."
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
# Incidents
# ---------------------------------------------------------------------------------------------

variable "resolve_after_runs" {
  description = "Runs in a row that must find usage back to normal before an incident is resolved."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.resolve_after_runs >= 1 && var.resolve_after_runs <= 168 && floor(var.resolve_after_runs) == var.resolve_after_runs
    error_message = "resolve_after_runs must be a whole number from 1 to 168."
  }
}

variable "reopen_within_hours" {
  description = "Hours after the end of an incident in which a returning deviation is the same incident. 0 always makes a new incident."
  type        = number
  default     = 6
  nullable    = false

  validation {
    condition     = var.reopen_within_hours >= 0 && var.reopen_within_hours <= 8760 && floor(var.reopen_within_hours) == var.reopen_within_hours
    error_message = "reopen_within_hours must be a whole number from 0 (never the same) to 8760."
  }
}

variable "accept_after_hours" {
  description = "Hours after which a lasting level becomes the new normal and its incident is accepted. 0 means never."
  type        = number
  default     = 72
  nullable    = false

  validation {
    condition     = var.accept_after_hours >= 0 && var.accept_after_hours <= 8760 && floor(var.accept_after_hours) == var.accept_after_hours
    error_message = "accept_after_hours must be a whole number from 0 (never) to 8760."
  }
}

variable "repeat_interval_hours" {
  description = "Hours after which an open incident without acknowledgement is paged again. 0 means never."
  type        = number
  default     = 24
  nullable    = false

  validation {
    condition     = var.repeat_interval_hours >= 0 && var.repeat_interval_hours <= 8760 && floor(var.repeat_interval_hours) == var.repeat_interval_hours
    error_message = "repeat_interval_hours must be a whole number from 0 (never) to 8760."
  }
}

variable "alert_min_severity" {
  description = "Least severity that is alerted: critical or warning. Incidents below it are stored without an alert."
  type        = string
  default     = "critical"
  nullable    = false

  validation {
    condition     = contains(["critical", "warning"], var.alert_min_severity)
    error_message = "alert_min_severity must be critical or warning."
  }
}

variable "max_pages_per_run" {
  description = "Most single pages of one run. One digest stands for all further pages. Each of detector_shards is a run of its own. Ends of incidents do not count."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.max_pages_per_run >= 1 && var.max_pages_per_run <= 1000 && floor(var.max_pages_per_run) == var.max_pages_per_run
    error_message = "max_pages_per_run must be a whole number from 1 to 1000."
  }
}

variable "max_pages_per_customer" {
  description = "Most single pages of one run about one customer. The digest stands for all further pages. Ends of incidents do not count."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_pages_per_customer >= 1 && floor(var.max_pages_per_customer) == var.max_pages_per_customer
    error_message = "max_pages_per_customer must be a whole number of at least 1."
  }
}

# ---------------------------------------------------------------------------------------------
# Notifications and alarms
# ---------------------------------------------------------------------------------------------

variable "notification_channels" {
  description = "Channels for alerts, by names of your choice. Every channel has a type and the fields of the type. slack: webhook_url_secret_arn, or bot_token_secret_arn and conversation (with a token, an incident is one thread). pagerduty: routing_key_secret_arn. telegram: bot_token_secret_arn and chat_id. webhook: url and signing_secret_arn. amazon_q: topic_arn, for a topic that Amazon Q already serves. All may have throttle_seconds (default 300, 0 off). pagerduty, telegram, and slack with a token may have api_url (PagerDuty in the EU: https://events.eu.pagerduty.com). Empty means none."
  type = map(object({
    type                   = string
    webhook_url_secret_arn = optional(string)
    bot_token_secret_arn   = optional(string)
    conversation           = optional(string)
    routing_key_secret_arn = optional(string)
    chat_id                = optional(string)
    url                    = optional(string)
    signing_secret_arn     = optional(string)
    topic_arn              = optional(string)
    throttle_seconds       = optional(number)
    api_url                = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, channel in var.notification_channels : can(regex("^[a-z][a-z0-9_-]{0,39}$", name)) && !contains(local.reserved_channel_names, name)])
    error_message = "notification_channels must have names of 1 to 40 lower-case letters, digits, hyphens or underscores with a letter first. ${join(" and ", local.reserved_channel_names)} are reserved, because queues of these names exist already."
  }

  # SQS limits names to 80 characters.
  validation {
    condition     = alltrue([for name, channel in var.notification_channels : length("${local.notifier_name}-${name}") <= 80])
    error_message = "notification_channels must have shorter names: each channel has the queue ${local.notifier_name}-NAME, and AWS limits the name to 80 characters."
  }

  validation {
    condition = alltrue([
      for channel in var.notification_channels : contains([
        "slack: webhook_url_secret_arn",
        "slack: bot_token_secret_arn conversation",
        "pagerduty: routing_key_secret_arn",
        "telegram: bot_token_secret_arn chat_id",
        "webhook: signing_secret_arn url",
        "amazon_q: topic_arn",
      ], "${channel.type}: ${join(" ", sort([for key, value in channel : key if value != null && !contains(["type", "throttle_seconds", "api_url"], key)]))}")
    ])
    error_message = "notification_channels must have exactly the fields of the channel's type. slack: webhook_url_secret_arn, or bot_token_secret_arn and conversation; pagerduty: routing_key_secret_arn; telegram: bot_token_secret_arn and chat_id; webhook: url and signing_secret_arn; amazon_q: topic_arn."
  }

  # The permissions name exactly these secrets, so each name needs the six characters that AWS appends.
  validation {
    condition = alltrue(flatten([
      for channel in var.notification_channels : [
        for key, value in channel : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", value)) if endswith(key, "_secret_arn") && value != null
      ]
    ]))
    error_message = "notification_channels must name secrets by their complete ARNs with the six last characters, such as \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123\"."
  }

  # Anybody on the way could read and answer an unencrypted request.
  validation {
    condition = alltrue(flatten([
      for channel in var.notification_channels : [
        for url in [channel.url, channel.api_url] : can(regex("^https://[^/?#@\\s]+([/?][^#\\s]*)?$", url)) || (
          var.allow_loopback_channels && can(regex("^http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?([/?][^#\\s]*)?$", url))
        ) if url != null
      ]
    ]))
    error_message = "notification_channels must have https addresses without user and password in url and api_url."
  }

  validation {
    condition     = alltrue([for channel in var.notification_channels : channel.api_url == null || (contains(["slack", "pagerduty", "telegram"], channel.type) && channel.webhook_url_secret_arn == null)])
    error_message = "notification_channels may have an api_url only for types with an address of their own: pagerduty, telegram, and slack with a token. A webhook has its address in url, or in its secret."
  }

  validation {
    condition     = alltrue(flatten([for channel in var.notification_channels : [for value in [channel.conversation, channel.chat_id] : length(trimspace(value)) > 0 if value != null]]))
    error_message = "notification_channels must not have an empty conversation or chat_id."
  }

  validation {
    condition     = alltrue([for channel in var.notification_channels : channel.topic_arn == null || can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", channel.topic_arn))])
    error_message = "notification_channels must have ARNs of SNS topics in topic_arn, such as \"arn:aws:sns:eu-central-1:123456789012:chat\"."
  }

  validation {
    condition     = alltrue([for channel in var.notification_channels : channel.throttle_seconds == null || try(channel.throttle_seconds >= 0 && channel.throttle_seconds <= 86400 && floor(channel.throttle_seconds) == channel.throttle_seconds, false)])
    error_message = "notification_channels must have whole numbers from 0 (off) to 86400 in throttle_seconds."
  }
}

variable "notification_routes" {
  description = "Routes of alerts to channels, by severity, metric and customer. An absent list means any. All matching routes add up. Empty means the defaults: critical alerts to every channel, warnings to channels of type slack and amazon_q."
  type = list(object({
    severities = optional(list(string))
    metrics    = optional(list(string))
    customers  = optional(list(string))
    channels   = list(string)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue(flatten([for route in var.notification_routes : [for severity in coalesce(route.severities, []) : contains(["critical", "warning"], severity)]]))
    error_message = "notification_routes must have critical or warning in severities."
  }

  validation {
    condition     = alltrue(flatten([for route in var.notification_routes : [for metric in coalesce(route.metrics, []) : can(regex("^[a-z][a-z0-9_]{0,63}$", metric))]]))
    error_message = "notification_routes must have names of metrics as the catalog writes them in metrics, such as \"api_calls\"."
  }

  validation {
    condition     = alltrue(flatten([for route in var.notification_routes : [for list in [route.severities, route.metrics, route.customers, route.channels] : try(length(list) > 0, list == null)]]))
    error_message = "notification_routes must not have empty lists: leave a list out to mean any. Every route needs a channel."
  }

  validation {
    condition     = alltrue(flatten([for route in var.notification_routes : [for name in route.channels : contains(keys(var.notification_channels), name) || (name == "amazon_q" && var.amazon_q_slack != null)]]))
    error_message = "notification_routes must lead to channels of notification_channels, or to amazon_q if amazon_q_slack is set."
  }
}

variable "notification_link" {
  description = "Address of an incident's page for people, with {incident_id} in the place of its id, such as \"https://app.example.com/incidents/{incident_id}\". Null means messages without a link."
  type        = string
  default     = null

  validation {
    condition     = var.notification_link == null || can(regex("^https?://[^/?#@\\s{}]+[/?#][^\\s<>|\"{}]*\\{incident_id\\}[^\\s<>|\"{}]*$", var.notification_link))
    error_message = "notification_link must be null or an http(s) address with {incident_id} in its path, and with no other placeholder."
  }
}

variable "notification_secret_kms_key_arns" {
  description = "ARNs of the customer-managed keys that encrypt the channels' secrets. Empty if they use the account's aws/secretsmanager key, which needs no permission."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.notification_secret_kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "notification_secret_kms_key_arns must hold ARNs of keys (not of aliases), such as \"arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }

  validation {
    condition     = length(var.notification_secret_kms_key_arns) == 0 || length(var.notification_channels) > 0
    error_message = "notification_secret_kms_key_arns needs notification_channels."
  }
}

variable "allow_loopback_channels" {
  description = "Allows unencrypted channels on this machine. Only the local cloud sets it."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.allow_loopback_channels || var.aws_endpoint_url != null
    error_message = "allow_loopback_channels is only for the local cloud, which also sets aws_endpoint_url."
  }
}

variable "amazon_q_slack" {
  description = "Slack channel of Amazon Q in chat applications (AWS Chatbot): the ids of the workspace and of the channel. Authorize the workspace in the AWS console first. The channel of the notifier is called amazon_q. Null means none."
  type = object({
    team_id    = string
    channel_id = string
  })
  default = null

  validation {
    condition     = var.amazon_q_slack == null || (can(regex("^[A-Z0-9]{1,255}$", var.amazon_q_slack.team_id)) && can(regex("^[A-Za-z0-9]{1,255}$", var.amazon_q_slack.channel_id)))
    error_message = "amazon_q_slack must have ids as Slack writes them, such as { team_id = \"T07EA123LEP\", channel_id = \"C07EZ1ABC23\" }. Names do not work."
  }

  validation {
    condition     = var.amazon_q_slack == null || !contains(keys(var.notification_channels), "amazon_q")
    error_message = "amazon_q_slack makes the channel amazon_q, so notification_channels must not have a channel of that name."
  }
}

variable "daily_digest_schedule" {
  description = "Schedule of the operators' digest of the last 24 hours, as an EventBridge cron expression (UTC). Null means never."
  type        = string
  default     = "cron(0 8 * * ? *)"

  validation {
    condition     = var.daily_digest_schedule == null || can(regex("^cron\\([^ ()]+( [^ ()]+){5}\\)$", var.daily_digest_schedule))
    error_message = "daily_digest_schedule must be null or cron(...) with six fields, such as cron(0 8 * * ? *)."
  }
}

variable "alert_email_severities" {
  description = "Severities of the alerts that go to alert_emails. Warnings are alerted only if alert_min_severity is warning."
  type        = set(string)
  default     = ["critical"]
  nullable    = false

  validation {
    condition     = length(var.alert_email_severities) > 0 && length(setsubtract(var.alert_email_severities, ["critical", "warning"])) == 0
    error_message = "alert_email_severities must hold critical, warning, or both."
  }
}

variable "alert_emails" {
  description = "Addresses that get the alerts. AWS asks each of them to confirm."
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
  description = "Addresses that get the alarms on the system itself and the daily digest. AWS asks each of them to confirm."
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

variable "anomalies_per_hour_alarm" {
  description = "Anomalies in one hour above which the alarm goes off. More than that is usually a fault of the data."
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
  description = "Issuer of the API's tokens, exactly as in their claim `iss`. API Gateway fetches the keys from the issuer's /.well-known/openid-configuration. Null means a stack without the API."
  type        = string
  default     = null

  # Unencrypted keys could be anybody's. Only the local cloud has its issuer on the same machine.
  validation {
    condition     = var.api_jwt_issuer == null || can(regex("^(https://[^/?#@\\s]+|http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?)(/[^?#\\s]*)?$", var.api_jwt_issuer))
    error_message = "api_jwt_issuer must be null or an https address without a query, such as \"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI\". Plain http is for issuers on 127.0.0.1 or localhost only."
  }
}

variable "api_jwt_audience" {
  description = "Allowed audiences. A token must name one in `aud` or, without `aud`, in `client_id`, as tokens of Cognito do."
  type        = list(string)
  default     = []
  nullable    = false

  # Without an audience, tokens of the issuer for other applications would be accepted too.
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
  description = "The issuer's names of the three scopes. read: anomalies and usage. write: change the state of anomalies and incidents. admin: change settings, start runs, see all customers. Cognito writes scopes with a slash: anomalies/read."
  type = object({
    read  = optional(string, "anomalies:read")
    write = optional(string, "anomalies:write")
    admin = optional(string, "anomalies:admin")
  })
  default  = {}
  nullable = false

  # The characters come from RFC 6749, the length from API Gateway.
  validation {
    condition     = alltrue([for scope in values(var.api_scopes) : can(regex("^[!#-\\[\\]-~]{1,64}$", scope))])
    error_message = "api_scopes must hold scopes of 1 to 64 characters without spaces, quotes and backslashes, such as \"anomalies:read\"."
  }

  # One name for two scopes would give the rights of one to bearers of the other.
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
    error_message = "api_cors_allow_origins must hold either \"*\" alone or single origins."
  }
}

variable "api_reserved_concurrency" {
  description = "Copies of the API's function that may run at once. They are reserved for the API. The limit also keeps the API from taking more of ClickHouse and of the account. Requests beyond it get 503. -1 reserves and limits nothing, for accounts whose limit leaves nothing to reserve."
  type        = number
  default     = 20
  nullable    = false

  # AWS accepts zero, which would refuse every request.
  validation {
    condition     = var.api_reserved_concurrency == -1 || (var.api_reserved_concurrency >= 1 && floor(var.api_reserved_concurrency) == var.api_reserved_concurrency)
    error_message = "api_reserved_concurrency must be -1 (no reservation) or a whole number of at least 1."
  }
}

variable "api_throttling_rate_limit" {
  description = "Requests per second of all callers together, in the long run. Requests beyond it get 429."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.api_throttling_rate_limit > 0
    error_message = "api_throttling_rate_limit must be above 0."
  }
}

variable "api_throttling_burst_limit" {
  description = "Requests that may come at once before the rate limit counts."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.api_throttling_burst_limit >= 1 && floor(var.api_throttling_burst_limit) == var.api_throttling_burst_limit
    error_message = "api_throttling_burst_limit must be a whole number of at least 1."
  }
}

variable "api_tenant_requests_per_minute" {
  description = "Requests that read usage and that one customer's tokens may make in a minute. Requests beyond it get 429 with Retry-After. An operator may make ten times as many."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.api_tenant_requests_per_minute >= 1 && var.api_tenant_requests_per_minute <= 100000 && floor(var.api_tenant_requests_per_minute) == var.api_tenant_requests_per_minute
    error_message = "api_tenant_requests_per_minute must be a whole number from 1 to 100000."
  }
}

variable "api_tenant_clickhouse_seconds_per_minute" {
  description = "Seconds of reading usage that one customer's tokens may take in a minute, all requests together. Requests beyond it get 429 with Retry-After. An operator may take ten times as many. A larger number lets one customer slow down the others."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.api_tenant_clickhouse_seconds_per_minute >= 1 && var.api_tenant_clickhouse_seconds_per_minute <= 3600 && floor(var.api_tenant_clickhouse_seconds_per_minute) == var.api_tenant_clickhouse_seconds_per_minute
    error_message = "api_tenant_clickhouse_seconds_per_minute must be a whole number from 1 to 3600."
  }
}
