# Settings of what the stack makes. Nothing reads the package in a plan, so any file
# stands in for it.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "a_stack_with_the_defaults_has_one_run_for_all_customers_and_no_api" {
  command = plan

  variables {
    alert_emails = ["billing@example.com", "sales@example.com"]
    api_package  = "no-such-package.zip"
  }

  override_resource {
    target          = aws_sns_topic.alerts
    override_during = plan
    values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts" }
  }

  override_resource {
    target          = aws_sns_topic.ops
    override_during = plan
    values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops" }
  }

  # Names are those that others rely on.
  assert {
    condition     = output.detector_function_name == "meterflow-anomaly-detection"
    error_message = "The detector function must be meterflow-anomaly-detection."
  }

  assert {
    condition     = output.anomalies_table_name == "meterflow-anomalies"
    error_message = "The table must be meterflow-anomalies."
  }

  assert {
    condition     = aws_sns_topic.alerts.name == "meterflow-anomaly-alerts" && aws_sns_topic.ops.name == "meterflow-anomaly-ops"
    error_message = "The topics must be meterflow-anomaly-alerts and meterflow-anomaly-ops."
  }

  assert {
    condition     = output.schedule_rule_name == "meterflow-anomaly-detection"
    error_message = "The rule must be meterflow-anomaly-detection."
  }

  assert {
    condition     = output.detector_log_group_name == "/aws/lambda/meterflow-anomaly-detection"
    error_message = "Lambda writes to /aws/lambda/FUNCTION, so the log group must be that."
  }

  # Table holds what the detector writes.
  assert {
    condition     = aws_dynamodb_table.anomalies.hash_key == "pk" && aws_dynamodb_table.anomalies.range_key == "sk"
    error_message = "The table's key must be pk and sk."
  }

  assert {
    condition     = { for attribute in aws_dynamodb_table.anomalies.attribute : attribute.name => attribute.type } == { pk = "S", sk = "S", metric = "S", detected_at = "N", pending_alert = "S", incident_shard = "S", last_window = "N", entity_key = "S", execution_key = "S" }
    error_message = "The key attributes must have the types that the detector writes."
  }

  assert {
    condition = {
      for index in aws_dynamodb_table.anomalies.global_secondary_index : index.name => "${index.hash_key} ${index.range_key} ${index.projection_type}"
      } == {
      metric-severity-index = "metric detected_at ALL"
      pending-alerts-index  = "pending_alert detected_at ALL"
      incidents-index       = "incident_shard last_window ALL"
      entity-index          = "entity_key detected_at ALL"
      execution-index       = "execution_key detected_at ALL"
    }
    error_message = "The table must have the five indexes with all attributes."
  }

  assert {
    condition     = aws_dynamodb_table.anomalies.ttl[0].enabled && aws_dynamodb_table.anomalies.ttl[0].attribute_name == "ttl"
    error_message = "Items must expire by the attribute ttl."
  }

  assert {
    condition     = aws_dynamodb_table.anomalies.point_in_time_recovery[0].enabled && aws_dynamodb_table.anomalies.server_side_encryption[0].enabled
    error_message = "Point-in-time recovery and encryption must be on."
  }

  assert {
    condition     = aws_dynamodb_table.anomalies.billing_mode == "PAY_PER_REQUEST"
    error_message = "The table must be paid by request."
  }

  # Schedule is hourly and loses nothing.
  assert {
    condition     = aws_cloudwatch_event_rule.schedule[0].schedule_expression == "rate(1 hour)" && aws_cloudwatch_event_rule.schedule[0].state == "ENABLED"
    error_message = "The rule must fire every hour by default."
  }

  assert {
    condition     = aws_cloudwatch_event_target.detector[0].retry_policy[0].maximum_event_age_in_seconds >= 3600 && aws_cloudwatch_event_target.detector[0].retry_policy[0].maximum_retry_attempts > 0
    error_message = "EventBridge must retry the hand-over for an hour at least."
  }

  assert {
    condition     = length(aws_cloudwatch_event_target.detector[0].dead_letter_config) == 1
    error_message = "The target must have a dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue.schedule_dead_letters.message_retention_seconds == 1209600 && aws_sqs_queue.detector_failures.message_retention_seconds == 1209600
    error_message = "Both queues must keep events for 14 days."
  }

  assert {
    condition     = aws_lambda_permission.schedule[0].principal == "events.amazonaws.com" && aws_lambda_permission.schedule[0].action == "lambda:InvokeFunction" && aws_lambda_permission.schedule[0].source_account == "123456789012"
    error_message = "EventBridge of this account must be allowed to invoke the function."
  }

  # Function has the settings of the contract.
  assert {
    condition     = module.detector.settings.memory_mb == 512 && module.detector.settings.timeout_seconds == 300
    error_message = "The detector must have 512 MB and 300 seconds."
  }

  assert {
    condition     = module.detector.settings.architectures == tolist(["arm64"]) && module.detector.settings.reserved_concurrency == 1
    error_message = "By default the detector must run on arm64, one copy at a time."
  }

  assert {
    condition     = module.detector.settings.maximum_retry_attempts == 2 && module.detector.settings.maximum_event_age_seconds == 21600
    error_message = "Lambda must repeat a failed run twice, and keep an event for 6 hours."
  }

  assert {
    condition     = module.detector.settings.log_retention_days == 30 && module.detector.settings.vpc_subnet_ids == [] && module.detector.settings.vpc_security_group_ids == []
    error_message = "By default the log must be kept for 30 days and the function stay outside a VPC."
  }

  # Environment by default.
  # The topic's ARN is known only after an apply, all else here is the whole environment.
  assert {
    condition = { for name, value in local.detector_environment : name => value if name != "ALERT_TOPIC_ARN" } == {
      CLICKHOUSE_URL         = "https://clickhouse.example.com:8443"
      CLICKHOUSE_DATABASE    = "meterflow"
      ANOMALIES_TABLE        = "meterflow-anomalies"
      WINDOW_DELAY_SECONDS   = "0"
      BASELINE_DAYS          = "30"
      DETECTORS              = "ensemble"
      MIN_SAMPLES            = "7"
      THRESHOLD              = "3"
      CRITICAL_THRESHOLD     = "5"
      MIN_RELATIVE_CHANGE    = "0.1"
      MIN_RELATIVE_SPREAD    = "0.04"
      RETENTION_DAYS         = "90"
      RESOLVE_AFTER_RUNS     = "3"
      REOPEN_WITHIN_HOURS    = "6"
      ACCEPT_AFTER_HOURS     = "72"
      REPEAT_INTERVAL_HOURS  = "72"
      ALERT_MIN_SEVERITY     = "critical"
      MAX_PAGES_PER_RUN      = "25"
      MAX_PAGES_PER_CUSTOMER = "10"
      METRICS_NAMESPACE      = "MeterFlow"
      METRICS_STACK          = "meterflow"
      LOG_LEVEL              = "info"
      SSL_CERT_FILE          = "/etc/pki/tls/certs/ca-bundle.crt"
    }
    error_message = "The environment must hold the defaults, and nothing for what is not set."
  }

  assert {
    condition     = contains(keys(local.detector_environment), "ALERT_TOPIC_ARN")
    error_message = "The function must know the alert topic."
  }

  assert {
    condition     = length(aws_ssm_parameter.catalog) == 0
    error_message = "Without a catalog file there must be no parameter."
  }

  # A stack is protected unless switched off.
  assert {
    condition     = aws_dynamodb_table.anomalies.deletion_protection_enabled && terraform_data.deletion_protection.input.protected
    error_message = "Deletion protection must be on unless switched off."
  }

  assert {
    condition = alltrue([
      for part in ["stack meterflow is protected", "table meterflow-anomalies", "deletion_protection = false"] :
      strcontains(terraform_data.deletion_protection.input.refusal, part)
    ])
    error_message = "The refusal must name the stack, the table and the way out."
  }

  # One run is for all customers.
  assert {
    condition     = [for rule in aws_cloudwatch_event_rule.schedule : rule.name] == ["meterflow-anomaly-detection"]
    error_message = "There must be one rule, under the name that it always had."
  }

  assert {
    condition     = [for target in aws_cloudwatch_event_target.detector : "${target.target_id} of ${target.rule}"] == ["detector of meterflow-anomaly-detection"]
    error_message = "There must be one target, under the id that it always had."
  }

  assert {
    condition     = length(aws_cloudwatch_event_target.detector[0].input_transformer) == 0 && aws_cloudwatch_event_target.detector[0].input == null && aws_cloudwatch_event_target.detector[0].input_path == null
    error_message = "The detector must get the event of the schedule as it is."
  }

  assert {
    condition     = [for permission in aws_lambda_permission.schedule : permission.statement_id] == ["AllowSchedule"]
    error_message = "There must be one permission, under the id that it always had."
  }

  assert {
    condition     = module.detector.settings.reserved_concurrency == 1
    error_message = "One run at a time must keep them in order."
  }

  # One run says all at once.
  assert {
    condition     = aws_cloudwatch_metric_alarm.no_customers.period == 300
    error_message = "Without shards nothing has to be waited for."
  }

  # Without an issuer there is no API.
  assert {
    condition = alltrue([
      for made in [
        module.api,
        aws_apigatewayv2_api.this,
        aws_apigatewayv2_authorizer.this,
        aws_apigatewayv2_integration.this,
        aws_apigatewayv2_route.this,
        aws_apigatewayv2_stage.this,
        aws_cloudwatch_log_group.api_access,
        aws_lambda_permission.api,
        [for name, alarm in aws_cloudwatch_metric_alarm.this : name if startswith(name, "api-")],
      ] : length(made) == 0
    ])
    error_message = "A stack without an issuer must have nothing of the API."
  }

  assert {
    condition     = alltrue([for output in [output.api_endpoint, output.api_id, output.api_function_name, output.api_log_group_name, output.api_access_log_group_name] : output == null])
    error_message = "The outputs of the API must be null without it."
  }

  # Each list of addresses has its topic.
  assert {
    condition = { for key, subscription in aws_sns_topic_subscription.alert_emails : subscription.endpoint => "${subscription.protocol} ${subscription.topic_arn}" } == {
      "billing@example.com" = "email arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
      "sales@example.com"   = "email arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
    }
    error_message = "alert_emails must be subscribed to the alert topic."
  }

  assert {
    condition = { for key, subscription in aws_sns_topic_subscription.ops_emails : subscription.endpoint => "${subscription.protocol} ${subscription.topic_arn}" } == {
      "oncall@example.com" = "email arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops"
    }
    error_message = "ops_emails must be subscribed to the ops topic."
  }

  assert {
    condition     = alltrue([for subscription in aws_sns_topic_subscription.alert_emails : jsondecode(subscription.filter_policy) == { severity = ["critical"] } && subscription.filter_policy_scope == "MessageAttributes"])
    error_message = "An e-mail subscriber must get every critical alert, and no others."
  }

  assert {
    condition     = module.detector.settings.environment == tomap(local.detector_environment) && local.detector_environment.ALERT_TOPIC_ARN == "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
    error_message = "The function must publish to the alert topic, not to that of the operators."
  }
}

run "settings_follow_their_variables" {
  command = plan

  variables {
    architecture           = "x86_64"
    reserved_concurrency   = 2
    log_retention_days     = 7
    vpc_subnet_ids         = ["subnet-0a1b2c3d"]
    vpc_security_group_ids = ["sg-0a1b2c3d"]
    clickhouse_database    = "metering"
    clickhouse_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
    catalog_file           = "tests/catalog.toml"
    window_delay_seconds   = 600
    baseline_days          = 14
    detectors              = "z_score"
    min_samples            = 5
    threshold              = 2.5
    critical_threshold     = 4
    min_relative_change    = 0.25
    min_relative_spread    = 0
    anomaly_retention_days = 30
    resolve_after_runs     = 4
    reopen_within_hours    = 12
    accept_after_hours     = 0
    repeat_interval_hours  = 4
    alert_min_severity     = "warning"
    max_pages_per_run      = 20
    max_pages_per_customer = 2
    log_level              = "debug"
    aws_endpoint_url       = "http://127.0.0.1:4566"
    otel_endpoint          = "http://localhost:4318"
    deletion_protection    = false
  }

  # Function settings follow their variables.
  assert {
    condition     = module.detector.settings.architectures == tolist(["x86_64"]) && module.detector.settings.reserved_concurrency == 2 && module.detector.settings.log_retention_days == 7
    error_message = "Architecture, concurrency and retention must reach the function."
  }

  assert {
    condition     = module.detector.settings.vpc_subnet_ids == ["subnet-0a1b2c3d"] && module.detector.settings.vpc_security_group_ids == ["sg-0a1b2c3d"]
    error_message = "Subnets and security groups must reach the function."
  }

  # Environment with everything set.
  assert {
    condition = { for name, value in local.detector_environment : name => value if name != "ALERT_TOPIC_ARN" } == {
      CLICKHOUSE_URL         = "https://clickhouse.example.com:8443"
      CLICKHOUSE_DATABASE    = "metering"
      CLICKHOUSE_SECRET_ARN  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
      CATALOG_SSM_PARAMETER  = "/meterflow/catalog"
      ANOMALIES_TABLE        = "meterflow-anomalies"
      WINDOW_DELAY_SECONDS   = "600"
      BASELINE_DAYS          = "14"
      DETECTORS              = "z_score"
      MIN_SAMPLES            = "5"
      THRESHOLD              = "2.5"
      CRITICAL_THRESHOLD     = "4"
      MIN_RELATIVE_CHANGE    = "0.25"
      MIN_RELATIVE_SPREAD    = "0"
      RETENTION_DAYS         = "30"
      RESOLVE_AFTER_RUNS     = "4"
      REOPEN_WITHIN_HOURS    = "12"
      ACCEPT_AFTER_HOURS     = "0"
      REPEAT_INTERVAL_HOURS  = "4"
      ALERT_MIN_SEVERITY     = "warning"
      MAX_PAGES_PER_RUN      = "20"
      MAX_PAGES_PER_CUSTOMER = "2"
      METRICS_NAMESPACE      = "MeterFlow"
      METRICS_STACK          = "meterflow"
      LOG_LEVEL              = "debug"
      AWS_ENDPOINT_URL       = "http://127.0.0.1:4566"

      OTEL_EXPORTER_OTLP_ENDPOINT = "http://localhost:4318"
    }
    error_message = "Every setting must reach the function under its own name."
  }

  assert {
    condition     = aws_ssm_parameter.catalog[0].insecure_value == file("tests/catalog.toml") && aws_ssm_parameter.catalog[0].type == "String" && aws_ssm_parameter.catalog[0].tier == "Standard"
    error_message = "The parameter must hold the file's text."
  }

  assert {
    condition     = !aws_dynamodb_table.anomalies.deletion_protection_enabled && !terraform_data.deletion_protection.input.protected
    error_message = "deletion_protection = false must reach the table, and the resource that explains it."
  }
}

run "a_longer_catalog_takes_the_advanced_tier_and_each_function_may_have_a_reservation_and_traces" {
  command = plan

  variables {
    catalog_file           = "checks.tf"
    alert_emails           = ["billing@example.com"]
    ops_emails             = ["oncall@example.com"]
    alert_email_severities = ["warning", "critical"]

    sources                       = { executions = {} }
    notifier_reserved_concurrency = 5
    sources_reserved_concurrency  = 3
    xray_tracing                  = true
    api_jwt_issuer                = "https://tokens.example.com"
    api_jwt_audience              = ["anomaly-api"]
    api_package                   = "versions.tf"
    api_access_log_class          = "INFREQUENT_ACCESS"
    detector_shards               = 2
    detector_memory_mb            = 1769
    reserved_concurrency          = -1
  }

  assert {
    condition     = local.catalog_bytes > 4096 && local.catalog_bytes <= 8192
    error_message = "This test needs a file of 4 to 8 KB."
  }

  assert {
    condition     = aws_ssm_parameter.catalog[0].tier == "Advanced"
    error_message = "A standard parameter holds 4 KB only."
  }

  # Warnings go to the addresses that want them.
  assert {
    condition     = jsondecode(aws_sns_topic_subscription.alert_emails["billing@example.com"].filter_policy) == { severity = ["critical", "warning"] }
    error_message = "With both severities an e-mail subscriber must get warnings too."
  }

  assert {
    condition     = aws_sns_topic_subscription.ops_emails["oncall@example.com"].filter_policy == null
    error_message = "Operators must get all that is published to them."
  }

  # Each function may have a reservation and traces.
  assert {
    condition     = module.notifier.settings.reserved_concurrency == 5 && module.sources[0].settings.reserved_concurrency == 3
    error_message = "The reservations must be those given."
  }

  assert {
    condition     = alltrue([for function in [module.api[0], module.checks[0], module.detector, module.notifier, module.sources[0]] : function.settings.tracing_mode == "Active"])
    error_message = "All functions must trace."
  }

  assert {
    condition     = aws_cloudwatch_log_group.api_access[0].log_group_class == "INFREQUENT_ACCESS"
    error_message = "The access log must have the class that is given."
  }

  assert {
    condition     = module.detector.settings.reserved_concurrency == -1
    error_message = "-1 must stay -1, however many shards there are."
  }

  assert {
    condition     = [for function in [module.detector, module.sources[0], module.checks[0]] : function.settings.memory_mb] == [1769, 1769, 512]
    error_message = "Runs must have the memory that is given, and checks of single events that of the contract."
  }
}
