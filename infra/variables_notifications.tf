# ---------------------------------------------------------------------------------------------
# Notifications and alarms
# ---------------------------------------------------------------------------------------------

variable "notification_channels" {
  description = "Channels for alerts, by names of your choice."
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
  default = {}
}

variable "notification_routes" {
  description = "Routes of alerts to channels, by severity, metric and customer."
  type = list(object({
    severities = optional(list(string))
    metrics    = optional(list(string))
    customers  = optional(list(string))
    channels   = list(string)
  }))
  default = []
}

variable "notification_link" {
  description = "Address of an incident's page for people, with {incident_id} in the place of its id, such as \"https://app.example.com/incidents/{incident_id}\"."
  type        = string
  default     = null
}

variable "notification_secret_kms_key_arns" {
  description = "ARNs of the customer-managed keys that encrypt the channels' secrets."
  type        = list(string)
  default     = []
}

variable "allow_loopback_channels" {
  description = "Allows unencrypted channels on this machine."
  type        = bool
  default     = false
}

variable "amazon_q_slack" {
  description = "Slack channel of Amazon Q in chat applications (AWS Chatbot): the ids of the workspace and of the channel."
  type = object({
    team_id    = string
    channel_id = string
  })
  default = null
}

variable "notifier_in_vpc" {
  description = "Whether the notifier runs in the subnets of vpc_subnet_ids, for channels inside your network and for networks that allow no function outside."
  type        = bool
  default     = false
}

variable "notifier_reserved_concurrency" {
  description = "Copies of the notifier that may run at once, reserved for it."
  type        = number
  default     = -1
}

variable "daily_digest_schedule" {
  description = "Schedule of the operators' digest of the last 24 hours, as an EventBridge cron expression (UTC)."
  type        = string
  default     = "cron(0 8 * * ? *)"
}

variable "alert_email_severities" {
  description = "Severities of the alerts that go to alert_emails."
  type        = set(string)
  default     = ["critical"]
}

variable "alert_emails" {
  description = "Addresses that get the alerts."
  type        = list(string)
  default     = []
}

variable "ops_emails" {
  description = "Addresses that get the alarms on the system itself and the daily digest."
  type        = list(string)
  default     = []
}

variable "anomalies_per_hour_alarm" {
  description = "Anomalies in one hour above which the alarm looks at their share (anomaly_share_alarm)."
  type        = number
  default     = 50
}

variable "anomaly_share_alarm" {
  description = "Percent of the series of one hour above which their anomalies raise the alarm, if they are more than anomalies_per_hour_alarm."
  type        = number
  default     = 1
}

variable "detailed_alarms" {
  description = "Whether there are alarms on faults that other alarms tell of by their effects: clickhouse-time, newest-event-age, store-errors, and throttles of each index of the table."
  type        = bool
  default     = false
}

variable "newest_event_alarm_minutes" {
  description = "With detailed_alarms: minutes since the end of the newest hour with usage above which the alarm newest-event-age goes off."
  type        = number
  default     = 90
}

variable "cloudwatch_dashboard" {
  description = "Whether CloudWatch has a dashboard of the stack's alarms and main metrics."
  type        = bool
  default     = false
}
