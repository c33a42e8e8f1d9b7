# A ClickHouse that only a VPC reaches, in subnets without a way to the internet. The functions that read it run in these
# subnets. The notifier runs outside, because it needs the internet and no ClickHouse.

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
  api_package      = "${var.packages}/anomaly-api/bootstrap.zip"
  notifier_package = "${var.packages}/anomaly-notifier/bootstrap.zip"

  # Its certificate must be one that Amazon Linux trusts.
  clickhouse_url                 = "https://clickhouse.internal.example.com:8443"
  clickhouse_secret_arn          = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/api-AbC123"
  detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"

  vpc_subnet_ids         = values(aws_subnet.private)[*].id
  vpc_security_group_ids = [aws_security_group.functions.id]

  api_jwt_issuer   = "https://tokens.example.com"
  api_jwt_audience = ["anomaly-api"]

  alert_emails = ["billing@example.com"]
  ops_emails   = ["oncall@example.com"]
}

output "endpoints" {
  description = "The services that the functions reach without the internet."
  value       = sort(concat(values(aws_vpc_endpoint.gateway)[*].service_name, values(aws_vpc_endpoint.interface)[*].service_name))
}

output "functions_security_group_id" {
  description = "Security group of the functions. The security group of ClickHouse must admit it on the port of clickhouse_url."
  value       = aws_security_group.functions.id
}
