# The API: which routes it has, who gets through to them, and where it is. resources.tftest.hcl has
# the stack without an issuer.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = module.api[0].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-api" }
}

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts" }
}

override_resource {
  target          = aws_apigatewayv2_authorizer.this
  override_during = plan
  values          = { id = "tokens" }
}

override_resource {
  target          = aws_apigatewayv2_integration.this
  override_during = plan
  values          = { id = "function" }
}

override_resource {
  target          = aws_cloudwatch_log_group.api_access
  override_during = plan
  values          = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/meterflow-anomaly-api-access" }
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://tokens.example.com"
  api_jwt_audience = ["meterflow"]

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "an_api_with_the_defaults_has_neither_dashboard_nor_sources" {
  command = plan

  # Every route asks for its scope.
  assert {
    condition = {
      for route in aws_apigatewayv2_route.this :
      route.route_key => trimspace("${route.authorization_type} ${join(" ", coalesce(route.authorization_scopes, []))}")
      } == {
      "GET /health"                                                       = "NONE"
      "GET /openapi.json"                                                 = "NONE"
      "GET /"                                                             = "NONE"
      "GET /assets/{file}"                                                = "NONE"
      "GET /dashboard.json"                                               = "NONE"
      "GET /v1/anomalies"                                                 = "JWT anomalies:read"
      "GET /v1/anomalies/check"                                           = "JWT anomalies:read"
      "POST /v1/anomalies/check"                                          = "JWT anomalies:read"
      "GET /v1/anomalies/trends"                                          = "JWT anomalies:read"
      "GET /v1/anomalies/{anomaly_id}"                                    = "JWT anomalies:read"
      "POST /v1/anomalies/{anomaly_id}/acknowledge"                       = "JWT anomalies:write"
      "POST /v1/anomalies/{anomaly_id}/resolve"                           = "JWT anomalies:write"
      "POST /v1/anomalies/{anomaly_id}/reopen"                            = "JWT anomalies:write"
      "POST /v1/anomalies/{anomaly_id}/feedback"                          = "JWT anomalies:write"
      "GET /v1/incidents"                                                 = "JWT anomalies:read"
      "GET /v1/incidents/counts"                                          = "JWT anomalies:read"
      "GET /v1/incidents/{incident_id}"                                   = "JWT anomalies:read"
      "GET /v1/incidents/{incident_id}/deliveries"                        = "JWT anomalies:admin"
      "GET /v1/incidents/{incident_id}/related"                           = "JWT anomalies:read"
      "POST /v1/incidents/{incident_id}/acknowledge"                      = "JWT anomalies:write"
      "POST /v1/incidents/{incident_id}/resolve"                          = "JWT anomalies:write"
      "POST /v1/incidents/{incident_id}/reopen"                           = "JWT anomalies:write"
      "POST /v1/incidents/{incident_id}/feedback"                         = "JWT anomalies:write"
      "GET /v1/feedback/{backtest_id}"                                    = "JWT anomalies:write"
      "GET /v1/customers/{customer_id}/baselines"                         = "JWT anomalies:read"
      "GET /v1/customers/{customer_id}/usage"                             = "JWT anomalies:read"
      "GET /v1/customers/{customer_id}/series"                            = "JWT anomalies:read"
      "GET /v1/metrics"                                                   = "JWT anomalies:read"
      "GET /v1/sources"                                                   = "JWT anomalies:read"
      "GET /v1/sources/{source}/entities"                                 = "JWT anomalies:read"
      "GET /v1/sources/{source}/entities/{path}/baselines"                = "JWT anomalies:read"
      "GET /v1/sources/{source}/entities/{path}/series"                   = "JWT anomalies:read"
      "POST /v1/sources/{source}/checks"                                  = "JWT anomalies:write"
      "GET /api/v1/workspaces/{workspace}/anomalies"                      = "JWT anomalies:read"
      "GET /api/v1/workspaces/{workspace}/workflows/{workflow}/baselines" = "JWT anomalies:read"
      "POST /api/v1/ai/check-anomalies"                                   = "JWT anomalies:write"
      "GET /api/v1/ai/anomalies"                                          = "JWT anomalies:read"
      "GET /api/v1/ai/anomalies/trends"                                   = "JWT anomalies:read"
      "GET /api/v1/ai/anomalies/{id}"                                     = "JWT anomalies:read"
      "GET /api/anomalies"                                                = "JWT anomalies:read"
      "GET /api/anomalies/{id}"                                           = "JWT anomalies:read"
      "PUT /api/anomalies/{id}/resolve"                                   = "JWT anomalies:write"
      "GET /api/anomaly-config"                                           = "JWT anomalies:admin"
      "PUT /api/anomaly-config"                                           = "JWT anomalies:admin"
      "POST /api/anomaly-detection/run"                                   = "JWT anomalies:admin"
      "GET /api/v1/monitoring/anomaly/status"                             = "JWT anomalies:admin"
      "GET /api/v1/monitoring/anomaly/recent"                             = "JWT anomalies:read"
      "POST /api/v1/monitoring/anomaly/detect"                            = "JWT anomalies:admin"
      "GET /api/v1/monitoring/anomaly/config"                             = "JWT anomalies:admin"
      "PUT /api/v1/monitoring/anomaly/config"                             = "JWT anomalies:admin"
      "GET /v1/config"                                                    = "JWT anomalies:admin"
      "PUT /v1/config"                                                    = "JWT anomalies:admin"
      "GET /v1/config/customers/{customer_id}"                            = "JWT anomalies:admin"
      "PUT /v1/config/customers/{customer_id}"                            = "JWT anomalies:admin"
      "GET /v1/config/versions"                                           = "JWT anomalies:admin"
      "GET /v1/config/customers/{customer_id}/versions"                   = "JWT anomalies:admin"
      "GET /v1/channels"                                                  = "JWT anomalies:admin"
      "POST /v1/detections"                                               = "JWT anomalies:admin"
      "GET /v1/detections/{detection_id}"                                 = "JWT anomalies:admin"
      "POST /v1/backtests"                                                = "JWT anomalies:admin"
      "GET /v1/backtests/{backtest_id}"                                   = "JWT anomalies:admin"
      "GET /v1/runs"                                                      = "JWT anomalies:admin"
      "GET /v1/status"                                                    = "JWT anomalies:admin"
      "GET /metrics"                                                      = "JWT anomalies:admin"
    }
    error_message = "The API must have exactly these routes, each with its one scope; only five are open."
  }

  # Tokens are checked by the gateway.
  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].authorizer_type == "JWT" && aws_apigatewayv2_authorizer.this[0].identity_sources == toset(["$request.header.Authorization"])
    error_message = "Tokens must be JWTs from the Authorization header."
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].jwt_configuration[0].issuer == "https://tokens.example.com" && aws_apigatewayv2_authorizer.this[0].jwt_configuration[0].audience == toset(["meterflow"])
    error_message = "Issuer and audience must be those given."
  }

  assert {
    condition     = toset([for route in aws_apigatewayv2_route.this : route.route_key if route.authorizer_id == null]) == toset(["GET /health", "GET /openapi.json", "GET /", "GET /assets/{file}", "GET /dashboard.json"])
    error_message = "Only these five routes may have no authorizer."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorizer_id == "tokens" if route.authorization_type == "JWT"])
    error_message = "Every other route must use the authorizer."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.target == "integrations/function" && route.api_id == output.api_id])
    error_message = "Every route must lead to the function."
  }

  # The gateway waits longer than the function runs.
  assert {
    condition     = "${aws_apigatewayv2_integration.this[0].integration_type} ${aws_apigatewayv2_integration.this[0].payload_format_version} ${aws_apigatewayv2_integration.this[0].integration_uri}" == "AWS_PROXY 2.0 arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-api:live"
    error_message = "The integration must hand requests to the API's function in the payload format 2.0."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this[0].timeout_milliseconds == 30000 && module.api[0].settings.timeout_seconds == 29
    error_message = "The function must end before the gateway gives up, and the gateway waits 30 seconds at most."
  }

  assert {
    condition     = alltrue([for name in ["CLICKHOUSE_READ_TIMEOUT_SECONDS", "CLICKHOUSE_QUERY_TIMEOUT_SECONDS"] : tonumber(module.api[0].settings.environment[name]) < module.api[0].settings.timeout_seconds])
    error_message = "A query must end before the function does."
  }

  # Throttling has defaults.
  assert {
    condition     = aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_burst_limit == 100
    error_message = "By default the API must answer 50 requests a second, and 100 at once."
  }

  # Browsers are kept out by default.
  assert {
    condition     = length(aws_apigatewayv2_api.this[0].cors_configuration) == 0
    error_message = "Without origins there must be no CORS."
  }

  # There is no domain without one.
  assert {
    condition     = length(aws_apigatewayv2_domain_name.this) + length(aws_apigatewayv2_api_mapping.this) + length(aws_route53_record.api) == 0 && !aws_apigatewayv2_api.this[0].disable_execute_api_endpoint && output.api_domain_target == null
    error_message = "Without api_domain the API must be at the address that API Gateway gives it."
  }

  # Names are those that others rely on.
  assert {
    condition     = aws_apigatewayv2_api.this[0].name == "meterflow-anomaly-api" && aws_apigatewayv2_api.this[0].protocol_type == "HTTP"
    error_message = "The HTTP API must be meterflow-anomaly-api."
  }

  assert {
    condition = [output.api_function_name, output.api_log_group_name, output.api_id, output.api_endpoint] == [
      "meterflow-anomaly-api", "/aws/lambda/meterflow-anomaly-api", "a1b2c3d4e5", "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
    ]
    error_message = "The outputs must tell where the API is."
  }

  # The function has the settings of the detector and its own.
  assert {
    condition = module.api[0].settings.environment == tomap({
      CLICKHOUSE_URL                   = "https://clickhouse.example.com:8443"
      CLICKHOUSE_DATABASE              = "meterflow"
      CLICKHOUSE_READ_TIMEOUT_SECONDS  = "20"
      CLICKHOUSE_QUERY_TIMEOUT_SECONDS = "20"
      ANOMALIES_TABLE                  = "meterflow-anomalies"
      NOTIFIER_CONFIG_SSM_PARAMETER    = "/meterflow/notifier"
      RETENTION_DAYS                   = "90"
      RESOLVE_AFTER_RUNS               = "3"
      REOPEN_WITHIN_HOURS              = "6"
      ACCEPT_AFTER_HOURS               = "72"
      REPEAT_INTERVAL_HOURS            = "72"
      ALERT_MIN_SEVERITY               = "critical"
      ALERT_TOPIC_ARN                  = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
      WINDOW_DELAY_SECONDS             = "0"
      BASELINE_DAYS                    = "30"
      DETECTORS                        = "ensemble"
      MIN_SAMPLES                      = "7"
      THRESHOLD                        = "3"
      CRITICAL_THRESHOLD               = "5"
      MIN_RELATIVE_CHANGE              = "0.1"
      MIN_RELATIVE_SPREAD              = "0.04"
      LOG_LEVEL                        = "info"
      SSL_CERT_FILE                    = "/etc/pki/tls/certs/ca-bundle.crt"
      DETECTOR_FUNCTION_NAME           = "meterflow-anomaly-detection:live"
      SCOPE_READ                       = "anomalies:read"
      SCOPE_WRITE                      = "anomalies:write"
      SCOPE_ADMIN                      = "anomalies:admin"

      TENANT_REQUESTS_PER_MINUTE           = "120"
      TENANT_CLICKHOUSE_SECONDS_PER_MINUTE = "20"
    })
    error_message = "The environment must hold these variables, and nothing for what is not set."
  }

  assert {
    condition     = module.api[0].settings.reserved_concurrency == 20 && module.api[0].settings.on_failure == null
    error_message = "The API must have 20 copies at most, and keep no failed events: its callers wait for the answer."
  }

  # There is no dashboard without a client.
  assert {
    condition     = [for name, value in module.api[0].settings.environment : name if startswith(name, "DASHBOARD_")] == []
    error_message = "Without a client the function must not have a dashboard."
  }

  assert {
    condition     = output.dashboard_url == null && !contains(keys(jsondecode(aws_ssm_parameter.notifier.insecure_value)), "link")
    error_message = "Without a dashboard there is no address of it, and messages have no link."
  }

  # Without sources there is nothing for them.
  assert {
    condition = length(concat(
      module.checks, module.sources,
      aws_cloudwatch_event_rule.finished, values(aws_cloudwatch_event_rule.source),
      aws_cloudwatch_event_target.finished, values(aws_cloudwatch_event_target.source),
      aws_lambda_event_source_mapping.finished, values(aws_lambda_permission.source),
      aws_sqs_queue.finished, aws_sqs_queue.finished_dead_letters,
    )) == 0
    error_message = "A stack without sources must have no function, rule or queue for them."
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "finished-dead-letters") && !contains(keys(local.api_environment), "CHECKS_FUNCTION")
    error_message = "Nothing may watch or name what does not exist."
  }

  assert {
    condition     = [for statement in jsondecode(module.api[0].role_policy).Statement : statement.Resource if contains(statement.Action, "lambda:InvokeFunction")] == [[module.detector.alias_arn]]
    error_message = "The API may invoke the detector alone."
  }

  assert {
    condition     = [for statement in jsondecode(aws_sqs_queue.schedule_dead_letters.policy).Statement : statement.Sid] == ["DenyWithoutTls", "ScheduleSendsDeadLetters"]
    error_message = "The rule of the schedule alone may keep what it could not hand over."
  }

  assert {
    condition     = output.checks_function_name == null && output.sources_function_name == null && output.finished_queue_url == null && output.finished_dead_letter_queue_url == null
    error_message = "The outputs must be null."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.this["detector-dead-letters"].alarm_description, "meterflow-anomaly-detection failed on an event") && strcontains(aws_cloudwatch_metric_alarm.this["schedule-dead-letters"].alarm_description, "to meterflow-anomaly-detection: that hour")
    error_message = "The alarms must name the detector alone."
  }
}

run "settings_reach_the_api_and_its_function_checks_as_the_detector_does" {
  command = plan

  variables {
    architecture               = "x86_64"
    log_retention_days         = 7
    vpc_subnet_ids             = ["subnet-0a1b2c3d"]
    vpc_security_group_ids     = ["sg-0a1b2c3d"]
    api_throttling_rate_limit  = 7.5
    api_throttling_burst_limit = 15
    api_cors_allow_origins     = ["https://dashboard.example.com", "http://localhost:5173"]

    clickhouse_database                      = "metering"
    clickhouse_secret_arn                    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
    detector_clickhouse_secret_arn           = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"
    catalog_file                             = "tests/catalog.toml"
    window_delay_seconds                     = 600
    baseline_days                            = 14
    detectors                                = "seasonal, z_score"
    min_samples                              = 5
    threshold                                = 2.5
    critical_threshold                       = 4
    min_relative_change                      = 0.25
    min_relative_spread                      = 0.1
    anomaly_retention_days                   = 30
    resolve_after_runs                       = 4
    reopen_within_hours                      = 12
    accept_after_hours                       = 0
    repeat_interval_hours                    = 4
    alert_min_severity                       = "warning"
    log_level                                = "debug"
    aws_endpoint_url                         = "http://127.0.0.1:4566"
    api_tenant_requests_per_minute           = 30
    api_tenant_clickhouse_seconds_per_minute = 5
    api_reserved_concurrency                 = 7
    split_metric_index                       = true
    api_scopes                               = { read = "anomalies/read", write = "anomalies/write", admin = "anomalies/admin" }
  }

  # The function checks as the detector does.
  assert {
    condition = {
      for name in [
        "CLICKHOUSE_URL", "CLICKHOUSE_DATABASE", "CATALOG_SSM_PARAMETER", "ANOMALIES_TABLE", "WINDOW_DELAY_SECONDS", "BASELINE_DAYS",
        "DETECTORS", "MIN_SAMPLES", "THRESHOLD", "CRITICAL_THRESHOLD", "MIN_RELATIVE_CHANGE", "MIN_RELATIVE_SPREAD", "RETENTION_DAYS", "RESOLVE_AFTER_RUNS", "REOPEN_WITHIN_HOURS", "ACCEPT_AFTER_HOURS", "REPEAT_INTERVAL_HOURS", "ALERT_MIN_SEVERITY",
        "ALERT_TOPIC_ARN", "LOG_LEVEL", "AWS_ENDPOINT_URL", "SPLIT_METRIC_INDEX",
      ] : name => try(module.api[0].settings.environment[name], "")
    } == { for name, value in local.detector_environment : name => value if !contains(["CLICKHOUSE_SECRET_ARN", "MAX_PAGES_PER_RUN", "MAX_PAGES_PER_CUSTOMER", "METRICS_NAMESPACE", "METRICS_STACK"], name) }
    error_message = "What the detector is told about usage, strictness and incidents, the API must be told as well."
  }

  # The index by metric is split for the table, the API and the alarm.
  assert {
    condition = {
      key        = one([for index in aws_dynamodb_table.anomalies.global_secondary_index : "${index.hash_key} ${index.range_key} ${index.projection_type}" if index.name == "metric-part-index"])
      attributes = [for attribute in aws_dynamodb_table.anomalies.attribute : attribute.name if startswith(attribute.name, "metric")]
      indexes    = length(aws_dynamodb_table.anomalies.global_secondary_index)
      api        = module.api[0].settings.environment["SPLIT_METRIC_INDEX"]
      permitted  = [for statement in local.api_policy_statements : startswith(statement.resources[0], "${aws_dynamodb_table.anomalies.arn}/index/metric-part-index") if statement.sid == "ListByIndex"]
      alarm      = join(" ", local.throttled_indexes_of_writes)
      } == {
      key        = "metric_part detected_at ALL"
      attributes = ["metric_part"]
      indexes    = 5
      api        = "true"
      permitted  = [true]
      alarm      = "metric-part-index"
    }
    error_message = "With split_metric_index the split index must take the place of the other one everywhere."
  }

  # A tenant is held to its limits.
  assert {
    condition     = [for name in ["TENANT_REQUESTS_PER_MINUTE", "TENANT_CLICKHOUSE_SECONDS_PER_MINUTE"] : module.api[0].settings.environment[name]] == ["30", "5"]
    error_message = "Both limits must reach the function."
  }

  assert {
    condition     = module.api[0].settings.reserved_concurrency == 7
    error_message = "The API must have as many copies as are reserved."
  }

  # The scopes have the names that the issuer gives them.
  assert {
    condition = toset(flatten([
      for route in aws_apigatewayv2_route.this : coalesce(route.authorization_scopes, [])
    ])) == toset(["anomalies/read", "anomalies/write", "anomalies/admin"])
    error_message = "The routes must ask for the scopes as they are named, and for no others."
  }

  assert {
    condition     = [for name in ["SCOPE_READ", "SCOPE_WRITE", "SCOPE_ADMIN"] : module.api[0].settings.environment[name]] == ["anomalies/read", "anomalies/write", "anomalies/admin"]
    error_message = "The function must know the scopes by the same names."
  }

  # Settings reach the function.
  assert {
    condition     = module.api[0].settings.memory_mb == 512 && module.api[0].settings.architectures == tolist(["x86_64"]) && module.api[0].settings.log_retention_days == 7
    error_message = "The API must have 512 MB and share architecture and retention with the detector."
  }

  assert {
    condition     = module.api[0].settings.vpc_subnet_ids == ["subnet-0a1b2c3d"] && module.api[0].settings.vpc_security_group_ids == ["sg-0a1b2c3d"]
    error_message = "The API must reach ClickHouse in the same VPC."
  }

  assert {
    condition     = module.notifier.settings.vpc_subnet_ids == [] && module.api[0].settings.vpc_subnet_ids == ["subnet-0a1b2c3d"]
    error_message = "Only the notifier is outside the VPC."
  }

  # The stage serves at the root and is throttled.
  assert {
    condition     = aws_apigatewayv2_stage.this[0].name == "$default" && aws_apigatewayv2_stage.this[0].auto_deploy
    error_message = "The stage must be the default one, and changed routes must reach it by themselves."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_rate_limit == 7.5 && aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_burst_limit == 15
    error_message = "Both limits must reach the stage."
  }

  # The access log tells who asked and no more.
  assert {
    condition = jsondecode(aws_apigatewayv2_stage.this[0].access_log_settings[0].format) == {
      request_id             = "$context.requestId"
      time                   = "$context.requestTime"
      route                  = "$context.routeKey"
      status                 = "$context.status"
      latency_ms             = "$context.responseLatency"
      integration_latency_ms = "$context.integrationLatency"
      integration_error      = "$context.integrationErrorMessage"
      ip                     = "$context.identity.sourceIp"
      subject                = "$context.authorizer.claims.sub"
    }
    error_message = "A line must hold these fields: never the token, the path or the query."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this[0].access_log_settings[0].destination_arn == "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/meterflow-anomaly-api-access"
    error_message = "The stage must write to the access log's own group."
  }

  assert {
    condition     = output.api_access_log_group_name == "/aws/vendedlogs/meterflow-anomaly-api-access" && aws_cloudwatch_log_group.api_access[0].retention_in_days == 7
    error_message = "The group's name must be one that the key admits, and its lines must expire."
  }

  # Pages of the listed origins may call.
  assert {
    condition = [
      for cors in aws_apigatewayv2_api.this[0].cors_configuration : {
        origins     = cors.allow_origins
        methods     = cors.allow_methods
        headers     = cors.allow_headers
        exposed     = cors.expose_headers
        credentials = coalesce(cors.allow_credentials, false)
      }
      ] == [{
        origins     = toset(["https://dashboard.example.com", "http://localhost:5173"])
        methods     = toset(["GET", "POST", "PUT"])
        headers     = toset(["authorization", "content-type", "if-match"])
        exposed     = toset(["etag", "location", "retry-after", "x-request-id"])
        credentials = false
    }]
    error_message = "Listed origins must be able to send what the API reads and to read what it answers, without cookies."
  }
}

run "a_domain_of_ones_own_leads_to_api_and_dashboard_and_one_scope_has_another_name" {
  command = plan

  variables {
    dashboard = { client_id = "page" }
    api_domain = {
      name            = "usage.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      hosted_zone_id  = "Z0123456789ABCDEFGHIJ"
      default_address = false
    }

    api_scopes               = { admin = "meterflow:operate" }
    api_reserved_concurrency = -1
  }

  override_resource {
    target          = aws_apigatewayv2_domain_name.this
    override_during = plan
    values = {
      id = "usage.example.com"
      domain_name_configuration = {
        target_domain_name = "d-a1b2c3.execute-api.eu-central-1.amazonaws.com"
        hosted_zone_id     = "Z1U9ULNL0V5AJ3"
      }
    }
  }

  override_resource {
    target          = aws_apigatewayv2_stage.this
    override_during = plan
    values          = { id = "$default" }
  }

  assert {
    condition = [for domain in aws_apigatewayv2_domain_name.this : "${domain.domain_name} ${domain.domain_name_configuration[0].endpoint_type} ${domain.domain_name_configuration[0].security_policy} ${domain.domain_name_configuration[0].certificate_arn}"] == [
      "usage.example.com REGIONAL TLS_1_2 arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555",
    ]
    error_message = "API Gateway must know the domain with its certificate."
  }

  assert {
    condition     = [for mapping in aws_apigatewayv2_api_mapping.this : "${mapping.domain_name} ${mapping.api_id} ${mapping.stage} ${coalesce(mapping.api_mapping_key, "/")}"] == ["usage.example.com a1b2c3d4e5 $default /"]
    error_message = "The root of the domain must be the API."
  }

  assert {
    condition     = [for record in aws_route53_record.api : "${record.zone_id} ${record.name} ${record.type} ${record.alias[0].name} ${record.alias[0].zone_id}"] == ["Z0123456789ABCDEFGHIJ usage.example.com A d-a1b2c3.execute-api.eu-central-1.amazonaws.com Z1U9ULNL0V5AJ3"]
    error_message = "The record must lead to the domain in API Gateway."
  }

  assert {
    condition     = output.api_domain_target == { name = "d-a1b2c3.execute-api.eu-central-1.amazonaws.com", zone_id = "Z1U9ULNL0V5AJ3" }
    error_message = "The output must say where a record of one's own has to lead."
  }

  assert {
    condition     = aws_apigatewayv2_api.this[0].disable_execute_api_endpoint
    error_message = "default_address = false must close the other address."
  }

  assert {
    condition     = [output.api_endpoint, output.dashboard_url] == ["https://usage.example.com", "https://usage.example.com/"] && local.incident_link == "https://usage.example.com/#/incidents/{incident_id}"
    error_message = "People must be led to the domain."
  }

  # A single scope can be renamed.
  assert {
    condition     = local.api_routes["GET /v1/status"] == "meterflow:operate" && local.api_routes["GET /v1/metrics"] == "anomalies:read"
    error_message = "The other two scopes must keep their names."
  }

  # The reservation of the api can be another or none.
  assert {
    condition     = module.api[0].settings.reserved_concurrency == -1
    error_message = "api_reserved_concurrency must reach the function."
  }
}
