# The variables of infra/ reach the module, and its outputs come back. The tests of the module itself are beside it.

mock_provider "aws" {
  source          = "./modules/stack/tests/mocks"
  override_during = plan
}

variables {
  detector_package = "versions.tf"
  api_package      = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "few_variables_are_enough" {
  command = plan

  assert {
    condition     = output.anomalies_table_name == "meterflow-anomalies" && output.api_endpoint == null
    error_message = "The defaults must make the stack meterflow without the API."
  }
}

run "variables_and_outputs_are_those_of_the_module" {
  command = plan

  variables {
    name_prefix      = "second"
    tags             = { Owner = "platform" }
    api_jwt_issuer   = "https://issuer.example.com"
    api_jwt_audience = ["anomaly-api"]
    dashboard        = { client_id = "page" }
  }

  assert {
    condition     = output.api_function_name == "second-anomaly-api" && output.api_endpoint == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
    error_message = "The issuer must give the stack an API of the name prefix."
  }

  assert {
    condition     = output.dashboard_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/"
    error_message = "The dashboard must be at the address of the API."
  }
}

run "the_module_is_used_twice_and_not_at_all" {
  command = plan

  module {
    source = "./tests/usage"
  }

  assert {
    condition     = output.tables == ["first-anomalies", "second-anomalies"]
    error_message = "Each stack must have a table of its own name."
  }
}
