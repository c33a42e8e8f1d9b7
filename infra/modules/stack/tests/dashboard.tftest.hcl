# The dashboard: how people sign in, where the page is, and what a stack without the page lacks.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://tokens.example.com/pool"
  api_jwt_audience = ["meterflow"]

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "a_stack_without_a_client_has_no_dashboard" {
  command = plan

  assert {
    condition     = [for name, value in module.api[0].settings.environment : name if startswith(name, "DASHBOARD_")] == []
    error_message = "Without a client the function must not have a dashboard."
  }

  assert {
    condition     = output.dashboard_url == null && !contains(keys(jsondecode(aws_ssm_parameter.notifier.insecure_value)), "link")
    error_message = "Without a dashboard there is no address of it, and messages have no link."
  }
}

run "the_function_knows_how_people_sign_in" {
  command = plan

  variables {
    dashboard = { client_id = "page" }
  }

  assert {
    condition = { for name, value in module.api[0].settings.environment : name => value if startswith(name, "DASHBOARD_") } == {
      DASHBOARD_CLIENT_ID = "page"
      DASHBOARD_ISSUER    = "https://tokens.example.com/pool"
    }
    error_message = "The function must know client and issuer, and nothing for what is not set."
  }

  assert {
    condition     = output.dashboard_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/"
    error_message = "The page must be at the address of the API."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).link == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/#/incidents/{incident_id}"
    error_message = "Messages must lead to the incident's page of the dashboard."
  }
}

run "every_setting_reaches_the_function" {
  command = plan

  variables {
    dashboard = {
      client_id = "page"
      url       = "https://usage.example.com/meterflow"
      scope     = "openid profile anomalies/read"
      audience  = "https://api.example.com"
      origins   = ["https://sign-in.example.com", "https://tokens.example.com:8443"]
      links     = { trace = "https://traces.example.com/{trace_id}" }
    }
  }

  assert {
    condition = { for name, value in module.api[0].settings.environment : name => value if startswith(name, "DASHBOARD_") } == {
      DASHBOARD_CLIENT_ID = "page"
      DASHBOARD_ISSUER    = "https://tokens.example.com/pool"
      DASHBOARD_SCOPE     = "openid profile anomalies/read"
      DASHBOARD_AUDIENCE  = "https://api.example.com"
      DASHBOARD_ORIGINS   = "https://sign-in.example.com https://tokens.example.com:8443"
      DASHBOARD_LINKS     = "{\"trace\":\"https://traces.example.com/{trace_id}\"}"
    }
    error_message = "The function must have each setting of the dashboard."
  }

  assert {
    condition     = output.dashboard_url == "https://usage.example.com/meterflow/" && jsondecode(aws_ssm_parameter.notifier.insecure_value).link == "https://usage.example.com/meterflow/#/incidents/{incident_id}"
    error_message = "Output and messages must have the address of the domain that leads to the page."
  }
}

run "a_link_of_ones_own_goes_before_the_dashboard_of_the_local_cloud" {
  command = plan

  variables {
    dashboard         = { client_id = "page" }
    notification_link = "https://app.example.com/incidents/{incident_id}"
    aws_endpoint_url  = "http://127.0.0.1:4566"
  }

  # A link of ones own goes before the dashboard.
  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).link == "https://app.example.com/incidents/{incident_id}"
    error_message = "Messages must have the link that is set."
  }

  # The local cloud has the page below the emulator.
  assert {
    condition     = output.dashboard_url == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5/"
    error_message = "The address must be one that every browser finds."
  }
}
