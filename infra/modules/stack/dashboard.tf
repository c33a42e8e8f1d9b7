# The dashboard: a page for people. The API's function serves the files that are in its package. This file says how people
# sign in, and where the page is.

locals {
  has_dashboard = local.has_api && var.dashboard != null

  # The emulator of the local cloud has the API's id in the path, because names that end with .localhost lead nowhere on some
  # systems.
  api_address       = var.aws_endpoint_url == null ? local.api_endpoint : "${var.aws_endpoint_url}/_aws/execute-api/${try(aws_apigatewayv2_api.this[0].id, "")}"
  dashboard_address = local.has_dashboard ? "${trimsuffix(coalesce(var.dashboard.url, local.api_address), "/")}/" : null

  # An incident's page for people, in every message.
  incident_link = var.notification_link != null || !local.has_dashboard ? var.notification_link : "${local.dashboard_address}#/incidents/{incident_id}"

  # What is not set is left out. The function has the defaults.
  dashboard_environment = !local.has_dashboard ? {} : {
    for name, value in {
      DASHBOARD_CLIENT_ID = var.dashboard.client_id
      DASHBOARD_ISSUER    = var.api_jwt_issuer
      DASHBOARD_SCOPE     = var.dashboard.scope
      DASHBOARD_AUDIENCE  = var.dashboard.audience
      DASHBOARD_ORIGINS   = length(var.dashboard.origins) == 0 ? null : join(" ", var.dashboard.origins)
      DASHBOARD_LINKS     = length(var.dashboard.links) == 0 ? null : jsonencode(var.dashboard.links)
    } : name => value if value != null
  }
}
