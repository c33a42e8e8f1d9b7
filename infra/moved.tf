# The state of a deployment from before infra/modules/stack has its resources at the root. With these blocks Terraform moves
# them, and makes none of them anew.

moved {
  from = module.api
  to   = module.stack.module.api
}

moved {
  from = module.checks
  to   = module.stack.module.checks
}

moved {
  from = module.detector
  to   = module.stack.module.detector
}

moved {
  from = module.notifier
  to   = module.stack.module.notifier
}

moved {
  from = module.sources
  to   = module.stack.module.sources
}

moved {
  from = aws_apigatewayv2_api.this
  to   = module.stack.aws_apigatewayv2_api.this
}

moved {
  from = aws_apigatewayv2_api_mapping.this
  to   = module.stack.aws_apigatewayv2_api_mapping.this
}

moved {
  from = aws_apigatewayv2_authorizer.this
  to   = module.stack.aws_apigatewayv2_authorizer.this
}

moved {
  from = aws_apigatewayv2_domain_name.this
  to   = module.stack.aws_apigatewayv2_domain_name.this
}

moved {
  from = aws_apigatewayv2_integration.this
  to   = module.stack.aws_apigatewayv2_integration.this
}

moved {
  from = aws_apigatewayv2_route.this
  to   = module.stack.aws_apigatewayv2_route.this
}

moved {
  from = aws_apigatewayv2_stage.this
  to   = module.stack.aws_apigatewayv2_stage.this
}

moved {
  from = aws_chatbot_slack_channel_configuration.this
  to   = module.stack.aws_chatbot_slack_channel_configuration.this
}

moved {
  from = aws_cloudwatch_dashboard.this
  to   = module.stack.aws_cloudwatch_dashboard.this
}

moved {
  from = aws_cloudwatch_event_rule.digest
  to   = module.stack.aws_cloudwatch_event_rule.digest
}

moved {
  from = aws_cloudwatch_event_rule.finished
  to   = module.stack.aws_cloudwatch_event_rule.finished
}

moved {
  from = aws_cloudwatch_event_rule.schedule
  to   = module.stack.aws_cloudwatch_event_rule.schedule
}

moved {
  from = aws_cloudwatch_event_rule.source
  to   = module.stack.aws_cloudwatch_event_rule.source
}

moved {
  from = aws_cloudwatch_event_rule.training
  to   = module.stack.aws_cloudwatch_event_rule.training
}

moved {
  from = aws_cloudwatch_event_rule.waiting
  to   = module.stack.aws_cloudwatch_event_rule.waiting
}

moved {
  from = aws_cloudwatch_event_target.detector
  to   = module.stack.aws_cloudwatch_event_target.detector
}

moved {
  from = aws_cloudwatch_event_target.digest
  to   = module.stack.aws_cloudwatch_event_target.digest
}

moved {
  from = aws_cloudwatch_event_target.finished
  to   = module.stack.aws_cloudwatch_event_target.finished
}

moved {
  from = aws_cloudwatch_event_target.source
  to   = module.stack.aws_cloudwatch_event_target.source
}

moved {
  from = aws_cloudwatch_event_target.training
  to   = module.stack.aws_cloudwatch_event_target.training
}

moved {
  from = aws_cloudwatch_event_target.waiting
  to   = module.stack.aws_cloudwatch_event_target.waiting
}

moved {
  from = aws_cloudwatch_log_group.api_access
  to   = module.stack.aws_cloudwatch_log_group.api_access
}

moved {
  from = aws_cloudwatch_log_metric_filter.clickhouse_time
  to   = module.stack.aws_cloudwatch_log_metric_filter.clickhouse_time
}

moved {
  from = aws_cloudwatch_metric_alarm.no_customers
  to   = module.stack.aws_cloudwatch_metric_alarm.no_customers
}

moved {
  from = aws_cloudwatch_metric_alarm.table_throttles
  to   = module.stack.aws_cloudwatch_metric_alarm.table_throttles
}

moved {
  from = aws_cloudwatch_metric_alarm.this
  to   = module.stack.aws_cloudwatch_metric_alarm.this
}

moved {
  from = aws_dynamodb_table.anomalies
  to   = module.stack.aws_dynamodb_table.anomalies
}

moved {
  from = aws_iam_role.chat
  to   = module.stack.aws_iam_role.chat
}

moved {
  from = aws_kms_alias.this
  to   = module.stack.aws_kms_alias.this
}

moved {
  from = aws_kms_key.this
  to   = module.stack.aws_kms_key.this
}

moved {
  from = aws_lambda_event_source_mapping.finished
  to   = module.stack.aws_lambda_event_source_mapping.finished
}

moved {
  from = aws_lambda_permission.alerts
  to   = module.stack.aws_lambda_permission.alerts
}

moved {
  from = aws_lambda_permission.api
  to   = module.stack.aws_lambda_permission.api
}

moved {
  from = aws_lambda_permission.digest
  to   = module.stack.aws_lambda_permission.digest
}

moved {
  from = aws_lambda_permission.schedule
  to   = module.stack.aws_lambda_permission.schedule
}

moved {
  from = aws_lambda_permission.source
  to   = module.stack.aws_lambda_permission.source
}

moved {
  from = aws_lambda_permission.training
  to   = module.stack.aws_lambda_permission.training
}

moved {
  from = aws_lambda_permission.waiting
  to   = module.stack.aws_lambda_permission.waiting
}

moved {
  from = aws_route53_record.api
  to   = module.stack.aws_route53_record.api
}

moved {
  from = aws_sns_topic.alerts
  to   = module.stack.aws_sns_topic.alerts
}

moved {
  from = aws_sns_topic.chat
  to   = module.stack.aws_sns_topic.chat
}

moved {
  from = aws_sns_topic.ops
  to   = module.stack.aws_sns_topic.ops
}

moved {
  from = aws_sns_topic_policy.alerts
  to   = module.stack.aws_sns_topic_policy.alerts
}

moved {
  from = aws_sns_topic_policy.chat
  to   = module.stack.aws_sns_topic_policy.chat
}

moved {
  from = aws_sns_topic_policy.ops
  to   = module.stack.aws_sns_topic_policy.ops
}

moved {
  from = aws_sns_topic_subscription.alert_emails
  to   = module.stack.aws_sns_topic_subscription.alert_emails
}

moved {
  from = aws_sns_topic_subscription.notifier
  to   = module.stack.aws_sns_topic_subscription.notifier
}

moved {
  from = aws_sns_topic_subscription.ops_emails
  to   = module.stack.aws_sns_topic_subscription.ops_emails
}

moved {
  from = aws_sqs_queue.channel_failures
  to   = module.stack.aws_sqs_queue.channel_failures
}

moved {
  from = aws_sqs_queue.detector_failures
  to   = module.stack.aws_sqs_queue.detector_failures
}

moved {
  from = aws_sqs_queue.finished
  to   = module.stack.aws_sqs_queue.finished
}

moved {
  from = aws_sqs_queue.finished_dead_letters
  to   = module.stack.aws_sqs_queue.finished_dead_letters
}

moved {
  from = aws_sqs_queue.notifier_dead_letters
  to   = module.stack.aws_sqs_queue.notifier_dead_letters
}

moved {
  from = aws_sqs_queue.notifier_failures
  to   = module.stack.aws_sqs_queue.notifier_failures
}

moved {
  from = aws_sqs_queue.schedule_dead_letters
  to   = module.stack.aws_sqs_queue.schedule_dead_letters
}

moved {
  from = aws_ssm_parameter.catalog
  to   = module.stack.aws_ssm_parameter.catalog
}

moved {
  from = aws_ssm_parameter.notifier
  to   = module.stack.aws_ssm_parameter.notifier
}

moved {
  from = terraform_data.deletion_protection
  to   = module.stack.terraform_data.deletion_protection
}
