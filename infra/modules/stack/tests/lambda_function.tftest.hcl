# The module by itself: what it sets on AWS for any function.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name               = "meterflow-anomaly-detection"
  description        = "A function under test"
  package            = "versions.tf"
  architecture       = "arm64"
  memory_mb          = 512
  timeout_seconds    = 300
  log_retention_days = 30
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"

  reserved_concurrency = 1
  environment          = { LOG_LEVEL = "info" }
  asynchronous         = { failure_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:failures" }
}

run "function_is_a_rust_bootstrap_with_one_alias_a_log_and_a_role" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  assert {
    condition     = aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.handler == "bootstrap" && aws_lambda_function.this.architectures == tolist(["arm64"])
    error_message = "The function must run a bootstrap on provided.al2023 and on the given architecture."
  }

  assert {
    condition     = aws_lambda_function.this.memory_size == 512 && aws_lambda_function.this.timeout == 300 && aws_lambda_function.this.reserved_concurrent_executions == 1
    error_message = "Memory, timeout and concurrency must be those given."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ LOG_LEVEL = "info" })
    error_message = "The environment must be exactly the one given."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == filebase64sha256("versions.tf")
    error_message = "A changed package must change the function."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0
    error_message = "Without subnets the function must stay outside a VPC."
  }

  # Each version is published, and the alias is the newest.
  assert {
    condition     = aws_lambda_function.this.publish
    error_message = "Without published versions there is no way back but a deployment."
  }

  assert {
    condition     = "${aws_lambda_alias.this.function_name}:${aws_lambda_alias.this.name} ${aws_lambda_alias.this.function_version}" == "meterflow-anomaly-detection:live ${aws_lambda_function.this.version}"
    error_message = "The alias must be the version that was published last."
  }

  assert {
    condition = [output.alias_name, output.alias_arn, output.qualified_name] == [
      "live",
      "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection:live",
      "meterflow-anomaly-detection:live",
    ]
    error_message = "Whatever invokes the function must be able to name the alias."
  }

  assert {
    condition     = length(aws_lambda_alias.this.routing_config) == 0
    error_message = "One version must run, and not two."
  }

  # Failed events are retried and kept.
  assert {
    condition     = aws_lambda_function_event_invoke_config.this[0].maximum_retry_attempts == 2 && aws_lambda_function_event_invoke_config.this[0].maximum_event_age_in_seconds == 21600
    error_message = "Lambda must repeat a failed run twice and keep an event for 6 hours."
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this[0].qualifier == "live"
    error_message = "The settings of events must be those of the alias, which gets the events."
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this[0].destination_config[0].on_failure[0].destination == "arn:aws:sqs:eu-central-1:123456789012:failures"
    error_message = "What fails must go to the failure queue."
  }

  # The log expires and is encrypted.
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/meterflow-anomaly-detection" && aws_cloudwatch_log_group.this.retention_in_days == 30 && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "The log group must be the function's, expire, and be encrypted with the given key."
  }

  # The role is for Lambda and one region.
  assert {
    condition     = aws_iam_role.this.name == "meterflow-anomaly-detection-eu-central-1"
    error_message = "Roles are global: the name must tell the region."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
    error_message = "Only Lambda may take the role."
  }

  # Traces are sent only if they are asked for.
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough"
    error_message = "A function without traces must not trace."
  }
}

run "a_function_whose_caller_waits_keeps_no_events_and_a_package_may_be_an_image" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  variables {
    asynchronous = null
    package      = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/meterflow/anomaly-detection:0.2.0"
  }

  assert {
    condition     = length(aws_lambda_function_event_invoke_config.this) == 0
    error_message = "Without asynchronous events there must be no settings for them."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid] == ["WriteLog"]
    error_message = "Without a failure queue the role must write its log and no more."
  }

  assert {
    condition     = output.settings.on_failure == null && output.settings.maximum_retry_attempts == null && output.settings.maximum_event_age_seconds == null
    error_message = "The settings must say that there are none for asynchronous events."
  }

  # A package may be an image.
  assert {
    condition     = aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.image_uri == var.package
    error_message = "Lambda must start the image."
  }

  assert {
    condition     = aws_lambda_function.this.filename == null && aws_lambda_function.this.runtime == null && aws_lambda_function.this.handler == null
    error_message = "An image has no file, no runtime and no handler."
  }
}

run "function_in_a_vpc" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  variables {
    vpc_subnet_ids         = ["subnet-0a1b2c3d", "subnet-4e5f6071"]
    vpc_security_group_ids = ["sg-0a1b2c3d"]
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-0a1b2c3d", "subnet-4e5f6071"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-0a1b2c3d"])
    error_message = "Subnets and security groups must reach the function."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid => "${statement.Effect} ${join(" ", statement.Action)} on ${join(" ", statement.Resource)}"
      } == {
      WriteLog          = "Allow logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-detection:*"
      KeepFailedEvents  = "Allow sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:failures"
      FindNetwork       = "Allow ec2:DescribeNetworkInterfaces ec2:DescribeSubnets on *"
      CreateInterfaces  = "Allow ec2:CreateNetworkInterface on arn:aws:ec2:eu-central-1:123456789012:network-interface/* arn:aws:ec2:eu-central-1:*:subnet/subnet-0a1b2c3d arn:aws:ec2:eu-central-1:*:subnet/subnet-4e5f6071 arn:aws:ec2:eu-central-1:*:security-group/sg-0a1b2c3d"
      ManageInterfaces  = "Allow ec2:AssignPrivateIpAddresses ec2:DeleteNetworkInterface ec2:UnassignPrivateIpAddresses on arn:aws:ec2:eu-central-1:123456789012:network-interface/*"
      DenyNetworkToCode = "Deny ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:UnassignPrivateIpAddresses on *"
    }
    error_message = "In a VPC the role must have the network permissions of its subnets, and the code must be denied them."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Condition if statement.Sid == "DenyNetworkToCode"
      ] == [{ ArnEquals = { "lambda:SourceFunctionArn" = [
        "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection",
        "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection:*",
    ] } }]
    error_message = "The denial must hit the code of this function in all its versions, and not Lambda itself."
  }
}

run "a_package_may_be_an_object_of_s3_and_its_function_may_send_traces" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  variables {
    package      = "s3://artifacts/meterflow/0.2.0/anomaly-detection.zip"
    xray_tracing = true
  }

  assert {
    condition     = aws_lambda_function.this.s3_bucket == "artifacts" && aws_lambda_function.this.s3_key == "meterflow/0.2.0/anomaly-detection.zip"
    error_message = "Bucket and key must be those of the address."
  }

  assert {
    condition     = aws_lambda_function.this.filename == null && aws_lambda_function.this.image_uri == null && aws_lambda_function.this.handler == "bootstrap"
    error_message = "An object of S3 is a zip file with a bootstrap."
  }

  # A function with traces may send them.
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Lambda must trace each invocation."
  }

  assert {
    condition = [for statement in jsondecode(output.role_policy).Statement : statement.Action if statement.Sid == "SendTraces"] == [
      ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    ]
    error_message = "The role must admit the traces."
  }
}

run "impossible_ages_actions_with_a_wildcard_and_objects_without_a_key_are_refused" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  variables {
    asynchronous      = { failure_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:failures", maximum_event_age_seconds = 59 }
    policy_statements = [{ sid = "TooMuch", actions = ["dynamodb:*"], resources = ["arn:aws:dynamodb:eu-central-1:123456789012:table/anomalies"] }]
    package           = "s3://artifacts"
  }

  expect_failures = [
    var.asynchronous,
    var.policy_statements,
    var.package,
  ]
}

run "impossible_numbers_of_retries_are_refused" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  variables {
    asynchronous = { failure_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:failures", maximum_retry_attempts = 3 }
  }

  expect_failures = [var.asynchronous]
}

run "a_package_that_is_missing_is_refused" {
  command = plan

  module {
    source = "./modules/lambda_function"
  }

  variables {
    package = "no-such-package.zip"
  }

  expect_failures = [aws_lambda_function.this]
}
