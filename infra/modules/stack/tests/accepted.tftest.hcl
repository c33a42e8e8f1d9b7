# Values at the edges, and what only looks wrong, are accepted. tests/variables has the values that are refused.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
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

run "plain_http_to_this_machine_and_to_private_addresses_is_accepted" {
  command = plan

  variables {
    api_jwt_issuer             = "http://127.0.0.1:4566/issuer"
    api_jwt_audience           = ["meterflow"]
    api_scopes                 = { read = "anomalies/read", write = "https://api.example.com/write", admin = "[!#~" }
    api_cors_allow_origins     = ["http://localhost:5173", "https://dashboard.example.com"]
    api_throttling_rate_limit  = 0.5
    api_throttling_burst_limit = 1
    clickhouse_url             = "http://[fd00:12::7]:8123/proxy"
  }

  # An issuer on this machine may use plain http.
  assert {
    condition     = output.api_function_name == "meterflow-anomaly-api"
    error_message = "The local cloud must be able to have an API."
  }

  # Plain http to a private address is accepted.
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

run "values_at_the_edges_channels_of_every_type_and_a_long_list_of_replicas_are_accepted" {
  command = plan

  variables {
    name_prefix               = "a2345678901234567890123456789z"
    reserved_concurrency      = -1
    schedule_expression       = "rate(5 minutes)"
    missing_run_alarm_minutes = 15
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

    # A list of the replicas of each shard.
    clickhouse_url  = join("; ", concat([for shard in range(23) : "https://replica-1.shard-${shard}.clickhouse.example.com:8443, https://replica-2.shard-${shard}.clickhouse.example.com:8443"], ["https://10.0.0.1:8443/proxy, https://b1:8443"]))
    detailed_alarms = true

    notification_link = "http://intranet/incidents?id={incident_id}"
    notification_channels = {
      team                             = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      threads                          = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", conversation = "C0123456789", api_url = "https://slack.example.com" }
      pager                            = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", api_url = "https://events.eu.pagerduty.com", throttle_seconds = 0 }
      phone                            = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", chat_id = "-1001", throttle_seconds = 86400 }
      billing-2_b                      = { type = "webhook", url = "https://hooks.example.com:8443/in?tenant=1", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
      chat                             = { type = "amazon_q", topic_arn = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:chat" }
      pppppppppppppppppppppppppppppppp = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
    notification_routes = [
      { channels = ["team"] },
      { severities = ["critical", "warning"], metrics = ["api_calls"], customers = ["cust #1"], channels = ["pager", "phone"] },
    ]
    notification_secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/1234abcd"]
  }

  assert {
    condition     = length(output.detector_function_name) == 48
    error_message = "A prefix of 30 characters must be possible."
  }

  assert {
    condition     = length(aws_sqs_queue.channel_failures) == 7 && length(aws_sqs_queue.channel_failures["pppppppppppppppppppppppppppppppp"].name) == 80
    error_message = "Every type of channel must be possible, with names as long as a queue's may be."
  }

  assert {
    condition     = module.detector.settings.environment.CLICKHOUSE_URL == var.clickhouse_url
    error_message = "The detector must get the whole list."
  }

  # CloudWatch refuses a description of more than 1,024 characters.
  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), [aws_cloudwatch_metric_alarm.no_customers]) : length(alarm.alarm_description) <= 1024])
    error_message = "The description of an alarm is too long."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.no_customers.alarm_description, "https://replica-1.shard-0.clickhouse.example.com:8443 and 47 more still receives")
    error_message = "The alarm must name the first address, and the number of the others."
  }
}
