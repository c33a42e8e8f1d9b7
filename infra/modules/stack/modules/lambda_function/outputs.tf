output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "alias_name" {
  description = "Name of the alias that everything invokes."
  value       = aws_lambda_alias.this.name
}

output "alias_arn" {
  description = "ARN of the alias, for what invokes the function."
  value       = "${aws_lambda_function.this.arn}:${aws_lambda_alias.this.name}"

  # A failed event must find its queue from the first invocation on.
  depends_on = [aws_lambda_function_event_invoke_config.this]
}

output "qualified_name" {
  description = "Name of the function with its alias, for a caller that takes a name."
  value       = "${aws_lambda_function.this.function_name}:${aws_lambda_alias.this.name}"
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "role_policy" {
  description = "Policy document of the function's role, for tests and reviews."
  value       = local.policy
}

output "settings" {
  description = "Settings of the function as AWS gets them, for tests and reviews."
  value = {
    architectures             = aws_lambda_function.this.architectures
    environment               = aws_lambda_function.this.environment[0].variables
    log_retention_days        = aws_cloudwatch_log_group.this.retention_in_days
    maximum_event_age_seconds = one(aws_lambda_function_event_invoke_config.this[*].maximum_event_age_in_seconds)
    maximum_retry_attempts    = one(aws_lambda_function_event_invoke_config.this[*].maximum_retry_attempts)
    memory_mb                 = aws_lambda_function.this.memory_size
    permissions_boundary_arn  = aws_iam_role.this.permissions_boundary
    role_path                 = aws_iam_role.this.path
    on_failure                = one(aws_lambda_function_event_invoke_config.this[*].destination_config[0].on_failure[0].destination)
    reserved_concurrency      = aws_lambda_function.this.reserved_concurrent_executions
    timeout_seconds           = aws_lambda_function.this.timeout
    tracing_mode              = aws_lambda_function.this.tracing_config[0].mode
    vpc_security_group_ids    = flatten([for network in aws_lambda_function.this.vpc_config : network.security_group_ids])
    vpc_subnet_ids            = flatten([for network in aws_lambda_function.this.vpc_config : network.subnet_ids])
  }
}
