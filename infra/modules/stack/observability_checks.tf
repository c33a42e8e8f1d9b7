# The alarm of finished events. The resource in observability.tf makes it. Failed runs of sources are in the queues of the
# detector, whose alarms name them.

locals {
  checks_alarms = merge([
    for queue in aws_sqs_queue.finished_dead_letters : {
      finished-dead-letters = {
        description    = "Finished events were not judged in ${local.finished_tries} tries. The log group ${module.checks[0].log_group_name} says why: often the event has no row in ClickHouse, or its source is not in the catalog. The runs of the schedule judge all events that have a row, so an anomaly is found later, and not lost. Remove the cause. Then run: meterflow failures redrive finished-dead-letters. Or delete them from the queue ${queue.name}."
        namespace      = "AWS/SQS"
        metric         = "ApproximateNumberOfMessagesVisible"
        dimensions     = { QueueName = queue.name }
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
  ]...)
}
