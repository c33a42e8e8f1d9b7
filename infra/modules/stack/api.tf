# The API: one function behind an HTTP API that checks every token before the function sees a request.
# A stack has the API if `api_jwt_issuer` names an issuer of tokens.

locals {
  has_api = var.api_jwt_issuer != null

  # Every route of the API with the scope that its token needs. Null is open to all. Other routes
  # do not reach the function. More exact paths win over paths with parameters.
  api_routes = merge(local.api_button_routes, {
    "GET /health"       = null
    "GET /openapi.json" = null

    # The dashboard's files. What the page then asks for needs a token.
    "GET /"               = null
    "GET /assets/{file}"  = null
    "GET /dashboard.json" = null

    "GET /v1/anomalies"              = var.api_scopes.read
    "GET /v1/anomalies/check"        = var.api_scopes.read
    "POST /v1/anomalies/check"       = var.api_scopes.read
    "GET /v1/anomalies/trends"       = var.api_scopes.read
    "GET /v1/anomalies/{anomaly_id}" = var.api_scopes.read

    "POST /v1/anomalies/{anomaly_id}/acknowledge" = var.api_scopes.write
    "POST /v1/anomalies/{anomaly_id}/resolve"     = var.api_scopes.write
    "POST /v1/anomalies/{anomaly_id}/reopen"      = var.api_scopes.write
    "POST /v1/anomalies/{anomaly_id}/feedback"    = var.api_scopes.write

    "GET /v1/incidents"                       = var.api_scopes.read
    "GET /v1/incidents/counts"                = var.api_scopes.read
    "GET /v1/incidents/{incident_id}"         = var.api_scopes.read
    "GET /v1/incidents/{incident_id}/related" = var.api_scopes.read

    # Customers do not see the channels of the operators.
    "GET /v1/incidents/{incident_id}/deliveries" = var.api_scopes.admin

    "POST /v1/incidents/{incident_id}/acknowledge" = var.api_scopes.write
    "POST /v1/incidents/{incident_id}/resolve"     = var.api_scopes.write
    "POST /v1/incidents/{incident_id}/reopen"      = var.api_scopes.write
    "POST /v1/incidents/{incident_id}/feedback"    = var.api_scopes.write
    "GET /v1/feedback/{backtest_id}"               = var.api_scopes.write

    "GET /v1/customers/{customer_id}/baselines" = var.api_scopes.read
    "GET /v1/customers/{customer_id}/usage"     = var.api_scopes.read
    "GET /v1/customers/{customer_id}/series"    = var.api_scopes.read
    "GET /v1/metrics"                           = var.api_scopes.read

    "GET /v1/sources"                                    = var.api_scopes.read
    "GET /v1/sources/{source}/entities"                  = var.api_scopes.read
    "GET /v1/sources/{source}/entities/{path}/baselines" = var.api_scopes.read
    "GET /v1/sources/{source}/entities/{path}/series"    = var.api_scopes.read
    "POST /v1/sources/{source}/checks"                   = var.api_scopes.write

    # The paths that workflow systems know.
    "GET /api/v1/workspaces/{workspace}/anomalies"                      = var.api_scopes.read
    "GET /api/v1/workspaces/{workspace}/workflows/{workflow}/baselines" = var.api_scopes.read
    "POST /api/v1/ai/check-anomalies"                                   = var.api_scopes.write
    "GET /api/v1/ai/anomalies"                                          = var.api_scopes.read
    "GET /api/v1/ai/anomalies/trends"                                   = var.api_scopes.read
    "GET /api/v1/ai/anomalies/{id}"                                     = var.api_scopes.read

    # The paths that tracing systems know.
    "GET /api/anomalies"              = var.api_scopes.read
    "GET /api/anomalies/{id}"         = var.api_scopes.read
    "PUT /api/anomalies/{id}/resolve" = var.api_scopes.write
    "GET /api/anomaly-config"         = var.api_scopes.admin
    "PUT /api/anomaly-config"         = var.api_scopes.admin
    "POST /api/anomaly-detection/run" = var.api_scopes.admin

    # The paths that monitoring systems of machines know.
    "GET /api/v1/monitoring/anomaly/status"  = var.api_scopes.admin
    "GET /api/v1/monitoring/anomaly/recent"  = var.api_scopes.read
    "POST /api/v1/monitoring/anomaly/detect" = var.api_scopes.admin
    "GET /api/v1/monitoring/anomaly/config"  = var.api_scopes.admin
    "PUT /api/v1/monitoring/anomaly/config"  = var.api_scopes.admin

    "GET /v1/config"                         = var.api_scopes.admin
    "PUT /v1/config"                         = var.api_scopes.admin
    "GET /v1/config/customers/{customer_id}" = var.api_scopes.admin
    "PUT /v1/config/customers/{customer_id}" = var.api_scopes.admin

    "GET /v1/config/versions"                         = var.api_scopes.admin
    "GET /v1/config/customers/{customer_id}/versions" = var.api_scopes.admin
    "GET /v1/channels"                                = var.api_scopes.admin

    "POST /v1/detections"               = var.api_scopes.admin
    "GET /v1/detections/{detection_id}" = var.api_scopes.admin
    "POST /v1/backtests"                = var.api_scopes.admin
    "GET /v1/backtests/{backtest_id}"   = var.api_scopes.admin
    "GET /v1/runs"                      = var.api_scopes.admin
    "GET /v1/status"                    = var.api_scopes.admin
    "GET /metrics"                      = var.api_scopes.admin
  })

  # Slack and Telegram have no token. The function verifies Slack's signature and the secret of Telegram's webhook.
  has_slack_buttons    = length(local.slack_signing_secret_arns) > 0
  has_telegram_buttons = length(local.telegram_button_secret_arns) > 0
  has_buttons          = local.has_slack_buttons || local.has_telegram_buttons
  button_secret_arns   = distinct(concat(local.slack_signing_secret_arns, local.telegram_button_secret_arns))
  api_button_routes = { for route, exists in {
    "POST /slack/actions"    = local.has_slack_buttons
    "POST /telegram/updates" = local.has_telegram_buttons
  } : route => null if exists }
}

module "api" {
  source = "./modules/lambda_function"
  count  = local.has_api ? 1 : 0

  name         = local.api_name
  description  = "Answers questions about anomalies, checks usage on demand and keeps the settings"
  package      = local.packages.api
  architecture = var.architecture
  memory_mb    = 512
  environment  = local.api_environment

  timeout_seconds      = local.api_timeout_seconds
  reserved_concurrency = var.api_reserved_concurrency
  policy_statements    = local.api_policy_statements

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
  # HTTP APIs wait 30 seconds at most. The function must end before, and its query well before that.
  # So a slow ClickHouse becomes an answer that says so.
  api_gateway_timeout_seconds    = 30
  api_timeout_seconds            = 29
  api_clickhouse_timeout_seconds = 20

  api_environment = merge(
    local.function_environment,
    local.clickhouse_environments.api,
    {
      CLICKHOUSE_READ_TIMEOUT_SECONDS  = tostring(local.api_clickhouse_timeout_seconds)
      CLICKHOUSE_QUERY_TIMEOUT_SECONDS = tostring(local.api_clickhouse_timeout_seconds)
      DETECTOR_FUNCTION_NAME           = module.detector.qualified_name
      NOTIFIER_CONFIG_SSM_PARAMETER    = aws_ssm_parameter.notifier.name
      SCOPE_READ                       = var.api_scopes.read
      SCOPE_WRITE                      = var.api_scopes.write
      SCOPE_ADMIN                      = var.api_scopes.admin

      TENANT_REQUESTS_PER_MINUTE           = tostring(var.api_tenant_requests_per_minute)
      TENANT_CLICKHOUSE_SECONDS_PER_MINUTE = tostring(var.api_tenant_clickhouse_seconds_per_minute)
    },
    { for checks in module.checks : "CHECKS_FUNCTION" => checks.qualified_name },
    local.dashboard_environment,
    local.has_slack_buttons ? { SLACK_SIGNING_SECRET_ARNS = join(",", local.slack_signing_secret_arns) } : {},
    var.allow_loopback_channels ? { ALLOW_LOOPBACK = "true" } : {},
  )

  # Exactly the calls of the function's code. The module adds its log and the VPC.
  api_policy_statements = concat(
    [
      {
        # Anomalies, incidents and notices of their ends. A closed incident moves to another key.
        sid        = "ReadAndChangeAnomaliesAndIncidents"
        actions    = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.customers
      },
      {
        sid        = "ReadAndChangeSettings"
        actions    = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.settings
      },
      {
        sid        = "KeepAndListFormerSettings"
        actions    = ["dynamodb:PutItem", "dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.former_settings
      },
      {
        sid        = "KeepFeedback"
        actions    = ["dynamodb:PutItem", "dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.feedback
      },
      {
        sid        = "FollowRequestedRuns"
        actions    = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.requested_runs
      },
      {
        sid        = "CountWorkOfCallers"
        actions    = ["dynamodb:UpdateItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.work_of_callers
      },
      {
        sid        = "ReadLastRuns"
        actions    = ["dynamodb:GetItem", "dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.last_runs
      },
      {
        sid        = "ListEndedRuns"
        actions    = ["dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.ended_runs
      },
      {
        sid        = "ListDeliveries"
        actions    = ["dynamodb:Query"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.told
      },
      {
        # Whether a channel is disabled, and the incidents that Telegram's buttons name.
        sid        = "ReadChannelsAndButtons"
        actions    = ["dynamodb:GetItem"]
        resources  = [aws_dynamodb_table.anomalies.arn]
        conditions = local.keys.channels
      },
      {
        sid       = "ReadConfigurationOfChannels"
        actions   = ["ssm:GetParameter"]
        resources = [aws_ssm_parameter.notifier.arn]
      },
      {
        sid       = "ListByIndex"
        actions   = ["dynamodb:Query"]
        resources = [for index in [local.metric_index_name, local.pending_index_name, local.incidents_index_name, local.entity_index_name, local.execution_index_name] : "${aws_dynamodb_table.anomalies.arn}/index/${index}"]
      },
      {
        # People are notified of a person's decision at once, not at the next run.
        sid       = "PublishAlerts"
        actions   = ["sns:Publish"]
        resources = [aws_sns_topic.alerts.arn]
      },
      {
        sid       = "StartDetections"
        actions   = ["lambda:InvokeFunction"]
        resources = [module.detector.alias_arn]
      },
      local.key_statements.api,
    ],
    !local.has_buttons ? [] : [
      {
        sid       = "ReadSecretsOfButtons"
        actions   = ["secretsmanager:GetSecretValue"]
        resources = local.button_secret_arns
      },
    ],
    !local.has_buttons || length(var.notification_secret_kms_key_arns) == 0 ? [] : [
      {
        sid       = "DecryptSecretsOfButtons"
        actions   = ["kms:Decrypt"]
        resources = var.notification_secret_kms_key_arns
        conditions = {
          StringEquals = { "kms:ViaService" = ["secretsmanager.${local.region}.${data.aws_partition.current.dns_suffix}"] }
        }
      },
    ],
    local.checks_policy_statements,
    local.clickhouse_policy_statements.api,
    local.function_policy_statements,
  )
}

resource "aws_apigatewayv2_api" "this" {
  count = local.has_api ? 1 : 0

  name          = local.api_name
  description   = "Anomalies of ${var.name_prefix}"
  protocol_type = "HTTP"

  disable_execute_api_endpoint = length(local.api_domains) > 0 && try(!var.api_domain.default_address, false)

  # Tokens come in a header and never in a cookie, so credentials are not allowed.
  dynamic "cors_configuration" {
    for_each = length(var.api_cors_allow_origins) > 0 ? [1] : []

    content {
      allow_origins  = var.api_cors_allow_origins
      allow_methods  = ["GET", "POST", "PUT"]
      allow_headers  = ["authorization", "content-type", "if-match"]
      expose_headers = ["etag", "location", "retry-after", "x-request-id"]
      max_age        = 3600
    }
  }

  tags = var.tags
}

resource "aws_apigatewayv2_authorizer" "this" {
  count = local.has_api ? 1 : 0

  api_id           = aws_apigatewayv2_api.this[0].id
  name             = "${local.api_name}-tokens"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.api_jwt_issuer
    audience = var.api_jwt_audience
  }
}

resource "aws_apigatewayv2_integration" "this" {
  count = local.has_api ? 1 : 0

  api_id                 = aws_apigatewayv2_api.this[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.api[0].alias_arn
  integration_method     = "POST"
  payload_format_version = "2.0"
  timeout_milliseconds   = local.api_gateway_timeout_seconds * 1000
}

resource "aws_apigatewayv2_route" "this" {
  for_each = { for route, scope in local.api_routes : route => scope if local.has_api }

  api_id    = aws_apigatewayv2_api.this[0].id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.this[0].id}"

  authorization_type   = each.value == null ? "NONE" : "JWT"
  authorizer_id        = each.value == null ? null : aws_apigatewayv2_authorizer.this[0].id
  authorization_scopes = each.value == null ? null : [each.value]
}

resource "aws_apigatewayv2_stage" "this" {
  count = local.has_api ? 1 : 0

  api_id      = aws_apigatewayv2_api.this[0].id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.api_throttling_rate_limit
    throttling_burst_limit = var.api_throttling_burst_limit

    # CloudWatch charges for metrics per route. The access log has the same figures.
    detailed_metrics_enabled = false
  }

  # One line per request. Paths hold customers' ids, and queries can hold any text. So the log has
  # the route instead of both, and only the subject of the token.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api_access[0].arn
    format = jsonencode({
      request_id             = "$context.requestId"
      time                   = "$context.requestTime"
      route                  = "$context.routeKey"
      status                 = "$context.status"
      latency_ms             = "$context.responseLatency"
      integration_latency_ms = "$context.integrationLatency"
      integration_error      = "$context.integrationErrorMessage"
      ip                     = "$context.identity.sourceIp"
      subject                = "$context.authorizer.claims.sub"
    })
  }

  tags = var.tags

  # An API without a stage cannot be called. So the API opens when all of it exists.
  depends_on = [
    aws_apigatewayv2_route.this,
    aws_lambda_permission.api,
  ]
}

# Each log that an AWS service delivers lengthens an account policy of limited size, unless the
# name of its group starts with /aws/vendedlogs/.
resource "aws_cloudwatch_log_group" "api_access" {
  # checkov:skip=CKV_AWS_338:log_retention_days decides. The log names callers, so it is kept no longer than its reader needs it.

  count = local.has_api ? 1 : 0

  name              = "/aws/vendedlogs/${local.api_name}-access"
  log_group_class   = var.api_access_log_class
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_key_arn

  tags = var.tags
}

# The two stars stand for the stages of this API and their routes.
resource "aws_lambda_permission" "api" {
  count = local.has_api ? 1 : 0

  statement_id  = "AllowApi"
  action        = "lambda:InvokeFunction"
  function_name = module.api[0].function_name
  qualifier     = module.api[0].alias_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this[0].execution_arn}/*/*"
}
