# What a plan warns of. A stack that tells nobody is possible, so is a password over plain http.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
}

run "a_stack_that_tells_nobody_and_what_else_is_wrong_warns" {
  command = plan

  variables {
    # The name begins like this machine.
    clickhouse_url             = "http://localhost.example.com:8123"
    clickhouse_secret_arn      = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    clickhouse_allow_plaintext = true
    # The same secret twice is one user.
    detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    api_jwt_issuer                 = "https://tokens.example.com"
    api_jwt_audience               = ["meterflow"]
    # Slower than the alarm on missing runs.
    schedule_expression = "rate(2 hours)"
  }

  expect_failures = [
    check.somebody_is_told_of_critical_anomalies,
    check.somebody_is_told_of_alarms,
    check.no_password_of_clickhouse_is_sent_unencrypted,
    check.a_run_is_due_before_the_alarm_on_missing_runs,
    check.detector_and_api_have_clickhouse_users_of_their_own,
  ]

  assert {
    condition     = length(aws_sns_topic_subscription.alert_emails) == 0 && length(aws_sns_topic_subscription.ops_emails) == 0
    error_message = "Empty lists must subscribe nobody."
  }

  assert {
    condition     = jsonencode(output.recipients) == jsonencode({ channels = [], alert_emails = [], ops_emails = [] })
    error_message = "The output must say that there is nobody."
  }

  # Plain http is accepted where it is allowed.
  assert {
    condition     = [for function in [module.detector, module.api[0]] : function.settings.environment.CLICKHOUSE_ALLOW_PLAINTEXT] == ["true", "true"]
    error_message = "Detector and API must be told."
  }
}

run "addresses_for_warnings_alone_and_alarms_without_an_address_warn" {
  command = plan

  variables {
    alert_emails           = ["billing@example.com"]
    alert_email_severities = ["warning"]
  }

  override_resource {
    target          = aws_sns_topic_subscription.alert_emails
    override_during = plan
    values          = { pending_confirmation = true }
  }

  expect_failures = [
    check.somebody_is_told_of_critical_anomalies,
    check.somebody_is_told_of_alarms,
  ]

  assert {
    condition     = jsonencode(output.unconfirmed_addresses) == jsonencode(["billing@example.com"])
    error_message = "The output must name the address that has not confirmed."
  }
}

run "routes_for_warnings_alone_warn" {
  command = plan

  variables {
    notification_channels = {
      slack = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack-AbC123" }
    }
    notification_routes = [{ severities = ["warning"], channels = ["slack"] }]
    ops_emails          = ["oncall@example.com"]
  }

  expect_failures = [check.somebody_is_told_of_critical_anomalies]
}

run "a_channel_is_enough_and_a_schedule_that_is_off_is_no_warning" {
  command = plan

  variables {
    schedule_expression = "rate(1 day)"
    schedule_enabled    = false
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
    ops_emails = ["oncall@example.com"]
  }

  assert {
    condition     = jsonencode(output.recipients) == jsonencode({ channels = ["pager"], alert_emails = [], ops_emails = ["oncall@example.com"] }) && length(output.unconfirmed_addresses) == 0
    error_message = "The output must name whom the stack tells."
  }
}

run "a_channel_of_amazon_q_is_enough_and_what_else_is_right_is_no_warning" {
  command = plan

  variables {
    # On this machine nobody is on the way.
    clickhouse_url             = "http://127.0.0.1:8123"
    clickhouse_secret_arn      = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    clickhouse_allow_plaintext = true
    # Slow, and its alarm is slower.
    schedule_expression       = "rate(2 hours)"
    missing_run_alarm_minutes = 135
    amazon_q_slack            = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    ops_emails                = ["oncall@example.com"]
  }

  assert {
    condition     = jsonencode(output.recipients.channels) == jsonencode(["amazon_q"])
    error_message = "The output must name the channel that amazon_q_slack makes."
  }
}
