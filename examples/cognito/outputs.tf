output "terraform_tfvars" {
  description = "The lines for infra/terraform.tfvars of the stack."
  value       = <<-EOT
    api_jwt_issuer   = "${local.issuer}"
    api_jwt_audience = ["${aws_cognito_user_pool_client.dashboard.id}"]
    api_scopes       = { read = "${local.server}/read", write = "${local.server}/write", admin = "${local.server}/admin" }
    dashboard = {
      client_id = "${aws_cognito_user_pool_client.dashboard.id}"
      origins   = ["${local.origin}"]
    }
  EOT
}

output "user_pool_id" {
  description = "Id of the user pool, for `aws cognito-idp`."
  value       = aws_cognito_user_pool.this.id
}

output "issuer" {
  description = "Issuer of the tokens, for api_jwt_issuer."
  value       = local.issuer
}

output "client_id" {
  description = "Id of the dashboard's client, for api_jwt_audience and dashboard.client_id."
  value       = aws_cognito_user_pool_client.dashboard.id
}

output "scopes" {
  description = "Names of the scopes, for api_scopes."
  value       = { for scope in keys(local.scopes) : scope => "${local.server}/${scope}" }
}

output "origin" {
  description = "Origin of the sign-in page, for dashboard.origins."
  value       = local.origin
}
