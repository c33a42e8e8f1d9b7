# ---------------------------------------------------------------------------------------------
# Notifications and alarms
# ---------------------------------------------------------------------------------------------

variable "notification_channels" {
  description = "Channels for alerts, by names of your choice. Every channel has a type and the fields of the type. slack: webhook_url_secret_arn, or bot_token_secret_arn and conversation (with a token, an incident is one thread), and perhaps signing_secret_arn, which gives each page buttons. teams, discord, google_chat: webhook_url_secret_arn. telegram: bot_token_secret_arn and chat_id, and perhaps webhook_secret_arn, which gives each page buttons. pagerduty: routing_key_secret_arn. opsgenie: api_key_secret_arn. webhook: url and signing_secret_arn, and perhaps template, which makes the body. event_bus: bus_arn of a bus of EventBridge. amazon_q: topic_arn, for a topic that Amazon Q already serves. All may have throttle_seconds (default 300, 0 off). pagerduty, opsgenie, telegram, and slack with a token may have api_url (in the EU: https://events.eu.pagerduty.com, https://api.eu.opsgenie.com). Empty means none."
  type = map(object({
    type                   = string
    webhook_url_secret_arn = optional(string)
    bot_token_secret_arn   = optional(string)
    conversation           = optional(string)
    routing_key_secret_arn = optional(string)
    chat_id                = optional(string)
    url                    = optional(string)
    signing_secret_arn     = optional(string)
    webhook_secret_arn     = optional(string)
    api_key_secret_arn     = optional(string)
    template               = optional(string)
    topic_arn              = optional(string)
    bus_arn                = optional(string)
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
        "slack: signing_secret_arn webhook_url_secret_arn",
        "slack: bot_token_secret_arn conversation",
        "slack: bot_token_secret_arn conversation signing_secret_arn",
        "teams: webhook_url_secret_arn",
        "discord: webhook_url_secret_arn",
        "google_chat: webhook_url_secret_arn",
        "telegram: bot_token_secret_arn chat_id",
        "telegram: bot_token_secret_arn chat_id webhook_secret_arn",
        "pagerduty: routing_key_secret_arn",
        "opsgenie: api_key_secret_arn",
        "webhook: signing_secret_arn url",
        "event_bus: bus_arn",
        "amazon_q: topic_arn",
      ], "${channel.type}: ${join(" ", sort([for key, value in channel : key if value != null && !contains(["type", "throttle_seconds", "api_url", "template"], key)]))}")
    ])
    error_message = "notification_channels must have exactly the fields of the channel's type. slack: webhook_url_secret_arn, or bot_token_secret_arn and conversation, each perhaps with signing_secret_arn; teams, discord and google_chat: webhook_url_secret_arn; telegram: bot_token_secret_arn and chat_id, perhaps with webhook_secret_arn; pagerduty: routing_key_secret_arn; opsgenie: api_key_secret_arn; webhook: url and signing_secret_arn; event_bus: bus_arn; amazon_q: topic_arn."
  }

  validation {
    condition     = alltrue([for channel in var.notification_channels : channel.template == null || (channel.type == "webhook" && try(length(channel.template) > 0 && length(channel.template) <= 4096, false))])
    error_message = "notification_channels may have a template of 1 to 4096 characters for channels of type webhook only."
  }

  validation {
    condition     = alltrue([for channel in var.notification_channels : channel.bus_arn == null || can(regex("^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256}$", channel.bus_arn))])
    error_message = "notification_channels must have ARNs of event buses in bus_arn, such as \"arn:aws:events:eu-central-1:123456789012:event-bus/alerts\"."
  }

  # The API verifies the requests of buttons.
  validation {
    condition     = var.api_jwt_issuer != null || alltrue([for channel in var.notification_channels : (channel.type != "slack" || channel.signing_secret_arn == null) && channel.webhook_secret_arn == null])
    error_message = "notification_channels may have a signing_secret_arn for slack, or a webhook_secret_arn for telegram, only in a stack with the API (api_jwt_issuer), because the buttons call the API."
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
    condition     = alltrue([for channel in var.notification_channels : channel.api_url == null || (contains(["slack", "pagerduty", "opsgenie", "telegram"], channel.type) && channel.webhook_url_secret_arn == null)])
    error_message = "notification_channels may have an api_url only for types with an address of their own: pagerduty, opsgenie, telegram, and slack with a token. A webhook has its address in url, or in its secret."
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
  description = "Routes of alerts to channels, by severity, metric and customer. An absent list means any. All matching routes add up. Empty means the defaults: critical alerts to every channel, warnings to channels of type slack, teams, discord, google_chat and amazon_q."
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
  description = "Address of an incident's page for people, with {incident_id} in the place of its id, such as \"https://app.example.com/incidents/{incident_id}\". Null means the incident's page of the dashboard, and messages without a link in a stack without the dashboard."
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

variable "notifier_in_vpc" {
  description = "Whether the notifier runs in the subnets of vpc_subnet_ids, for channels inside your network and for networks that allow no function outside. The subnets then need NAT for channels on the internet. An address of a channel can then reach your network."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.notifier_in_vpc || length(var.vpc_subnet_ids) > 0
    error_message = "notifier_in_vpc needs a VPC: set vpc_subnet_ids and vpc_security_group_ids, too."
  }
}

variable "notifier_reserved_concurrency" {
  description = "Copies of the notifier that may run at once, reserved for it. -1 reserves and limits nothing. Alerts beyond it wait for six hours at most."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.notifier_reserved_concurrency == -1 || (var.notifier_reserved_concurrency >= 1 && floor(var.notifier_reserved_concurrency) == var.notifier_reserved_concurrency)
    error_message = "notifier_reserved_concurrency must be -1 (no reservation) or a whole number of at least 1."
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
  description = "Anomalies in one hour above which the alarm looks at their share (anomaly_share_alarm). So many are usually a fault of the data."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.anomalies_per_hour_alarm >= 0
    error_message = "anomalies_per_hour_alarm must not be negative."
  }
}

variable "anomaly_share_alarm" {
  description = "Percent of the series of one hour above which their anomalies raise the alarm, if they are more than anomalies_per_hour_alarm. 0 means that the number alone raises it."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.anomaly_share_alarm >= 0 && var.anomaly_share_alarm < 100
    error_message = "anomaly_share_alarm must be a percentage from 0 to below 100."
  }
}

variable "detailed_alarms" {
  description = "Whether there are alarms on faults that other alarms tell of by their effects: clickhouse-time, newest-event-age, store-errors, and throttles of each index of the table. They cost $1.90 a month."
  type        = bool
  default     = false
  nullable    = false
}

variable "newest_event_alarm_minutes" {
  description = "With detailed_alarms: minutes since the end of the newest hour with usage above which the alarm newest-event-age goes off. A run notes this age only above 60 minutes. 0 means no alarm."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.newest_event_alarm_minutes == 0 || (var.newest_event_alarm_minutes >= 60 && var.newest_event_alarm_minutes <= 10080)
    error_message = "newest_event_alarm_minutes must be from 60 to 10080, which is a week, or 0 for no alarm."
  }
}

variable "cloudwatch_dashboard" {
  description = "Whether CloudWatch has a dashboard of the stack's alarms and main metrics. It costs $3 a month, unless it is one of three in the account with at most 50 metrics each."
  type        = bool
  default     = false
  nullable    = false
}
