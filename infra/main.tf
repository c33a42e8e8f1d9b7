# One stack, with the variables of this folder. infra/modules/stack documents and validates them.
module "stack" {
  source = "./modules/stack"

  # The stack. Its tags come from the provider (providers.tf).
  name_prefix         = var.name_prefix
  deletion_protection = var.deletion_protection
  aws_endpoint_url    = var.aws_endpoint_url

  # The functions
  detector_package       = var.detector_package
  api_package            = var.api_package
  notifier_package       = var.notifier_package
  release                = var.release
  release_location       = var.release_location
  architecture           = var.architecture
  reserved_concurrency   = var.reserved_concurrency
  vpc_subnet_ids         = var.vpc_subnet_ids
  vpc_security_group_ids = var.vpc_security_group_ids
  log_retention_days     = var.log_retention_days
  log_level              = var.log_level
  xray_tracing           = var.xray_tracing
  otel_endpoint          = var.otel_endpoint

  # The schedule
  schedule_expression       = var.schedule_expression
  schedule_enabled          = var.schedule_enabled
  detector_shards           = var.detector_shards
  detector_memory_mb        = var.detector_memory_mb
  missing_run_alarm_minutes = var.missing_run_alarm_minutes

  # ClickHouse and the catalog of metrics
  clickhouse_url                 = var.clickhouse_url
  clickhouse_allow_plaintext     = var.clickhouse_allow_plaintext
  clickhouse_database            = var.clickhouse_database
  clickhouse_secret_arn          = var.clickhouse_secret_arn
  detector_clickhouse_secret_arn = var.detector_clickhouse_secret_arn
  clickhouse_secret_kms_key_arn  = var.clickhouse_secret_kms_key_arn
  catalog_file                   = var.catalog_file
  catalog_files                  = var.catalog_files

  # Rules of the account
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key                  = var.kms_key
  role_path                = var.role_path

  # The API
  api_jwt_issuer                           = var.api_jwt_issuer
  api_jwt_audience                         = var.api_jwt_audience
  api_scopes                               = var.api_scopes
  api_cors_allow_origins                   = var.api_cors_allow_origins
  api_reserved_concurrency                 = var.api_reserved_concurrency
  api_throttling_rate_limit                = var.api_throttling_rate_limit
  api_throttling_burst_limit               = var.api_throttling_burst_limit
  api_tenant_requests_per_minute           = var.api_tenant_requests_per_minute
  api_tenant_clickhouse_seconds_per_minute = var.api_tenant_clickhouse_seconds_per_minute
  api_access_log_class                     = var.api_access_log_class
  api_domain                               = var.api_domain

  # The dashboard
  dashboard = var.dashboard

  # The check
  window_delay_seconds   = var.window_delay_seconds
  baseline_days          = var.baseline_days
  min_samples            = var.min_samples
  threshold              = var.threshold
  critical_threshold     = var.critical_threshold
  min_relative_change    = var.min_relative_change
  detectors              = var.detectors
  min_relative_spread    = var.min_relative_spread
  anomaly_retention_days = var.anomaly_retention_days
  split_metric_index     = var.split_metric_index

  # Incidents
  resolve_after_runs     = var.resolve_after_runs
  reopen_within_hours    = var.reopen_within_hours
  accept_after_hours     = var.accept_after_hours
  repeat_interval_hours  = var.repeat_interval_hours
  alert_min_severity     = var.alert_min_severity
  max_pages_per_run      = var.max_pages_per_run
  max_pages_per_customer = var.max_pages_per_customer

  # Notifications and alarms
  notification_channels            = var.notification_channels
  notification_routes              = var.notification_routes
  notification_link                = var.notification_link
  notification_secret_kms_key_arns = var.notification_secret_kms_key_arns
  allow_loopback_channels          = var.allow_loopback_channels
  amazon_q_slack                   = var.amazon_q_slack
  notifier_in_vpc                  = var.notifier_in_vpc
  notifier_reserved_concurrency    = var.notifier_reserved_concurrency
  daily_digest_schedule            = var.daily_digest_schedule
  alert_email_severities           = var.alert_email_severities
  alert_emails                     = var.alert_emails
  ops_emails                       = var.ops_emails
  anomalies_per_hour_alarm         = var.anomalies_per_hour_alarm
  anomaly_share_alarm              = var.anomaly_share_alarm
  detailed_alarms                  = var.detailed_alarms
  newest_event_alarm_minutes       = var.newest_event_alarm_minutes
  cloudwatch_dashboard             = var.cloudwatch_dashboard

  # Sources with entities, such as executions of workflows
  sources                      = var.sources
  events_bus                   = var.events_bus
  checks_concurrency           = var.checks_concurrency
  sources_reserved_concurrency = var.sources_reserved_concurrency
  machine_models               = var.machine_models
  network_drift_alarm          = var.network_drift_alarm
}
