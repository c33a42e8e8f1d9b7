data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  # Users, dashboards and the other functions rely on these names.
  detector_name     = "${var.name_prefix}-anomaly-detection"
  api_name          = "${var.name_prefix}-anomaly-api"
  notifier_name     = "${var.name_prefix}-anomaly-notifier"
  checks_name       = "${var.name_prefix}-anomaly-checks"
  sources_name      = "${var.name_prefix}-anomaly-sources"
  schedule_name     = "${var.name_prefix}-anomaly-detection"
  table_name        = "${var.name_prefix}-anomalies"
  alert_topic_name  = "${var.name_prefix}-anomaly-alerts"
  ops_topic_name    = "${var.name_prefix}-anomaly-ops"
  chat_topic_name   = "${var.name_prefix}-anomaly-chat"
  digest_rule_name  = "${var.name_prefix}-anomaly-digest"
  waiting_rule_name = "${var.name_prefix}-anomaly-notifier-waiting"

  failure_queue_name  = "${local.detector_name}-failures"
  schedule_queue_name = "${local.schedule_name}-schedule-dlq"

  # The rule and the queue of finished events.
  finished_name                   = "${var.name_prefix}-anomaly-finished"
  finished_dead_letter_queue_name = "${local.finished_name}-dlq"

  notifier_failure_queue_name     = "${local.notifier_name}-failures"
  notifier_dead_letter_queue_name = "${local.notifier_name}-dlq"

  severity_index_name  = "metric-severity-index"
  pending_index_name   = "pending-alerts-index"
  incidents_index_name = "incidents-index"
  entity_index_name    = "entity-index"
  execution_index_name = "execution-index"

  # The functions write their metrics under this namespace, and the alarms read them there.
  metrics_namespace = "MeterFlow"

  # A policy inside a resource cannot refer to that resource, or to one that depends on it. So these
  # ARNs are put together from names.
  queue_arn_prefix  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:"
  alarm_arn_pattern = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${var.name_prefix}-anomaly-*"
  rule_arn_pattern  = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${var.name_prefix}-anomaly-*"
  topic_arn_pattern = "arn:${local.partition}:sns:${local.region}:${local.account_id}:${var.name_prefix}-anomaly-*"
  log_group_patterns = [
    for folder in ["lambda", "vendedlogs"] :
    "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/${folder}/${var.name_prefix}-anomaly-*"
  ]

  # The authorities that Amazon Linux trusts, as one file. By default each cold start parses all files of the folder
  # around it, which takes longer than the rest of the cold start. The local cloud has no TLS.
  certificates = var.aws_endpoint_url == null ? "/etc/pki/tls/certs/ca-bundle.crt" : null

  # An http address whose host is an IP address of this machine or of a private network (RFC 1918, RFC 4193).
  private_http_url = "^http://(localhost|127(\\.[0-9]{1,3}){3}|10(\\.[0-9]{1,3}){3}|192\\.168(\\.[0-9]{1,3}){2}|172\\.(1[6-9]|2[0-9]|3[01])(\\.[0-9]{1,3}){2}|\\[::1\\]|\\[[fF][cCdD][0-9a-fA-F]{2}:[0-9a-fA-F:]+\\])(:[0-9]+)?(/[^@\\s]*)?$"
}
