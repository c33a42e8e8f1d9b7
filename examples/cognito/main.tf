# A Cognito user pool for the dashboard and the API of MeterFlow: three scopes, a public client for the page, and a group for
# each scope. A trigger leaves in a token the scopes of the user's groups only, and adds the claim `customer_id`.
#
# docs/dashboard-sign-in.md tells the steps. The trigger's package is made by: zip -j trigger.zip trigger.mjs

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

data "aws_region" "current" {}

locals {
  # A scope of Cognito is the name of its resource server, a slash and its own name.
  server = "anomalies"
  scopes = {
    read  = "Read anomalies and usage"
    write = "Acknowledge, resolve and reopen"
    admin = "See all customers, change settings, start runs"
  }

  issuer = "https://${aws_cognito_user_pool.this.endpoint}"
  origin = "https://${aws_cognito_user_pool_domain.this.domain}.auth.${data.aws_region.current.id}.amazoncognito.com"
}

resource "aws_cognito_user_pool" "this" {
  name                = var.name
  deletion_protection = "ACTIVE"
  mfa_configuration   = "OPTIONAL"

  # The version of the trigger that may change access tokens needs this tier or a higher one.
  user_pool_tier = "ESSENTIALS"

  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]

  # Only administrators make users. Otherwise anybody could sign up.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  password_policy {
    minimum_length                   = 12
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = false
    require_uppercase                = true
    temporary_password_validity_days = 7
  }

  software_token_mfa_configuration {
    enabled = true
  }

  # The customer of a user who may see that customer alone. An administrator sets it, never the user: the client below may
  # not write it.
  schema {
    name                = "customer_id"
    attribute_data_type = "String"
    mutable             = true

    string_attribute_constraints {
      min_length = 1
      max_length = 2000
    }
  }

  lambda_config {
    pre_token_generation_config {
      lambda_arn     = aws_lambda_function.trigger.arn
      lambda_version = "V2_0"
    }
  }
}

resource "aws_cognito_user_pool_domain" "this" {
  domain       = var.domain_prefix
  user_pool_id = aws_cognito_user_pool.this.id
}

resource "aws_cognito_resource_server" "this" {
  identifier   = local.server
  name         = "MeterFlow anomaly API"
  user_pool_id = aws_cognito_user_pool.this.id

  dynamic "scope" {
    for_each = local.scopes

    content {
      scope_name        = scope.key
      scope_description = scope.value
    }
  }
}

resource "aws_cognito_user_pool_client" "dashboard" {
  name         = "${var.name}-dashboard"
  user_pool_id = aws_cognito_user_pool.this.id

  # The page cannot keep a secret. The code flow with PKCE needs none.
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = concat(["openid", "profile", "email"], [for scope in keys(local.scopes) : "${local.server}/${scope}"])
  supported_identity_providers         = ["COGNITO"]

  callback_urls = var.dashboard_urls
  logout_urls   = var.dashboard_urls

  # A user who could write the attribute of the customer could choose a customer.
  read_attributes  = ["email", "name"]
  write_attributes = ["name"]

  access_token_validity  = 15
  id_token_validity      = 15
  refresh_token_validity = 12

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "hours"
  }

  enable_token_revocation       = true
  prevent_user_existence_errors = "ENABLED"

  depends_on = [aws_cognito_resource_server.this]
}

# A group gives its members the scope of its name.
resource "aws_cognito_user_group" "this" {
  for_each = local.scopes

  name         = "${local.server}-${each.key}"
  description  = each.value
  user_pool_id = aws_cognito_user_pool.this.id
}

resource "aws_lambda_function" "trigger" {
  # checkov:skip=CKV_AWS_50:A sign-in has one step, so a trace of it shows nothing.
  # checkov:skip=CKV_AWS_115:Cognito fails the sign-in of somebody whose call meets a limit.
  # checkov:skip=CKV_AWS_116:Cognito waits for the answer and gets the error.
  # checkov:skip=CKV_AWS_117:The trigger calls nothing, neither in a VPC nor outside.
  # checkov:skip=CKV_AWS_272:Only an account that signs its packages can check signatures.

  function_name = "${var.name}-token"
  description   = "Leaves the scopes of the user's groups in tokens of ${var.name}"
  role          = aws_iam_role.trigger.arn

  filename         = "${path.module}/trigger.zip"
  source_code_hash = try(filebase64sha256("${path.module}/trigger.zip"), null)
  runtime          = "nodejs22.x"
  handler          = "trigger.handler"
  architectures    = ["arm64"]
  timeout          = 5

  lifecycle {
    precondition {
      condition     = fileexists("${path.module}/trigger.zip")
      error_message = "The package of the trigger does not exist. Make it in examples/cognito: zip -j trigger.zip trigger.mjs"
    }
  }
}

resource "aws_lambda_permission" "trigger" {
  statement_id  = "AllowCognito"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.trigger.function_name
  principal     = "cognito-idp.amazonaws.com"
  source_arn    = aws_cognito_user_pool.this.arn
}

# The trigger calls nothing, so its role may only write its log.
resource "aws_iam_role" "trigger" {
  name = "${var.name}-token-${data.aws_region.current.id}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_cloudwatch_log_group" "trigger" {
  # checkov:skip=CKV_AWS_158:The log holds no secret. CloudWatch encrypts it with a key of its own.
  # checkov:skip=CKV_AWS_338:Thirty days are enough to look into a failed sign-in.

  name              = "/aws/lambda/${aws_lambda_function.trigger.function_name}"
  retention_in_days = 30
}

resource "aws_iam_role_policy" "trigger" {
  name = "log"
  role = aws_iam_role.trigger.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.trigger.arn}:*"]
    }]
  })
}
