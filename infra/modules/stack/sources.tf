# Runs of sources with entities: a schedule for each source, and one function for the runs of all.
#
# The function is the detector's program, and not the detector itself: the detector is reserved for one run at a time, so
# a run of a source would wait for the run of the usage, and for runs of other sources. It is not the function for
# finished events either: that one must end within seconds, since its queue waits six times as long before it sends an
# event again.

locals {
  has_sources = length(var.sources) > 0
}

module "sources" {
  source = "./modules/lambda_function"
  count  = local.has_sources ? 1 : 0

  name         = local.sources_name
  description  = "Checks all entities of a source against their own past"
  package      = local.packages.detector
  architecture = var.architecture
  memory_mb    = var.detector_memory_mb
  environment  = local.detector_environment

  # By default nothing is reserved, so no source waits for another. Two runs at once record and tell nothing twice.
  timeout_seconds      = local.detector_timeout_seconds
  reserved_concurrency = var.sources_reserved_concurrency
  policy_statements    = concat(local.detector_policy_statements, local.networks_write_statements)

  asynchronous = {
    maximum_event_age_seconds = 21600
    maximum_retry_attempts    = 2
    failure_queue_arn         = aws_sqs_queue.detector_failures.arn
  }

  log_retention_days       = var.log_retention_days
  kms_key_arn              = local.kms_key_arn
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
  permissions_boundary_arn = var.permissions_boundary_arn
  role_path                = var.role_path
  xray_tracing             = var.xray_tracing
  tags                     = var.tags
}

resource "aws_cloudwatch_event_rule" "source" {
  for_each = var.sources

  name                = "${local.schedule_name}-${each.key}"
  description         = "Starts ${local.sources_name} for the source ${each.key}"
  schedule_expression = each.value.schedule
  state               = var.schedule_enabled ? "ENABLED" : "DISABLED"

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "source" {
  for_each = var.sources

  rule      = aws_cloudwatch_event_rule.source[each.key].name
  target_id = "source"
  arn       = module.sources[0].alias_arn

  input_transformer {
    input_paths    = { time = "$.time" }
    input_template = "{\"time\": <time>, \"detail\": ${jsonencode({ source = each.key })}}"
  }

  # As for the detector, this covers only the hand-over to Lambda.
  retry_policy {
    maximum_event_age_in_seconds = 21600
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.schedule_dead_letters.arn
  }

  # An event that fires before the permission exists would be refused.
  depends_on = [aws_lambda_permission.source]
}

resource "aws_lambda_permission" "source" {
  for_each = var.sources

  statement_id   = "AllowSource-${each.key}"
  action         = "lambda:InvokeFunction"
  function_name  = module.sources[0].function_name
  qualifier      = module.sources[0].alias_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.source[each.key].arn
  source_account = local.account_id
}
