# A plan is enough here: nothing is made, so nothing has to be destroyed.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  alert_emails     = ["pages@example.com"]
  ops_emails       = ["oncall@example.com"]
}

run "a_stack_is_protected_unless_switched_off" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.anomalies.deletion_protection_enabled && terraform_data.deletion_protection.input.protected
    error_message = "Deletion protection must be on unless switched off."
  }

  assert {
    condition = alltrue([
      for part in ["stack meterflow is protected", "table meterflow-anomalies", "deletion_protection = false"] :
      strcontains(terraform_data.deletion_protection.input.refusal, part)
    ])
    error_message = "The refusal must name the stack, the table and the way out."
  }
}
