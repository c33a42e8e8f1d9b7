# One function with its alias, its role, its log group and, if it takes events, the queue of its failures. The role
# can do what the caller lists and what this module adds, and nothing else.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116:Failed events go to the destination below, which also says why they failed. A caller that waits gets the error.
  # checkov:skip=CKV_AWS_173:The environment has names and addresses, and no secret. Lambda encrypts it with a key of its own.
  # checkov:skip=CKV_AWS_272:Only an account that signs its packages can check signatures. The packages of this project are not signed by AWS Signer.

  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  # Without the `try` a stack could not be destroyed after the package is deleted. A new object of S3 and a new image are
  # noticed by their names.
  package_type     = local.is_image ? "Image" : "Zip"
  filename         = local.is_file ? var.package : null
  source_code_hash = try(filebase64sha256(var.package), null)
  s3_bucket        = local.is_object ? split("/", var.package)[2] : null
  s3_key           = local.is_object ? join("/", slice(split("/", var.package), 3, length(split("/", var.package)))) : null
  image_uri        = local.is_image ? var.package : null

  # An image says itself what Lambda has to start.
  runtime       = local.is_image ? null : "provided.al2023"
  handler       = local.is_image ? null : "bootstrap"
  architectures = [var.architecture]

  # Each change of the code or of the settings becomes a version, which Lambda keeps as it is.
  publish = true

  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = var.environment
  }

  # Without a mode of its own, a function would keep the one that it had.
  tracing_config {
    mode = var.xray_tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [1] : []

    content {
      subnet_ids         = var.vpc_subnet_ids
      security_group_ids = var.vpc_security_group_ids
    }
  }

  tags = var.tags

  # If the function came first, Lambda would make a log group that never expires. And AWS checks the
  # role's permissions on network and failure queue when it makes the function.
  depends_on = [
    aws_cloudwatch_log_group.this,
    aws_iam_role_policy.this,
  ]

  lifecycle {
    precondition {
      condition     = !local.is_file || fileexists(var.package)
      error_message = "The deployment package ${var.package} does not exist. Build it first (`cargo lambda build --release --output-format zip`), or set its path."
    }
  }
}

# All that invokes the function invokes the alias. So an earlier version runs again as soon as somebody points the alias at it. The next
# apply points the alias at the newest version.
resource "aws_lambda_alias" "this" {
  name             = "live"
  description      = "The version that runs"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_function_event_invoke_config" "this" {
  count = var.asynchronous == null ? 0 : 1

  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.this.name
  maximum_event_age_in_seconds = var.asynchronous.maximum_event_age_seconds
  maximum_retry_attempts       = var.asynchronous.maximum_retry_attempts

  destination_config {
    on_failure {
      destination = var.asynchronous.failure_queue_arn
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338:log_retention_days decides. A year of logs costs money, and anomalies are kept in the table.

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# Roles are global in an account. The region in the name keeps two regions apart.
resource "aws_iam_role" "this" {
  name        = "${var.name}-${data.aws_region.current.id}"
  path        = var.role_path
  description = "Permissions of ${var.name}"

  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "permissions"
  role   = aws_iam_role.this.id
  policy = local.policy
}

locals {
  is_object = startswith(var.package, "s3://")
  is_image  = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", var.package))
  is_file   = !local.is_object && !local.is_image

  in_vpc = length(var.vpc_subnet_ids) > 0

  # Built from its name, because the policy must exist before the function.
  function_arn = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:function:${var.name}"
  ec2_arn      = "arn:${data.aws_partition.current.partition}:ec2:${data.aws_region.current.id}"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        for statement in var.policy_statements : merge(
          {
            Sid      = statement.sid
            Effect   = "Allow"
            Action   = statement.actions
            Resource = statement.resources
          },
          { for key, value in { Condition = statement.conditions } : key => value if length(value) > 0 },
        )
      ],
      [
        {
          # The end of the ARN stands for the streams in this group. Lambda names them itself.
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
        },
      ],
      [
        for asynchronous in var.asynchronous[*] : {
          # Lambda sends failed events by the function's role.
          Sid      = "KeepFailedEvents"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = [asynchronous.failure_queue_arn]
        }
      ],
      [
        for statement in [{
          # X-Ray has no resource level for these two.
          Sid      = "SendTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
          Resource = ["*"]
        }] : statement if var.xray_tracing
      ],
      [for statement in local.vpc_statements : statement if local.in_vpc],
    )
  })

  vpc_statements = [
    {
      # AWS has no resource level for these two.
      Sid      = "FindNetwork"
      Effect   = "Allow"
      Action   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
      Resource = ["*"]
    },
    {
      # Interfaces have no id before they exist. A shared subnet belongs to another account, so the
      # account is left open. A subnet's id is unique.
      Sid    = "CreateInterfaces"
      Effect = "Allow"
      Action = ["ec2:CreateNetworkInterface"]
      Resource = concat(
        ["${local.ec2_arn}:${data.aws_caller_identity.current.account_id}:network-interface/*"],
        [for id in var.vpc_subnet_ids : "${local.ec2_arn}:*:subnet/${id}"],
        [for id in var.vpc_security_group_ids : "${local.ec2_arn}:*:security-group/${id}"],
      )
    },
    {
      Sid      = "ManageInterfaces"
      Effect   = "Allow"
      Action   = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
      Resource = ["${local.ec2_arn}:${data.aws_caller_identity.current.account_id}:network-interface/*"]
    },
    {
      # Lambda itself needs the network permissions. The code in the function never does, in whatever version.
      Sid    = "DenyNetworkToCode"
      Effect = "Deny"
      Action = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      Resource  = ["*"]
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = [local.function_arn, "${local.function_arn}:*"] } }
    },
  ]
}
