# Two stacks in one account and region need two prefixes, and share no name then.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "every_name_carries_the_prefix" {
  command = plan

  variables {
    name_prefix               = "second"
    catalog_file              = "tests/with_presets.toml"
    schedule_expression       = "cron(5 */2 * * ? *)"
    schedule_enabled          = false
    missing_run_alarm_minutes = 150
    amazon_q_slack            = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    api_jwt_issuer            = "https://tokens.example.com"
    api_jwt_audience          = ["meterflow"]
  }

  assert {
    condition = alltrue([
      for name in concat(
        [
          output.detector_function_name,
          output.anomalies_table_name,
          output.schedule_rule_name,
          aws_sns_topic.alerts.name,
          aws_sns_topic.ops.name,
          aws_sqs_queue.detector_failures.name,
          aws_sqs_queue.schedule_dead_letters.name,
          aws_cloudwatch_metric_alarm.table_throttles.alarm_name,
          aws_cloudwatch_metric_alarm.no_customers.alarm_name,
          trimprefix(aws_kms_alias.this[0].name, "alias/"),
          trimprefix(output.detector_log_group_name, "/aws/lambda/"),
        ],
        [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name],
      ) : startswith(name, "second-")
    ])
    error_message = "Two stacks with two prefixes must not share a name."
  }

  assert {
    condition = [
      output.notifier_function_name,
      output.notifier_log_group_name,
      output.notifier_config_parameter_name,
      aws_cloudwatch_event_rule.digest[0].name,
      aws_sqs_queue.notifier_failures.name,
      aws_sqs_queue.notifier_dead_letters.name,
      aws_sqs_queue.channel_failures["amazon_q"].name,
      aws_sns_topic.chat[0].name,
      aws_iam_role.chat[0].name,
      aws_chatbot_slack_channel_configuration.this[0].configuration_name,
      local.notifier_environment.METRICS_STACK,
      ] == [
      "second-anomaly-notifier",
      "/aws/lambda/second-anomaly-notifier",
      "/second/notifier",
      "second-anomaly-digest",
      "second-anomaly-notifier-failures",
      "second-anomaly-notifier-dlq",
      "second-anomaly-notifier-amazon_q",
      "second-anomaly-chat",
      "second-anomaly-chat-eu-central-1",
      "second-anomaly-chat-eu-central-1",
      "second",
    ]
    error_message = "Two stacks with two prefixes must not share a name."
  }

  assert {
    condition = [
      output.api_function_name,
      aws_apigatewayv2_api.this[0].name,
      aws_apigatewayv2_authorizer.this[0].name,
      aws_cloudwatch_log_group.api_access[0].name,
      local.api_environment.DETECTOR_FUNCTION_NAME,
      ] == [
      "second-anomaly-api",
      "second-anomaly-api",
      "second-anomaly-api-tokens",
      "/aws/vendedlogs/second-anomaly-api-access",
      "second-anomaly-detection:live",
    ]
    error_message = "Two stacks with two prefixes must not share an API."
  }

  assert {
    condition     = aws_ssm_parameter.catalog[0].name == "/second/catalog"
    error_message = "The catalog parameter must be /PREFIX/catalog."
  }

  assert {
    condition     = local.detector_environment.METRICS_STACK == "second"
    error_message = "The metrics of two stacks must be told apart by the prefix."
  }

  # Schedule can be changed and paused.
  assert {
    condition     = aws_cloudwatch_event_rule.schedule[0].schedule_expression == "cron(5 */2 * * ? *)" && aws_cloudwatch_event_rule.schedule[0].state == "DISABLED"
    error_message = "Both settings must reach the rule."
  }

  assert {
    condition     = !aws_cloudwatch_metric_alarm.this["no-completed-run"].actions_enabled && aws_cloudwatch_metric_alarm.this["no-completed-run"].evaluation_periods == 10
    error_message = "A paused schedule must not page, and the alarm's time must follow its variable."
  }

  # One file may name presets.
  assert {
    condition     = aws_ssm_parameter.catalog[0].insecure_value == file("tests/with_presets.toml")
    error_message = "The parameter must hold the file as it is."
  }
}
