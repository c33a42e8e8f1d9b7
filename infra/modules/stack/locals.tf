data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  # A policy inside a resource cannot refer to that resource, or to one that depends on it. So these
  # ARNs are put together from names.
  queue_arn_prefix  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:"
  alarm_arn_pattern = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${var.name_prefix}-anomaly-*"
  rule_arn_pattern  = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${var.name_prefix}-anomaly-*"
  topic_arn_pattern = "arn:${local.partition}:sns:${local.region}:${local.account_id}:${var.name_prefix}-anomaly-*"
  log_group_patterns = [
    for folder in ["lambda", "vendedlogs"] :
    "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/${folder}/${var.name_prefix}-anomaly-*"
  ]

  # The authorities that Amazon Linux trusts, as one file. By default each cold start parses all files of the folder
  # around it, which takes longer than the rest of the cold start. The local cloud has no TLS.
  certificates = var.aws_endpoint_url == null ? "/etc/pki/tls/certs/ca-bundle.crt" : null
}
