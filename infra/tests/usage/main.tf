# The module in a configuration of somebody else: none or several stacks, and an issuer of tokens that Terraform makes in
# the same apply.

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
