# Two topics: one for alerts about customers' usage, and one for alarms about this system.
resource "aws_sns_topic" "alerts" {
  name              = local.alert_topic_name
  display_name      = "MeterFlow anomaly alerts"
  kms_master_key_id = local.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic" "ops" {
  name              = local.ops_topic_name
  display_name      = "MeterFlow operations"
  kms_master_key_id = local.kms_key_arn
  tags              = var.tags
}

# Detector and API publish alerts by their own roles. The alert topic admits nobody else.
resource "aws_sns_topic_policy" "alerts" {
  arn = aws_sns_topic.alerts.arn
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.deny_publish_without_tls, { Resource = aws_sns_topic.alerts.arn })]
  })
}

resource "aws_sns_topic_policy" "ops" {
  arn = aws_sns_topic.ops.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.deny_publish_without_tls, { Resource = aws_sns_topic.ops.arn }),
      {
        Sid       = "AlarmsOfThisStackPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.ops.arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account_id }
          ArnLike      = { "aws:SourceArn" = local.alarm_arn_pattern }
        }
      },
      {
        Sid       = "RulesOfThisStackPublish"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.ops.arn
        Condition = {
          ArnLike = { "aws:SourceArn" = local.rule_arn_pattern }
        }
      },
    ]
  })
}

locals {
  deny_publish_without_tls = {
    Sid       = "DenyPublishWithoutTls"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sns:Publish"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

# An e-mail subscriber gets every critical alert, including the digest of a storm.
resource "aws_sns_topic_subscription" "alert_emails" {
  for_each = toset(var.alert_emails)

  topic_arn           = aws_sns_topic.alerts.arn
  protocol            = "email"
  endpoint            = each.value
  filter_policy       = jsonencode({ severity = sort(var.alert_email_severities) })
  filter_policy_scope = "MessageAttributes"
}

resource "aws_sns_topic_subscription" "ops_emails" {
  for_each = toset(var.ops_emails)

  topic_arn = aws_sns_topic.ops.arn
  protocol  = "email"
  endpoint  = each.value
}

# A first try may leave everything out on purpose, so these checks only warn.
check "somebody_is_told_of_critical_anomalies" {
  assert {
    condition = (
      (length(var.alert_emails) > 0 && contains(var.alert_email_severities, "critical")) ||
      (local.has_channels && contains(local.routed_severities, "critical"))
    )
    error_message = "Nobody gets critical alerts: no channel takes them (notification_channels, amazon_q_slack, notification_routes), and no address (alert_emails, alert_email_severities). The anomalies are stored. Unless you subscribe to the topic ${local.alert_topic_name} yourself, set one of these variables."
  }
}

check "somebody_is_told_of_alarms" {
  assert {
    condition     = length(var.ops_emails) > 0
    error_message = "Nobody gets the alarms on the system itself, for example when runs stop: ops_emails is empty. Unless you subscribe to the topic ${local.ops_topic_name} yourself, name an address."
  }
}

# No metric tells of a subscription that waits for its address, so each apply does. A `check` would warn in each first plan, because
# AWS has asked nobody yet.
locals {
  unconfirmed_addresses = sort(distinct([
    for subscription in concat(values(aws_sns_topic_subscription.alert_emails), values(aws_sns_topic_subscription.ops_emails)) :
    subscription.endpoint if subscription.pending_confirmation
  ]))
}
