# Every alarm says what is wrong and where to look. Silence is an alarm as well: a completed run
# emits a metric, and the absence of that metric pages.
#
# A metric costs $0.30 a month and an alarm $0.10 for each metric that it reads. So the functions write two metrics in each run, and
# others only while something is wrong. All other figures are in the log (shared/platform/src/emf.rs).

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(local.alarms, local.missing_run_alarms, local.detailed_alarms, local.checks_alarms, local.network_alarms, local.api_alarms, local.notifier_alarms)

  alarm_name          = "${var.name_prefix}-anomaly-${each.key}"
  alarm_description   = each.value.description
  namespace           = try(each.value.namespace, null)
  metric_name         = try(each.value.metric, null)
  dimensions          = try(each.value.dimensions, null)
  statistic           = try(startswith(each.value.statistic, "p") ? null : each.value.statistic, null)
  extended_statistic  = try(startswith(each.value.statistic, "p") ? each.value.statistic : null, null)
  period              = try(each.value.period_seconds, null)
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing_data

  actions_enabled = each.value.enabled
  alarm_actions   = [aws_sns_topic.ops.arn]
  ok_actions      = each.value.tells_recovery ? [aws_sns_topic.ops.arn] : []

  # An alarm on a term of several metrics has these in the place of one metric.
  dynamic "metric_query" {
    for_each = try([each.value.expression], [])

    content {
      id          = "judged"
      label       = each.value.label
      expression  = metric_query.value
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = try(each.value.sums, {})

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = "Sum"
        period      = metric_query.value.period_seconds
      }
    }
  }

  tags = var.tags

  # An alarm cannot publish before the topic admits it.
  depends_on = [aws_sns_topic_policy.ops]
}

locals {
  stack_dimension    = { Stack = var.name_prefix }
  detector_dimension = { FunctionName = module.detector.function_name }

  # They share the queues of their failures.
  functions_of_runs = join(" or ", concat([module.detector.function_name], module.sources[*].function_name))

  # Runs are an hour apart, and most metrics exist only in the minutes of a run.
  # - A state lasts until the next run. Its metric is written while it lasts, so a time of one run without the metric ends it. A queue
  #   reports nothing for hours, so its alarm ignores missing data.
  # - A single event has no end. Missing data counts as good, and no message says that it is over.
  alarms = {
    detector-errors = {
      description    = "A run of ${module.detector.function_name} failed. Lambda repeats it twice. A repeated run loses and doubles nothing. If it keeps failing, see the log group ${module.detector.log_group_name}."
      namespace      = "AWS/Lambda"
      metric         = "Errors"
      dimensions     = local.detector_dimension
      statistic      = "Sum"
      period_seconds = 300
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 0
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = false
    }

    detector-duration = {
      description    = "A run of ${module.detector.function_name} took more than 4 minutes and is about to hit its limit of ${local.detector_timeout_seconds / 60}. See ClickHouseTime and SeriesChecked in the log group ${module.detector.log_group_name} to find the cause: more customers, or a slower ClickHouse."
      namespace      = "AWS/Lambda"
      metric         = "Duration"
      dimensions     = local.detector_dimension
      statistic      = "Maximum"
      period_seconds = 300
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 240000
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = false
    }

    # A share alone would go off for one anomaly of a small stack, and a number alone in each hour of a large one.
    anomalies-per-hour = {
      description = "More than ${var.anomalies_per_hour_alarm} anomalies in one hour, which are more than ${var.anomaly_share_alarm} % of the series that were checked. So many at once usually come from metering or import, not from customers. Look at the events first."
      label       = "Percent of the series"
      expression  = "IF(anomalies > ${var.anomalies_per_hour_alarm}, 100 * anomalies / series, 0)"
      sums = {
        for id, metric in { anomalies = "AnomaliesFound", series = "SeriesChecked" } :
        id => { namespace = local.metrics_namespace, metric = metric, dimensions = local.stack_dimension, period_seconds = 3600 }
      }
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = var.anomaly_share_alarm
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = false
    }

    oldest-pending-alert = {
      description    = "An alert has been waiting for more than an hour. It is stored, and each run tries again. Look for refusals and throttling of SNS in the log group ${module.detector.log_group_name}."
      namespace      = local.metrics_namespace
      metric         = "OldestPendingAlertAge"
      dimensions     = local.stack_dimension
      statistic      = "Maximum"
      period_seconds = local.run_seconds
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 3600
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = true
    }

    parked-alerts = {
      description    = "SNS refused an alert for good, and the alert was parked. Nobody got it. The log group ${module.detector.log_group_name} names the alert and the reason. Find the incident in the API. Once the cause is gone: meterflow failures redrive parked-alerts."
      namespace      = local.metrics_namespace
      metric         = "AlertsParked"
      dimensions     = local.stack_dimension
      statistic      = "Sum"
      period_seconds = 300
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 0
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = false
    }

    quarantined-series = {
      description    = "Warning: a run left out usage that cannot be judged: impossible values or customer ids, or metrics that are not in the catalog. The log group ${module.detector.log_group_name} names customer and metric. All other usage was checked."
      namespace      = local.metrics_namespace
      metric         = "Quarantined"
      dimensions     = local.stack_dimension
      statistic      = "Maximum"
      period_seconds = local.run_seconds
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 0
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = true
    }

    failed-deliveries = {
      description    = "SNS gave up a message of the topic ${aws_sns_topic.alerts.name}: an address refused it, or ${module.notifier.function_name} could not be invoked. Somebody did not get a page. See the subscriptions of the topic and the alarm notifier-dead-letters. An address that is gone: take it out of alert_emails."
      namespace      = "AWS/SNS"
      metric         = "NumberOfNotificationsFailed"
      dimensions     = { TopicName = aws_sns_topic.alerts.name }
      statistic      = "Sum"
      period_seconds = 300
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 0
      missing_data   = "notBreaching"
      enabled        = true
      tells_recovery = false
    }

    schedule-dead-letters = {
      description    = "EventBridge could not hand over an event to ${local.functions_of_runs}: that hour was not checked. The event is in queue ${aws_sqs_queue.schedule_dead_letters.name}. Remove the cause. Then run: meterflow failures redrive schedule-dead-letters."
      namespace      = "AWS/SQS"
      metric         = "ApproximateNumberOfMessagesVisible"
      dimensions     = { QueueName = aws_sqs_queue.schedule_dead_letters.name }
      statistic      = "Maximum"
      period_seconds = 300
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 0
      # SQS stops reporting on a queue that nothing touches for hours, whatever it holds.
      missing_data   = "ignore"
      enabled        = true
      tells_recovery = true
    }

    detector-dead-letters = {
      description    = "${local.functions_of_runs} failed on an event after all retries: that hour was not checked to its end. The event is in queue ${aws_sqs_queue.detector_failures.name}. Remove the cause. Then run: meterflow failures redrive detector-dead-letters."
      namespace      = "AWS/SQS"
      metric         = "ApproximateNumberOfMessagesVisible"
      dimensions     = { QueueName = aws_sqs_queue.detector_failures.name }
      statistic      = "Maximum"
      period_seconds = 300
      periods        = 1
      comparison     = "GreaterThanThreshold"
      threshold      = 0
      missing_data   = "ignore"
      enabled        = true
      tells_recovery = true
    }
  }

  # In this time at least one run of each shard ends.
  run_seconds = var.missing_run_alarm_minutes * 60

  # The runs of all shards end minutes apart. So a sum over all shards needs a period in which each shard
  # has ended a run.
  last_runs_seconds = var.detector_shards == 1 ? 300 : local.run_seconds

  # Each shard has an alarm of its own, which names the shard. A count of all runs cannot tell a silent
  # shard from runs that end on two sides of a period's edge. Only a completed run writes these metrics, so their number is that of
  # the runs, whatever the runs found.
  missing_run_alarms = {
    for shard in range(var.detector_shards) : var.detector_shards == 1 ? "no-completed-run" : "no-completed-run-${shard}" => {
      description    = "No run${var.detector_shards == 1 ? "" : " of shard ${shard}"} has completed for ${var.missing_run_alarm_minutes} minutes. See the alarms on errors and queues, the rule ${local.schedule_rule_names[floor(shard / local.targets_per_rule)]} and the log group ${module.detector.log_group_name}."
      namespace      = local.metrics_namespace
      metric         = var.detector_shards == 1 ? "SeriesChecked" : "ShardCompleted"
      dimensions     = merge(local.stack_dimension, var.detector_shards == 1 ? {} : { Shard = "${shard}-of-${var.detector_shards}" })
      statistic      = "SampleCount"
      period_seconds = 900
      periods        = var.missing_run_alarm_minutes / 15
      comparison     = "LessThanThreshold"
      threshold      = 1
      missing_data   = "breaching"
      enabled        = var.schedule_enabled
      tells_recovery = true
    }
  }

  api_alarms = merge([
    for api in aws_apigatewayv2_api.this : {
      api-errors = {
        description    = "${api.name} answered a request with 5xx. 503 means that ClickHouse or DynamoDB could not be reached, or that all copies of the function were busy (api_reserved_concurrency). Anything else is a fault. Find the request's id in the log group ${module.api[0].log_group_name}. Requests that never reached the function are only in ${aws_cloudwatch_log_group.api_access[0].name}, with the gateway's reason."
        namespace      = "AWS/ApiGateway"
        metric         = "5xx"
        dimensions     = { ApiId = api.id }
        statistic      = "Sum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }

      # One slow answer in a quiet hour is the whole of p99, so it takes three periods in a row.
      api-latency = {
        description    = "For 15 minutes the slowest answers of ${api.name} (p99) have taken more than 5 seconds. The log group ${aws_cloudwatch_log_group.api_access[0].name} names the routes. For routes that read usage, see how busy ClickHouse is."
        namespace      = "AWS/ApiGateway"
        metric         = "Latency"
        dimensions     = { ApiId = api.id }
        statistic      = "p99"
        period_seconds = 300
        periods        = 3
        comparison     = "GreaterThanThreshold"
        threshold      = 5000
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }
    }
  ]...)
}

# A whole run without a single customer means an empty or wrong database. With few customers one shard
# may have none, so the alarm looks at all shards. Dry runs and runs of chosen customers emit no
# SeriesChecked, so they cannot raise the alarm.
resource "aws_cloudwatch_metric_alarm" "no_customers" {
  alarm_name          = "${var.name_prefix}-anomaly-no-customers"
  alarm_description   = "A run completed without a single customer. Check that ${var.clickhouse_database} on ${local.clickhouse_name} still receives events and that the views feed the rollup (meterflow doctor)."
  namespace           = local.metrics_namespace
  metric_name         = "SeriesChecked"
  dimensions          = local.stack_dimension
  statistic           = "Maximum"
  period              = local.last_runs_seconds
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  treat_missing_data  = "ignore"
  alarm_actions       = [aws_sns_topic.ops.arn]
  ok_actions          = [aws_sns_topic.ops.arn]

  tags = var.tags

  depends_on = [aws_sns_topic_policy.ops]
}
