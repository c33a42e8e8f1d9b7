# Buttons and the newer types of channels: settings that could not work are refused.

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://tokens.example.com"
  api_jwt_audience = ["meterflow"]
}

run "buttons_without_the_api_are_refused" {
  command = plan

  variables {
    api_jwt_issuer   = null
    api_jwt_audience = []
    notification_channels = {
      slack = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "buttons_in_telegram_without_the_api_are_refused" {
  command = plan

  variables {
    api_jwt_issuer   = null
    api_jwt_audience = []
    notification_channels = {
      ops = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/bot-AbC123", chat_id = "-1001", webhook_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_webhook_secret_of_slack_is_refused" {
  command = plan

  variables {
    notification_channels = {
      slack = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123", webhook_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_template_of_a_chat_is_refused" {
  command = plan

  variables {
    notification_channels = {
      teams = { type = "teams", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/teams-AbC123", template = "{}" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_empty_template_is_refused" {
  command = plan

  variables {
    notification_channels = {
      hook = { type = "webhook", url = "https://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", template = "" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_bus_by_its_name_is_refused" {
  command = plan

  variables {
    notification_channels = {
      bus = { type = "event_bus", bus_arn = "alerts" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "opsgenie_without_a_key_is_refused" {
  command = plan

  variables {
    notification_channels = {
      opsgenie = { type = "opsgenie" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_api_of_teams_is_refused" {
  command = plan

  variables {
    notification_channels = {
      teams = { type = "teams", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/teams-AbC123", api_url = "https://teams.example.com" }
    }
  }

  expect_failures = [var.notification_channels]
}
