# The customers of a run may be divided: each shard then has a run of its own at each scheduled time.
# resources.tftest.hcl has the stack without shards.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_cloudwatch_event_rule.schedule[1]
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-1" }
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

run "each_of_eight_shards_has_a_run_of_its_own" {
  command = plan

  variables {
    detector_shards           = 8
    missing_run_alarm_minutes = 90
  }

  assert {
    condition     = [for rule in aws_cloudwatch_event_rule.schedule : "${rule.name} ${rule.schedule_expression} ${rule.state}"] == ["meterflow-anomaly-detection rate(1 hour) ENABLED", "meterflow-anomaly-detection-1 rate(1 hour) ENABLED"]
    error_message = "Eight targets need two rules, and both must fire alike."
  }

  # EventBridge puts the quotes around a time itself.
  assert {
    condition = [
      for target in aws_cloudwatch_event_target.detector : jsondecode(replace(target.input_transformer[0].input_template, "<time>", "\"2026-11-21T13:00:00Z\""))
      ] == [
      for shard in range(8) : { time = "2026-11-21T13:00:00Z", detail = { shard = shard, shards = 8 } }
    ]
    error_message = "Each shard must be told which it is, and the time of the schedule."
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.detector : target.input_transformer[0].input_paths == tomap({ time = "$.time" })])
    error_message = "The window must come from the time of the event."
  }

  assert {
    condition = {
      for rule in aws_cloudwatch_event_rule.schedule : rule.name => [for target in aws_cloudwatch_event_target.detector : target.target_id if target.rule == rule.name]
      } == {
      "meterflow-anomaly-detection"   = ["detector-0", "detector-1", "detector-2", "detector-3"]
      "meterflow-anomaly-detection-1" = ["detector-4", "detector-5", "detector-6", "detector-7"]
    }
    error_message = "EventBridge takes five targets a rule, each with an id of its own."
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.detector : target.arn == module.detector.alias_arn && target.dead_letter_config[0].arn == aws_sqs_queue.schedule_dead_letters.arn && target.retry_policy[0].maximum_event_age_in_seconds == 21600])
    error_message = "No shard may lose an event."
  }

  assert {
    condition = {
      for permission in aws_lambda_permission.schedule : permission.statement_id => "${permission.principal} ${permission.action} ${permission.qualifier} ${permission.source_arn} ${permission.source_account}"
      } == {
      AllowSchedule  = "events.amazonaws.com lambda:InvokeFunction live arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection 123456789012"
      AllowSchedule1 = "events.amazonaws.com lambda:InvokeFunction live arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-1 123456789012"
    }
    error_message = "Both rules, and only they, may invoke the function."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sqs_queue.schedule_dead_letters.policy).Statement : statement.Sid => "${statement.Principal.Service} ${statement.Action} ${statement.Condition.ArnEquals["aws:SourceArn"]}" if statement.Effect == "Allow"
      } == {
      ScheduleSendsDeadLetters  = "events.amazonaws.com sqs:SendMessage arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection"
      ScheduleSendsDeadLetters1 = "events.amazonaws.com sqs:SendMessage arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-1"
    }
    error_message = "Both rules, and only they, may keep what they could not hand over."
  }

  assert {
    condition     = module.detector.settings.reserved_concurrency == 8
    error_message = "All shards must be able to run at once."
  }

  # metric, statistic, comparison and threshold, periods x seconds, missing data, dimension
  # Any silent shard alarms.
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${alarm.namespace}/${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])}"
      if startswith(name, "no-completed-run")
      } == {
      for shard in range(8) : "no-completed-run-${shard}" => "MeterFlow/ShardCompleted SampleCount LessThanThreshold 1 6x900 breaching Shard=${shard}-of-8,Stack=meterflow"
    }
    error_message = "Each shard must have an alarm on its own completed runs, and there must be no other."
  }

  assert {
    condition     = alltrue([for shard in range(8) : strcontains(aws_cloudwatch_metric_alarm.this["no-completed-run-${shard}"].alarm_description, "No run of shard ${shard} has completed for 90 minutes.")])
    error_message = "The alarm must say which shard is silent."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.this["no-completed-run-3"].alarm_description, "the rule meterflow-anomaly-detection and") && strcontains(aws_cloudwatch_metric_alarm.this["no-completed-run-4"].alarm_description, "the rule meterflow-anomaly-detection-1 and")
    error_message = "The alarm must name the rule of its shard."
  }

  assert {
    condition     = alltrue([for shard in range(8) : length(aws_cloudwatch_metric_alarm.this["no-completed-run-${shard}"].ok_actions) == 1 && aws_cloudwatch_metric_alarm.this["no-completed-run-${shard}"].actions_enabled])
    error_message = "Each of these alarms must act, and tell the recovery."
  }

  # A shard that ends last must not undo what another one found minutes before.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["quarantined-series"].period == 5400 && aws_cloudwatch_metric_alarm.no_customers.period == 5400
    error_message = "What is a state of all shards must be that of the last run of each."
  }
}

run "four_shards_fit_into_one_rule" {
  command = plan

  variables {
    detector_shards      = 4
    reserved_concurrency = 2
    schedule_enabled     = false
  }

  assert {
    condition     = [for rule in aws_cloudwatch_event_rule.schedule : "${rule.name} ${rule.state}"] == ["meterflow-anomaly-detection DISABLED"] && length(aws_cloudwatch_event_target.detector) == 4 && length(aws_lambda_permission.schedule) == 1
    error_message = "Four targets need one rule and one permission."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_event_target.detector[3].input_transformer[0].input_template, "{\"shard\":3,\"shards\":4}")
    error_message = "The last of four shards must be told that it is."
  }

  assert {
    condition     = module.detector.settings.reserved_concurrency == 8
    error_message = "Two copies for each of four shards are eight."
  }

  assert {
    condition     = [for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.actions_enabled if startswith(name, "no-completed-run")] == [false, false, false, false]
    error_message = "A paused schedule must not page for any shard."
  }
}
