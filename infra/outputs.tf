output "detector_function_name" {
  description = "Name of the detector function. `aws lambda invoke` takes it with the alias, as NAME:live."
  value       = module.stack.detector_function_name
}

output "detector_function_arn" {
  description = "ARN of the detector function."
  value       = module.stack.detector_function_arn
}

output "detector_log_group_name" {
  description = "Log group of the detector, for `aws logs tail`."
  value       = module.stack.detector_log_group_name
}

output "anomalies_table_name" {
  description = "Name of the DynamoDB table that holds the anomalies."
  value       = module.stack.anomalies_table_name
}

output "alert_topic_arn" {
  description = "ARN of the SNS topic that carries the alerts."
  value       = module.stack.alert_topic_arn
}

output "ops_topic_arn" {
  description = "ARN of the SNS topic that carries the alarms on the system itself."
  value       = module.stack.ops_topic_arn
}

output "schedule_rule_name" {
  description = "Name of the EventBridge rule that starts the detector; with 8 shards the first of two."
  value       = module.stack.schedule_rule_name
}

output "schedule_dead_letter_queue_url" {
  description = "URL of the queue of events that EventBridge could not hand over to the detector."
  value       = module.stack.schedule_dead_letter_queue_url
}

output "detector_failure_queue_url" {
  description = "URL of the queue of events that the detector failed on after all retries."
  value       = module.stack.detector_failure_queue_url
}

output "checks_function_name" {
  description = "Name of the function that judges finished events. Null in a stack without sources, like the next five outputs."
  value       = module.stack.checks_function_name
}

output "checks_log_group_name" {
  description = "Log group of the function that judges finished events, for `aws logs tail`."
  value       = module.stack.checks_log_group_name
}

output "sources_function_name" {
  description = "Name of the function that runs for the sources."
  value       = module.stack.sources_function_name
}

output "sources_log_group_name" {
  description = "Log group of the function that runs for the sources, for `aws logs tail`."
  value       = module.stack.sources_log_group_name
}

output "finished_queue_url" {
  description = "URL of the queue of finished events."
  value       = module.stack.finished_queue_url
}

output "finished_dead_letter_queue_url" {
  description = "URL of the queue of finished events that could not be judged."
  value       = module.stack.finished_dead_letter_queue_url
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts table, topics, queues and logs. Readers and publishers need it too."
  value       = module.stack.kms_key_arn
}

output "kms_key_policy_statements" {
  description = "Statements, as JSON, that the policy of a key of yours needs (kms_key). They name resources of this stack by patterns, and depend on none of them."
  value       = module.stack.kms_key_policy_statements
}

output "notifier_function_name" {
  description = "Name of the notifier function."
  value       = module.stack.notifier_function_name
}

output "notifier_log_group_name" {
  description = "Log group of the notifier, for `aws logs tail`."
  value       = module.stack.notifier_log_group_name
}

output "notifier_config_parameter_name" {
  description = "Name of the parameter that holds the notifier's channels and routes."
  value       = module.stack.notifier_config_parameter_name
}

output "recipients" {
  description = "The receivers: the notifier's channels by name, and the addresses that get pages and alarms."
  value       = module.stack.recipients
}

output "channel_failure_queue_urls" {
  description = "URL of the queue of undelivered messages of each channel, by the channel's name."
  value       = module.stack.channel_failure_queue_urls
}

output "notifier_failure_queue_url" {
  description = "URL of the queue of events that the notifier failed on after all retries."
  value       = module.stack.notifier_failure_queue_url
}

output "notifier_dead_letter_queue_url" {
  description = "URL of the queue of alerts and digests that could not be handed over to the notifier."
  value       = module.stack.notifier_dead_letter_queue_url
}

output "chat_topic_arn" {
  description = "ARN of the SNS topic that Amazon Q takes to Slack. Null without amazon_q_slack."
  value       = module.stack.chat_topic_arn
}

output "unconfirmed_addresses" {
  description = "Addresses of alert_emails and ops_emails that have not confirmed. They get nothing until somebody opens the link in the mail of AWS Notifications."
  value       = module.stack.unconfirmed_addresses
}

output "api_endpoint" {
  description = "Address of the API, without a slash at the end. Null in a stack without the API, like the outputs below."
  value       = module.stack.api_endpoint
}

output "api_domain_target" {
  description = "Where the record of api_domain has to lead: the name for a CNAME, and the name and its zone for an alias of Route 53. Null without api_domain."
  value       = module.stack.api_domain_target
}

output "dashboard_url" {
  description = "Address of the dashboard. Null in a stack without the dashboard."
  value       = module.stack.dashboard_url
}

output "api_id" {
  description = "Id of the HTTP API, the first part of its host name."
  value       = module.stack.api_id
}

output "api_function_name" {
  description = "Name of the API's function."
  value       = module.stack.api_function_name
}

output "api_log_group_name" {
  description = "Log group of the API's function, for `aws logs tail`."
  value       = module.stack.api_log_group_name
}

output "api_access_log_group_name" {
  description = "Log group with one line for each request to the API, also for those that never reach the function."
  value       = module.stack.api_access_log_group_name
}
