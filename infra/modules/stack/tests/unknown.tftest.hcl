# On AWS a plan does not know ARNs and ids. So no number of resources, and no key of a resource, may depend on one. The
# other tests know all ARNs in the plan. This one does not, and has everything in it that a stack can have.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_stack_with_everything_is_planned_without_knowing_an_arn" {
  command = plan

  variables {
    detector_package = "versions.tf"
    notifier_package = "versions.tf"
    api_package      = "versions.tf"
    clickhouse_url   = "https://clickhouse.example.com:8443"
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
    dashboard        = { client_id = "page" }
    api_domain       = { name = "usage.example.com", hosted_zone_id = "Z0123456789ABCDEFGHIJ", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
    alert_emails     = ["pages@example.com"]
    ops_emails       = ["oncall@example.com"]
    amazon_q_slack   = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
      hook  = { type = "webhook", url = "https://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbC123" }
      chat  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack-AbC123", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:signing-AbC123" }
    }
    catalog_files        = ["preset:usage", "preset:machines"]
    sources              = { machines = { networks = true }, executions = {} }
    machine_models       = "s3://models/machines"
    cloudwatch_dashboard = true
    detailed_alarms      = true
    detector_shards      = 8
    xray_tracing         = true

    clickhouse_secret_arn          = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clickhouse-AbC123"
    detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:detector-DeF456"
  }

  assert {
    condition     = length(aws_sqs_queue.channel_failures) == 4 && length(aws_cloudwatch_event_rule.source) == 2 && length(aws_cloudwatch_dashboard.this) == 1 && length(aws_route53_record.api) == 1
    error_message = "Channels, sources and the dashboard must be in the plan."
  }
}
