# ---------------------------------------------------------------------------------------------
# The dashboard
# ---------------------------------------------------------------------------------------------

variable "dashboard" {
  description = "The page for people, at the address of the API. client_id: the page's public client at api_jwt_issuer (docs/dashboard-sign-in.md). url: the page's address, if a domain of yours leads to the API. scope: what the page asks the issuer for; by default `openid profile` and the three scopes of the API. audience: what the page names to issuers that ask for one, such as Auth0. origins: origins of the issuer's other endpoints, if its token endpoint has another host than the issuer, as with Cognito. links: addresses in other systems by what they show, such as { trace = \"https://traces.example.com/{trace_id}\" }. Null means a stack without the page."
  type = object({
    client_id = string
    url       = optional(string)
    scope     = optional(string)
    audience  = optional(string)
    origins   = optional(list(string), [])
    links     = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.dashboard == null || var.api_jwt_issuer != null
    error_message = "dashboard needs the API: set api_jwt_issuer and api_jwt_audience, too."
  }

  validation {
    condition     = try(can(regex("^[!-~]+$", var.dashboard.client_id)), false) || var.dashboard == null
    error_message = "dashboard.client_id must be the id that the issuer gave the page's client, without spaces."
  }

  validation {
    condition     = try(var.dashboard.url == null || can(regex("^https://[^/?#@\\s]+(/[^?#\\s]*)?$", var.dashboard.url)), true)
    error_message = "dashboard.url must be an https address without a query, such as \"https://usage.example.com/\"."
  }

  validation {
    condition     = try(var.dashboard.scope == null || can(regex("^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$", var.dashboard.scope)) && contains(split(" ", var.dashboard.scope), "openid"), true)
    error_message = "dashboard.scope must hold scopes with single spaces between them, and `openid` among them."
  }

  # An origin goes into the content security policy of the page. A path or a star would be another rule there.
  validation {
    condition     = alltrue([for origin in try(var.dashboard.origins, []) : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "dashboard.origins must hold origins: https, host in lower case and perhaps a port, such as \"https://sign-in.auth.eu-central-1.amazoncognito.com\", without a path or a slash at the end."
  }

  validation {
    condition     = alltrue([for name, link in try(var.dashboard.links, {}) : can(regex("^https?://[^/?#@\\s{}]+[/?#][^\\s<>\"]*\\{[a-z_]+\\}[^\\s<>\"]*$", link))])
    error_message = "dashboard.links must hold http(s) addresses with the id in braces behind the host, such as \"https://traces.example.com/{trace_id}\"."
  }
}
