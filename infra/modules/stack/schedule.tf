# One rule. Eight shards need two rules, because EventBridge takes five targets per rule.
resource "aws_cloudwatch_event_rule" "schedule" {
  count = ceil(var.detector_shards / local.targets_per_rule)

  name                = local.schedule_rule_names[count.index]
  description         = "Starts ${local.detector_name}"
  schedule_expression = var.schedule_expression
  state               = var.schedule_enabled ? "ENABLED" : "DISABLED"

  tags = var.tags
}

# Each shard is a target of its own. So a failed shard is repeated without the others.
resource "aws_cloudwatch_event_target" "detector" {
  count = var.detector_shards

  rule      = aws_cloudwatch_event_rule.schedule[floor(count.index / local.targets_per_rule)].name
  target_id = var.detector_shards == 1 ? "detector" : "detector-${count.index}"
  arn       = module.detector.alias_arn

  # A run for all customers gets the unchanged event. A shard gets the time of its window and the number
  # of the shard.
  dynamic "input_transformer" {
    for_each = var.detector_shards == 1 ? [] : [{ shard = count.index, shards = var.detector_shards }]

    content {
      input_paths    = { time = "$.time" }
      input_template = "{\"time\": <time>, \"detail\": ${jsonencode(input_transformer.value)}}"
    }
  }

  # This covers only the hand-over to Lambda. Lambda's own retries cover the run itself.
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
  count = length(aws_cloudwatch_event_rule.schedule)

  statement_id   = "AllowSchedule${count.index == 0 ? "" : count.index}"
  action         = "lambda:InvokeFunction"
  function_name  = module.detector.function_name
  qualifier      = module.detector.alias_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.schedule[count.index].arn
  source_account = local.account_id
}

# Events that EventBridge could not hand over wait here for a person.
resource "aws_sqs_queue" "schedule_dead_letters" {
  name                      = local.schedule_queue_name
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = local.kms_key_arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.schedule_queue_name}" })],
      [
        for index, rule in aws_cloudwatch_event_rule.schedule : {
          Sid       = "ScheduleSendsDeadLetters${index == 0 ? "" : index}"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "${local.queue_arn_prefix}${local.schedule_queue_name}"
          Condition = {
            ArnEquals = { "aws:SourceArn" = rule.arn }
          }
        }
      ],
      !local.has_sources ? [] : [
        {
          Sid       = "SourcesSendDeadLetters"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "${local.queue_arn_prefix}${local.schedule_queue_name}"
          Condition = {
            ArnEquals = { "aws:SourceArn" = [for rule in concat(values(aws_cloudwatch_event_rule.source), values(aws_cloudwatch_event_rule.training)) : rule.arn] }
          }
        },
      ],
    )
  })

  tags = var.tags
}

locals {
  # EventBridge takes five. Four divide the shards evenly.
  targets_per_rule = 4

  schedule_rule_names = [local.schedule_name, "${local.schedule_name}-1"]

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

locals {
  unit_minutes = { minute = 1, minutes = 1, hour = 60, hours = 60, day = 1440, days = 1440 }

  # Null for cron, whose interval may change from run to run.
  schedule_minutes = one([
    for part in regexall("^rate\\(([0-9]+) ([a-z]+)\\)$", var.schedule_expression) : tonumber(part[0]) * local.unit_minutes[part[1]]
  ])
}

check "a_run_is_due_before_the_alarm_on_missing_runs" {
  assert {
    condition     = !var.schedule_enabled || coalesce(local.schedule_minutes, 0) < var.missing_run_alarm_minutes
    error_message = "The alarm on missing runs goes off between two runs: ${var.schedule_expression} is not shorter than missing_run_alarm_minutes (${var.missing_run_alarm_minutes}). Set a larger number there, or run more often."
  }
}
