# A domain of the user's for the API and the dashboard. The certificate exists already. The record may be elsewhere than in
# Route 53: the output api_domain_target says where it has to lead.

locals {
  api_endpoint = length(local.api_domains) > 0 ? "https://${var.api_domain.name}" : one(aws_apigatewayv2_api.this[*].api_endpoint)

  api_domains = { for domain in [var.api_domain] : domain.name => domain if domain != null && local.has_api }
}

resource "aws_apigatewayv2_domain_name" "this" {
  for_each = local.api_domains

  domain_name = each.key

  domain_name_configuration {
    certificate_arn = each.value.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }

  tags = var.tags

  lifecycle {
    precondition {
      condition     = split(":", each.value.certificate_arn)[3] == local.region
      error_message = "The certificate of api_domain is in the region ${split(":", each.value.certificate_arn)[3]}. API Gateway takes a certificate of the stack's region ${local.region} only."
    }
  }
}

# The API at the root of the domain.
resource "aws_apigatewayv2_api_mapping" "this" {
  for_each = local.api_domains

  api_id      = aws_apigatewayv2_api.this[0].id
  domain_name = aws_apigatewayv2_domain_name.this[each.key].id
  stage       = aws_apigatewayv2_stage.this[0].id
}

resource "aws_route53_record" "api" {
  for_each = { for name, domain in local.api_domains : name => domain if domain.hosted_zone_id != null }

  zone_id = each.value.hosted_zone_id
  name    = each.key
  type    = "A"

  alias {
    name                   = aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}
