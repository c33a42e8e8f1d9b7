# One customer-managed key for the table, the topics, the queues and the logs, unless the stack is given one. Alarms cannot
# publish to a topic that the AWS-managed key encrypts.
resource "aws_kms_key" "this" {
  count = var.kms_key == null ? 1 : 0

  description         = "Anomalies, alerts, failed events and logs of ${var.name_prefix}"
  enable_key_rotation = true
  policy              = jsonencode({ Version = "2012-10-17", Statement = concat([local.key_owner_statement], local.key_policy_statements) })
  tags                = var.tags
}

resource "aws_kms_alias" "this" {
  count = length(aws_kms_key.this)

  name          = "alias/${var.name_prefix}-anomaly"
  target_key_id = aws_kms_key.this[0].key_id
}

# Before a stack could be given a key, each had one of its own.
moved {
  from = aws_kms_key.this
  to   = aws_kms_key.this[0]
}

moved {
  from = aws_kms_alias.this
  to   = aws_kms_alias.this[0]
}

locals {
  kms_key_arn = var.kms_key == null ? aws_kms_key.this[0].arn : var.kms_key.arn

  # Without this statement no IAM policy could give access to the key, and nobody could change it.
  key_owner_statement = {
    Sid       = "AccountGovernsByIam"
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }

  # In a key policy the resource "*" means this key alone. Actions are those that AWS documents for each service.
  key_policy_statements = [
    {
      Sid       = "AlarmsPublishToOpsTopic"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = local.alarm_arn_pattern }
      }
    },
    {
      # EventBridge needs the key to put an undelivered event into the encrypted queue and to
      # publish to the encrypted topic. Its requests to KMS carry no source account and no source
      # ARN, so a condition on either would lose the event silently. The policies of the queue and
      # the topic name the rules.
      Sid       = "RulesReachQueueAndTopic"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = "*"
    },
    {
      # SNS needs the key to deliver into a subscriber's queue that is encrypted with it.
      Sid       = "TopicsDeliverToEncryptedQueues"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = local.topic_arn_pattern }
      }
    },
    {
      Sid       = "LogsOfThisStack"
      Effect    = "Allow"
      Principal = { Service = "logs.${local.region}.amazonaws.com" }
      Action    = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
      Resource  = "*"
      Condition = {
        ArnLike = { "kms:EncryptionContext:aws:logs:arn" = local.log_group_patterns }
      }
    },
  ]
}
