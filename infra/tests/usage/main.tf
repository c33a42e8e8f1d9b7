# The module in a configuration of somebody else: none or several stacks, with an issuer of tokens and a key that Terraform
# makes in the same apply.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

resource "terraform_data" "issuer" {
  input = "tokens.example.com"
}

module "stack" {
  source   = "../../modules/stack"
  for_each = toset(["first", "second"])

  name_prefix      = each.key
  detector_package = "versions.tf"
  api_package      = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://${terraform_data.issuer.output}"
  api_jwt_audience = [terraform_data.issuer.id]
  dashboard        = { client_id = terraform_data.issuer.id }
  alert_emails     = ["pages@example.com"]
  ops_emails       = ["oncall@example.com"]
  tags             = { Stack = each.key }
}

# The statements depend on no resource of the stack, so the key is made first.
resource "aws_kms_key" "ours" {
  policy = jsonencode({ Version = "2012-10-17", Statement = jsondecode(module.with_a_key.kms_key_policy_statements) })
}

module "with_a_key" {
  source = "../../modules/stack"

  name_prefix      = "third"
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  alert_emails     = ["pages@example.com"]
  ops_emails       = ["oncall@example.com"]
  kms_key          = { arn = aws_kms_key.ours.arn }
}

module "none" {
  source = "../../modules/stack"
  count  = 0

  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
}

output "tables" {
  value = values(module.stack)[*].anomalies_table_name
}
