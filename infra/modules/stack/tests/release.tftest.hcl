# A release names the packages of all functions. tests/variables has the values that are refused.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  clickhouse_url = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "a_release_counts_and_not_a_package" {
  command = plan

  variables {
    release          = "0.2.0"
    release_location = "s3://artifacts/meterflow/"
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
    detector_package = "versions.tf"
  }

  assert {
    condition = local.packages == {
      detector = "s3://artifacts/meterflow/0.2.0/anomaly-detection-arm64.zip"
      api      = "s3://artifacts/meterflow/0.2.0/anomaly-api-arm64.zip"
      notifier = "s3://artifacts/meterflow/0.2.0/anomaly-notifier-arm64.zip"
    }
    error_message = "Each package must be that of the release, for the processor of the functions."
  }

  assert {
    condition     = local.packages.detector == "s3://artifacts/meterflow/0.2.0/anomaly-detection-arm64.zip"
    error_message = "A stack with a release must have its packages alone."
  }
}

run "the_processor_is_that_of_the_functions" {
  command = plan

  variables {
    release          = "0.3.0-rc.1"
    release_location = "s3://artifacts"
    architecture     = "x86_64"
  }

  assert {
    condition     = local.packages.notifier == "s3://artifacts/0.3.0-rc.1/anomaly-notifier-x86_64.zip"
    error_message = "The package must be that for the processor of the functions."
  }
}

run "without_a_release_the_named_packages_count" {
  command = plan

  variables {
    detector_package = "versions.tf"
    notifier_package = "outputs.tf"
  }

  assert {
    condition     = local.packages.detector == "versions.tf" && local.packages.notifier == "outputs.tf" && local.packages.api == null
    error_message = "Without a release each package must be the one that is named."
  }
}
