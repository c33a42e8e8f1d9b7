# The dashboard: how people sign in, and where the page is. api.tftest.hcl has the stack without the page.

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
