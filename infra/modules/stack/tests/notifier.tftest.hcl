# The notifier: what it is told, what reaches it, what becomes of what does not, and what it may do.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = module.notifier.aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-notifier" }
}

override_resource {
  target          = module.notifier.aws_cloudwatch_log_group.this
  override_during = plan
  values          = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-notifier" }
}

override_resource {
  target          = aws_ssm_parameter.notifier
  override_during = plan
  values          = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/notifier" }
}

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts" }
}

override_resource {
  target          = aws_sns_topic.ops
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops" }
}

override_resource {
  target          = aws_sns_topic.chat
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-chat" }
}

override_resource {
  target          = aws_cloudwatch_event_rule.digest
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-digest" }
}

override_resource {
  target          = aws_cloudwatch_event_rule.waiting
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-notifier-waiting" }
}

override_resource {
  target          = aws_sqs_queue.notifier_failures
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-failures" }
}

override_resource {
  target          = aws_sqs_queue.notifier_dead_letters
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-dlq" }
}

override_resource {
  target          = aws_sqs_queue.channel_failures["slack"]
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-slack"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-slack"
  }
}

override_resource {
  target          = aws_sqs_queue.channel_failures["pager"]
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-pager"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-pager"
  }
}

override_resource {
  target          = aws_sqs_queue.channel_failures["amazon_q"]
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-amazon_q"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-amazon_q"
  }
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

# ---------------------------------------------------------------------------------------------
# What it is told
# ---------------------------------------------------------------------------------------------

run "without_channels_it_is_there_for_the_digest_alone" {
  command = plan

  assert {
    condition     = output.notifier_function_name == "meterflow-anomaly-notifier" && output.notifier_log_group_name == "/aws/lambda/meterflow-anomaly-notifier" && output.notifier_config_parameter_name == "/meterflow/notifier"
    error_message = "The notifier must have the names that others rely on."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value) == { channels = {} }
    error_message = "The config must be empty without channels."
  }

  assert {
    condition = alltrue([
      for made in [
        aws_sns_topic_subscription.notifier,
        aws_lambda_permission.alerts,
        aws_cloudwatch_event_rule.waiting,
        aws_cloudwatch_event_target.waiting,
        aws_lambda_permission.waiting,
        aws_sqs_queue.channel_failures,
        aws_chatbot_slack_channel_configuration.this,
        aws_iam_role.chat,
        aws_sns_topic.chat,
        aws_sns_topic_policy.chat,
      ] : length(made) == 0
    ])
    error_message = "Without channels nothing may be subscribed, and there must be nothing of them."
  }

  assert {
    condition = { for statement in jsondecode(module.notifier.role_policy).Statement : statement.Sid => "${statement.Effect} ${join(" ", statement.Action)} on ${join(" ", statement.Resource)}" } == {
      RecordDeliveries      = "Allow dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadFeedback          = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ListIncidentsOfTheDay = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/incidents-index"
      ReadConfig            = "Allow ssm:GetParameter on arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/notifier"
      PublishDigestAndChat  = "Allow sns:Publish on arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops"
      UseKeyThroughServices = "Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      WriteLog              = "Allow logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-notifier:*"
      KeepFailedEvents      = "Allow sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-failures"
    }
    error_message = "Without channels the role must have these permissions and no others."
  }

  assert {
    condition = { for statement in jsondecode(module.notifier.role_policy).Statement : statement.Sid => statement.Condition if can(statement.Condition) } == {
      RecordDeliveries      = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["DELIVERY#*", "CHANNEL#*", "BUTTON#*"] } }
      ReadFeedback          = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["FEEDBACK"] } }
      UseKeyThroughServices = { StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "sns.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"] } }
    }
    error_message = "The notifier must reach its own items only, and the key through three services only."
  }

  # The digest comes daily.
  assert {
    condition     = aws_cloudwatch_event_rule.digest[0].name == "meterflow-anomaly-digest" && aws_cloudwatch_event_rule.digest[0].schedule_expression == "cron(0 8 * * ? *)"
    error_message = "The digest must come at 8:00 UTC by default."
  }

  assert {
    condition     = aws_cloudwatch_event_target.digest[0].rule == "meterflow-anomaly-digest" && aws_cloudwatch_event_target.digest[0].arn == "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-notifier:live"
    error_message = "The rule must start the notifier."
  }

  assert {
    condition     = aws_cloudwatch_event_target.digest[0].retry_policy[0].maximum_event_age_in_seconds == 21600 && aws_cloudwatch_event_target.digest[0].dead_letter_config[0].arn == "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-dlq"
    error_message = "EventBridge must retry the hand-over and keep what it gives up on."
  }

  assert {
    condition     = "${aws_lambda_permission.digest[0].principal} ${aws_lambda_permission.digest[0].action} ${aws_lambda_permission.digest[0].function_name}:${aws_lambda_permission.digest[0].qualifier} ${aws_lambda_permission.digest[0].source_arn} ${aws_lambda_permission.digest[0].source_account}" == "events.amazonaws.com lambda:InvokeFunction meterflow-anomaly-notifier:live arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-digest 123456789012"
    error_message = "EventBridge must be able to invoke the notifier, and only for this rule."
  }
}

run "it_has_the_settings_of_the_contract" {
  command = plan

  variables {
    architecture           = "x86_64"
    log_retention_days     = 7
    log_level              = "debug"
    vpc_subnet_ids         = ["subnet-0a1b2c3d"]
    vpc_security_group_ids = ["sg-0a1b2c3d"]
    clickhouse_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
    daily_digest_schedule  = "cron(30 5 ? * MON-FRI *)"
  }

  assert {
    condition     = module.notifier.settings.memory_mb == 256 && module.notifier.settings.timeout_seconds == 60 && module.notifier.settings.reserved_concurrency == -1
    error_message = "The notifier must have 256 MB, 60 seconds and no reservation."
  }

  assert {
    condition     = module.notifier.settings.architectures == tolist(["x86_64"]) && module.notifier.settings.log_retention_days == 7
    error_message = "Architecture and retention must be those of the stack."
  }

  assert {
    condition     = module.notifier.settings.vpc_subnet_ids == []
    error_message = "The notifier must stay outside the VPC: it needs the internet, and nothing that is private."
  }

  assert {
    condition     = module.notifier.settings.maximum_retry_attempts == 2 && module.notifier.settings.maximum_event_age_seconds == 21600 && module.notifier.settings.on_failure == "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-failures"
    error_message = "Lambda must repeat a failed event twice, keep it for 6 hours, and then put it into the notifier's own queue."
  }

  assert {
    condition = module.notifier.settings.environment == tomap({
      ANOMALIES_TABLE               = "meterflow-anomalies"
      NOTIFIER_CONFIG_SSM_PARAMETER = "/meterflow/notifier"
      NOTIFIER_CONFIG_SHA256        = sha256("{\"channels\":{}}")
      OPS_TOPIC_ARN                 = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops"
      METRICS_NAMESPACE             = "MeterFlow"
      METRICS_STACK                 = "meterflow"
      LOG_LEVEL                     = "debug"
      SSL_CERT_FILE                 = "/etc/pki/tls/certs/ca-bundle.crt"
    })
    error_message = "The environment must hold these variables, and nothing of ClickHouse."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(module.notifier.role_policy).Statement : !strcontains(jsonencode(statement), "clickhouse")])
    error_message = "The notifier must not read the secret of ClickHouse."
  }

  # The digest can come at another time.
  assert {
    condition     = aws_cloudwatch_event_rule.digest[0].schedule_expression == "cron(30 5 ? * MON-FRI *)"
    error_message = "daily_digest_schedule must reach the rule."
  }
}

run "the_config_holds_each_channel_and_a_route_without_severities_takes_all" {
  command = plan

  variables {
    notification_channels = {
      slack = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", conversation = "C0123456789", throttle_seconds = 0 }
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/pagerduty-AbC123", api_url = "https://events.eu.pagerduty.com" }
    }
    notification_link = "https://app.example.com/incidents/{incident_id}"
    notification_routes = [
      { severities = ["critical"], channels = ["pager", "slack"] },
      { metrics = ["api_calls"], customers = ["cust_0001", "it's \"one\""], channels = ["slack"] },
    ]
  }

  # The config holds each channel with its queue, and no secret.
  assert {
    condition = jsondecode(aws_ssm_parameter.notifier.insecure_value) == {
      link = "https://app.example.com/incidents/{incident_id}"
      channels = {
        slack = {
          type                 = "slack"
          bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123"
          conversation         = "C0123456789"
          throttle_seconds     = 0
          queue_url            = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-slack"
        }
        pager = {
          type                   = "pagerduty"
          routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/pagerduty-AbC123"
          api_url                = "https://events.eu.pagerduty.com"
          queue_url              = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-pager"
        }
      }
      routes = [
        { severities = ["critical"], channels = ["pager", "slack"] },
        { metrics = ["api_calls"], customers = ["cust_0001", "it's \"one\""], channels = ["slack"] },
      ]
    }
    error_message = "The config must hold channels, routes and link as given, each channel with its queue, and nothing for what is not set."
  }

  assert {
    condition     = aws_ssm_parameter.notifier.type == "String" && aws_ssm_parameter.notifier.tier == "Standard"
    error_message = "A short config must be a standard parameter."
  }

  assert {
    condition     = module.notifier.settings.environment.NOTIFIER_CONFIG_SHA256 == sha256(aws_ssm_parameter.notifier.insecure_value)
    error_message = "A changed config must start the function anew."
  }

  assert {
    condition = output.channel_failure_queue_urls == {
      slack = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-slack"
      pager = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-pager"
    }
    error_message = "The output must tell the queue of each channel."
  }

  # The second route has no severities.
  assert {
    condition     = jsondecode(aws_sns_topic_subscription.notifier[0].filter_policy) == { severity = ["critical", "warning"] }
    error_message = "A route that leaves severities out means any."
  }
}

run "a_topic_of_amazon_q_can_be_a_channel_and_a_longer_config_takes_the_advanced_tier" {
  command = plan

  variables {
    notification_channels = {
      pager = { type = "amazon_q", topic_arn = "arn:aws:sns:eu-central-1:123456789012:chat" }
    }
    # An é has one character and two bytes.
    notification_routes = [{ customers = [join("", [for index in range(1000) : "éé"])], channels = ["pager"] }]
  }

  # A longer config takes the advanced tier.
  assert {
    condition     = local.notifier_config_bytes > 4096 && length(local.notifier_config) < 4096 && aws_ssm_parameter.notifier.tier == "Advanced"
    error_message = "A standard parameter holds 4096 bytes only."
  }

  # A topic that Amazon Q already serves can be a channel.
  assert {
    condition = one([
      for statement in jsondecode(module.notifier.role_policy).Statement : statement.Resource if statement.Sid == "PublishDigestAndChat"
    ]) == ["arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops", "arn:aws:sns:eu-central-1:123456789012:chat"]
    error_message = "The role must be able to publish to the topic of the channel."
  }

  assert {
    condition     = [for statement in jsondecode(module.notifier.role_policy).Statement : statement if statement.Sid == "ReadSecretsOfChannels"] == []
    error_message = "Without secrets the role must not read any."
  }
}

run "the_local_cloud_may_have_channels_and_a_dashboard_on_this_machine" {
  command = plan

  variables {
    aws_endpoint_url        = "http://127.0.0.1:4566"
    allow_loopback_channels = true
    notification_channels = {
      slack = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack-AbC123", conversation = "C1", api_url = "http://127.0.0.1:9999" }
      pager = { type = "webhook", url = "http://localhost:9998/hook?a=b", signing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbC123" }
    }
    daily_digest_schedule = null

    api_package       = "versions.tf"
    api_jwt_issuer    = "https://tokens.example.com"
    api_jwt_audience  = ["meterflow"]
    dashboard         = { client_id = "page" }
    notification_link = "https://app.example.com/incidents/{incident_id}"
  }

  assert {
    condition     = try(module.notifier.settings.environment.ALLOW_LOOPBACK, null) == "true" && module.notifier.settings.environment.AWS_ENDPOINT_URL == "http://127.0.0.1:4566"
    error_message = "The function must be told that it runs in the local cloud."
  }

  # A link of ones own goes before the dashboard.
  assert {
    condition     = jsondecode(aws_ssm_parameter.notifier.insecure_value).link == "https://app.example.com/incidents/{incident_id}"
    error_message = "Messages must have the link that is set."
  }

  # The local cloud has the page below the emulator.
  assert {
    condition     = output.dashboard_url == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5/"
    error_message = "The address must be one that every browser finds."
  }

  # Without routes Slack gets warnings too.
  assert {
    condition     = jsondecode(aws_sns_topic_subscription.notifier[0].filter_policy) == { severity = ["critical", "warning"] }
    error_message = "By default Slack gets warnings too."
  }

  # The digest can be switched off.
  assert {
    condition     = length(aws_cloudwatch_event_rule.digest) == 0 && length(aws_cloudwatch_event_target.digest) == 0 && length(aws_lambda_permission.digest) == 0
    error_message = "Without a schedule there must be no rule, and nobody may invoke the notifier for it."
  }

  assert {
    condition     = [for statement in jsondecode(aws_sqs_queue.notifier_dead_letters.policy).Statement : statement.Principal.Service if statement.Effect == "Allow"] == ["sns.amazonaws.com"]
    error_message = "Without a schedule EventBridge must not be able to send into the queue."
  }
}

# ---------------------------------------------------------------------------------------------
# What reaches it
# ---------------------------------------------------------------------------------------------

run "without_routes_warnings_reach_it_only_for_slack" {
  command = plan

  variables {
    notification_channels = {
      pager = { type = "pagerduty", routing_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pager-AbC123" }
      phone = { type = "telegram", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telegram-AbC123", chat_id = "-1001" }
    }
  }

  # The alert topic invokes it and loses nothing.
  assert {
    condition     = "${aws_sns_topic_subscription.notifier[0].protocol} ${aws_sns_topic_subscription.notifier[0].topic_arn} ${aws_sns_topic_subscription.notifier[0].endpoint}" == "lambda arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-notifier:live"
    error_message = "The notifier must be subscribed to the alert topic."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_subscription.notifier[0].redrive_policy) == { deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-dlq" }
    error_message = "What SNS cannot hand over must go to the dead-letter queue."
  }

  assert {
    condition     = "${aws_lambda_permission.alerts[0].principal} ${aws_lambda_permission.alerts[0].action} ${aws_lambda_permission.alerts[0].function_name}:${aws_lambda_permission.alerts[0].qualifier} ${aws_lambda_permission.alerts[0].source_arn}" == "sns.amazonaws.com lambda:InvokeFunction meterflow-anomaly-notifier:live arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
    error_message = "SNS must be able to invoke the notifier, and only for the alert topic."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_subscription.notifier[0].filter_policy) == { severity = ["critical"] } && aws_sns_topic_subscription.notifier[0].filter_policy_scope == "MessageAttributes"
    error_message = "Without a channel in Slack only critical alerts go anywhere."
  }
}

# ---------------------------------------------------------------------------------------------
# What it may do, what did not get through, and the Slack channel of Amazon Q
# ---------------------------------------------------------------------------------------------

run "its_role_and_its_queues_are_for_its_channels_alone_and_routes_decide_what_reaches_it" {
  command = plan

  variables {
    amazon_q_slack                   = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    notification_secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"]
    notification_channels = {
      slack = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", conversation = "C0123456789" }
      # The same secret for two channels.
      pager = { type = "slack", bot_token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123", conversation = "C9876543210" }
    }
    notification_routes = [
      { severities = ["critical"], channels = ["slack"] },
      { severities = ["critical"], metrics = ["api_calls"], channels = ["pager"] },
    ]
  }

  # The role can do exactly what the channels need.
  assert {
    condition = {
      for statement in jsondecode(module.notifier.role_policy).Statement : statement.Sid => "${join(" ", statement.Action)} on ${join(" ", statement.Resource)}"
      if contains(["PublishDigestAndChat", "ReadSecretsOfChannels", "DecryptSecretsOfChannels", "KeepWhatAChannelRefused"], statement.Sid)
      } == {
      PublishDigestAndChat     = "sns:Publish on arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-chat"
      ReadSecretsOfChannels    = "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/slack-AbC123"
      DecryptSecretsOfChannels = "kms:Decrypt on arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
      KeepWhatAChannelRefused  = "sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-amazon_q arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-pager arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-slack"
    }
    error_message = "The role must reach exactly the topics, the secrets and the queues of its channels."
  }

  assert {
    condition = one([
      for statement in jsondecode(module.notifier.role_policy).Statement : statement.Condition if statement.Sid == "DecryptSecretsOfChannels"
    ]) == { StringEquals = { "kms:ViaService" = ["secretsmanager.eu-central-1.amazonaws.com"] } }
    error_message = "The keys of the secrets must serve for secrets only."
  }

  # The only star that is left stands for the streams of the function's own log group.
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.notifier.role_policy).Statement : [
        [for action in statement.Action : !strcontains(action, "*")],
        [for resource in statement.Resource : !strcontains(trimsuffix(resource, ":log-group:/aws/lambda/meterflow-anomaly-notifier:*"), "*")],
      ]
    ]))
    error_message = "No action and no resource of the role may hold a wildcard."
  }

  # Every queue is encrypted, keeps what it has for long, and refuses plain http.
  assert {
    condition = {
      for queue in concat(values(aws_sqs_queue.channel_failures), [aws_sqs_queue.notifier_failures, aws_sqs_queue.notifier_dead_letters]) :
      queue.name => "${queue.message_retention_seconds} ${queue.kms_master_key_id}"
      } == {
      for name in ["slack", "pager", "amazon_q", "failures", "dlq"] :
      "meterflow-anomaly-notifier-${name}" => "1209600 arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    }
    error_message = "There must be these queues, which keep messages for 14 days, encrypted with the stack's key."
  }

  assert {
    condition = alltrue([
      for queue in concat(values(aws_sqs_queue.channel_failures), [aws_sqs_queue.notifier_failures, aws_sqs_queue.notifier_dead_letters]) :
      [for statement in jsondecode(queue.policy).Statement : "${statement.Principal} ${statement.Action} ${statement.Resource} ${jsonencode(statement.Condition)}" if statement.Effect == "Deny"]
      == ["* sqs:* arn:aws:sqs:eu-central-1:123456789012:${queue.name} {\"Bool\":{\"aws:SecureTransport\":\"false\"}}"]
    ])
    error_message = "Every queue must deny requests without TLS."
  }

  assert {
    condition = alltrue(flatten([
      for queue in concat(values(aws_sqs_queue.channel_failures), [aws_sqs_queue.notifier_failures]) : [
        for statement in jsondecode(queue.policy).Statement : statement.Effect == "Deny"
      ]
    ]))
    error_message = "These queues must admit nobody beyond the notifier's role."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sqs_queue.notifier_dead_letters.policy).Statement :
      statement.Principal.Service => "${statement.Action} on ${statement.Resource} from ${jsonencode(statement.Condition)}" if statement.Effect == "Allow"
      } == {
      "sns.amazonaws.com"    = "sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-dlq from {\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts\"}}"
      "events.amazonaws.com" = "sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-notifier-dlq from {\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-digest\"}}"
    }
    error_message = "The alert topic and the rule of the digest must be able to send into the dead-letter queue, and nobody else."
  }

  # Routes decide what reaches the notifier.
  assert {
    condition     = jsondecode(aws_sns_topic_subscription.notifier[0].filter_policy) == { severity = ["critical"] }
    error_message = "What no route takes must not start the function."
  }
}

run "amazon_q_writes_to_slack_and_does_nothing_else" {
  command = plan

  variables {
    amazon_q_slack      = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    notification_routes = [{ severities = ["warning"], channels = ["amazon_q"] }]
  }

  override_resource {
    target          = aws_iam_role.chat
    override_during = plan
    values          = { arn = "arn:aws:iam::123456789012:role/meterflow-anomaly-chat-eu-central-1" }
  }

  assert {
    condition = [
      for configuration in aws_chatbot_slack_channel_configuration.this :
      "${configuration.configuration_name} ${configuration.slack_team_id} ${configuration.slack_channel_id} ${join(" ", configuration.sns_topic_arns)} ${configuration.iam_role_arn}"
    ] == ["meterflow-anomaly-chat-eu-central-1 T07EA123LEP C07EZ1ABC23 arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-chat arn:aws:iam::123456789012:role/meterflow-anomaly-chat-eu-central-1"]
    error_message = "The Slack channel must take what comes on the topic of the chat."
  }

  assert {
    condition     = aws_chatbot_slack_channel_configuration.this[0].guardrail_policy_arns == tolist(["arn:aws:iam::aws:policy/AWSDenyAll"])
    error_message = "Members of the Slack channel must not be able to do anything in the account."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role.chat[0].assume_role_policy).Statement : "${statement.Effect} ${statement.Action} ${statement.Principal.Service}"] == ["Allow sts:AssumeRole chatbot.amazonaws.com"]
    error_message = "Amazon Q alone must be able to use its role."
  }

  assert {
    condition = jsondecode(aws_ssm_parameter.notifier.insecure_value).channels == {
      amazon_q = {
        type      = "amazon_q"
        topic_arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-chat"
        queue_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-notifier-amazon_q"
      }
    }
    error_message = "The notifier must have the channel amazon_q."
  }

  assert {
    condition     = output.chat_topic_arn == "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-chat" && aws_sns_topic.chat[0].name == "meterflow-anomaly-chat" && aws_sns_topic.chat[0].kms_master_key_id == output.kms_key_arn
    error_message = "The topic of the chat must be encrypted with the stack's key."
  }

  assert {
    condition     = [for statement in jsondecode(aws_sns_topic_policy.chat[0].policy).Statement : "${statement.Effect} ${statement.Action} ${statement.Resource} ${jsonencode(statement.Condition)}"] == ["Deny sns:Publish arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-chat {\"Bool\":{\"aws:SecureTransport\":\"false\"}}"]
    error_message = "The topic of the chat must refuse plain http and admit nobody beyond the notifier's role."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_subscription.notifier[0].filter_policy) == { severity = ["warning"] }
    error_message = "The channel of Amazon Q must make the notifier subscribe."
  }
}
