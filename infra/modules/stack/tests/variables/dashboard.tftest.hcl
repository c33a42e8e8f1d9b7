# Settings of the dashboard that could not work are refused.

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://tokens.example.com/pool"
  api_jwt_audience = ["meterflow"]
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
