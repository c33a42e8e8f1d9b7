output "terraform_tfvars" {
  description = "The lines for infra/terraform.tfvars of the stack."
  value       = <<-EOT
    api_jwt_issuer   = "https://${aws_cognito_user_pool.this.endpoint}"
    api_jwt_audience = ["${aws_cognito_user_pool_client.dashboard.id}"]
    api_scopes       = { read = "${local.server}/read", write = "${local.server}/write", admin = "${local.server}/admin" }
    dashboard = {
      client_id = "${aws_cognito_user_pool_client.dashboard.id}"
      origins   = ["https://${aws_cognito_user_pool_domain.this.domain}.auth.${data.aws_region.current.id}.amazoncognito.com"]
    }
  EOT
}

output "user_pool_id" {
  description = "Id of the user pool, for `aws cognito-idp`."
  value       = aws_cognito_user_pool.this.id
}
