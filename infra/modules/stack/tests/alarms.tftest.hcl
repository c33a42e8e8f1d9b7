# Every alarm watches the metric that it says it watches, and tells the operators.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts" }
}

override_resource {
  target          = aws_sns_topic.ops
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops" }
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "alarms_watch_what_they_should" {
  command = plan

  # metric, statistic, comparison and threshold, periods x seconds, missing data, dimension
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])}"
      } == {
      detector-errors        = "AWS/Lambda/Errors Sum GreaterThanThreshold 0 1x300 notBreaching FunctionName=meterflow-anomaly-detection"
      detector-duration      = "AWS/Lambda/Duration Maximum GreaterThanThreshold 240000 1x300 notBreaching FunctionName=meterflow-anomaly-detection"
      anomalies-per-hour     = "MeterFlow/AnomaliesFound Sum GreaterThanThreshold 50 1x3600 notBreaching Stack=meterflow"
      no-completed-run       = "MeterFlow/RunCompleted Sum LessThanThreshold 1 5x900 breaching Stack=meterflow"
      oldest-pending-alert   = "MeterFlow/OldestPendingAlertAge Maximum GreaterThanThreshold 3600 1x300 ignore Stack=meterflow"
      parked-alerts          = "MeterFlow/AlertsParked Sum GreaterThanThreshold 0 1x300 notBreaching Stack=meterflow"
      channel-down           = "MeterFlow/DeliveriesHeldBack Sum GreaterThanThreshold 3 1x3600 notBreaching Stack=meterflow"
      quarantined-series     = "MeterFlow/Quarantined Maximum GreaterThanThreshold 0 1x300 ignore Stack=meterflow"
      schedule-dead-letters  = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-detection-schedule-dlq"
      detector-dead-letters  = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-detection-failures"
      notifier-errors        = "AWS/Lambda/Errors Sum GreaterThanThreshold 0 1x300 notBreaching FunctionName=meterflow-anomaly-notifier"
      notifier-throttles     = "AWS/Lambda/Throttles Sum GreaterThanThreshold 0 1x300 notBreaching FunctionName=meterflow-anomaly-notifier"
      notifier-failed-events = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-failures"
      notifier-dead-letters  = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-dlq"
    }
    error_message = "An alarm is missing, or one of its settings has changed."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.actions_enabled && alarm.datapoints_to_alarm == alarm.evaluation_periods && length(alarm.alarm_description) > 40])
    error_message = "Every alarm must act, need all its periods, and say what to do."
  }

  # Throttles of the table and of its indexes are summed.
  assert {
    condition = toset([
      for query in aws_cloudwatch_metric_alarm.table_throttles.metric_query :
      "${query.metric[0].namespace}/${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period} ${query.metric[0].dimensions.TableName} ${try(query.metric[0].dimensions.GlobalSecondaryIndexName, "table")}"
      if length(query.metric) > 0
      ]) == toset([
      "AWS/DynamoDB/ReadThrottleEvents Sum 300 meterflow-anomalies table",
      "AWS/DynamoDB/ReadThrottleEvents Sum 300 meterflow-anomalies metric-severity-index",
      "AWS/DynamoDB/ReadThrottleEvents Sum 300 meterflow-anomalies pending-alerts-index",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies table",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies metric-severity-index",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies pending-alerts-index",
      "AWS/DynamoDB/ReadThrottleEvents Sum 300 meterflow-anomalies incidents-index",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies incidents-index",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies entity-index",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies execution-index",
    ])
    error_message = "DynamoDB reports the table and each index apart, so all ten counters are needed."
  }

  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.table_throttles.metric_query : query.expression if query.return_data == true] == ["SUM(FILL(METRICS(), 0))"]
    error_message = "The alarm must watch the sum, with zeros where nothing was throttled."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.table_throttles.threshold == 0 && aws_cloudwatch_metric_alarm.table_throttles.comparison_operator == "GreaterThanThreshold"
    error_message = "The first throttle must alarm."
  }

  # A run without customers alarms.
  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.no_customers.metric_query : query.id => "${query.metric[0].namespace}/${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].dimensions.Stack}" if length(query.metric) > 0 } == {
      completed = "MeterFlow/RunCompleted Sum meterflow"
      customers = "MeterFlow/CustomersChecked Maximum meterflow"
    }
    error_message = "The alarm must compare completed runs with the customers that they saw."
  }

  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.no_customers.metric_query : query.expression if query.return_data == true] == ["IF(completed > 0 AND customers < 1, 1, 0)"]
    error_message = "Only a completed run without customers may raise the alarm."
  }

  # Without a wish there is no dashboard of cloudwatch.
  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0
    error_message = "A dashboard may cost money, so it is made for those who want it."
  }
}

run "api_and_channels_have_alarms" {
  command = plan

  variables {
    anomalies_per_hour_alarm = 500
    api_jwt_issuer           = "https://tokens.example.com"
    api_jwt_audience         = ["meterflow"]
    amazon_q_slack           = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    notification_channels = {
      hook  = { type = "webhook", url = "https://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
  }

  # The threshold of anomalies is a setting.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].threshold == 500
    error_message = "anomalies_per_hour_alarm must reach the alarm."
  }

  # Alarms on the api watch its errors and its latency.
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic == null ? alarm.extended_statistic : alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])}"
      if startswith(name, "api-")
      } == {
      api-errors  = "AWS/ApiGateway/5xx Sum GreaterThanThreshold 0 1x300 notBreaching ApiId=a1b2c3d4e5"
      api-latency = "AWS/ApiGateway/Latency p99 GreaterThanThreshold 5000 3x300 notBreaching ApiId=a1b2c3d4e5"
    }
    error_message = "The API must have these two alarms."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.actions_enabled && alarm.alarm_actions == toset([output.ops_topic_arn]) && alarm.datapoints_to_alarm == alarm.evaluation_periods && length(alarm.alarm_description) > 40])
    error_message = "Every alarm must tell the operators, need all its periods, and say what to do."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : (alarm.statistic == null) != (alarm.extended_statistic == null)])
    error_message = "AWS takes either a statistic or a percentile."
  }

  assert {
    condition     = alltrue([for name in ["api-errors", "api-latency"] : length(aws_cloudwatch_metric_alarm.this[name].ok_actions) == 0])
    error_message = "The alarms on the API must not pretend a recovery when nobody calls it."
  }

  # Each channel has its alarms.
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])}"
      if startswith(name, "undelivered-") || startswith(name, "disabled-")
      } == {
      undelivered-pager    = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-pager"
      undelivered-amazon_q = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-amazon_q"
      undelivered-hook     = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-hook"
      disabled-hook        = "MeterFlow/ChannelDisabled Sum GreaterThanThreshold 0 1x300 notBreaching Channel=hook,Stack=meterflow"
    }
    error_message = "Every channel must have an alarm on its queue, and a webhook one on being switched off."
  }
}

run "every_alarm_tells_the_operators" {
  command = plan

  variables {
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
  }

  assert {
    condition = alltrue([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.this),
        [aws_cloudwatch_metric_alarm.table_throttles, aws_cloudwatch_metric_alarm.no_customers],
      ) : alarm.alarm_actions == toset([output.ops_topic_arn])
    ])
    error_message = "Every alarm must go to the ops topic, and only there."
  }

  assert {
    condition     = output.ops_topic_arn == "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops"
    error_message = "The output must be the ops topic."
  }

  assert {
    condition     = toset([for name, alarm in aws_cloudwatch_metric_alarm.this : name if length(alarm.ok_actions) > 0]) == toset(["no-completed-run", "oldest-pending-alert", "quarantined-series", "schedule-dead-letters", "detector-dead-letters", "notifier-failed-events", "notifier-dead-letters", "undelivered-pager"])
    error_message = "Alarms on a state must tell the recovery too; those on an event must not pretend one."
  }
}

run "the_dashboard_of_cloudwatch_shows_metrics_that_exist_and_all_alarms" {
  command = plan

  variables {
    cloudwatch_dashboard = true
    catalog_files        = ["preset:usage", "preset:executions"]
    sources              = { executions = {} }
  }

  assert {
    condition     = aws_cloudwatch_dashboard.this[0].dashboard_name == "meterflow-anomaly-eu-central-1" && length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets) == 9
    error_message = "There must be one dashboard with the alarms and eight graphs."
  }

  assert {
    condition     = toset(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].properties.alarms) == toset(concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn], [aws_cloudwatch_metric_alarm.table_throttles.arn, aws_cloudwatch_metric_alarm.no_customers.arn]))
    error_message = "All alarms must be shown."
  }

  # The names are those of shared/platform/src/emf.rs, and those that the alarms watch.
  assert {
    condition = toset(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : try("${metric[0]} ${metric[1]} ${metric[2]} ${metric[3]}", regex("MetricName=\"\\w+\"", metric[0].expression))]
      ])) == toset(concat(
      [for name in ["RunCompleted", "RunFailed", "RunDuration", "ClickHouseTime"] : "MeterFlow ${name} Stack meterflow"],
      [for name in ["RunCompleted", "RunFailed", "RunDuration", "ClickHouseTime"] : "MeterFlow ${name} Stack meterflow/executions"],
      [for name in ["CustomersChecked", "SeriesChecked", "AlertsPublished", "AlertsPending", "AlertsParked", "OldestPendingAlertAge"] : "MeterFlow ${name} Stack meterflow"],
      [for name in ["Anomalies", "Undetermined", "DeliveriesSent", "DeliveriesFailed", "DeliveriesHeldBack"] : "MetricName=\"${name}\""],
      [for function in ["detection", "notifier", "sources", "checks"] : "AWS/Lambda Errors FunctionName meterflow-anomaly-${function}"],
      [for function in ["detection", "notifier", "sources", "checks"] : "AWS/Lambda Throttles FunctionName meterflow-anomaly-${function}"],
    ))
    error_message = "The graphs must show the metrics that the functions write."
  }

  # Graphs side by side, none over another.
  assert {
    condition     = length(toset([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : "${widget.x} ${widget.y}"])) == 9
    error_message = "No widget may cover another."
  }
}
