# AWS refuses to delete a protected table, but only after `terraform destroy` has deleted most of the stack around it.
# This resource depends on all others, so Terraform destroys it first, and it refuses with the way out.
resource "terraform_data" "deletion_protection" {
  input = {
    protected = var.deletion_protection
    refusal   = "The stack ${var.name_prefix} is protected: the table ${local.table_name} holds its anomalies, incidents and settings. Nothing was destroyed. To destroy all of it: 1. Set deletion_protection = false. 2. Run terraform apply. 3. Run terraform destroy again."
  }

  # A provisioner at the end of a resource may read only the resource itself.
  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "-c"]
    command     = "test \"$PROTECTED\" = false || { echo \"$REFUSAL\" >&2; exit 1; }"
    quiet       = true
    environment = {
      PROTECTED = tostring(self.input.protected)
      REFUSAL   = self.input.refusal
    }
  }

  depends_on = [
    module.api,
    module.checks,
    module.detector,
    module.notifier,
    module.sources,

    aws_apigatewayv2_api.this,
    aws_apigatewayv2_api_mapping.this,
    aws_apigatewayv2_authorizer.this,
    aws_apigatewayv2_domain_name.this,
    aws_apigatewayv2_integration.this,
    aws_apigatewayv2_route.this,
    aws_apigatewayv2_stage.this,
    aws_chatbot_slack_channel_configuration.this,
    aws_cloudwatch_dashboard.this,
    aws_cloudwatch_event_rule.digest,
    aws_cloudwatch_event_rule.finished,
    aws_cloudwatch_event_rule.schedule,
    aws_cloudwatch_event_rule.source,
    aws_cloudwatch_event_rule.training,
    aws_cloudwatch_event_rule.waiting,
    aws_cloudwatch_event_target.detector,
    aws_cloudwatch_event_target.digest,
    aws_cloudwatch_event_target.finished,
    aws_cloudwatch_event_target.source,
    aws_cloudwatch_event_target.training,
    aws_cloudwatch_event_target.waiting,
    aws_cloudwatch_log_group.api_access,
    aws_cloudwatch_log_metric_filter.clickhouse_time,
    aws_cloudwatch_metric_alarm.no_customers,
    aws_cloudwatch_metric_alarm.table_throttles,
    aws_cloudwatch_metric_alarm.this,
    aws_dynamodb_table.anomalies,
    aws_iam_role.chat,
    aws_kms_alias.this,
    aws_kms_key.this,
    aws_lambda_event_source_mapping.finished,
    aws_lambda_permission.alerts,
    aws_lambda_permission.api,
    aws_lambda_permission.digest,
    aws_lambda_permission.schedule,
    aws_lambda_permission.source,
    aws_lambda_permission.training,
    aws_lambda_permission.waiting,
    aws_route53_record.api,
    aws_sns_topic.alerts,
    aws_sns_topic.chat,
    aws_sns_topic.ops,
    aws_sns_topic_policy.alerts,
    aws_sns_topic_policy.chat,
    aws_sns_topic_policy.ops,
    aws_sns_topic_subscription.alert_emails,
    aws_sns_topic_subscription.notifier,
    aws_sns_topic_subscription.ops_emails,
    aws_sqs_queue.channel_failures,
    aws_sqs_queue.detector_failures,
    aws_sqs_queue.finished,
    aws_sqs_queue.finished_dead_letters,
    aws_sqs_queue.notifier_dead_letters,
    aws_sqs_queue.notifier_failures,
    aws_sqs_queue.schedule_dead_letters,
    aws_ssm_parameter.catalog,
    aws_ssm_parameter.notifier,
  ]
}
