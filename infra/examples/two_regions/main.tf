# A stack in each of two regions, for customers whose usage may not leave their region. Both have the same name prefix: names
# that are global in an account end with the region.

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

provider "aws" {
  alias  = "us"
  region = "us-east-1"
}

variable "packages" {
  description = "Folder of the functions' packages. A copy in S3 would have to be in each of the regions."
  type        = string
  default     = "../../../target/lambda-arm64"
}

module "eu" {
  source = "../../modules/stack"

  detector_package = "${var.packages}/anomaly-detection/bootstrap.zip"
  notifier_package = "${var.packages}/anomaly-notifier/bootstrap.zip"

  clickhouse_url        = "https://abc123.eu-central-1.aws.clickhouse.cloud:8443"
  clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"

  alert_emails         = ["billing-eu@example.com"]
  ops_emails           = ["oncall@example.com"]
  cloudwatch_dashboard = true
}

module "us" {
  source    = "../../modules/stack"
  providers = { aws = aws.us }

  detector_package = "${var.packages}/anomaly-detection/bootstrap.zip"
  notifier_package = "${var.packages}/anomaly-notifier/bootstrap.zip"

  clickhouse_url        = "https://def456.us-east-1.aws.clickhouse.cloud:8443"
  clickhouse_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:meterflow/detector-GhI789"

  alert_emails         = ["billing-us@example.com"]
  ops_emails           = ["oncall@example.com"]
  cloudwatch_dashboard = true
}

output "ops_topic_arns" {
  description = "ARN of the topic of the alarms in each region."
  value       = { eu = module.eu.ops_topic_arn, us = module.us.ops_topic_arn }
}
