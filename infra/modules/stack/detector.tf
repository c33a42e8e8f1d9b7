module "detector" {
  source = "./modules/lambda_function"

  name         = local.detector_name
  description  = "Checks every customer's usage of the last hours against the customer's own past"
  package      = local.packages.detector
  architecture = var.architecture
  memory_mb    = var.detector_memory_mb
  environment  = local.detector_environment

  timeout_seconds      = local.detector_timeout_seconds
  reserved_concurrency = var.reserved_concurrency == -1 ? -1 : var.reserved_concurrency * var.detector_shards
  policy_statements    = local.detector_policy_statements

  # The window comes from the time in the event, so a late event is as good as a punctual one. Lambda
  # holds an event for up to 6 hours, also while another run occupies the only slot.
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

locals {
  detector_timeout_seconds = 300

  detector_environment = merge(local.function_environment, local.clickhouse_environments.detector, {
    MAX_PAGES_PER_RUN      = tostring(var.max_pages_per_run)
    MAX_PAGES_PER_CUSTOMER = tostring(var.max_pages_per_customer)
    METRICS_NAMESPACE      = local.metrics_namespace
    METRICS_STACK          = var.name_prefix
    }, {
    # An absent variable means "not set".
    for name, value in {
      MACHINE_MODELS = var.machine_models
    } : name => value if value != null
  })

  # Exactly the calls of the function's code. The module adds its log, its failure queue and the VPC.
  detector_policy_statements = concat(
    [
      {
        # Anomalies, incidents and notices of their ends. A transaction needs the permissions of its parts, and a
        # closed incident moves to another key.
        sid = "RecordAnomaliesAndIncidents"
        actions = [
          "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query",
          "dynamodb:UpdateItem",
        ]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.customers
      },
      {
        sid        = "KeepDigests"
        actions    = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.digests
      },
      {
        # The API changes settings; the detector only reads them.
        sid        = "ReadSettings"
        actions    = ["dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.settings
      },
      {
        # People give feedback by the API.
        sid        = "ReadFeedback"
        actions    = ["dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.feedback
      },
      {
        # The API notes each run on demand. The detector notes how far the run has come.
        sid        = "FollowRequestedRuns"
        actions    = ["dynamodb:UpdateItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.requested_runs
      },
      {
        # How runs ended, and the hour up to which all hours are judged.
        sid        = "NoteLastRuns"
        actions    = ["dynamodb:GetItem", "dynamodb:PutItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.last_runs
      },
      {
        sid        = "NoteEndedRuns"
        actions    = ["dynamodb:PutItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.ended_runs
      },
      {
        sid       = "FindPendingAlertsAndIncidents"
        actions   = ["dynamodb:Query"]
        resources = [for index in [local.pending_index_name, local.incidents_index_name] : "${aws_dynamodb_table.anomalies.arn}/index/${index}"]
      },
      {
        sid       = "PublishAlerts"
        actions   = ["sns:Publish"]
        resources = [aws_sns_topic.alerts.arn]
      },
      local.key_statements.detector,
    ],
    local.networks_read_statements,
    local.clickhouse_policy_statements.detector,
    local.function_policy_statements,
  )
}

# Events that Lambda gave up on after its retries wait here for a person. Lambda sends by the
# function's own role, so the queue's policy admits nobody else.
resource "aws_sqs_queue" "detector_failures" {
  name                      = local.failure_queue_name
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = local.kms_key_arn

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.failure_queue_name}" })]
  })

  tags = var.tags
}

# The catalog of metrics is no secret. `insecure_value` lets a plan show its changes.
resource "aws_ssm_parameter" "catalog" {
  # checkov:skip=CKV2_AWS_34:A catalog names tables and columns, and no secret.

  count = length(local.catalog_parts) == 0 ? 0 : 1

  name           = "/${var.name_prefix}/catalog"
  description    = "Catalog of metrics of ${local.detector_name} (${local.catalog_is_compressed ? "TOML, gzip, Base64" : "TOML"})"
  type           = "String"
  tier           = local.catalog_value_bytes > 4096 ? "Advanced" : "Standard"
  insecure_value = local.catalog_value

  tags = var.tags

  lifecycle {
    precondition {
      condition     = length(local.catalog_files_without_text) == 0
      error_message = "The catalog ${join(", ", local.catalog_files_without_text)} (catalog_file, catalog_files) does not exist, is empty, or is no text file."
    }

    precondition {
      condition     = length(local.catalog_parts) == 1 || length(local.catalog_files_with_presets) == 0
      error_message = "The catalog ${join(", ", local.catalog_files_with_presets)} names presets, and is one of several files. Name them in catalog_files instead, such as \"preset:executions\", and take the line out of the file."
    }

    precondition {
      condition     = local.catalog_value_bytes <= 8192
      error_message = "The catalog ${join(", ", local.catalog_parts)} has ${local.catalog_bytes} bytes, and ${local.catalog_value_bytes} compressed; Parameter Store takes 8192 at most. Name presets as \"preset:executions\" in the place of copies, or shorten it."
    }
  }
}

locals {
  catalog_parts = var.catalog_file == null ? var.catalog_files : [var.catalog_file]

  # A preset is a part of the functions, so the parameter holds its name alone.
  catalog_presets = [for part in local.catalog_parts : trimprefix(part, "preset:") if startswith(part, "preset:")]
  catalog_files   = [for part in local.catalog_parts : part if !startswith(part, "preset:")]

  # Without the `try` a stack could not be destroyed after a file is deleted.
  catalog_texts              = [for path in local.catalog_files : try(file(path), "")]
  catalog_files_without_text = [for index, text in local.catalog_texts : local.catalog_files[index] if text == ""]
  catalog_files_with_presets = [for index, text in local.catalog_texts : local.catalog_files[index] if can(regex("(?m)^[ \t]*presets[ \t]*=", text))]

  # All other entries of a catalog are elements of lists, so the files after each other are one catalog.
  catalog_text = join("\n", concat([for names in [local.catalog_presets] : "presets = ${jsonencode(names)}" if length(names) > 0], local.catalog_texts))

  # Parameter Store counts bytes, `length` counts characters; four characters of Base64 hold three bytes.
  catalog_base64 = base64encode(local.catalog_text)
  catalog_bytes  = length(local.catalog_base64) / 4 * 3 - length(regexall("=", local.catalog_base64))

  # The functions know a compressed text by its beginning.
  catalog_is_compressed = local.catalog_bytes > 8192
  catalog_value         = local.catalog_is_compressed ? base64gzip(local.catalog_text) : local.catalog_text
  catalog_value_bytes   = local.catalog_is_compressed ? length(local.catalog_value) : local.catalog_bytes
}
