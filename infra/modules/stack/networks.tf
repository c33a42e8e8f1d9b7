# The trained networks that vote on the entities of sources, such as machines: who reads and writes them, what watches them, and
# what has them trained anew.

locals {
  network_sources = { for name, source in var.sources : name => source if source.networks }

  # The parts of s3://bucket/prefix. The prefix ends with a slash, so that machines-old is none of machines.
  networks = [
    for place in [var.machine_models] : {
      bucket = split("/", trimprefix(place, "s3://"))[0]
      prefix = "${join("/", slice(split("/", trim(trimprefix(place, "s3://"), "/")), 1, length(split("/", trim(trimprefix(place, "s3://"), "/")))))}/"
    } if place != null
  ]

  # Runs of all functions read. Only the function of the sources trains.
  networks_read_statements = flatten([
    for place in local.networks : [
      {
        sid        = "ListNetworks"
        actions    = ["s3:ListBucket"]
        resources  = ["arn:${local.partition}:s3:::${place.bucket}"]
        conditions = { StringEquals = { "s3:prefix" = [place.prefix] } }
      },
      {
        sid        = "ReadNetworks"
        actions    = ["s3:GetObject"]
        resources  = ["arn:${local.partition}:s3:::${place.bucket}/${place.prefix}*"]
        conditions = {}
      },
    ]
  ])
  networks_write_statements = [
    for place in local.networks : {
      sid        = "WriteNetworks"
      actions    = ["s3:PutObject"]
      resources  = ["arn:${local.partition}:s3:::${place.bucket}/${place.prefix}*"]
      conditions = {}
    }
  ]

  # The rules that have networks trained, by source and reason.
  trainings = merge([
    for source, of in local.network_sources : {
      "${source}-train" = {
        source      = source
        description = "Has the networks of the source ${source} trained anew once a month"
        schedule    = "cron(0 4 1 * ? *)"
        pattern     = null
      }
      "${source}-drift" = {
        source      = source
        description = "Has the networks of the source ${source} trained anew when the alarm on their drift goes off"
        schedule    = null
        pattern = jsonencode({
          source      = ["aws.cloudwatch"]
          detail-type = ["CloudWatch Alarm State Change"]
          detail = {
            alarmName = [local.drift_alarm_names[source]]
            state     = { value = ["ALARM"] }
          }
        })
      }
    }
  ]...)

  # Put together from names: the rule and the alarm do not wait for each other.
  drift_alarm_names = { for source in keys(local.network_sources) : source => "${var.name_prefix}-anomaly-network-drift-${source}" }

  network_alarms = merge([
    for source, of in local.network_sources : {
      # The median of each hour: one odd machine in some runs is an anomaly, and no drift.
      "network-drift-${source}" = {
        description    = "For 3 hours the networks of ${source} have rebuilt what they see ${var.network_drift_alarm} times worse than when they were trained. Either what is normal has changed, or a fault lasts. The metric NetworkErrorRatio of ${local.metrics_namespace} names the network. The rule ${local.schedule_name}-${source}-drift has the networks trained anew on the last three days, without the times of incidents. See docs/machines.md to go back to the version before."
        namespace      = local.metrics_namespace
        metric         = "ModelErrorRatio"
        dimensions     = { Stack = "${var.name_prefix}/${source}" }
        statistic      = "p50"
        period_seconds = 3600
        periods        = 3
        comparison     = "GreaterThanThreshold"
        threshold      = var.network_drift_alarm
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = true
      }

      "networks-refused-${source}" = {
        description    = "A run of ${source} could not read a version of the networks, or the file was wrong. The runs go on with an earlier version, or without networks. The log group ${module.sources[0].log_group_name} names the file and the reason. Delete a wrong file from ${var.machine_models}, or have the networks trained anew."
        namespace      = local.metrics_namespace
        metric         = "ModelsRefused"
        dimensions     = { Stack = "${var.name_prefix}/${source}" }
        statistic      = "Sum"
        period_seconds = 3600
        periods        = 1
        comparison     = "GreaterThanThreshold"
        threshold      = 0
        missing_data   = "notBreaching"
        enabled        = true
        tells_recovery = false
      }
    }
  ]...)
}

resource "aws_cloudwatch_event_rule" "training" {
  for_each = local.trainings

  name                = "${local.schedule_name}-${each.key}"
  description         = each.value.description
  schedule_expression = each.value.schedule
  event_pattern       = each.value.pattern
  state               = var.schedule_enabled ? "ENABLED" : "DISABLED"

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "training" {
  for_each = local.trainings

  rule      = aws_cloudwatch_event_rule.training[each.key].name
  target_id = "training"
  arn       = module.sources[0].alias_arn

  input_transformer {
    input_paths    = { time = "$.time" }
    input_template = "{\"time\": <time>, \"detail\": ${jsonencode({ source = each.value.source, train = true })}}"
  }

  # As for the detector, this covers only the hand-over to Lambda.
  retry_policy {
    maximum_event_age_in_seconds = 21600
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.schedule_dead_letters.arn
  }

  # An event that fires before the permission exists would be refused.
  depends_on = [aws_lambda_permission.training]
}

resource "aws_lambda_permission" "training" {
  for_each = local.trainings

  statement_id   = "AllowTraining-${each.key}"
  action         = "lambda:InvokeFunction"
  function_name  = module.sources[0].function_name
  qualifier      = module.sources[0].alias_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.training[each.key].arn
  source_account = local.account_id
}
