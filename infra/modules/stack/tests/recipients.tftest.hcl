# Who is told. A stack that tells nobody is possible, and each plan warns of it.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
}

run "a_stack_that_tells_nobody_warns" {
  command = plan

  expect_failures = [
    check.somebody_is_told_of_critical_anomalies,
    check.somebody_is_told_of_alarms,
  ]

  assert {
    condition     = length(aws_sns_topic_subscription.alert_emails) == 0 && length(aws_sns_topic_subscription.ops_emails) == 0
    error_message = "Empty lists must subscribe nobody."
  }

  assert {
    condition     = jsonencode(output.recipients) == jsonencode({ channels = [], alert_emails = [], ops_emails = [] })
    error_message = "The output must say that there is nobody."
  }
}

run "addresses_for_warnings_alone_warn" {
  command = plan

  variables {
    alert_emails           = ["billing@example.com"]
    alert_email_severities = ["warning"]
    ops_emails             = ["oncall@example.com"]
  }

  expect_failures = [check.somebody_is_told_of_critical_anomalies]
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

run "alarms_without_an_address_warn" {
  command = plan

  variables {
    alert_emails = ["billing@example.com"]
  }

  expect_failures = [check.somebody_is_told_of_alarms]
}

run "a_channel_is_enough" {
  command = plan

  variables {
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
    ops_emails = ["oncall@example.com"]
  }

  assert {
    condition     = jsonencode(output.recipients) == jsonencode({ channels = ["pager"], alert_emails = [], ops_emails = ["oncall@example.com"] })
    error_message = "The output must name whom the stack tells."
  }
}

run "a_channel_of_amazon_q_is_enough" {
  command = plan

  variables {
    amazon_q_slack = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    ops_emails     = ["oncall@example.com"]
  }

  assert {
    condition     = jsonencode(output.recipients.channels) == jsonencode(["amazon_q"])
    error_message = "The output must name the channel that amazon_q_slack makes."
  }
}
