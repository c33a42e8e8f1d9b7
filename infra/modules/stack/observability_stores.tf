# Alarms on what ClickHouse holds and does, and on what DynamoDB does. Most of them are for those who set detailed_alarms: each metric of an alarm costs money, and
# other alarms tell of the effects.

locals {
  detailed_alarms = {
    for alarm, of in {
      clickhouse-time = {
        description    = "ClickHouse was busy for more than 2 minutes of a run of ${module.detector.function_name}, which may take ${local.detector_timeout_seconds / 60}. Look at the load of the server, and at SeriesChecked of ${local.metrics_namespace}: more customers, or a slower ClickHouse."
        namespace      = local.metrics_namespace
        metric         = "ClickHouseTime"
        dimensions     = local.stack_dimension
        statistic      = "Maximum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 120000
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }

      # A run writes the metric only while the age is unusual. So the metric costs nothing while events arrive.
      newest-event-age = {
        description    = "The newest hour with usage in ${var.clickhouse_database} on ${local.clickhouse_name} ended more than ${var.newest_event_alarm_minutes} minutes before a run of ${module.detector.function_name}. Events have stopped, or arrive late. Each customer seems to use nothing. Look at the writers of the events and at the views that feed the rollup (meterflow doctor)."
        namespace      = local.metrics_namespace
        metric         = "NewestEventAge"
        dimensions     = local.stack_dimension
        statistic      = "Maximum"
        period_seconds = local.run_seconds
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = var.newest_event_alarm_minutes * 60
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = true
      }

      store-errors = {
        description = "DynamoDB answered requests for ${local.table_name} with faults of its own (500). The functions try again, so nothing is lost. If it lasts, see the health of DynamoDB in your region."
        label       = "Faults of DynamoDB"
        expression  = "SUM(FILL(METRICS(), 0))"
        sums = {
          for operation in ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "TransactWriteItems"] :
          lower(operation) => { namespace = "AWS/DynamoDB", metric = "SystemErrors", dimensions = merge(local.table_dimension, { Operation = operation }), period_seconds = 300 }
        }
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }
    } : alarm => of if var.detailed_alarms && (alarm != "newest-event-age" || var.newest_event_alarm_minutes > 0)
  }
}

# The figure is in each run's line of the log. A filter makes a metric of it where an alarm reads it.
resource "aws_cloudwatch_log_metric_filter" "clickhouse_time" {
  count = var.detailed_alarms ? 1 : 0

  name           = "${local.detector_name}-clickhouse-time"
  log_group_name = module.detector.log_group_name
  pattern        = "{ $.ClickHouseTime = * }"

  metric_transformation {
    namespace  = local.metrics_namespace
    name       = "ClickHouseTime"
    value      = "$.ClickHouseTime"
    unit       = "Milliseconds"
    dimensions = { Stack = "$.Stack" }
  }
}

# A throttled index holds back the writes of its table, and DynamoDB reports indexes apart from the table. The index by metric is
# the one with few keys, so it is the one that meets the limit of a key. If another one is throttled for long, runs and answers are
# late, and other alarms tell of both. A counter exists only while something is throttled, and an alarm on DynamoDB metrics keeps
# its state on missing data. FILL gives the zeros.
resource "aws_cloudwatch_metric_alarm" "table_throttles" {
  alarm_name          = "${var.name_prefix}-anomaly-table-throttles"
  alarm_description   = "DynamoDB throttled writes to ${aws_dynamodb_table.anomalies.name} or its index ${local.metric_index_name}. The detector retries, so nothing is lost. If it lasts, compare the table's consumed capacity with the account's limits."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.ops.arn]

  metric_query {
    id          = "throttles"
    label       = "Throttled writes"
    expression  = "SUM(FILL(METRICS(), 0))"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.throttle_metrics

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = "Sum"
        period      = 300
      }
    }
  }

  tags = var.tags

  depends_on = [aws_sns_topic_policy.ops]
}

locals {
  throttled_indexes_of_writes = var.detailed_alarms ? [local.metric_index_name, local.pending_index_name, local.incidents_index_name, local.entity_index_name, local.execution_index_name] : [local.metric_index_name]

  # A list by entity or by execution that is throttled answers 503 and delays no run. So all counters are ten, as many as an alarm takes.
  throttled_indexes_of_reads = var.detailed_alarms ? [local.metric_index_name, local.pending_index_name, local.incidents_index_name] : []

  throttle_metrics = merge(
    { table_writes = { metric = "WriteThrottleEvents", dimensions = local.table_dimension } },
    { for name in local.throttled_indexes_of_writes : "${replace(name, "-", "_")}_writes" => { metric = "WriteThrottleEvents", dimensions = merge(local.table_dimension, { GlobalSecondaryIndexName = name }) } },
    { for dimensions in [local.table_dimension] : "table_reads" => { metric = "ReadThrottleEvents", dimensions = dimensions } if var.detailed_alarms },
    { for name in local.throttled_indexes_of_reads : "${replace(name, "-", "_")}_reads" => { metric = "ReadThrottleEvents", dimensions = merge(local.table_dimension, { GlobalSecondaryIndexName = name }) } },
  )

  table_dimension = { TableName = aws_dynamodb_table.anomalies.name }
}
