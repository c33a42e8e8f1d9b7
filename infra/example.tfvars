# Copy this file to terraform.tfvars, change the values and run `make plan`. All other settings, with
# their defaults, are in docs/configuration.md.

# The ClickHouse server. Each secret holds {"username": "…", "password": "…"} of a user that infra/clickhouse/users.sql
# makes: the first secret for the API, the second for the detector.
clickhouse_url                 = "https://abc123.eu-central-1.aws.clickhouse.cloud:8443"
clickhouse_database            = "metering"
clickhouse_secret_arn          = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/api-AbC123"
detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"

# Receivers of alerts about customers, and of alarms on the system itself. Each address has to
# confirm a message from AWS first.
alert_emails = ["billing@example.com"]
ops_emails   = ["oncall@example.com"]

# Channels of the notifier. They name their secrets by ARN (docs/channels.md has all types). Without
# routes, critical alerts go to all channels. Warnings go to Slack, if alert_min_severity allows them.
# notification_channels = {
#   slack     = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
#   pagerduty = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/pagerduty-AbC123" }
# }
# alert_min_severity = "warning"

# The API, for bearers of a token of this issuer. Without an issuer the stack has no API. Cognito
# writes scopes with a slash. A browser may call the API only from the listed origins.
# api_jwt_issuer         = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
# api_jwt_audience       = ["1example23456789client"]
# api_scopes             = { read = "anomalies/read", write = "anomalies/write", admin = "anomalies/admin" }
# api_cors_allow_origins = ["https://dashboard.example.com"]

# The dashboard, a page for people at the address of the API. They sign in at the same issuer (docs/dashboard-sign-in.md). The
# token endpoint of Cognito is at the address of the pool's domain.
# dashboard = {
#   client_id = "1example23456789client"
#   origins   = ["https://example.auth.eu-central-1.amazoncognito.com"]
# }

# A catalog of your own instead of the built-in metrics.
# catalog_file = "catalog.toml"

# The built-in metrics, and executions of workflows. Each execution is judged when it is finished, and all of them once
# an hour (docs/operations.md).
# catalog_files = ["preset:usage", "preset:executions"]
# sources       = { executions = {}, execution_nodes = {} }

# Events that reach ClickHouse up to ten minutes late are still counted in their window.
# window_delay_seconds = 600

# Only for a ClickHouse inside a VPC.
# vpc_subnet_ids         = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
# vpc_security_group_ids = ["sg-0a1b2c3d4e5f60718"]

tags = {
  Project = "meterflow"
  Owner   = "platform"
}
