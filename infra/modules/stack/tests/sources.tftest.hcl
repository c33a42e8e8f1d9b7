# A source with entities has runs of its own, and each finished event is checked at once. api.tftest.hcl has the stack without
# sources.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_cloudwatch_event_rule.finished
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-finished" }
}

override_resource {
  target          = aws_cloudwatch_event_rule.source
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-executions" }
}

override_resource {
  target          = aws_sqs_queue.finished
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-finished"
  }
}

override_resource {
  target          = aws_sqs_queue.finished_dead_letters
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished-dlq"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-finished-dlq"
  }
}

override_resource {
  target          = module.checks[0].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-checks" }
}

override_resource {
  target          = module.sources[0].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-sources" }
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://tokens.example.com"
  api_jwt_audience = ["meterflow"]

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "a_source_has_runs_of_its_own" {
  command = plan

  variables {
    sources       = { executions = {} }
    catalog_files = ["tests/catalog.toml", "functions.tf"]
  }

  assert {
    condition     = [for rule in aws_cloudwatch_event_rule.source : "${rule.name} ${rule.schedule_expression} ${rule.state}"] == ["meterflow-anomaly-detection-executions rate(1 hour) ENABLED"]
    error_message = "A source must have a rule of its own, once an hour by default."
  }

  # EventBridge puts the quotes around a time itself.
  assert {
    condition = jsondecode(replace(aws_cloudwatch_event_target.source["executions"].input_transformer[0].input_template, "<time>", "\"2026-11-21T13:00:00Z\"")) == {
      time = "2026-11-21T13:00:00Z", detail = { source = "executions" }
    }
    error_message = "The run must be told its source, and the time of the schedule."
  }

  assert {
    condition     = aws_cloudwatch_event_target.source["executions"].input_transformer[0].input_paths == tomap({ time = "$.time" })
    error_message = "The window must come from the time of the event."
  }

  assert {
    condition     = aws_cloudwatch_event_target.source["executions"].arn == "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-sources:live" && aws_cloudwatch_event_target.source["executions"].rule == "meterflow-anomaly-detection-executions"
    error_message = "A run of a source must not wait for the runs of the detector."
  }

  assert {
    condition     = aws_cloudwatch_event_target.source["executions"].dead_letter_config[0].arn == aws_sqs_queue.schedule_dead_letters.arn && aws_cloudwatch_event_target.source["executions"].retry_policy[0].maximum_event_age_in_seconds == 21600
    error_message = "No source may lose an event."
  }

  assert {
    condition = { for permission in aws_lambda_permission.source : permission.statement_id => "${permission.principal} ${permission.action} ${permission.function_name}:${permission.qualifier} ${permission.source_arn} ${permission.source_account}" } == {
      AllowSource-executions = "events.amazonaws.com lambda:InvokeFunction meterflow-anomaly-sources:live arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-executions 123456789012"
    }
    error_message = "The rule of the source, and only it, may invoke the function."
  }

  assert {
    condition = [for statement in jsondecode(aws_sqs_queue.schedule_dead_letters.policy).Statement : "${statement.Principal.Service} ${statement.Action} ${join(",", statement.Condition.ArnEquals["aws:SourceArn"])}" if statement.Sid == "SourcesSendDeadLetters"] == [
      "events.amazonaws.com sqs:SendMessage arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-executions"
    ]
    error_message = "The rule of the source must be able to keep what it could not hand over."
  }

  assert {
    condition     = module.sources[0].settings.environment == module.detector.settings.environment && module.sources[0].settings.timeout_seconds == 300 && module.sources[0].settings.memory_mb == module.detector.settings.memory_mb
    error_message = "The function must be the detector under another name."
  }

  assert {
    condition     = module.sources[0].settings.reserved_concurrency == -1 && module.sources[0].settings.maximum_retry_attempts == 2 && module.sources[0].settings.on_failure == aws_sqs_queue.detector_failures.arn
    error_message = "No source may wait for another, and what a run failed on must be kept."
  }

  assert {
    condition     = jsonencode([for statement in jsondecode(module.sources[0].role_policy).Statement : statement if statement.Sid != "WriteLog"]) == jsonencode([for statement in jsondecode(module.detector.role_policy).Statement : statement if statement.Sid != "WriteLog"])
    error_message = "The function must have the permissions of the detector and no others."
  }

  assert {
    condition     = alltrue([for name in ["detector-dead-letters", "schedule-dead-letters"] : strcontains(aws_cloudwatch_metric_alarm.this[name].alarm_description, "meterflow-anomaly-detection or meterflow-anomaly-sources")])
    error_message = "The alarms on queues that both functions share must name both."
  }

  # The files of a catalog are joined.
  assert {
    condition     = aws_ssm_parameter.catalog[0].insecure_value == "${file("tests/catalog.toml")}\n${file("functions.tf")}"
    error_message = "The parameter must hold the texts of all files, one after the other."
  }

  assert {
    condition     = local.catalog_bytes > 4096 && local.catalog_bytes <= 8192 && aws_ssm_parameter.catalog[0].tier == "Advanced"
    error_message = "The size of all files together decides the tier."
  }
}

run "each_finished_event_is_checked_at_once" {
  command = plan

  variables {
    sources       = { executions = {}, execution_nodes = { schedule = "rate(5 minutes)" } }
    catalog_files = ["preset:usage", "tests/catalog.toml", "preset:executions", "preset:qa_runs"]
  }

  assert {
    condition     = aws_cloudwatch_event_rule.finished[0].name == "meterflow-anomaly-finished" && aws_cloudwatch_event_rule.finished[0].event_bus_name == "default"
    error_message = "The rule must be on the default bus."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.finished[0].event_pattern) == { detail-type = ["Execution Completed"], detail = { source = ["execution_nodes", "executions"] } }
    error_message = "The rule must take the finished events of the sources, and no others."
  }

  assert {
    condition     = aws_cloudwatch_event_target.finished[0].arn == aws_sqs_queue.finished[0].arn && aws_cloudwatch_event_target.finished[0].dead_letter_config[0].arn == aws_sqs_queue.finished_dead_letters[0].arn && length(aws_cloudwatch_event_target.finished[0].input_transformer) == 0
    error_message = "The queue must get the events as they are, and lose none."
  }

  assert {
    condition = {
      for name, queue in { queue = aws_sqs_queue.finished[0], dead_letters = aws_sqs_queue.finished_dead_letters[0] } : name => [
        for statement in jsondecode(queue.policy).Statement : "${statement.Effect} ${try(statement.Principal.Service, statement.Principal)} ${statement.Action} on ${statement.Resource} ${jsonencode(statement.Condition)}"
      ]
      } == {
      queue = [
        "Deny * sqs:* on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished {\"Bool\":{\"aws:SecureTransport\":\"false\"}}",
        "Allow events.amazonaws.com sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished {\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-finished\"}}",
      ]
      dead_letters = [
        "Deny * sqs:* on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished-dlq {\"Bool\":{\"aws:SecureTransport\":\"false\"}}",
        "Allow events.amazonaws.com sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished-dlq {\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-finished\"}}",
      ]
    }
    error_message = "The rule, and only it, may send into the two queues, and only by TLS."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.finished[0].redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.finished_dead_letters[0].arn, maxReceiveCount = 5 }
    error_message = "An event must be tried five times, and then be kept."
  }

  assert {
    condition     = aws_sqs_queue.finished[0].visibility_timeout_seconds >= 6 * module.checks[0].settings.timeout_seconds
    error_message = "AWS asks for six times the limit of the function."
  }

  assert {
    condition     = aws_sqs_queue.finished[0].kms_master_key_id == output.kms_key_arn && aws_sqs_queue.finished_dead_letters[0].kms_master_key_id == output.kms_key_arn
    error_message = "Both queues must be encrypted with the key of the stack."
  }

  assert {
    condition     = aws_sqs_queue.finished_dead_letters[0].message_retention_seconds == 1209600 && aws_sqs_queue.finished[0].message_retention_seconds < 1209600
    error_message = "A message keeps its age, so the second queue must keep it longer."
  }

  assert {
    condition = {
      source   = aws_lambda_event_source_mapping.finished[0].event_source_arn
      function = aws_lambda_event_source_mapping.finished[0].function_name
      batch    = aws_lambda_event_source_mapping.finished[0].batch_size
      window   = aws_lambda_event_source_mapping.finished[0].maximum_batching_window_in_seconds
      answers  = aws_lambda_event_source_mapping.finished[0].function_response_types
      copies   = aws_lambda_event_source_mapping.finished[0].scaling_config[0].maximum_concurrency
      } == {
      source   = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished"
      function = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-checks:live"
      batch    = 10
      window   = 0
      answers  = toset(["ReportBatchItemFailures"])
      copies   = 8
    }
    error_message = "The function must get ten events at most, at once, and two copies must stay free."
  }

  assert {
    condition     = module.checks[0].settings.environment == module.detector.settings.environment && module.checks[0].settings.timeout_seconds == 30 && module.checks[0].settings.reserved_concurrency == 10 && module.checks[0].settings.memory_mb == module.detector.settings.memory_mb
    error_message = "The function must be the detector's program with limits of its own."
  }

  assert {
    condition = jsonencode([for statement in jsondecode(module.checks[0].role_policy).Statement : statement if !contains(["TakeFinishedEvents", "WriteLog"], statement.Sid)]) == jsonencode([
      for statement in jsondecode(module.detector.role_policy).Statement : statement if !contains(["KeepFailedEvents", "WriteLog"], statement.Sid)
    ])
    error_message = "Beside its queue and its log the function must have the permissions of the detector."
  }

  assert {
    condition = [for statement in jsondecode(module.checks[0].role_policy).Statement : "${join(" ", statement.Action)} on ${join(" ", statement.Resource)}" if statement.Sid == "TakeFinishedEvents"] == [
      "sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-finished"
    ]
    error_message = "Lambda reads the queue by the role of the function."
  }

  assert {
    condition     = local.api_environment.CHECKS_FUNCTION == "meterflow-anomaly-checks:live"
    error_message = "The API must know the function by its name."
  }

  assert {
    condition = [for statement in jsondecode(module.api[0].role_policy).Statement : "${join(" ", statement.Action)} on ${join(" ", statement.Resource)}" if statement.Sid == "CheckFinishedEvents"] == [
      "lambda:InvokeFunction on arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-checks:live"
    ]
    error_message = "The API must be able to invoke the function."
  }

  assert {
    condition = [
      for alarm in [aws_cloudwatch_metric_alarm.this["finished-dead-letters"]] :
      "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])} ${length(alarm.ok_actions)}"
    ] == ["AWS/SQS/ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 ignore QueueName=meterflow-anomaly-finished-dlq 1"]
    error_message = "The queue of events that could not be judged must have an alarm, which tells the recovery too."
  }

  assert {
    condition = alltrue([
      for text in ["/aws/lambda/meterflow-anomaly-checks", "meterflow failures redrive finished-dead-letters", "the queue meterflow-anomaly-finished-dlq"] :
      strcontains(aws_cloudwatch_metric_alarm.this["finished-dead-letters"].alarm_description, text)
    ]) && length(aws_cloudwatch_metric_alarm.this["finished-dead-letters"].alarm_description) <= 1024
    error_message = "The alarm must say where the reason is, and how the events are sent again."
  }

  assert {
    condition     = { for rule in aws_cloudwatch_event_rule.source : rule.name => rule.schedule_expression } == { "meterflow-anomaly-detection-executions" = "rate(1 hour)", "meterflow-anomaly-detection-execution_nodes" = "rate(5 minutes)" }
    error_message = "Each source must have its own schedule."
  }

  # A preset is named and not copied.
  assert {
    condition     = aws_ssm_parameter.catalog[0].insecure_value == "presets = [\"usage\",\"executions\",\"qa_runs\"]\n${file("tests/catalog.toml")}"
    error_message = "The parameter must name the presets at its top, and hold the texts of the files."
  }

  assert {
    condition     = aws_ssm_parameter.catalog[0].tier == "Standard"
    error_message = "Names of presets need no room."
  }
}

run "the_bus_and_the_copies_are_settings" {
  command = plan

  variables {
    sources            = { executions = { schedule = "rate(1 minute)" } }
    events_bus         = "platform"
    checks_concurrency = 4
    schedule_enabled   = false
    catalog_files = [
      "preset:usage", "preset:executions", "preset:qa_runs", "preset:connectors", "preset:n8n", "preset:airflow", "preset:temporal",
      "preset:kestra", "preset:windmill", "preset:github_actions", "preset:traces_otel",
      "preset:traces_otel_json", "preset:traces_signoz", "preset:machines", "preset:machines_sum", "preset:machines_histogram",
    ]
  }

  assert {
    condition     = aws_cloudwatch_event_rule.finished[0].event_bus_name == "platform" && aws_cloudwatch_event_target.finished[0].event_bus_name == "platform"
    error_message = "Rule and target must be on the bus that is set."
  }

  assert {
    condition     = module.checks[0].settings.reserved_concurrency == 4 && aws_lambda_event_source_mapping.finished[0].scaling_config[0].maximum_concurrency == 2
    error_message = "The queue must leave two copies free."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.source["executions"].schedule_expression == "rate(1 minute)" && aws_cloudwatch_event_rule.source["executions"].state == "DISABLED"
    error_message = "A pause is one for all sources."
  }

  # All presets together fit.
  assert {
    condition     = local.catalog_bytes < 4096 && jsondecode(trimprefix(aws_ssm_parameter.catalog[0].insecure_value, "presets = ")) == local.known_presets
    error_message = "The names of all presets must fit into a standard parameter."
  }
}

run "without_a_reservation_the_queue_has_a_limit_and_without_a_place_there_is_nothing_for_networks" {
  command = plan

  variables {
    sources            = { machines = {} }
    checks_concurrency = -1
    catalog_files      = ["tests/catalog.toml", "locals.tf", "api.tf"]
  }

  assert {
    condition     = module.checks[0].settings.reserved_concurrency == -1 && aws_lambda_event_source_mapping.finished[0].scaling_config[0].maximum_concurrency == 8
    error_message = "-1 must reserve nothing, and ClickHouse must not get all events at once."
  }

  # What does not fit is compressed.
  assert {
    condition     = local.catalog_bytes > 8192 && aws_ssm_parameter.catalog[0].insecure_value == base64gzip("${file("tests/catalog.toml")}\n${file("locals.tf")}\n${file("api.tf")}")
    error_message = "A text of more than 8192 bytes must be compressed."
  }

  # Each compressed text begins so, and the functions know it by that.
  assert {
    condition     = startswith(aws_ssm_parameter.catalog[0].insecure_value, "H4sI") && length(aws_ssm_parameter.catalog[0].insecure_value) == local.catalog_value_bytes
    error_message = "A compressed text must begin as the functions expect."
  }

  # Without a place there is nothing for networks.
  assert {
    condition     = length(aws_cloudwatch_event_rule.training) + length(aws_cloudwatch_event_target.training) + length(aws_lambda_permission.training) == 0
    error_message = "Nothing may train networks that are nowhere."
  }

  assert {
    condition     = !contains(keys(local.detector_environment), "MACHINE_MODELS") && !strcontains(module.sources[0].role_policy, "s3:")
    error_message = "No function may reach S3 without networks."
  }

  assert {
    condition     = length([for name in keys(aws_cloudwatch_metric_alarm.this) : name if startswith(name, "network")]) == 0
    error_message = "Nothing may watch what does not exist."
  }
}
