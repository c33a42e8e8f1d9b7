# A wrong value is refused before anything is made. Each run sets one wrong value for each of
# several variables: it passes only if all of them are refused, and nothing else.

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
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
    anomaly_share_alarm      = 100

    detector_memory_mb         = 511
    missing_run_alarm_minutes  = 70
    newest_event_alarm_minutes = 59

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
    var.anomaly_share_alarm,
    var.detector_memory_mb,
    var.missing_run_alarm_minutes,
    var.newest_event_alarm_minutes,
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
    detector_memory_mb        = 10241
    missing_run_alarm_minutes = 1455
    # No stack waits longer than a week for an event.
    newest_event_alarm_minutes = 10081
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
    var.detector_memory_mb,
    var.missing_run_alarm_minutes,
    var.newest_event_alarm_minutes,
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

run "each_address_of_a_list_is_checked" {
  command = plan

  variables {
    # The second replica of the second shard is a name without a scheme.
    clickhouse_url = "https://a1:8443,https://a2:8443;https://b1:8443,b2:8443"
  }

  expect_failures = [var.clickhouse_url]
}

run "a_list_names_each_address_once" {
  command = plan

  variables {
    clickhouse_url = "https://a1:8443,https://a2:8443; https://a1:8443/"
  }

  expect_failures = [var.clickhouse_url]
}

run "a_list_has_no_empty_address" {
  command = plan

  variables {
    clickhouse_url = "https://a1:8443;https://b1:8443;"
  }

  expect_failures = [var.clickhouse_url]
}

run "plain_http_in_a_list_is_refused" {
  command = plan

  variables {
    clickhouse_url = "http://10.0.0.1:8123;http://clickhouse.internal:8123"
  }

  expect_failures = [var.clickhouse_url]
}

run "a_name_is_no_boundary_and_a_path_has_slashes" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
    role_path                = "services"
  }

  expect_failures = [var.permissions_boundary_arn, var.role_path]
}

run "an_alias_is_no_key" {
  command = plan

  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:alias/meterflow" }
  }

  expect_failures = [var.kms_key]
}

run "reservations_of_nothing_and_unknown_classes_are_refused" {
  command = plan

  variables {
    notifier_reserved_concurrency = 0
    sources_reserved_concurrency  = 1.5
    api_access_log_class          = "DELIVERY"
  }

  expect_failures = [var.notifier_reserved_concurrency, var.sources_reserved_concurrency, var.api_access_log_class]
}

run "customers_cannot_be_divided_into_three" {
  command = plan

  variables {
    detector_shards = 3
  }

  expect_failures = [var.detector_shards]
}

run "customers_cannot_be_divided_into_more_than_eight" {
  command = plan

  variables {
    detector_shards = 16
  }

  expect_failures = [var.detector_shards]
}

run "a_domain_needs_the_api" {
  command = plan

  variables {
    api_domain = { name = "usage.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.api_domain]
}

run "an_address_is_no_domain" {
  command = plan

  variables {
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
    api_domain       = { name = "https://usage.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.api_domain]
}

run "a_star_is_no_domain_and_outside_a_vpc_is_no_subnet" {
  command = plan

  variables {
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
    api_domain       = { name = "*.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
    notifier_in_vpc  = true
  }

  expect_failures = [var.api_domain, var.notifier_in_vpc]
}

run "a_certificate_of_iam_is_refused" {
  command = plan

  variables {
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
    api_domain       = { name = "usage.example.com", certificate_arn = "arn:aws:iam::123456789012:server-certificate/usage" }
  }

  expect_failures = [var.api_domain]
}

run "a_zone_by_its_name_is_refused" {
  command = plan

  variables {
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
    api_domain       = { name = "usage.example.com", hosted_zone_id = "example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.api_domain]
}
