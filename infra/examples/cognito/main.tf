# The API and the dashboard, with a user pool of Cognito that the same apply makes.
#
# The packages are made by: make package-for-aws. The package of the pool's trigger is made in examples/cognito by:
# zip -j trigger.zip trigger.mjs. docs/dashboard-sign-in.md tells how users get their groups.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

variable "packages" {
  description = "Folder of the functions' packages, or its copy in S3 as s3://BUCKET/PREFIX."
  type        = string
  default     = "../../../target/lambda-arm64"
}

variable "domain_prefix" {
  description = "Beginning of the sign-in page's host, unique in the region: PREFIX.auth.REGION.amazoncognito.com."
  type        = string
}

module "sign_in" {
  source = "../../../examples/cognito"

  domain_prefix  = var.domain_prefix
  dashboard_urls = ["${module.meterflow.api_endpoint}/"]
}

module "meterflow" {
  source = "../../modules/stack"

  detector_package = "${var.packages}/anomaly-detection/bootstrap.zip"
  api_package      = "${var.packages}/anomaly-api/bootstrap.zip"
  notifier_package = "${var.packages}/anomaly-notifier/bootstrap.zip"

  clickhouse_url                 = "https://abc123.eu-central-1.aws.clickhouse.cloud:8443"
  clickhouse_secret_arn          = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/api-AbC123"
  detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"

  api_jwt_issuer   = module.sign_in.issuer
  api_jwt_audience = [module.sign_in.client_id]
  api_scopes       = module.sign_in.scopes

  dashboard = {
    client_id = module.sign_in.client_id
    origins   = [module.sign_in.origin]
  }

  alert_emails = ["billing@example.com"]
  ops_emails   = ["oncall@example.com"]
}

output "dashboard_url" {
  description = "Address of the dashboard."
  value       = module.meterflow.dashboard_url
}

output "user_pool_id" {
  description = "Id of the user pool, for `aws cognito-idp`."
  value       = module.sign_in.user_pool_id
}
