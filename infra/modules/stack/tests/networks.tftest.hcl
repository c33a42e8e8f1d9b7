# Trained networks: who may read and write them, what watches them, and what has them trained anew. sources.tftest.hcl has
# the stack without networks.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_cloudwatch_event_rule.training
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-machines-training" }
}

override_resource {
  target          = aws_cloudwatch_event_rule.source
  override_during = plan
  values          = { arn = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-machines" }
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

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]

  sources        = { machines = { schedule = "rate(1 minute)", networks = true }, executions = {} }
  machine_models = "s3://models.example.com/of/machines"
}

run "networks_have_a_place_and_least_rights" {
  command = plan

  variables {
    network_drift_alarm = 5
  }

  assert {
    condition     = local.detector_environment.MACHINE_MODELS == "s3://models.example.com/of/machines" && module.sources[0].settings.environment == module.detector.settings.environment
    error_message = "The runs of the schedule and those on demand must read the same networks."
  }

  assert {
    condition = {
      for statement in jsondecode(module.sources[0].role_policy).Statement :
      statement.Sid => "${join(" ", statement.Action)} on ${join(" ", statement.Resource)} ${jsonencode(try(statement.Condition, {}))}"
      if strcontains(statement.Sid, "Networks")
      } == {
      ListNetworks  = "s3:ListBucket on arn:aws:s3:::models.example.com {\"StringEquals\":{\"s3:prefix\":[\"of/machines/\"]}}"
      ReadNetworks  = "s3:GetObject on arn:aws:s3:::models.example.com/of/machines/* {}"
      WriteNetworks = "s3:PutObject on arn:aws:s3:::models.example.com/of/machines/* {}"
    }
    error_message = "The function that trains must reach the files under the prefix, and no others."
  }

  assert {
    condition     = [for statement in jsondecode(module.detector.role_policy).Statement : statement.Sid if strcontains(statement.Sid, "Networks")] == ["ListNetworks", "ReadNetworks"]
    error_message = "The detector must only read."
  }

  assert {
    condition     = !strcontains(module.notifier.role_policy, "s3:")
    error_message = "The notifier has no use for networks."
  }

  # Networks are trained once a month and when they drift.
  assert {
    condition = {
      for rule in aws_cloudwatch_event_rule.training : rule.name => "${try(coalesce(rule.schedule_expression), "-")} ${try(coalesce(rule.event_pattern), "-")} ${rule.state}"
      } == {
      meterflow-anomaly-detection-machines-train = "cron(0 4 1 * ? *) - ENABLED"
      meterflow-anomaly-detection-machines-drift = "- {\"detail\":{\"alarmName\":[\"meterflow-anomaly-network-drift-machines\"],\"state\":{\"value\":[\"ALARM\"]}},\"detail-type\":[\"CloudWatch Alarm State Change\"],\"source\":[\"aws.cloudwatch\"]} ENABLED"
    }
    error_message = "A month, and the alarm on drift, must have the networks of the source trained."
  }

  # EventBridge puts the quotes around a time itself.
  assert {
    condition = alltrue([
      for target in aws_cloudwatch_event_target.training :
      jsondecode(replace(target.input_transformer[0].input_template, "<time>", "\"2026-11-21T13:00:00Z\"")) == {
        time = "2026-11-21T13:00:00Z", detail = { source = "machines", train = true }
      } && target.arn == "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-sources:live" && target.dead_letter_config[0].arn == aws_sqs_queue.schedule_dead_letters.arn
    ])
    error_message = "The function of the sources must be told to train, and no event may be lost."
  }

  assert {
    condition = { for permission in aws_lambda_permission.training : permission.statement_id => "${permission.principal} ${permission.action} ${permission.function_name}:${permission.qualifier} ${permission.source_account}" } == {
      AllowTraining-machines-drift = "events.amazonaws.com lambda:InvokeFunction meterflow-anomaly-sources:live 123456789012"
      AllowTraining-machines-train = "events.amazonaws.com lambda:InvokeFunction meterflow-anomaly-sources:live 123456789012"
    }
    error_message = "Both rules must be able to invoke the function."
  }

  assert {
    condition     = contains(flatten([for statement in jsondecode(aws_sqs_queue.schedule_dead_letters.policy).Statement : statement.Condition.ArnEquals["aws:SourceArn"] if statement.Sid == "SourcesSendDeadLetters"]), "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection-machines-training")
    error_message = "The rules of trainings must be able to keep what they could not hand over."
  }

  # Drift and broken files are told.
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${alarm.alarm_name} ${alarm.namespace}/${alarm.metric_name} ${coalesce(alarm.statistic, alarm.extended_statistic)} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data} ${join(",", [for key, value in alarm.dimensions : "${key}=${value}"])} ${length(alarm.ok_actions)}"
      if startswith(name, "network")
      } == {
      network-drift-machines    = "meterflow-anomaly-network-drift-machines MeterFlow/ModelErrorRatio p50 GreaterThanThreshold 5 3x3600 notBreaching Stack=meterflow/machines 1"
      networks-refused-machines = "meterflow-anomaly-networks-refused-machines MeterFlow/ModelsRefused Sum GreaterThanThreshold 0 1x3600 notBreaching Stack=meterflow/machines 0"
    }
    error_message = "An alarm is missing, or one of its settings has changed. The rule on drift knows the alarm by its name."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_description) <= 1024])
    error_message = "AWS takes 1024 characters."
  }
}
