# Each example can be planned. So it names only variables, outputs and resources that there are.

mock_provider "aws" {
  source = "./modules/stack/tests/mocks"
}

mock_provider "aws" {
  alias  = "us"
  source = "./modules/stack/tests/mocks"
}

# Nothing reads an object of S3 in a plan.
variables {
  packages = "s3://artifacts/meterflow/0.2.0"
}

run "minimal" {
  command = plan

  module {
    source = "./examples/minimal"
  }

  assert {
    condition     = output.detector_function_name == "meterflow-anomaly-detection"
    error_message = "The example must make the stack meterflow."
  }
}

run "private_clickhouse" {
  command = plan

  module {
    source = "./examples/private_clickhouse"
  }

  # tests/vpc.tftest.hcl of the module has the services that the functions call.
  assert {
    condition     = output.endpoints == tolist([for service in ["dynamodb", "lambda", "s3", "secretsmanager", "sns", "ssm"] : "com.amazonaws.eu-central-1.${service}"])
    error_message = "The functions must reach each service that they call."
  }
}

run "cognito" {
  command = plan

  module {
    source = "./examples/cognito"
  }

  variables {
    domain_prefix = "example-meterflow"
  }

  # The package of the trigger is made by hand. `terraform validate` checks the module beside this test.
  override_module {
    target = module.sign_in
    outputs = {
      issuer       = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
      client_id    = "1example23456789client"
      scopes       = { read = "anomalies/read", write = "anomalies/write", admin = "anomalies/admin" }
      origin       = "https://example-meterflow.auth.eu-central-1.amazoncognito.com"
      user_pool_id = "eu-central-1_AbCdEfGhI"
    }
  }

  assert {
    condition     = output.user_pool_id == "eu-central-1_AbCdEfGhI"
    error_message = "The example must hand on the outputs of the user pool."
  }
}

run "two_regions" {
  command = plan

  module {
    source = "./examples/two_regions"
  }

  assert {
    condition     = keys(output.ops_topic_arns) == ["eu", "us"]
    error_message = "There must be a stack in each region."
  }
}
