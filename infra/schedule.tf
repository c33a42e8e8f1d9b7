resource "aws_cloudwatch_event_rule" "schedule" {
  name                = local.schedule_name
  description         = "Starts ${local.detector_name}"
  schedule_expression = var.schedule_expression
  state               = var.schedule_enabled ? "ENABLED" : "DISABLED"
}

resource "aws_cloudwatch_event_target" "detector" {
  rule      = aws_cloudwatch_event_rule.schedule.name
  target_id = "detector"
  arn       = module.detector.function_arn

  # This covers only the hand-over to Lambda; Lambda's own retries cover the run itself.
  retry_policy {
    maximum_event_age_in_seconds = 21600
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.schedule_dead_letters.arn
  }

  # An event that fires before the permission exists would be refused.
  depends_on = [aws_lambda_permission.schedule]
}

resource "aws_lambda_permission" "schedule" {
  statement_id   = "AllowSchedule"
  action         = "lambda:InvokeFunction"
  function_name  = module.detector.function_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.schedule.arn
  source_account = local.account_id
}

# Events that EventBridge could not hand over wait here for a person.
resource "aws_sqs_queue" "schedule_dead_letters" {
  name                      = local.schedule_queue_name
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = aws_kms_key.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.schedule_queue_name}" }),
      {
        Sid       = "ScheduleSendsDeadLetters"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "${local.queue_arn_prefix}${local.schedule_queue_name}"
        Condition = {
          ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.schedule.arn }
        }
      },
    ]
  })
}

locals {
  # 14 days, the longest that SQS keeps a message.
  queue_retention_seconds = 1209600

  deny_sqs_without_tls = {
    Sid       = "DenyWithoutTls"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}
