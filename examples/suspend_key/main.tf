# The function of this example, with its rule and its role.
#
# The package of the function is made by: zip -j suspend_key.zip suspend_key.py

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "bus_name" {
  description = "Name of the bus that the channel of type event_bus writes to."
  type        = string
}

variable "keys" {
  description = "Id of each customer's API key in API Gateway."
  type        = map(string)
}

variable "metrics" {
  description = "Metrics whose spikes tell of a leak."
  type        = list(string)
}

variable "dry_run" {
  description = "Whether the function only says what it would do."
  type        = bool
  default     = true
}

data "aws_region" "current" {}

data "aws_partition" "current" {}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:An example without a caller that waits.
  # checkov:skip=CKV_AWS_115:A limit would keep keys of leaked accounts alive in a storm.
  # checkov:skip=CKV_AWS_116:Lambda tries a failed event twice more. Add a queue of failures before you rely on this example.
  # checkov:skip=CKV_AWS_117:The function calls API Gateway alone, which is outside every VPC.
  # checkov:skip=CKV_AWS_173:The environment has names and no secret.
  # checkov:skip=CKV_AWS_272:Only an account that signs its packages can check signatures.

  function_name = "meterflow-suspend-key"
  description   = "Suspends the API key of a customer after people have confirmed a leak"
  role          = aws_iam_role.this.arn

  filename         = "${path.module}/suspend_key.zip"
  source_code_hash = try(filebase64sha256("${path.module}/suspend_key.zip"), null)
  runtime          = "python3.13"
  handler          = "suspend_key.handler"
  timeout          = 30

  environment {
    variables = {
      KEYS    = jsonencode(var.keys)
      METRICS = join(",", var.metrics)
      DRY_RUN = tostring(var.dry_run)
    }
  }

  lifecycle {
    precondition {
      condition     = fileexists("${path.module}/suspend_key.zip")
      error_message = "The package of the function does not exist. Make it in examples/suspend_key: zip -j suspend_key.zip suspend_key.py"
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  name           = "meterflow-suspend-key"
  description    = "Confirmed leaks"
  event_bus_name = var.bus_name

  event_pattern = jsonencode({
    source      = ["meterflow"]
    detail-type = ["Anomaly Confirmed"]
    detail      = { severity = ["critical"], direction = ["spike"], metric = var.metrics }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  rule           = aws_cloudwatch_event_rule.this.name
  event_bus_name = var.bus_name
  arn            = aws_lambda_function.this.arn
}

resource "aws_lambda_permission" "this" {
  statement_id  = "AllowRule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this.arn
}

resource "aws_iam_role" "this" {
  name = "meterflow-suspend-key"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "log" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

# These keys and no others.
resource "aws_iam_role_policy" "this" {
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["apigateway:GET", "apigateway:PATCH"]
      Resource = [for key in values(var.keys) : "arn:${data.aws_partition.current.partition}:apigateway:${data.aws_region.current.id}::/apikeys/${key}"]
    }]
  })
}
