# Names and patterns. They depend on variables alone, because the validations of variables use them.

locals {
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

  metric_index_name    = var.split_metric_index ? "metric-part-index" : "metric-severity-index"
  pending_index_name   = "pending-alerts-index"
  incidents_index_name = "incidents-index"
  entity_index_name    = "entity-index"
  execution_index_name = "execution-index"

  # The functions write their metrics under this namespace, and the alarms read them there.
  metrics_namespace = "MeterFlow"

  # Catalogs that are built into the functions: shared/catalog/catalog.toml is `usage`, and shared/catalog/presets has the others.
  known_presets = ["usage", "executions", "qa_runs", "connectors", "n8n", "airflow", "temporal", "kestra", "windmill", "github_actions", "traces_otel", "traces_otel_json", "traces_signoz", "machines", "machines_sum", "machines_histogram"]

  # Two more queues, for events that AWS gave up on, have names that begin like the channels' queues.
  reserved_channel_names = ["dlq", "failures"]

  # A list of addresses may be longer than the description of an alarm.
  clickhouse_addresses = [for address in split(",", replace(var.clickhouse_url, ";", ",")) : trimspace(address)]
  clickhouse_name      = "${local.clickhouse_addresses[0]}${length(local.clickhouse_addresses) > 1 ? " and ${length(local.clickhouse_addresses) - 1} more" : ""}"

  # An http address whose host is an IP address of this machine or of a private network (RFC 1918, RFC 4193).
  private_http_url = "^http://(localhost|127(\\.[0-9]{1,3}){3}|10(\\.[0-9]{1,3}){3}|192\\.168(\\.[0-9]{1,3}){2}|172\\.(1[6-9]|2[0-9]|3[01])(\\.[0-9]{1,3}){2}|\\[::1\\]|\\[[fF][cCdD][0-9a-fA-F]{2}:[0-9a-fA-F:]+\\])(:[0-9]+)?(/[^@\\s]*)?$"
}
