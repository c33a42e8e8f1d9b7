# Settings that detector and API share: the place of the usage, the strictness of the check, the rules
# of incidents, and access to their data. Settings of one function are in that function's own file.
locals {
  function_environment = merge(
    {
      CLICKHOUSE_URL        = var.clickhouse_url
      CLICKHOUSE_DATABASE   = var.clickhouse_database
      ANOMALIES_TABLE       = aws_dynamodb_table.anomalies.name
      WINDOW_DELAY_SECONDS  = tostring(var.window_delay_seconds)
      BASELINE_DAYS         = tostring(var.baseline_days)
      DETECTORS             = var.detectors
      MIN_SAMPLES           = tostring(var.min_samples)
      THRESHOLD             = tostring(var.threshold)
      CRITICAL_THRESHOLD    = tostring(var.critical_threshold)
      MIN_RELATIVE_CHANGE   = tostring(var.min_relative_change)
      MIN_RELATIVE_SPREAD   = tostring(var.min_relative_spread)
      RETENTION_DAYS        = tostring(var.anomaly_retention_days)
      RESOLVE_AFTER_RUNS    = tostring(var.resolve_after_runs)
      REOPEN_WITHIN_HOURS   = tostring(var.reopen_within_hours)
      ACCEPT_AFTER_HOURS    = tostring(var.accept_after_hours)
      REPEAT_INTERVAL_HOURS = tostring(var.repeat_interval_hours)
      ALERT_MIN_SEVERITY    = var.alert_min_severity
      ALERT_TOPIC_ARN       = aws_sns_topic.alerts.arn
      LOG_LEVEL             = var.log_level
    },
    # An absent variable means "not set".
    {
      for name, value in {
        CATALOG_SSM_PARAMETER       = one(aws_ssm_parameter.catalog[*].name)
        CLICKHOUSE_ALLOW_PLAINTEXT  = var.clickhouse_allow_plaintext ? "true" : null
        AWS_ENDPOINT_URL            = var.aws_endpoint_url
        SSL_CERT_FILE               = local.certificates
        OTEL_EXPORTER_OTLP_ENDPOINT = var.otel_endpoint
        SPLIT_METRIC_INDEX          = var.split_metric_index ? "true" : null
      } : name => value if value != null
    },
  )

  # Each function has a ClickHouse user of its own, unless the stack names only one.
  clickhouse_secrets = {
    api      = var.clickhouse_secret_arn
    detector = var.detector_clickhouse_secret_arn == null ? var.clickhouse_secret_arn : var.detector_clickhouse_secret_arn
  }
  clickhouse_environments = {
    for function, secret in local.clickhouse_secrets :
    function => { for name, value in { CLICKHOUSE_SECRET_ARN = secret } : name => value if value != null }
  }
  clickhouse_policy_statements = {
    for function, secret in local.clickhouse_secrets : function => [
      for arn in [secret] : {
        sid       = "ReadClickHouseCredentials"
        actions   = ["secretsmanager:GetSecretValue"]
        resources = [arn]
      } if arn != null
    ]
  }

  function_policy_statements = concat(
    var.clickhouse_secret_kms_key_arn == null ? [] : [
      {
        sid       = "DecryptClickHouseCredentials"
        actions   = ["kms:Decrypt"]
        resources = [var.clickhouse_secret_kms_key_arn]
        conditions = {
          StringEquals = { "kms:ViaService" = ["secretsmanager.${local.region}.${data.aws_partition.current.dns_suffix}"] }
        }
      },
    ],
    [
      for parameter in aws_ssm_parameter.catalog : {
        sid       = "ReadCatalog"
        actions   = ["ssm:GetParameter"]
        resources = [parameter.arn]
      }
    ],
  )

  # The stack's key encrypts everything that a function uses. The function itself never calls KMS.
  # Only the services that it uses may do so on its behalf.
  key_statements = {
    for function, services in {
      detector = ["dynamodb", "sns", "sqs"]
      api      = ["dynamodb", "sns"]
      notifier = ["dynamodb", "sns", "sqs"]
      } : function => {
      sid       = "UseKeyThroughServices"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [local.kms_key_arn]
      conditions = {
        StringEquals = {
          "kms:ViaService" = [for service in services : "${service}.${local.region}.${data.aws_partition.current.dns_suffix}"]
        }
      }
    }
  }
}

check "detector_and_api_have_clickhouse_users_of_their_own" {
  assert {
    condition     = !local.has_api || var.clickhouse_secret_arn == null || local.clickhouse_secrets.detector != local.clickhouse_secrets.api
    error_message = "Detector and API share one ClickHouse user. Many questions to the API can then use up the memory and the queries that a run needs. Give the detector a user of its own: infra/clickhouse/users.sql makes the user, and detector_clickhouse_secret_arn names its secret."
  }
}

# Inside one machine nobody is on the way.
check "no_password_of_clickhouse_is_sent_unencrypted" {
  assert {
    condition     = alltrue([for address in split(",", replace(var.clickhouse_url, ";", ",")) : can(regex("^(https://|http://(localhost|127\\.[0-9.]+|\\[::1\\])([:/]|$))", trimspace(address)))]) || alltrue([for secret in values(local.clickhouse_secrets) : secret == null])
    error_message = "The password of ClickHouse goes over the network unencrypted: clickhouse_url is ${var.clickhouse_url}, and clickhouse_allow_plaintext allows it. Use https, unless the network on the way is yours alone."
  }
}
