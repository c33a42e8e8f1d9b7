# What only a plan can refuse: it depends on a file, on a length, or on the region. tests/variables has the values that are refused
# by themselves.

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

run "a_catalog_and_a_config_of_channels_beyond_8_kb_are_refused" {
  command = plan

  variables {
    catalog_files = [for name in ["api", "buttons", "notifier", "permissions", "resources", "sources"] : "tests/${name}.tftest.hcl"]
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
    }
    notification_routes = [for number in range(5) : { customers = [join("", [for index in range(1000) : "cc"])], channels = ["pager"] }]
  }

  expect_failures = [
    aws_ssm_parameter.catalog,
    aws_ssm_parameter.notifier,
  ]
}

run "catalogs_without_a_text_and_a_certificate_of_another_region_are_refused" {
  command = plan

  variables {
    # A folder, no file at all, and a file that is right.
    catalog_files = ["tests", "no-such-catalog.toml", "tests/catalog.toml"]
    api_domain    = { name = "usage.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [
    aws_ssm_parameter.catalog,
    aws_apigatewayv2_domain_name.this,
  ]

  assert {
    condition     = local.catalog_files_without_text == ["tests", "no-such-catalog.toml"]
    error_message = "The refusal must name each file that is none, and no other."
  }
}

run "a_file_with_presets_stands_alone" {
  command = plan

  variables {
    catalog_files = ["preset:usage", "tests/with_presets.toml"]
  }

  expect_failures = [aws_ssm_parameter.catalog]
}
