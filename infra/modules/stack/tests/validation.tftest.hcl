# A wrong value is refused before anything is made. Each run sets one wrong value for each of
# several variables: it passes only if all of them are refused, and nothing else.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "plainly_wrong_values_are_refused" {
  command = plan

  variables {
    name_prefix              = "MeterFlow"
    detector_package         = " "
    architecture             = "arm"
    reserved_concurrency     = 0
    api_reserved_concurrency = 0
    log_retention_days       = 31
    log_level                = "verbose"
    otel_endpoint            = "localhost:4318"
    schedule_expression      = "rate(1 hours)"
    clickhouse_database      = "metering.events"
    clickhouse_secret_arn    = "meterflow/clickhouse"
    aws_endpoint_url         = "127.0.0.1:4566"
    window_delay_seconds     = -1
    baseline_days            = 1
    detectors                = "magic"
    threshold                = 0
    min_relative_change      = -0.1
    min_relative_spread      = 4
    anomaly_retention_days   = 0
    alert_emails             = ["billing"]
    ops_emails               = ["oncall@"]
    resolve_after_runs       = 0
    reopen_within_hours      = -1
    accept_after_hours       = 0.5
    repeat_interval_hours    = 8761
    alert_min_severity       = "info"
    alert_email_severities   = ["info"]
    max_pages_per_run        = 0
    max_pages_per_customer   = 1.5
    anomalies_per_hour_alarm = -1

    missing_run_alarm_minutes = 70

    notifier_package           = " "
    daily_digest_schedule      = "every day"
    api_jwt_issuer             = "tokens.example.com"
    api_scopes                 = { read = "" }
    api_cors_allow_origins     = ["dashboard.example.com"]
    api_throttling_rate_limit  = 0
    api_throttling_burst_limit = 0

    api_tenant_requests_per_minute           = 0
    api_tenant_clickhouse_seconds_per_minute = 0
  }

  expect_failures = [
    var.name_prefix,
    var.detector_package,
    var.architecture,
    var.reserved_concurrency,
    var.api_reserved_concurrency,
    var.log_retention_days,
    var.log_level,
    var.otel_endpoint,
    var.schedule_expression,
    var.clickhouse_database,
    var.clickhouse_secret_arn,
    var.aws_endpoint_url,
    var.window_delay_seconds,
    var.baseline_days,
    var.detectors,
    var.threshold,
    var.min_relative_change,
    var.min_relative_spread,
    var.anomaly_retention_days,
    var.alert_emails,
    var.ops_emails,
    var.resolve_after_runs,
    var.reopen_within_hours,
    var.accept_after_hours,
    var.repeat_interval_hours,
    var.alert_min_severity,
    var.alert_email_severities,
    var.max_pages_per_run,
    var.max_pages_per_customer,
    var.anomalies_per_hour_alarm,
    var.missing_run_alarm_minutes,
    var.notifier_package,
    var.daily_digest_schedule,
    var.api_jwt_issuer,
    var.api_scopes,
    var.api_cors_allow_origins,
    var.api_throttling_rate_limit,
    var.api_throttling_burst_limit,
    var.api_tenant_requests_per_minute,
    var.api_tenant_clickhouse_seconds_per_minute,
  ]
}

run "an_empty_package_of_the_api_is_refused" {
  command = plan

  variables {
    api_package = ""
  }

  expect_failures = [var.api_package]
}

run "an_api_without_a_package_is_refused" {
  command = plan

  variables {
    api_package      = null
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["anomaly-api"]
  }

  expect_failures = [var.api_package]
}

run "subtly_wrong_values_are_refused" {
  command = plan

  variables {
    # 31 characters: the role's name would be too long in some regions.
    name_prefix = "a23456789012345678901234567890x"
    # Five fields are Unix; EventBridge takes six.
    schedule_expression = "cron(0 * * * *)"
    # The six characters that AWS appends are missing.
    clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse"
    baseline_days         = 30.5
    # Above the cap no z-score can be.
    threshold    = 101
    alert_emails = ["billing@example.com", "Billing@example.com"]
    ops_emails   = ["oncall@example.com", "oncall@example.com"]
    # CloudWatch looks back a day at most.
    missing_run_alarm_minutes = 1455
    # What a run publishes must fit into it.
    max_pages_per_run = 1001
    # A VPC is no subnet.
    vpc_subnet_ids         = ["vpc-0a1b2c3d"]
    vpc_security_group_ids = ["sg-0a1b2c3d"]
    # Plain http is for this machine only, whatever a host's name starts with.
    api_jwt_issuer = "http://localhost.example.com"
    # A list of scopes is not a scope.
    api_scopes = { read = "anomalies:read anomalies:list" }
    # An origin has no slash at its end.
    api_cors_allow_origins = ["https://dashboard.example.com/"]

    api_throttling_burst_limit = 1.5

    api_tenant_requests_per_minute           = 0.5
    api_tenant_clickhouse_seconds_per_minute = 3601
  }

  expect_failures = [
    var.name_prefix,
    var.schedule_expression,
    var.clickhouse_secret_arn,
    var.baseline_days,
    var.threshold,
    var.alert_emails,
    var.ops_emails,
    var.missing_run_alarm_minutes,
    var.max_pages_per_run,
    var.vpc_subnet_ids,
    var.api_jwt_issuer,
    var.api_scopes,
    var.api_cors_allow_origins,
    var.api_throttling_burst_limit,
    var.api_tenant_requests_per_minute,
    var.api_tenant_clickhouse_seconds_per_minute,
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

    # Whoever may read would be an administrator.
    api_scopes = { read = "anomalies", admin = "anomalies" }
    # All origins include the one.
    api_cors_allow_origins = ["*", "https://dashboard.example.com"]
    # Tokens for any audience would do.
    api_jwt_issuer = "https://tokens.example.com"
  }

  expect_failures = [
    var.name_prefix,
    var.vpc_subnet_ids,
    var.min_samples,
    var.critical_threshold,
    var.clickhouse_secret_kms_key_arn,
    var.api_scopes,
    var.api_cors_allow_origins,
    var.api_jwt_audience,
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

    api_jwt_audience = ["meterflow", " "]
  }

  expect_failures = [
    var.name_prefix,
    var.vpc_security_group_ids,
    var.api_jwt_audience,
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

run "issuers_with_a_password_are_refused" {
  command = plan

  variables {
    api_jwt_issuer   = "https://user:password@tokens.example.com"
    api_jwt_audience = ["meterflow"]
    # Longer than API Gateway takes.
    api_scopes = { write = "anomalies:write-0123456789012345678901234567890123456789012345678" }
  }

  expect_failures = [
    var.api_jwt_issuer,
    var.api_scopes,
  ]
}

run "an_issuer_on_this_machine_may_use_plain_http" {
  command = plan

  variables {
    api_jwt_issuer         = "http://127.0.0.1:4566/issuer"
    api_jwt_audience       = ["meterflow"]
    api_scopes             = { read = "anomalies/read", write = "https://api.example.com/write", admin = "[!#~" }
    api_cors_allow_origins = ["http://localhost:5173", "https://dashboard.example.com"]

    api_throttling_rate_limit  = 0.5
    api_throttling_burst_limit = 1
  }

  assert {
    condition     = output.api_function_name == "meterflow-anomaly-api"
    error_message = "The local cloud must be able to have an API."
  }
}

run "values_at_the_edges_are_accepted" {
  command = plan

  variables {
    name_prefix               = "a2345678901234567890123456789z"
    reserved_concurrency      = -1
    schedule_expression       = "rate(5 minutes)"
    missing_run_alarm_minutes = 15
    clickhouse_url            = "https://10.0.0.1:8443/proxy"
    clickhouse_secret_arn     = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b_c+d=e.f@g-h-AbC123"
    api_reserved_concurrency  = 1

    detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:detector-DeF456"
    baseline_days                  = 2
    min_samples                    = 2
    resolve_after_runs             = 1
    reopen_within_hours            = 0
    accept_after_hours             = 0
    repeat_interval_hours          = 0
    max_pages_per_run              = 1
    max_pages_per_customer         = 1
    threshold                      = 100
    critical_threshold             = 100
    min_relative_change            = 0
    min_relative_spread            = 0
    anomalies_per_hour_alarm       = 0
    aws_endpoint_url               = "http://127.0.0.1:14566"
    api_jwt_issuer                 = "https://tokens.example.com:8443/tenant/"
    api_jwt_audience               = ["https://api.example.com"]
    api_cors_allow_origins         = ["*"]
  }

  assert {
    condition     = length(output.detector_function_name) == 48
    error_message = "A prefix of 30 characters must be possible."
  }
}

# clickhouse_url is judged only where the secrets, which it is judged by, are right.
run "an_address_without_a_scheme_is_refused" {
  command = plan

  variables {
    clickhouse_url = "clickhouse.example.com:8443"
  }

  expect_failures = [var.clickhouse_url]
}

run "an_address_with_a_password_is_refused" {
  command = plan

  variables {
    # A password here would be in the state.
    clickhouse_url = "https://user:password@clickhouse.example.com:8443"
  }

  expect_failures = [var.clickhouse_url]
}

run "plain_http_to_a_name_is_refused" {
  command = plan

  variables {
    # Wherever it leads to, and however it begins.
    clickhouse_url = "http://10.0.0.1.example.com:8123"
  }

  expect_failures = [var.clickhouse_url]
}

run "plain_http_to_a_public_address_is_refused" {
  command = plan

  variables {
    # The private block ends at 172.31.
    clickhouse_url = "http://172.32.0.1:8123"
  }

  expect_failures = [var.clickhouse_url]
}

run "plain_http_with_a_password_is_refused" {
  command = plan

  variables {
    clickhouse_url                 = "http://10.0.0.1:8123"
    detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:detector-AbC123"
  }

  expect_failures = [var.clickhouse_url]
}

run "plain_http_to_a_private_address_is_accepted" {
  command = plan

  variables {
    clickhouse_url = "http://[fd00:12::7]:8123/proxy"
  }

  assert {
    condition     = alltrue([for environment in [local.detector_environment, local.function_environment] : !contains(keys(environment), "CLICKHOUSE_ALLOW_PLAINTEXT")])
    error_message = "The functions must not be told to allow what nobody allowed."
  }

  assert {
    condition = alltrue([
      for host in ["localhost", "127.0.0.1", "127.8.9.1", "10.255.0.3", "172.16.0.1", "172.31.255.254", "192.168.1.2", "[::1]"] :
      can(regex(local.private_http_url, "http://${host}:8123")) && can(regex(local.private_http_url, "http://${host}/path"))
    ])
    error_message = "These addresses are loopback or private."
  }

  assert {
    condition = alltrue([
      for host in ["8.8.8.8", "172.15.0.1", "192.169.1.1", "11.0.0.1", "127.0.0.1.example.com", "localhost.example.com", "10.1", "[2001:db8::1]", "[fe80::1]", "clickhouse"] :
      !can(regex(local.private_http_url, "http://${host}:8123"))
    ])
    error_message = "These hosts are public, or names."
  }
}

run "plain_http_is_accepted_where_it_is_allowed" {
  command = plan

  variables {
    clickhouse_url             = "http://clickhouse.internal:8123"
    clickhouse_secret_arn      = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    clickhouse_allow_plaintext = true

    detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:detector-DeF456"
    api_jwt_issuer                 = "https://tokens.example.com"
    api_jwt_audience               = ["meterflow"]
  }

  assert {
    condition     = [for function in [module.detector, module.api[0]] : function.settings.environment.CLICKHOUSE_ALLOW_PLAINTEXT] == ["true", "true"]
    error_message = "Detector and API must be told."
  }

  # The plan warns of the password.
  expect_failures = [check.no_password_of_clickhouse_is_sent_unencrypted]
}

run "plain_http_on_this_machine_is_no_warning" {
  command = plan

  variables {
    clickhouse_url             = "http://127.0.0.1:8123"
    clickhouse_secret_arn      = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    clickhouse_allow_plaintext = true
  }
}

run "a_name_that_begins_like_this_machine_is_a_warning" {
  command = plan

  variables {
    clickhouse_url             = "http://localhost.example.com:8123"
    clickhouse_secret_arn      = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    clickhouse_allow_plaintext = true
  }

  expect_failures = [check.no_password_of_clickhouse_is_sent_unencrypted]
}

run "a_schedule_slower_than_its_alarm_is_a_warning" {
  command = plan

  variables {
    schedule_expression = "rate(2 hours)"
  }

  expect_failures = [check.a_run_is_due_before_the_alarm_on_missing_runs]
}

run "a_slow_schedule_with_a_slower_alarm_is_no_warning" {
  command = plan

  variables {
    schedule_expression       = "rate(2 hours)"
    missing_run_alarm_minutes = 135
  }
}

run "a_schedule_that_is_off_is_no_warning" {
  command = plan

  variables {
    schedule_expression = "rate(1 day)"
    schedule_enabled    = false
  }
}
