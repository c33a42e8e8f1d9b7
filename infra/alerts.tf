# Two topics: what customers' usage does goes to the one, what this system itself does to the other.
resource "aws_sns_topic" "alerts" {
  name              = local.alert_topic_name
  display_name      = "MeterFlow anomaly alerts"
  kms_master_key_id = aws_kms_key.this.arn
}

resource "aws_sns_topic" "ops" {
  name              = local.ops_topic_name
  display_name      = "MeterFlow operations"
  kms_master_key_id = aws_kms_key.this.arn
}

# Detector and API publish alerts by their own roles, so the alert topic admits nobody beyond that.
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

# Whoever subscribes by e-mail sees every critical alert, the digest of a storm included.
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

# Everything may be left out on purpose, such as for a first try, so these only warn.
check "somebody_is_told_of_critical_anomalies" {
  assert {
    condition = (
      (length(var.alert_emails) > 0 && contains(var.alert_email_severities, "critical")) ||
      (local.has_channels && contains(local.routed_severities, "critical"))
    )
    error_message = "Nobody is told of critical anomalies: no channel takes them (notification_channels, amazon_q_slack, notification_routes), and no address (alert_emails, alert_email_severities). They are stored all the same. Unless you subscribe to the topic ${local.alert_topic_name} yourself, set one of these variables."
  }
}

check "somebody_is_told_of_alarms" {
  assert {
    condition     = length(var.ops_emails) > 0
    error_message = "Nobody is told when the system itself fails, such as when runs stop: ops_emails is empty. Unless you subscribe to the topic ${local.ops_topic_name} yourself, name an address."
  }
}
