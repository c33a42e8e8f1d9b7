# An account that does not exist. Without these, the mocked provider makes up strings that are no
# ARNs, and the provider's own checks refuse them.
#
# A file with `override_during = plan` knows these values in a plan, so its tests need no apply. An apply takes twice the
# time. unknown.tftest.hcl plans with values that are unknown, as they are on AWS.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = {
    id = "eu-central-1"
  }
}

mock_resource "aws_apigatewayv2_api" {
  defaults = {
    id            = "a1b2c3d4e5"
    api_endpoint  = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
    execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5"
  }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    key_id = "11111111-2222-3333-4444-555555555555"
  }
}

mock_resource "aws_dynamodb_table" {
  defaults = {
    arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
  }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = {
    arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection"
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = {
    arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-detection"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::123456789012:role/meterflow-anomaly-detection-eu-central-1"
  }
}

mock_resource "aws_lambda_function" {
  defaults = {
    arn     = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection"
    version = "7"
  }
}

mock_resource "aws_ssm_parameter" {
  defaults = {
    arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/catalog"
  }
}

mock_resource "aws_sns_topic" {
  defaults = {
    arn = "arn:aws:sns:eu-central-1:123456789012:unnamed"
  }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:unnamed"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/unnamed"
  }
}

# Each alarm gets an ARN of its own, made up.
mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = {}
}

mock_resource "aws_sns_topic_subscription" {
  defaults = {
    pending_confirmation = false
  }
}
