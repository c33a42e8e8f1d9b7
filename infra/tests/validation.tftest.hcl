# A wrong value is refused before anything is made. Each run sets one wrong value for each of
# several variables: it passes only if all of them are refused, and nothing else.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  detector_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
}

run "plainly_wrong_values_are_refused" {
  command = plan

  variables {
    name_prefix              = "MeterFlow"
    detector_package         = " "
    architecture             = "arm"
    reserved_concurrency     = 0
    log_retention_days       = 31
    log_level                = "verbose"
    schedule_expression      = "rate(1 hours)"
    clickhouse_url           = "clickhouse.example.com:8443"
    clickhouse_database      = "metering.events"
    clickhouse_secret_arn    = "meterflow/clickhouse"
    aws_endpoint_url         = "127.0.0.1:4566"
    window_delay_seconds     = -1
    baseline_days            = 1
    threshold                = 0
    min_relative_change      = -0.1
    anomaly_retention_days   = 0
    alert_emails             = ["billing"]
    ops_emails               = ["oncall@"]
    max_alerts_per_run       = 0
    max_alerts_per_customer  = 1.5
    anomalies_per_hour_alarm = -1

    missing_run_alarm_minutes = 70
  }

  expect_failures = [
    var.name_prefix,
    var.detector_package,
    var.architecture,
    var.reserved_concurrency,
    var.log_retention_days,
    var.log_level,
    var.schedule_expression,
    var.clickhouse_url,
    var.clickhouse_database,
    var.clickhouse_secret_arn,
    var.aws_endpoint_url,
    var.window_delay_seconds,
    var.baseline_days,
    var.threshold,
    var.min_relative_change,
    var.anomaly_retention_days,
    var.alert_emails,
    var.ops_emails,
    var.max_alerts_per_run,
    var.max_alerts_per_customer,
    var.anomalies_per_hour_alarm,
    var.missing_run_alarm_minutes,
  ]
}

run "subtly_wrong_values_are_refused" {
  command = plan

  variables {
    # 31 characters: the role's name would be too long in some regions.
    name_prefix = "a23456789012345678901234567890x"
    # Five fields are Unix; EventBridge takes six.
    schedule_expression = "cron(0 * * * *)"
    # A password here would be in the state.
    clickhouse_url = "https://user:password@clickhouse.example.com:8443"
    # The six characters that AWS appends are missing.
    clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse"
    baseline_days         = 30.5
    # Above the cap no z-score can be.
    threshold    = 101
    alert_emails = ["billing@example.com", "Billing@example.com"]
    ops_emails   = ["oncall@example.com", "oncall@example.com"]
    # CloudWatch looks back a day at most.
    missing_run_alarm_minutes = 1455
    # A VPC is no subnet.
    vpc_subnet_ids         = ["vpc-0a1b2c3d"]
    vpc_security_group_ids = ["sg-0a1b2c3d"]
  }

  expect_failures = [
    var.name_prefix,
    var.schedule_expression,
    var.clickhouse_url,
    var.clickhouse_secret_arn,
    var.baseline_days,
    var.threshold,
    var.alert_emails,
    var.ops_emails,
    var.missing_run_alarm_minutes,
    var.vpc_subnet_ids,
  ]
}

run "values_that_contradict_each_other_are_refused" {
  command = plan

  variables {
    # Parameter Store refuses names that begin like this.
    name_prefix            = "aws-usage"
    vpc_security_group_ids = ["sg-0a1b2c3d"]
    baseline_days          = 14
    min_samples            = 15
    threshold              = 4
    critical_threshold     = 3.5

    clickhouse_secret_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
  }

  expect_failures = [
    var.name_prefix,
    var.vpc_subnet_ids,
    var.min_samples,
    var.critical_threshold,
    var.clickhouse_secret_kms_key_arn,
  ]
}

run "ids_of_other_things_are_refused" {
  command = plan

  variables {
    name_prefix            = "meterflow-"
    vpc_subnet_ids         = ["subnet-0a1b2c3d"]
    vpc_security_group_ids = ["default"]
    clickhouse_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"

    clickhouse_secret_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/secrets"
  }

  expect_failures = [
    var.name_prefix,
    var.vpc_security_group_ids,
    var.clickhouse_secret_kms_key_arn,
  ]
}

run "subnets_need_security_groups" {
  command = plan

  variables {
    vpc_subnet_ids = ["subnet-0a1b2c3d"]
  }

  expect_failures = [var.vpc_subnet_ids]
}

run "values_at_the_edges_are_accepted" {
  command = plan

  variables {
    name_prefix               = "a2345678901234567890123456789z"
    reserved_concurrency      = -1
    schedule_expression       = "rate(15 minutes)"
    missing_run_alarm_minutes = 15
    clickhouse_url            = "http://10.0.0.1:8123/proxy"
    clickhouse_secret_arn     = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b_c+d=e.f@g-h-AbC123"
    baseline_days             = 2
    min_samples               = 2
    threshold                 = 100
    critical_threshold        = 100
    min_relative_change       = 0
    anomalies_per_hour_alarm  = 0
    aws_endpoint_url          = "http://127.0.0.1:14566"
  }

  assert {
    condition     = length(output.detector_function_name) == 48
    error_message = "A prefix of 30 characters must be possible."
  }
}
