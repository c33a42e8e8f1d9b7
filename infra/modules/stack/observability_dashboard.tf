# A dashboard of CloudWatch for the operators: the alarms, and the main metrics of runs, alerts, channels and functions. The dashboard
# for those who look at customers is a page of the API (dashboard.tf).

resource "aws_cloudwatch_dashboard" "this" {
  count = var.cloudwatch_dashboard ? 1 : 0

  # Dashboards are global in an account. The region in the name keeps two regions apart.
  dashboard_name = "${var.name_prefix}-anomaly-${local.region}"
  dashboard_body = jsonencode({
    start          = "-P7D"
    periodOverride = "inherit"
    widgets = concat([{
      type = "alarm", x = 0, y = 0, width = 24, height = 3
      properties = {
        title  = "Alarms"
        alarms = sort(concat(values(aws_cloudwatch_metric_alarm.this)[*].arn, [aws_cloudwatch_metric_alarm.table_throttles.arn, aws_cloudwatch_metric_alarm.no_customers.arn]))
      }
      }], [for place, graph in local.graphs : {
      type = "metric", x = place % 2 * 12, y = 3 + floor(place / 2) * 6, width = 12, height = 6
      properties = {
        title   = graph.title
        region  = local.region
        view    = "timeSeries"
        stacked = graph.stacked
        metrics = graph.metrics
        yAxis   = { left = { min = 0, label = graph.unit, showUnits = false } }
        stat    = graph.statistic
        period  = graph.period_seconds
      }
    }])
  })
}

locals {
  # Runs of usage, and those of each source. Each has metrics of its own.
  stacks_of_runs = concat([{ stack = var.name_prefix, label = "usage" }], [for name in sort(keys(var.sources)) : { stack = "${var.name_prefix}/${name}", label = name }])

  functions_shown = concat([module.detector.function_name, module.notifier.function_name], module.sources[*].function_name, module.checks[*].function_name, module.api[*].function_name)

  # A metric with its dimensions, in the order of CloudWatch: namespace, name, then name and value of each dimension.
  graphs = [
    {
      title = "Anomalies by metric and severity", unit = "anomalies", statistic = "Sum", period_seconds = 3600, stacked = true
      metrics = [for of in local.stacks_of_runs : [{
        expression = "SEARCH('{${local.metrics_namespace},Stack,Metric,Severity} MetricName=\"Anomalies\" Stack=\"${of.stack}\"', 'Sum', 3600)"
        label      = ""
      }]]
    },
    {
      title = "Series that the largest run could not judge, by reason", unit = "series", statistic = "Maximum", period_seconds = 3600, stacked = true
      metrics = [for of in local.stacks_of_runs : [{
        expression = "SEARCH('{${local.metrics_namespace},Stack,Reason} MetricName=\"Undetermined\" Stack=\"${of.stack}\"', 'Maximum', 3600)"
        label      = ""
      }]]
    },
    {
      title = "Runs that completed and failed", unit = "runs", statistic = "Sum", period_seconds = 3600, stacked = false
      metrics = concat([for of in local.stacks_of_runs : [
        for name, word in { RunCompleted = "completed", RunFailed = "failed" } :
        [local.metrics_namespace, name, "Stack", of.stack, { label = "${of.label} ${word}" }]
      ]]...)
    },
    {
      title = "Time of a run and of ClickHouse in it", unit = "ms", statistic = "p95", period_seconds = 3600, stacked = false
      metrics = concat([for of in local.stacks_of_runs : [
        for name, word in { RunDuration = "run", ClickHouseTime = "ClickHouse" } :
        [local.metrics_namespace, name, "Stack", of.stack, { label = "${of.label}: ${word}" }]
      ]]...)
    },
    {
      title = "Customers and series that the largest run checked", unit = "of a run", statistic = "Maximum", period_seconds = 3600, stacked = false
      metrics = [
        for name, word in { CustomersChecked = "customers", SeriesChecked = "series" } :
        [local.metrics_namespace, name, "Stack", var.name_prefix, { label = word }]
      ]
    },
    {
      title = "Alerts on their way", unit = "alerts", statistic = "Maximum", period_seconds = 300, stacked = false
      metrics = [
        for name, of in {
          AlertsPublished       = { label = "published", stat = "Sum" }
          AlertsParked          = { label = "refused by SNS", stat = "Sum" }
          AlertsPending         = { label = "waiting" }
          OldestPendingAlertAge = { label = "age of the oldest, s", yAxis = "right" }
        } : [local.metrics_namespace, name, "Stack", var.name_prefix, { for key, value in of : key => value if value != null }]
      ]
    },
    {
      title = "Messages to channels", unit = "messages", statistic = "Sum", period_seconds = 3600, stacked = false
      metrics = [for name, word in { DeliveriesSent = "sent", DeliveriesFailed = "failed", DeliveriesHeldBack = "held back" } : [{
        expression = "SEARCH('{${local.metrics_namespace},Stack,Channel} MetricName=\"${name}\" Stack=\"${var.name_prefix}\"', 'Sum', 3600)"
        label      = "${word}: $${PROP('Dim.Channel')}"
      }]]
    },
    {
      title = "Errors of functions", unit = "errors", statistic = "Sum", period_seconds = 300, stacked = true
      metrics = concat([for function in local.functions_shown : [
        for name in ["Errors", "Throttles"] : ["AWS/Lambda", name, "FunctionName", function, { label = "${function} ${lower(name)}" }]
      ]]...)
    },
  ]
}
