# The alarms of the notifier and its channels. The resource in observability.tf makes them.

locals {
  notifier_dimension = { FunctionName = module.notifier.function_name }

  notifier_alarms = merge(
    {
      notifier-errors = {
        description    = "${module.notifier.function_name} failed on an event. Lambda repeats it twice. A channel that has the message does not get it again. If it keeps failing, see the log group ${module.notifier.log_group_name}."
        namespace      = "AWS/Lambda"
        metric         = "Errors"
        dimensions     = local.notifier_dimension
        statistic      = "Sum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }

      notifier-throttles = {
        description    = "Lambda held back ${module.notifier.function_name}. Alerts wait for six hours at most. See whether other functions use up the account's limit of concurrent executions."
        namespace      = "AWS/Lambda"
        metric         = "Throttles"
        dimensions     = local.notifier_dimension
        statistic      = "Sum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }

      # It tries 8 times in the first hour that a receiver is down.
      channel-down = {
        description    = "A channel has not taken its alerts for some minutes. ${module.notifier.function_name} tries again for six hours. Then the alerts go to the queue of the channel. The log group ${module.notifier.log_group_name} names the channel and the reason."
        namespace      = local.metrics_namespace
        metric         = "DeliveriesHeldBack"
        dimensions     = local.stack_dimension
        statistic      = "Sum"
        period_seconds = 3600
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 3
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }

      notifier-failed-events = {
        description    = "${module.notifier.function_name} failed on an event after all retries: channels did not get an alert, or the operators did not get the digest. The event is in queue ${aws_sqs_queue.notifier_failures.name}. Remove the cause. Then run: meterflow failures redrive notifier-failed-events."
        namespace      = "AWS/SQS"
        metric         = "ApproximateNumberOfMessagesVisible"
        dimensions     = { QueueName = aws_sqs_queue.notifier_failures.name }
        statistic      = "Maximum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "ignore"
        enabled        = true
        tells_recovery = true
      }

      notifier-dead-letters = {
        description    = "An alert or a digest could not be handed over to ${module.notifier.function_name}, so no channel got it. Check that the function exists and that SNS and EventBridge may invoke it. The message is in queue ${aws_sqs_queue.notifier_dead_letters.name}. Then run: meterflow failures redrive notifier-dead-letters."
        namespace      = "AWS/SQS"
        metric         = "ApproximateNumberOfMessagesVisible"
        dimensions     = { QueueName = aws_sqs_queue.notifier_dead_letters.name }
        statistic      = "Maximum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "ignore"
        enabled        = true
        tells_recovery = true
      }
    },
    {
      for name, queue in aws_sqs_queue.channel_failures : "undelivered-${name}" => {
        description    = "The channel ${name} did not take a message. The other channels have it. The message in queue ${queue.name} says why. Remove the cause. Then run: meterflow failures redrive undelivered-${name}."
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
    },
    {
      for topic in aws_sns_topic.chat : "failed-chat-deliveries" => {
        description    = "SNS gave up a message of the topic ${topic.name} to Amazon Q, so the Slack channel of amazon_q_slack did not get it. The other channels have it. See whether the workspace is still authorized in the console of Amazon Q, and whether the channel still exists."
        namespace      = "AWS/SNS"
        metric         = "NumberOfNotificationsFailed"
        dimensions     = { TopicName = topic.name }
        statistic      = "Sum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }
    },
    # Only a webhook can say that it is gone for good; the other types have no such answer.
    {
      for name, channel in var.notification_channels : "disabled-${name}" => {
        description    = "The webhook ${name} was switched off, because its receiver said that it is gone (410). It gets nothing any more. Remove it from notification_channels, or give it another url. If the receiver is back at the same url, meterflow failures redrive undelivered-${name} switches it on."
        namespace      = local.metrics_namespace
        metric         = "ChannelDisabled"
        dimensions     = merge(local.stack_dimension, { Channel = name })
        statistic      = "Sum"
        period_seconds = 300
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      } if channel.type == "webhook"
    },
  )
}
