# The smallest stack that somebody can rely on: a ClickHouse on the internet, two users of it, and two addresses to tell.
#
# The packages are made by: make package-for-aws

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

module "meterflow" {
  source = "../../modules/stack"

  detector_package = "${var.packages}/anomaly-detection/bootstrap.zip"
  notifier_package = "${var.packages}/anomaly-notifier/bootstrap.zip"

  clickhouse_url        = "https://abc123.eu-central-1.aws.clickhouse.cloud:8443"
  clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"

  alert_emails = ["billing@example.com"]
  ops_emails   = ["oncall@example.com"]
}

output "detector_function_name" {
  description = "Name of the detector function, for `aws lambda invoke`."
  value       = module.meterflow.detector_function_name
}
