# A dashboard of CloudWatch for the operators: the alarms, and the main figures of runs, alerts, channels and functions. Most figures
# are in the logs alone, so most graphs ask the logs. The dashboard for those who look at customers is a page of the API (dashboard.tf).

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
      }], [for place, graph in local.graphs : merge(
      { type = graph.type, x = place % 2 * 12, y = 3 + floor(place / 2) * 6, width = 12, height = 6 },
      { properties = merge({ title = graph.title, region = local.region }, graph.properties) },
    )])
  })
}

locals {
  # Runs of usage, and those of each source. Each has metrics of its own.
  stacks_of_runs = concat([{ stack = var.name_prefix, label = "usage" }], [for name in sort(keys(var.sources)) : { stack = "${var.name_prefix}/${name}", label = name }])

  functions_shown = concat([module.detector.function_name, module.notifier.function_name], module.sources[*].function_name, module.checks[*].function_name, module.api[*].function_name)

  log_groups_of_runs = join(" | ", [for name in concat([module.detector.log_group_name], module.sources[*].log_group_name) : "SOURCE '${name}'"])

  # The fields are those of shared/platform/src/emf.rs.
  logs_shown = [
    {
      title = "Anomalies by metric and severity", view = "table"
      query = "${local.log_groups_of_runs} | filter ispresent(Anomalies) | stats sum(Anomalies) as anomalies by Stack, Metric, Severity | sort anomalies desc"
    },
    {
      title = "Series that the largest run could not judge, by reason", view = "table"
      query = "${local.log_groups_of_runs} | filter ispresent(Undetermined) | stats max(Undetermined) as series by Stack, Reason | sort series desc"
    },
    {
      title = "Runs that completed and failed", view = "timeSeries"
      query = "${local.log_groups_of_runs} | filter ispresent(RunCompleted) | stats sum(RunCompleted) as completed, sum(RunFailed) as failed by bin(1h)"
    },
    {
      title = "Time of a run and of ClickHouse in it (ms, p95)", view = "timeSeries"
      query = "${local.log_groups_of_runs} | filter ispresent(RunDuration) | stats pct(RunDuration, 95) as run, pct(ClickHouseTime, 95) as ClickHouse by bin(1h)"
    },
    {
      title = "Alerts on their way", view = "timeSeries"
      query = "SOURCE '${module.detector.log_group_name}' | filter ispresent(AlertsPublished) | stats sum(AlertsPublished) as published, sum(AlertsParked) as refused, max(AlertsPending) as waiting, max(OldestPendingAlertAge) as oldest_seconds by bin(1h)"
    },
    {
      title = "Messages to channels", view = "table"
      query = "SOURCE '${module.notifier.log_group_name}' | filter ispresent(DeliveriesSent) | stats sum(DeliveriesSent) as sent, sum(DeliveriesFailed) as failed, sum(DeliveriesHeldBack) as held_back by Channel"
    },
  ]

  # A metric with its dimensions, in the order of CloudWatch: namespace, name, then name and value of each dimension.
  metrics_shown = [
    {
      title = "Series that were checked, and anomalies in them", unit = "of an hour", stacked = false, period_seconds = 3600
      metrics = concat([for of in local.stacks_of_runs : [
        for name, word in { SeriesChecked = "series", AnomaliesFound = "anomalies" } :
        [local.metrics_namespace, name, "Stack", of.stack, { label = "${of.label}: ${word}" }]
      ]]...)
    },
    {
      title = "Errors of functions", unit = "errors", stacked = true, period_seconds = 300
      metrics = concat([for function in local.functions_shown : [
        for name in ["Errors", "Throttles"] : ["AWS/Lambda", name, "FunctionName", function, { label = "${function} ${lower(name)}" }]
      ]]...)
    },
  ]

  graphs = concat(
    [for graph in local.logs_shown : { type = "log", title = graph.title, properties = { view = graph.view, query = graph.query } }],
    [for graph in local.metrics_shown : {
      type  = "metric"
      title = graph.title
      properties = {
        view    = "timeSeries"
        stacked = graph.stacked
        metrics = graph.metrics
        yAxis   = { left = { min = 0, label = graph.unit, showUnits = false } }
        stat    = "Sum"
        period  = graph.period_seconds
      }
    }],
  )
}
