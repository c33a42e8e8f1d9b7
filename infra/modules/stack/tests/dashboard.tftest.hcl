# The dashboard: how people sign in, where the page is, and what a stack without the page lacks.

mock_provider "aws" {
  source = "./tests/mocks"
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

  # What a run applies is destroyed at the end.
  deletion_protection = false
}

run "a_stack_without_a_client_has_no_dashboard" {
  command = apply

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
  command = apply

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
  command = apply

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

run "a_link_of_ones_own_goes_before_the_dashboard" {
  command = apply

  variables {
    dashboard         = { client_id = "page" }
    notification_link = "https://app.example.com/incidents/{incident_id}"
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).link == "https://app.example.com/incidents/{incident_id}"
    error_message = "Messages must have the link that is set."
  }
}

run "the_local_cloud_has_the_page_below_the_emulator" {
  command = apply

  variables {
    dashboard        = { client_id = "page" }
    aws_endpoint_url = "http://127.0.0.1:4566"
  }

  assert {
    condition     = output.dashboard_url == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5/"
    error_message = "The address must be one that every browser finds."
  }
}

run "a_dashboard_needs_the_api" {
  command = plan

  variables {
    api_jwt_issuer   = null
    api_jwt_audience = []
    dashboard        = { client_id = "page" }
  }

  expect_failures = [var.dashboard]
}

run "a_client_without_an_id_is_refused" {
  command = plan

  variables {
    dashboard = { client_id = " " }
  }

  expect_failures = [var.dashboard]
}

run "what_would_widen_the_policy_of_the_page_is_refused" {
  command = plan

  variables {
    dashboard = { client_id = "page", origins = ["https://sign-in.example.com", "https://*.example.com"] }
  }

  expect_failures = [var.dashboard]
}

run "a_path_is_no_origin" {
  command = plan

  variables {
    dashboard = { client_id = "page", origins = ["https://sign-in.example.com/"] }
  }

  expect_failures = [var.dashboard]
}

run "a_scope_without_openid_is_refused" {
  command = plan

  variables {
    dashboard = { client_id = "page", scope = "anomalies:read" }
  }

  expect_failures = [var.dashboard]
}

run "an_address_without_encryption_is_refused" {
  command = plan

  variables {
    dashboard = { client_id = "page", url = "http://usage.example.com/" }
  }

  expect_failures = [var.dashboard]
}

run "a_link_without_an_id_is_refused" {
  command = plan

  variables {
    dashboard = { client_id = "page", links = { trace = "javascript:alert('{trace_id}')" } }
  }

  expect_failures = [var.dashboard]
}
