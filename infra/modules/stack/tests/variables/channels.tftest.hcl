# Channels and routes that could not work are refused before anything is made. Each run breaks one
# rule, once, beside a channel that is right.

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
}

run "a_channel_in_capitals_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      Pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_name_of_41_characters_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team                                      = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      ppppppppppppppppppppppppppppppppppppppppp = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "the_name_failures_is_refused" {
  command = plan

  variables {
    # The function's own queue has this name.
    notification_channels = {
      team     = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      failures = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "the_name_dlq_is_refused" {
  command = plan

  variables {
    # The function's own queue has this name.
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      dlq  = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_name_that_is_too_long_for_a_queue_is_refused" {
  command = plan

  variables {
    # With the longest prefix, 32 characters are left for a channel.
    name_prefix = "a2345678901234567890123456789z"
    notification_channels = {
      ppppppppppppppppppppppppppppppppp = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_unknown_type_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pager", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "slack_without_a_secret_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team   = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      second = { type = "slack" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "slack_with_webhook_and_token_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team   = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      second = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", conversation = "C0123456789" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_slack_token_without_a_conversation_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team   = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      second = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "pagerduty_without_a_key_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "telegram_without_a_chat_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      phone = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_unsigned_webhook_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      hook = { type = "webhook", url = "https://hooks.example.com" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "amazon_q_without_a_topic_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      chat = { type = "amazon_q" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "what_belongs_to_another_type_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", chat_id = "-1001" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_secret_by_its_name_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "meterflow/pagerduty" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_secret_without_the_last_six_characters_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pagerduty" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_unencrypted_webhook_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      hook = { type = "webhook", url = "http://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_webhook_with_a_password_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      hook = { type = "webhook", url = "https://user:password@hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_webhook_on_this_machine_is_refused" {
  command = plan

  variables {
    # Only the local cloud may have it.
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      hook = { type = "webhook", url = "http://127.0.0.1:9999", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_unencrypted_api_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", api_url = "http://events.pagerduty.com" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_api_of_a_webhook_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      hook = { type = "webhook", url = "https://hooks.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", api_url = "https://hooks.example.com" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_api_of_a_slack_webhook_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team   = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      second = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", api_url = "https://slack.example.com" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_empty_conversation_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team   = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      second = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", conversation = " " }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_topic_by_its_name_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      chat = { type = "amazon_q", topic_arn = "chat" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_negative_throttle_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", throttle_seconds = -1 }
    }
  }

  expect_failures = [var.notification_channels]
}

run "half_a_second_of_throttle_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team  = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123", throttle_seconds = 0.5 }
    }
  }

  expect_failures = [var.notification_channels]
}

run "an_unencrypted_host_that_looks_like_this_machine_is_refused" {
  command = plan

  variables {
    aws_endpoint_url        = "http://127.0.0.1:4566"
    allow_loopback_channels = true
    notification_channels = {
      hook = { type = "webhook", url = "http://localhost.example.com", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/other-AbC123" }
    }
  }

  expect_failures = [var.notification_channels]
}

run "a_route_for_another_severity_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["team"] },
      { severities = ["info"], channels = ["team"] },
    ]
  }

  expect_failures = [var.notification_routes]
}

run "a_route_for_what_is_no_metric_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["team"] },
      { metrics = ["API calls"], channels = ["team"] },
    ]
  }

  expect_failures = [var.notification_routes]
}

run "a_route_with_an_empty_list_is_refused" {
  command = plan

  variables {
    # It would match nothing, or everything.
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["team"] },
      { customers = [], channels = ["team"] },
    ]
  }

  expect_failures = [var.notification_routes]
}

run "a_route_to_nowhere_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["team"] },
      { channels = [] },
    ]
  }

  expect_failures = [var.notification_routes]
}

run "a_route_to_an_unknown_channel_is_refused" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["team"] },
      { channels = ["team", "pager"] },
    ]
  }

  expect_failures = [var.notification_routes]
}

run "a_route_to_amazon_q_needs_amazon_q" {
  command = plan

  variables {
    notification_channels = {
      team = { type = "slack", webhook_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["team"] },
      { channels = ["amazon_q"] },
    ]
  }

  expect_failures = [var.notification_routes]
}

run "amazon_q_twice_is_refused" {
  command = plan

  variables {
    amazon_q_slack = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    notification_channels = {
      amazon_q = { type = "amazon_q", topic_arn = "arn:aws:sns:eu-central-1:123456789012:chat" }
    }
  }

  expect_failures = [var.amazon_q_slack]
}

run "what_is_no_id_no_key_and_no_address_is_refused" {
  command = plan

  variables {
    # A channel's name is not its id.
    amazon_q_slack        = { team_id = "T07EA123LEP", channel_id = "#billing" }
    notification_link     = "https://app.example.com/incidents/{incident}"
    daily_digest_schedule = "cron(0 8 * * *)"

    notification_channels = {
      chat = { type = "amazon_q", topic_arn = "arn:aws:sns:eu-central-1:123456789012:chat" }
    }
    notification_secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:alias/secrets"]
  }

  expect_failures = [
    var.amazon_q_slack,
    var.notification_link,
    var.daily_digest_schedule,
    var.notification_secret_kms_key_arns,
  ]
}

# Terraform does not get to the variables that look at this one.
run "this_machine_is_for_the_local_cloud_only" {
  command = plan

  variables {
    allow_loopback_channels = true
  }

  expect_failures = [var.allow_loopback_channels]
}

run "keys_without_secrets_and_links_without_an_incident_are_refused" {
  command = plan

  variables {
    amazon_q_slack    = { team_id = "workspace", channel_id = "C07EZ1ABC23" }
    notification_link = "https://app.example.com/incidents"

    notification_secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/1234abcd"]
  }

  expect_failures = [
    var.amazon_q_slack,
    var.notification_link,
    var.notification_secret_kms_key_arns,
  ]
}

run "a_link_that_is_no_address_is_refused" {
  command = plan

  variables {
    notification_link = "app.example.com/incidents/{incident_id}"
  }

  expect_failures = [var.notification_link]
}

run "a_link_that_would_break_a_message_is_refused" {
  command = plan

  variables {
    notification_link = "https://app.example.com/{incident_id}|here>"
  }

  expect_failures = [var.notification_link]
}
