# Each finished event is judged at once: the bus announces it, a queue holds it, and a function checks it. The API asks
# the same function about an event of its caller's choice, and waits for the answer.

module "checks" {
  source = "./modules/lambda_function"
  count  = local.has_sources ? 1 : 0

  name         = local.checks_name
  description  = "Checks an event of a source when it is finished"
  package      = local.packages.detector
  architecture = var.architecture
  memory_mb    = 512
  environment  = local.detector_environment

  timeout_seconds      = local.checks_timeout_seconds
  reserved_concurrency = var.checks_concurrency
  policy_statements    = concat(local.detector_policy_statements, local.finished_policy_statements)

  log_retention_days       = var.log_retention_days
  kms_key_arn              = local.kms_key_arn
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
  permissions_boundary_arn = var.permissions_boundary_arn
  role_path                = var.role_path
  xray_tracing             = var.xray_tracing
  tags                     = var.tags
}

locals {
  # As long as API Gateway waits for an answer.
  checks_timeout_seconds = 30

  # Copies that the queue may use. Lambda would take more events than the reservation lets it check, and send the rest
  # back: after some tries an event would be given up that nobody looked at.
  finished_concurrency = var.checks_concurrency == -1 ? 8 : var.checks_concurrency - 2

  # An event is often announced before its row is in ClickHouse. Five tries, three minutes apart, give it twelve minutes.
  finished_tries = 5

  # Lambda reads the queue by the function's own role.
  finished_policy_statements = [
    for queue in aws_sqs_queue.finished : {
      sid       = "TakeFinishedEvents"
      actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = [queue.arn]
    }
  ]

  # The API waits for the answer.
  checks_policy_statements = [
    for checks in module.checks : {
      sid       = "CheckFinishedEvents"
      actions   = ["lambda:InvokeFunction"]
      resources = [checks.alias_arn]
    }
  ]
}

# ---------------------------------------------------------------------------------------------
# From the bus to the queue
# ---------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "finished" {
  count = local.has_sources ? 1 : 0

  name           = local.finished_name
  description    = "Takes finished events of ${join(", ", keys(var.sources))} to ${local.checks_name}"
  event_bus_name = var.events_bus
  event_pattern = jsonencode({
    "detail-type" = ["Execution Completed"]
    detail        = { source = keys(var.sources) }
  })

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "finished" {
  count = length(aws_cloudwatch_event_rule.finished)

  rule           = aws_cloudwatch_event_rule.finished[0].name
  event_bus_name = var.events_bus
  target_id      = "queue"
  arn            = aws_sqs_queue.finished[0].arn

  retry_policy {
    maximum_event_age_in_seconds = 21600
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.finished_dead_letters[0].arn
  }
}

# ---------------------------------------------------------------------------------------------
# From the queue to the function
# ---------------------------------------------------------------------------------------------

resource "aws_lambda_event_source_mapping" "finished" {
  count = local.has_sources ? 1 : 0

  event_source_arn = aws_sqs_queue.finished[0].arn
  function_name    = module.checks[0].alias_arn
  batch_size       = 10

  # The answer names the events that failed. The others are not sent again.
  function_response_types = ["ReportBatchItemFailures"]

  # An event does not wait for others.
  maximum_batching_window_in_seconds = 0

  scaling_config {
    maximum_concurrency = local.finished_concurrency
  }

  tags = var.tags
}

resource "aws_sqs_queue" "finished" {
  count = local.has_sources ? 1 : 0

  name              = local.finished_name
  kms_master_key_id = local.kms_key_arn

  # AWS asks for six times the function's limit, so that a copy that is held back does not meet a second one.
  visibility_timeout_seconds = 6 * local.checks_timeout_seconds

  # A message keeps its age when it moves. So the second queue keeps it longer.
  message_retention_seconds = 345600

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.finished_dead_letters[0].arn
    maxReceiveCount     = local.finished_tries
  })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.finished_name}" }),
      {
        Sid       = "RuleSendsFinishedEvents"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "${local.queue_arn_prefix}${local.finished_name}"
        Condition = {
          ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.finished[0].arn }
        }
      },
    ]
  })

  tags = var.tags
}

# Events that could not be judged, and those that EventBridge could not hand over to the queue.
resource "aws_sqs_queue" "finished_dead_letters" {
  count = local.has_sources ? 1 : 0

  name                      = local.finished_dead_letter_queue_name
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = local.kms_key_arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.finished_dead_letter_queue_name}" }),
      {
        Sid       = "RuleSendsDeadLetters"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "${local.queue_arn_prefix}${local.finished_dead_letter_queue_name}"
        Condition = {
          ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.finished[0].arn }
        }
      },
    ]
  })

  tags = var.tags
}
