# Functions in a VPC without a way to the internet need an endpoint for each service that they call.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  detector_package = "versions.tf"
  api_package      = "versions.tf"
  notifier_package = "versions.tf"

  clickhouse_url        = "https://clickhouse.internal.example.com:8443"
  clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/api-AbC123"

  detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-AbC123"

  vpc_subnet_ids         = ["subnet-0a1b2c3d4e5f60718"]
  vpc_security_group_ids = ["sg-0a1b2c3d4e5f60718"]

  api_jwt_issuer   = "https://tokens.example.com"
  api_jwt_audience = ["anomaly-api"]
  catalog_files    = ["preset:usage", "preset:machines"]
  sources          = { machines = { networks = true } }
  machine_models   = "s3://models/machines"

  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

# Other services call these with the function's role: Lambda itself its network, its log and its queues, and the services
# of the list the key.

run "functions_in_the_vpc_call_the_services_of_the_example_and_the_notifier_calls_more" {
  command = plan

  variables {
    notifier_in_vpc = true
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
      bus   = { type = "event_bus", bus_arn = "arn:aws:events:eu-central-1:123456789012:event-bus/alerts" }
    }
  }

  assert {
    condition = sort(distinct(flatten([
      for function in [module.detector, module.api[0], module.checks[0], module.sources[0]] : [
        for statement in jsondecode(function.role_policy).Statement : [for action in statement.Action : split(":", action)[0]]
      ]
    ]))) == sort(concat(["dynamodb", "lambda", "s3", "secretsmanager", "sns", "ssm"], ["ec2", "kms", "logs", "sqs"]))
    error_message = "A function calls another service. Add its endpoint to infra/examples/private_clickhouse, and to docs/terraform.md."
  }

  assert {
    condition     = module.notifier.settings.vpc_subnet_ids == ["subnet-0a1b2c3d4e5f60718"] && module.notifier.settings.vpc_security_group_ids == ["sg-0a1b2c3d4e5f60718"]
    error_message = "The notifier must be in the subnets of the others."
  }

  assert {
    condition = sort(distinct(flatten([
      for statement in jsondecode(module.notifier.role_policy).Statement : [for action in statement.Action : split(":", action)[0]]
    ]))) == sort(["dynamodb", "secretsmanager", "sns", "ssm", "events", "sqs", "ec2", "kms", "logs"])
    error_message = "The notifier calls another service. Add its endpoint to docs/terraform.md."
  }
}
