# The buttons of pages in Slack and Telegram, and buses of EventBridge: what opens, who may read the secret, who may put events.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
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

run "a_signing_secret_opens_the_route_for_the_api_alone_and_every_new_type_is_accepted" {
  command = plan

  variables {
    notification_secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"]
    notification_channels = {
      slack = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", conversation = "C0123456789", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing-AbC123" }
      # The same app with its webhook, and an app of its own.
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing-AbC123" }
      other = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing2-AbC123" }

      teams    = { type = "teams", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/teams-AbC123" }
      discord  = { type = "discord", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/discord-AbC123" }
      google   = { type = "google_chat", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/google-AbC123" }
      opsgenie = { type = "opsgenie", api_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/opsgenie-AbC123", api_url = "https://api.eu.opsgenie.com" }
      tickets  = { type = "webhook", url = "https://tickets.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/tickets-AbC123", template = "{\"title\": {{ title }}}" }
    }
  }

  assert {
    condition     = aws_apigatewayv2_route.this["POST /slack/actions"].authorization_type == "NONE"
    error_message = "Slack has no token, so the route must be open."
  }

  assert {
    condition     = toset([for route in aws_apigatewayv2_route.this : route.route_key if route.authorization_type == "NONE"]) == toset(["GET /", "GET /assets/{file}", "GET /dashboard.json", "GET /health", "GET /openapi.json", "POST /slack/actions"])
    error_message = "No other route may open."
  }

  assert {
    condition     = toset(split(",", module.api[0].settings.environment["SLACK_SIGNING_SECRET_ARNS"])) == toset(["arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing-AbC123", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing2-AbC123"])
    error_message = "The API must know each signing secret once."
  }

  assert {
    condition     = !contains(keys(module.api[0].settings.environment), "ALLOW_LOOPBACK")
    error_message = "Answers must go to Slack only."
  }

  assert {
    condition = {
      for statement in jsondecode(module.api[0].role_policy).Statement : statement.Sid => "${join(" ", statement.Action)} on ${join(" ", sort(statement.Resource))}"
      if contains(["ReadSecretsOfButtons", "DecryptSecretsOfButtons"], statement.Sid)
      } == {
      ReadSecretsOfButtons    = "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing-AbC123 arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing2-AbC123"
      DecryptSecretsOfButtons = "kms:Decrypt on arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    }
    error_message = "The API must read the signing secrets and no other secret of channels."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.notifier.role_policy).Statement : [for resource in statement.Resource : !strcontains(resource, "signing")]
    ]))
    error_message = "The notifier must not read a signing secret of Slack."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).channels.slack.signing_secret_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/signing-AbC123"
    error_message = "The notifier must know that the channel has buttons."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).channels.tickets.template == "{\"title\": {{ title }}}"
    error_message = "The template must reach the notifier as it is."
  }
}

run "telegram_has_a_route_events_go_to_buses_only_and_teams_get_warnings" {
  command = plan

  variables {
    notification_channels = {
      ops    = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/bot-AbC123", chat_id = "-1001", webhook_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123" }
      nights = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/bot-AbC123", chat_id = "-1002", webhook_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123" }
      plain  = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", chat_id = "-1003" }

      bus   = { type = "event_bus", bus_arn = "arn:aws:events:eu-central-1:123456789012:event-bus/alerts" }
      again = { type = "event_bus", bus_arn = "arn:aws:events:eu-central-1:123456789012:event-bus/alerts" }

      teams = { type = "teams", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/teams-AbC123" }
    }
  }

  assert {
    condition     = aws_apigatewayv2_route.this["POST /telegram/updates"].authorization_type == "NONE" && !contains(keys(aws_apigatewayv2_route.this), "POST /slack/actions")
    error_message = "Telegram has no token, so its route must be open. The route of Slack must not exist."
  }

  assert {
    condition     = module.api[0].settings.environment["NOTIFIER_CONFIG_SSM_PARAMETER"] == "/meterflow/notifier"
    error_message = "The API must read the channels."
  }

  assert {
    condition = {
      for statement in jsondecode(module.api[0].role_policy).Statement : statement.Sid => "${join(" ", statement.Action)} on ${join(" ", sort(statement.Resource))}"
      if contains(["ReadSecretsOfButtons", "ReadConfigurationOfChannels"], statement.Sid)
      } == {
      ReadSecretsOfButtons        = "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/bot-AbC123 arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123"
      ReadConfigurationOfChannels = "ssm:GetParameter on ${aws_ssm_parameter.notifier.arn}"
    }
    error_message = "The API must read the secrets of bots with buttons, and the channels."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.notifier.role_policy).Statement : [for resource in statement.Resource : !strcontains(resource, "hook")]
    ]))
    error_message = "The notifier must not read the secret of a webhook of Telegram."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).channels.ops.webhook_secret_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123"
    error_message = "The notifier must know that the channel has buttons."
  }

  assert {
    condition = [
      for statement in jsondecode(module.notifier.role_policy).Statement : "${join(" ", statement.Action)} on ${join(" ", statement.Resource)}" if statement.Sid == "PutEventsOnBuses"
    ] == ["events:PutEvents on arn:aws:events:eu-central-1:123456789012:event-bus/alerts"]
    error_message = "The role must reach exactly the buses of its channels."
  }

  assert {
    condition     = toset(local.routed_severities) == toset(["critical", "warning"])
    error_message = "Teams must get warnings as Slack does."
  }
}

run "without_a_signing_secret_nothing_opens" {
  command = plan

  variables {
    notification_channels = {
      slack = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/hook-AbC123" }
      # The signing secret of a webhook is not one of Slack.
      hook = { type = "webhook", url = "https://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
      chat = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/bot-AbC123", chat_id = "-1001" }
    }
  }

  assert {
    condition     = alltrue([for route in ["POST /slack/actions", "POST /telegram/updates"] : !contains(keys(aws_apigatewayv2_route.this), route)]) && alltrue([for name in ["SLACK_SIGNING_SECRET_ARNS", "ALLOW_LOOPBACK"] : !contains(keys(module.api[0].settings.environment), name)])
    error_message = "Without buttons there must be no route for them."
  }

  assert {
    condition     = [for statement in jsondecode(module.api[0].role_policy).Statement : statement.Sid if strcontains(statement.Sid, "SecretsOfButtons")] == []
    error_message = "Without buttons the API must read no secret of channels."
  }
}
