# The notifier takes alerts from the topic to each channel that a route names. Once a day it sends a
# digest to the operators. A stack without channels has the notifier for the digest alone.

locals {
  channel_names = concat(keys(var.notification_channels), keys(local.amazon_q_channel))
  has_channels  = length(local.channel_names) > 0
}

# Outside any VPC, unless notifier_in_vpc says otherwise: most channels are on the internet. Outside, no address of a channel can
# reach the network behind the other functions.
module "notifier" {
  source = "./modules/lambda_function"

  name         = local.notifier_name
  description  = "Delivers alerts to Slack, PagerDuty and the other channels, and the daily digest to the operators"
  package      = local.packages.notifier
  architecture = var.architecture
  memory_mb    = 256
  environment  = local.notifier_environment

  timeout_seconds      = 60
  reserved_concurrency = var.notifier_reserved_concurrency
  policy_statements    = local.notifier_policy_statements

  vpc_subnet_ids         = var.notifier_in_vpc ? var.vpc_subnet_ids : []
  vpc_security_group_ids = var.notifier_in_vpc ? var.vpc_security_group_ids : []

  asynchronous = {
    maximum_event_age_seconds = 21600
    maximum_retry_attempts    = 2
    failure_queue_arn         = aws_sqs_queue.notifier_failures.arn
  }

  log_retention_days       = var.log_retention_days
  kms_key_arn              = local.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  role_path                = var.role_path
  xray_tracing             = var.xray_tracing
  tags                     = var.tags
}

locals {
  notifier_environment = merge(
    {
      ANOMALIES_TABLE               = aws_dynamodb_table.anomalies.name
      NOTIFIER_CONFIG_SSM_PARAMETER = aws_ssm_parameter.notifier.name
      OPS_TOPIC_ARN                 = aws_sns_topic.ops.arn
      METRICS_NAMESPACE             = local.metrics_namespace
      METRICS_STACK                 = var.name_prefix
      LOG_LEVEL                     = var.log_level

      # The function reads its config when it starts. Nothing reads this variable. It changes with
      # the config, so Lambda starts the function again.
      NOTIFIER_CONFIG_SHA256 = sha256(local.notifier_config)
    },
    {
      for name, value in {
        ALLOW_LOOPBACK   = var.allow_loopback_channels ? "true" : null
        AWS_ENDPOINT_URL = var.aws_endpoint_url
        SSL_CERT_FILE    = local.certificates
      } : name => value if value != null
    },
  )

  # Exactly the calls of the function's code. The module adds its log and its failure queue.
  notifier_policy_statements = concat(
    [
      {
        # Deliveries, waiting alerts and the state of channels. The notifier may not touch the anomalies in the
        # same table.
        sid        = "RecordDeliveries"
        actions    = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.deliveries
      },
      {
        # The daily digest tells the precision.
        sid        = "ReadFeedback"
        actions    = ["dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.feedback
      },
      {
        sid       = "ListIncidentsOfTheDay"
        actions   = ["dynamodb:Query"]
        resources = ["${aws_dynamodb_table.anomalies.arn}/index/${local.incidents_index_name}"]
      },
      {
        sid       = "ReadConfig"
        actions   = ["ssm:GetParameter"]
        resources = [aws_ssm_parameter.notifier.arn]
      },
      {
        sid       = "PublishDigestAndChat"
        actions   = ["sns:Publish"]
        resources = concat([aws_sns_topic.ops.arn], distinct(flatten([for channel in local.notifier_channels : try([channel.topic_arn], [])])))
      },
    ],
    length(local.channel_secret_arns) == 0 ? [] : [
      {
        sid       = "ReadSecretsOfChannels"
        actions   = ["secretsmanager:GetSecretValue"]
        resources = local.channel_secret_arns
      },
    ],
    length(local.bus_arns) == 0 ? [] : [
      {
        sid       = "PutEventsOnBuses"
        actions   = ["events:PutEvents"]
        resources = local.bus_arns
      },
    ],
    length(var.notification_secret_kms_key_arns) == 0 ? [] : [
      {
        sid       = "DecryptSecretsOfChannels"
        actions   = ["kms:Decrypt"]
        resources = var.notification_secret_kms_key_arns
        conditions = {
          StringEquals = { "kms:ViaService" = ["secretsmanager.${local.region}.${data.aws_partition.current.dns_suffix}"] }
        }
      },
    ],
    !local.has_channels ? [] : [
      {
        sid       = "KeepWhatAChannelRefused"
        actions   = ["sqs:SendMessage"]
        resources = [for queue in aws_sqs_queue.channel_failures : queue.arn]
      },
    ],
    [local.key_statements.notifier],
  )

  channel_secret_arns = distinct(flatten([
    for channel in var.notification_channels : [
      for key, value in channel : value if endswith(key, "_secret_arn") && value != null && !(channel.type == "slack" && key == "signing_secret_arn") && key != "webhook_secret_arn"
    ]
  ]))

  # Slack signs what its buttons send. Only the API reads these secrets.
  slack_signing_secret_arns = distinct([
    for channel in var.notification_channels : channel.signing_secret_arn if channel.type == "slack" && channel.signing_secret_arn != null
  ])

  # Telegram sends the secret of its webhook with each press of a button. The API answers by the token of the bot.
  telegram_button_secret_arns = distinct(flatten([
    for channel in var.notification_channels : [channel.webhook_secret_arn, channel.bot_token_secret_arn] if channel.webhook_secret_arn != null
  ]))

  bus_arns = distinct([for channel in var.notification_channels : channel.bus_arn if channel.bus_arn != null])
}

# Channels and routes. Secrets are named by their ARNs, so nothing here is secret.
# `insecure_value` lets a plan show the changes.
resource "aws_ssm_parameter" "notifier" {
  # checkov:skip=CKV2_AWS_34:The channels name their secrets by ARN. The secrets themselves are in Secrets Manager.

  name           = "/${var.name_prefix}/notifier"
  description    = "Channels and routes of ${local.notifier_name} (JSON)"
  type           = "String"
  tier           = local.notifier_config_bytes > 4096 ? "Advanced" : "Standard"
  insecure_value = local.notifier_config

  tags = var.tags

  lifecycle {
    precondition {
      condition     = local.notifier_config_bytes <= 8192
      error_message = "Channels and routes have ${local.notifier_config_bytes} bytes as JSON; Parameter Store takes 8192 at most. Lists of customers take most of it: use fewer or shorter routes."
    }
  }
}

locals {
  # Unset values are left out. The function's own defaults hold for them, also for routes.
  notifier_config = jsonencode(merge(
    { channels = local.notifier_channels },
    length(var.notification_routes) == 0 ? {} : {
      routes = [for route in var.notification_routes : { for key, value in route : key => value if value != null }]
    },
    local.incident_link == null ? {} : { link = local.incident_link },
  ))

  notifier_channels = merge(
    {
      for name, channel in var.notification_channels : name => merge(
        { for key, value in channel : key => value if value != null },
        { queue_url = aws_sqs_queue.channel_failures[name].url },
      )
    },
    { for name, channel in local.amazon_q_channel : name => merge(channel, { queue_url = aws_sqs_queue.channel_failures[name].url }) },
  )

  # Parameter Store counts bytes, `length` counts characters.
  notifier_config_base64 = base64encode(local.notifier_config)
  notifier_config_bytes  = length(local.notifier_config_base64) / 4 * 3 - length(regexall("=", local.notifier_config_base64))
}

# ---------------------------------------------------------------------------------------------
# From the alert topic
# ---------------------------------------------------------------------------------------------

resource "aws_sns_topic_subscription" "notifier" {
  count = local.has_channels ? 1 : 0

  topic_arn           = aws_sns_topic.alerts.arn
  protocol            = "lambda"
  endpoint            = module.notifier.alias_arn
  filter_policy       = jsonencode({ severity = local.routed_severities })
  filter_policy_scope = "MessageAttributes"
  redrive_policy      = jsonencode({ deadLetterTargetArn = aws_sqs_queue.notifier_dead_letters.arn })

  # An alert that comes before the permission exists would be refused.
  depends_on = [aws_lambda_permission.alerts]
}

resource "aws_lambda_permission" "alerts" {
  count = local.has_channels ? 1 : 0

  statement_id  = "AllowAlerts"
  action        = "lambda:InvokeFunction"
  function_name = module.notifier.function_name
  qualifier     = module.notifier.alias_name
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.alerts.arn
}

locals {
  # An alert that no route takes does not start the function. Without routes the function's defaults
  # hold: critical alerts to every channel, warnings to the chats of teams.
  default_severities = concat(["critical"], anytrue([for channel in local.notifier_channels : contains(["slack", "teams", "discord", "google_chat", "amazon_q"], channel.type)]) ? ["warning"] : [])
  routed_severities = sort(distinct(length(var.notification_routes) == 0 ? local.default_severities : flatten([
    for route in var.notification_routes : coalesce(route.severities, ["critical", "warning"])
  ])))
}

# ---------------------------------------------------------------------------------------------
# Alerts that wait for a throttle, or for a receiver that is down
# ---------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "waiting" {
  count = local.has_channels ? 1 : 0

  name                = local.waiting_rule_name
  description         = "Starts ${local.notifier_name} to send waiting alerts that are due"
  schedule_expression = "rate(1 minute)"

  tags = var.tags
}

# The next minute tries again, so a failed trigger needs no queue.
resource "aws_cloudwatch_event_target" "waiting" {
  count = length(aws_cloudwatch_event_rule.waiting)

  rule      = aws_cloudwatch_event_rule.waiting[0].name
  target_id = "notifier"
  arn       = module.notifier.alias_arn
  input     = jsonencode({ send_waiting = true })

  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }

  depends_on = [aws_lambda_permission.waiting]
}

resource "aws_lambda_permission" "waiting" {
  count = length(aws_cloudwatch_event_rule.waiting)

  statement_id   = "AllowWaiting"
  action         = "lambda:InvokeFunction"
  function_name  = module.notifier.function_name
  qualifier      = module.notifier.alias_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.waiting[0].arn
  source_account = local.account_id
}

# ---------------------------------------------------------------------------------------------
# The daily digest
# ---------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "digest" {
  count = var.daily_digest_schedule == null ? 0 : 1

  name                = local.digest_rule_name
  description         = "Sends the daily digest by ${local.notifier_name}"
  schedule_expression = var.daily_digest_schedule

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "digest" {
  count = length(aws_cloudwatch_event_rule.digest)

  rule      = aws_cloudwatch_event_rule.digest[0].name
  target_id = "notifier"
  arn       = module.notifier.alias_arn

  retry_policy {
    maximum_event_age_in_seconds = 21600
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.notifier_dead_letters.arn
  }

  depends_on = [aws_lambda_permission.digest]
}

resource "aws_lambda_permission" "digest" {
  count = length(aws_cloudwatch_event_rule.digest)

  statement_id   = "AllowDigest"
  action         = "lambda:InvokeFunction"
  function_name  = module.notifier.function_name
  qualifier      = module.notifier.alias_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.digest[0].arn
  source_account = local.account_id
}

# ---------------------------------------------------------------------------------------------
# Queues of undelivered messages, one per kind
# ---------------------------------------------------------------------------------------------

# Messages that a channel did not take, for `meterflow failures redrive`.
resource "aws_sqs_queue" "channel_failures" {
  for_each = toset(local.channel_names)

  name                      = "${local.notifier_name}-${each.key}"
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = local.kms_key_arn

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.notifier_name}-${each.key}" })]
  })

  tags = var.tags
}

# Events that the function failed on. Lambda sends by the function's own role.
resource "aws_sqs_queue" "notifier_failures" {
  name                      = local.notifier_failure_queue_name
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = local.kms_key_arn

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.notifier_failure_queue_name}" })]
  })

  tags = var.tags
}

# Alerts and digests that could not be handed over to the function.
resource "aws_sqs_queue" "notifier_dead_letters" {
  name                      = local.notifier_dead_letter_queue_name
  message_retention_seconds = local.queue_retention_seconds
  kms_master_key_id         = local.kms_key_arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        merge(local.deny_sqs_without_tls, { Resource = "${local.queue_arn_prefix}${local.notifier_dead_letter_queue_name}" }),
        {
          Sid       = "AlertTopicSendsDeadLetters"
          Effect    = "Allow"
          Principal = { Service = "sns.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "${local.queue_arn_prefix}${local.notifier_dead_letter_queue_name}"
          Condition = {
            ArnEquals = { "aws:SourceArn" = aws_sns_topic.alerts.arn }
          }
        },
      ],
      [
        for rule in aws_cloudwatch_event_rule.digest : {
          Sid       = "DigestRuleSendsDeadLetters"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "${local.queue_arn_prefix}${local.notifier_dead_letter_queue_name}"
          Condition = {
            ArnEquals = { "aws:SourceArn" = rule.arn }
          }
        }
      ],
    )
  })

  tags = var.tags
}
