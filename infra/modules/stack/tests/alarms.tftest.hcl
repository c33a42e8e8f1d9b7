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

run "alarms_watch_what_they_should_and_tell_the_operators" {
  command = plan

  variables {
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
  }

  # metric, statistic, comparison and threshold, periods x seconds, missing data, dimension
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])}"
      if alarm.metric_name != null
      } == {
      detector-errors        = "AWS/Lambda/Errors Sum GreaterThanThreshold 0 1x300 notBreaching FunctionName=meterflow-anomaly-detection"
      detector-duration      = "AWS/Lambda/Duration Maximum GreaterThanThreshold 240000 1x300 notBreaching FunctionName=meterflow-anomaly-detection"
      no-completed-run       = "MeterFlow/SeriesChecked SampleCount LessThanThreshold 1 5x900 breaching Stack=meterflow"
      oldest-pending-alert   = "MeterFlow/OldestPendingAlertAge Maximum GreaterThanThreshold 3600 1x4500 notBreaching Stack=meterflow"
      failed-deliveries      = "AWS/SNS/NumberOfNotificationsFailed Sum GreaterThanThreshold 0 1x300 notBreaching TopicName=meterflow-anomaly-alerts"
      parked-alerts          = "MeterFlow/AlertsParked Sum GreaterThanThreshold 0 1x300 notBreaching Stack=meterflow"
      channel-down           = "MeterFlow/DeliveriesHeldBack Sum GreaterThanThreshold 3 1x3600 notBreaching Stack=meterflow"
      quarantined-series     = "MeterFlow/Quarantined Maximum GreaterThanThreshold 0 1x4500 notBreaching Stack=meterflow"
      schedule-dead-letters  = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-detection-schedule-dlq"
      detector-dead-letters  = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-detection-failures"
      notifier-errors        = "AWS/Lambda/Errors Sum GreaterThanThreshold 0 1x300 notBreaching FunctionName=meterflow-anomaly-notifier"
      notifier-throttles     = "AWS/Lambda/Throttles Sum GreaterThanThreshold 0 1x300 notBreaching FunctionName=meterflow-anomaly-notifier"
      notifier-failed-events = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-failures"
      notifier-dead-letters  = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-dlq"
      undelivered-pager      = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-pager"
    }
    error_message = "An alarm is missing, or one of its settings has changed."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.actions_enabled && alarm.datapoints_to_alarm == alarm.evaluation_periods && length(alarm.alarm_description) > 40])
    error_message = "Every alarm must act, need all its periods, and say what to do."
  }

  # Anomalies are judged by their share of what was checked.
  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].metric_query : query.expression if query.return_data == true] == ["IF(anomalies > 50, 100 * anomalies / series, 0)"] && aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].threshold == 1 && aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].comparison_operator == "GreaterThanThreshold"
    error_message = "More than 50 anomalies must alarm if they are more than one percent of the series."
  }

  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].metric_query : query.id => "${query.metric[0].namespace}/${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period} ${query.metric[0].dimensions.Stack}" if length(query.metric) > 0 } == {
      anomalies = "MeterFlow/AnomaliesFound Sum 3600 meterflow"
      series    = "MeterFlow/SeriesChecked Sum 3600 meterflow"
    }
    error_message = "The share must be that of the anomalies of an hour in the series of the same hour."
  }

  # Throttles of the table and of the index with few keys are summed.
  assert {
    condition = toset([
      for query in aws_cloudwatch_metric_alarm.table_throttles.metric_query :
      "${query.metric[0].namespace}/${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period} ${query.metric[0].dimensions.TableName} ${try(query.metric[0].dimensions.GlobalSecondaryIndexName, "table")}"
      if length(query.metric) > 0
      ]) == toset([
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies table",
      "AWS/DynamoDB/WriteThrottleEvents Sum 300 meterflow-anomalies metric-severity-index",
    ])
    error_message = "DynamoDB reports the table and each index apart, so both counters are needed."
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
    condition     = [for alarm in [aws_cloudwatch_metric_alarm.no_customers] : "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${alarm.dimensions.Stack}"] == ["MeterFlow/SeriesChecked Maximum LessThanThreshold 1 1x300 ignore meterflow"]
    error_message = "A completed run without any series must alarm, and the alarm must last until a run has some."
  }

  # Without a wish there is no dashboard of cloudwatch, and no metric of the time of ClickHouse.
  assert {
    condition     = length(aws_cloudwatch_dashboard.this) + length(aws_cloudwatch_log_metric_filter.clickhouse_time) == 0
    error_message = "A dashboard may cost money, so it is made for those who want it."
  }

  # Every alarm tells the operators.
  assert {
    condition = alltrue([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.this),
        [aws_cloudwatch_metric_alarm.table_throttles, aws_cloudwatch_metric_alarm.no_customers],
      ) : alarm.alarm_actions == toset([output.ops_topic_arn])
    ])
    error_message = "Every alarm must go to the ops topic, and only there."
  }

  # AWS charges for each metric that an alarm reads. tools/cost.py has the same number.
  assert {
    condition     = sum([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), [aws_cloudwatch_metric_alarm.table_throttles, aws_cloudwatch_metric_alarm.no_customers]) : max(1, length([for query in alarm.metric_query : query if length(query.metric) > 0]))]) == 20
    error_message = "A stack with one channel must pay for the metrics of 20 alarms."
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

run "api_and_channels_have_alarms_and_the_age_of_the_newest_event_has_a_limit" {
  command = plan

  variables {
    anomalies_per_hour_alarm = 500
    anomaly_share_alarm      = 2.5
    api_jwt_issuer           = "https://tokens.example.com"
    api_jwt_audience         = ["meterflow"]
    amazon_q_slack           = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    notification_channels = {
      hook  = { type = "webhook", url = "https://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
    detailed_alarms            = true
    newest_event_alarm_minutes = 240
  }

  # The threshold of anomalies is a setting.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].threshold == 2.5 && [for query in aws_cloudwatch_metric_alarm.this["anomalies-per-hour"].metric_query : query.expression if query.return_data == true] == ["IF(anomalies > 500, 100 * anomalies / series, 0)"]
    error_message = "anomalies_per_hour_alarm and anomaly_share_alarm must reach the alarm."
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
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length([for way in [alarm.statistic, alarm.extended_statistic] : way if way != null]) + min(1, length(alarm.metric_query)) == 1])
    error_message = "AWS takes either a statistic, a percentile or a term."
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
      if startswith(name, "undelivered-") || startswith(name, "disabled-") || startswith(name, "failed-")
      } == {
      failed-deliveries      = "AWS/SNS/NumberOfNotificationsFailed Sum GreaterThanThreshold 0 1x300 notBreaching TopicName=meterflow-anomaly-alerts"
      failed-chat-deliveries = "AWS/SNS/NumberOfNotificationsFailed Sum GreaterThanThreshold 0 1x300 notBreaching TopicName=meterflow-anomaly-chat"
      undelivered-pager      = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-pager"
      undelivered-amazon_q   = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-amazon_q"
      undelivered-hook       = "AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-notifier-hook"
      disabled-hook          = "MeterFlow/ChannelDisabled Sum GreaterThanThreshold 0 1x300 notBreaching Channel=hook,Stack=meterflow"
    }
    error_message = "Every channel must have an alarm on its queue, and a webhook one on being switched off."
  }

  # The age of the newest event has a limit.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["newest-event-age"].threshold == 14400 && strcontains(aws_cloudwatch_metric_alarm.this["newest-event-age"].alarm_description, "more than 240 minutes")
    error_message = "newest_event_alarm_minutes must reach the alarm."
  }
}

run "the_dashboard_of_cloudwatch_shows_all_alarms_and_without_a_limit_none_is_on_the_newest_event" {
  command = plan

  variables {
    cloudwatch_dashboard       = true
    catalog_files              = ["preset:usage", "preset:executions"]
    sources                    = { executions = {} }
    detailed_alarms            = true
    newest_event_alarm_minutes = 0
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
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : "${metric[0]} ${metric[1]} ${metric[2]} ${metric[3]}"]
      ])) == toset(concat(
      [for name in ["SeriesChecked", "AnomaliesFound"] : "MeterFlow ${name} Stack meterflow"],
      [for name in ["SeriesChecked", "AnomaliesFound"] : "MeterFlow ${name} Stack meterflow/executions"],
      [for function in ["detection", "notifier", "sources", "checks"] : "AWS/Lambda Errors FunctionName meterflow-anomaly-${function}"],
      [for function in ["detection", "notifier", "sources", "checks"] : "AWS/Lambda Throttles FunctionName meterflow-anomaly-${function}"],
    ))
    error_message = "The graphs must show the metrics that the functions write."
  }

  assert {
    condition = toset(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : regexall("\\((?:\\w*, )?([A-Z]\\w+)", try(widget.properties.query, ""))
      ])) == toset([
      "Anomalies", "Undetermined", "RunCompleted", "RunFailed", "RunDuration", "ClickHouseTime", "AlertsPublished", "AlertsParked",
      "AlertsPending", "OldestPendingAlertAge", "DeliveriesSent", "DeliveriesFailed", "DeliveriesHeldBack",
    ])
    error_message = "The other graphs must ask the logs for the figures that the functions write there."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets :
      startswith(widget.properties.query, "SOURCE '/aws/lambda/meterflow-anomaly-notifier' |") || startswith(widget.properties.query, "SOURCE '/aws/lambda/meterflow-anomaly-detection' |")
      if can(widget.properties.query)
    ]) && length([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget if strcontains(try(widget.properties.query, ""), "| SOURCE '/aws/lambda/meterflow-anomaly-sources' |")]) == 4
    error_message = "Each question must name the logs that hold its figures."
  }

  # Graphs side by side, none over another.
  assert {
    condition     = length(toset([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : "${widget.x} ${widget.y}"])) == 9
    error_message = "No widget may cover another."
  }

  # Without a limit no age of an event alarms.
  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "newest-event-age") && contains(keys(aws_cloudwatch_metric_alarm.this), "clickhouse-time")
    error_message = "0 must switch off this alarm alone."
  }
}

run "whoever_wants_more_alarms_has_them" {
  command = plan

  variables {
    detailed_alarms = true
  }

  # The filter and the alarm name the same metric.
  assert {
    condition     = [for alarm in [aws_cloudwatch_metric_alarm.this["clickhouse-time"]] : "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])}"] == ["MeterFlow/ClickHouseTime Maximum GreaterThanThreshold 120000 1x300 notBreaching Stack=meterflow"]
    error_message = "More than two minutes of ClickHouse in a run must alarm."
  }

  assert {
    condition     = [for alarm in [aws_cloudwatch_metric_alarm.this["newest-event-age"]] : "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])} ${length(alarm.ok_actions)}"] == ["MeterFlow/NewestEventAge Maximum GreaterThanThreshold 5400 1x4500 notBreaching Stack=meterflow 1"]
    error_message = "An hour and a half without an event must alarm, and the next event must end the alarm."
  }

  assert {
    condition     = [for filter in aws_cloudwatch_log_metric_filter.clickhouse_time : "${filter.log_group_name} ${filter.pattern} ${filter.metric_transformation[0].namespace}/${filter.metric_transformation[0].name} ${filter.metric_transformation[0].value} ${filter.metric_transformation[0].dimensions.Stack}"] == ["/aws/lambda/meterflow-anomaly-detection { $.ClickHouseTime = * } MeterFlow/ClickHouseTime $.ClickHouseTime $.Stack"]
    error_message = "The time of ClickHouse must become a metric."
  }

  assert {
    condition = toset([
      for query in aws_cloudwatch_metric_alarm.this["store-errors"].metric_query : "${query.metric[0].namespace}/${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].dimensions.TableName} ${query.metric[0].dimensions.Operation}" if length(query.metric) > 0
      ]) == toset([
      for operation in ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "TransactWriteItems"] : "AWS/DynamoDB/SystemErrors Sum meterflow-anomalies ${operation}"
    ]) && [for query in aws_cloudwatch_metric_alarm.this["store-errors"].metric_query : query.expression if query.return_data == true] == ["SUM(FILL(METRICS(), 0))"] && aws_cloudwatch_metric_alarm.this["store-errors"].threshold == 0
    error_message = "A fault of DynamoDB in any operation of the functions must alarm."
  }

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

  # AWS charges for each metric that an alarm reads. One channel less than above.
  assert {
    condition     = sum([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), [aws_cloudwatch_metric_alarm.table_throttles, aws_cloudwatch_metric_alarm.no_customers]) : max(1, length([for query in alarm.metric_query : query if length(query.metric) > 0]))]) == 19 + 16
    error_message = "These alarms must cost 16 metrics more, as the description of the variable says."
  }
}
