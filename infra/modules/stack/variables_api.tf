# ---------------------------------------------------------------------------------------------
# The API
# ---------------------------------------------------------------------------------------------

variable "api_jwt_issuer" {
  description = "Issuer of the API's tokens, exactly as in their claim `iss`. API Gateway fetches the keys from the issuer's /.well-known/openid-configuration. Null means a stack without the API."
  type        = string
  default     = null

  # Unencrypted keys could be anybody's. Only the local cloud has its issuer on the same machine.
  validation {
    condition     = var.api_jwt_issuer == null || can(regex("^(https://[^/?#@\\s]+|http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?)(/[^?#\\s]*)?$", var.api_jwt_issuer))
    error_message = "api_jwt_issuer must be null or an https address without a query, such as \"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI\". Plain http is for issuers on 127.0.0.1 or localhost only."
  }
}

variable "api_jwt_audience" {
  description = "Allowed audiences. A token must name one in `aud` or, without `aud`, in `client_id`, as tokens of Cognito do."
  type        = list(string)
  default     = []
  nullable    = false

  # Without an audience, tokens of the issuer for other applications would be accepted too.
  validation {
    condition     = var.api_jwt_issuer == null || length(var.api_jwt_audience) > 0
    error_message = "api_jwt_audience must name at least one audience when api_jwt_issuer is set."
  }

  validation {
    condition     = alltrue([for audience in var.api_jwt_audience : length(trimspace(audience)) > 0])
    error_message = "api_jwt_audience must not hold an empty audience."
  }
}

variable "api_scopes" {
  description = "The issuer's names of the three scopes. read: anomalies and usage. write: change the state of anomalies and incidents. admin: change settings, start runs, see all customers. Cognito writes scopes with a slash: anomalies/read."
  type = object({
    read  = optional(string, "anomalies:read")
    write = optional(string, "anomalies:write")
    admin = optional(string, "anomalies:admin")
  })
  default  = {}
  nullable = false

  # The characters come from RFC 6749, the length from API Gateway.
  validation {
    condition     = alltrue([for scope in values(var.api_scopes) : can(regex("^[!#-\\[\\]-~]{1,64}$", scope))])
    error_message = "api_scopes must hold scopes of 1 to 64 characters without spaces, quotes and backslashes, such as \"anomalies:read\"."
  }

  # One name for two scopes would give the rights of one to bearers of the other.
  validation {
    condition     = length(distinct(values(var.api_scopes))) == length(values(var.api_scopes))
    error_message = "api_scopes must hold three different scopes."
  }
}

variable "api_cors_allow_origins" {
  description = "Origins whose pages may call the API from a browser, or \"*\" for all. Empty means none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.api_cors_allow_origins : origin == "*" || can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "api_cors_allow_origins must hold \"*\" or origins as browsers send them: scheme, host in lower case and perhaps a port, such as \"https://dashboard.example.com\", without a path or a slash at the end."
  }

  validation {
    condition     = !contains(var.api_cors_allow_origins, "*") || length(var.api_cors_allow_origins) == 1
    error_message = "api_cors_allow_origins must hold either \"*\" alone or single origins."
  }
}

variable "api_reserved_concurrency" {
  description = "Copies of the API's function that may run at once. They are reserved for the API. The limit also keeps the API from taking more of ClickHouse and of the account. Requests beyond it get 503. -1 reserves and limits nothing, for accounts whose limit leaves nothing to reserve."
  type        = number
  default     = 20
  nullable    = false

  # AWS accepts zero, which would refuse every request.
  validation {
    condition     = var.api_reserved_concurrency == -1 || (var.api_reserved_concurrency >= 1 && floor(var.api_reserved_concurrency) == var.api_reserved_concurrency)
    error_message = "api_reserved_concurrency must be -1 (no reservation) or a whole number of at least 1."
  }
}

variable "api_access_log_class" {
  description = "Class of the log with one line for each request: STANDARD or INFREQUENT_ACCESS, which costs half and has no live tail. Null means STANDARD. A change makes the log anew. The functions' own logs hold the metrics of the alarms, which only STANDARD reads."
  type        = string
  default     = null

  validation {
    condition     = var.api_access_log_class == null || contains(["STANDARD", "INFREQUENT_ACCESS"], coalesce(var.api_access_log_class, "none"))
    error_message = "api_access_log_class must be null, STANDARD or INFREQUENT_ACCESS."
  }
}

variable "api_domain" {
  description = "Domain of yours for the API and the dashboard. name: the host, such as usage.example.com. certificate_arn: its certificate in ACM, in the region of the stack. hosted_zone_id: the zone in Route 53 that gets the record; without it, make the record yourself (output api_domain_target). default_address: whether the API also answers at the address that API Gateway gave it. Null means that address alone."
  type = object({
    name            = string
    certificate_arn = string
    hosted_zone_id  = optional(string)
    default_address = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.api_domain == null || var.api_jwt_issuer != null
    error_message = "api_domain needs the API: set api_jwt_issuer and api_jwt_audience, too."
  }

  validation {
    condition     = var.api_domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.api_domain.name))
    error_message = "api_domain.name must be a host in lower case without a scheme, a star or a dot at the end, such as \"usage.example.com\"."
  }

  validation {
    condition     = var.api_domain == null || can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[0-9a-f-]+$", var.api_domain.certificate_arn))
    error_message = "api_domain.certificate_arn must be the ARN of a certificate of ACM, such as \"arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555\"."
  }

  validation {
    condition     = try(var.api_domain.hosted_zone_id == null || can(regex("^Z[A-Z0-9]+$", var.api_domain.hosted_zone_id)), true)
    error_message = "api_domain.hosted_zone_id must be the id of a zone of Route 53, such as \"Z0123456789ABCDEFGHIJ\"."
  }
}

variable "api_throttling_rate_limit" {
  description = "Requests per second of all callers together, in the long run. Requests beyond it get 429."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.api_throttling_rate_limit > 0
    error_message = "api_throttling_rate_limit must be above 0."
  }
}

variable "api_throttling_burst_limit" {
  description = "Requests that may come at once before the rate limit counts."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.api_throttling_burst_limit >= 1 && floor(var.api_throttling_burst_limit) == var.api_throttling_burst_limit
    error_message = "api_throttling_burst_limit must be a whole number of at least 1."
  }
}

variable "api_tenant_requests_per_minute" {
  description = "Requests that read usage and that one customer's tokens may make in a minute. Requests beyond it get 429 with Retry-After. An operator may make ten times as many."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.api_tenant_requests_per_minute >= 1 && var.api_tenant_requests_per_minute <= 100000 && floor(var.api_tenant_requests_per_minute) == var.api_tenant_requests_per_minute
    error_message = "api_tenant_requests_per_minute must be a whole number from 1 to 100000."
  }
}

variable "api_tenant_clickhouse_seconds_per_minute" {
  description = "Seconds of reading usage that one customer's tokens may take in a minute, all requests together. Requests beyond it get 429 with Retry-After. An operator may take ten times as many. A larger number lets one customer slow down the others."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.api_tenant_clickhouse_seconds_per_minute >= 1 && var.api_tenant_clickhouse_seconds_per_minute <= 3600 && floor(var.api_tenant_clickhouse_seconds_per_minute) == var.api_tenant_clickhouse_seconds_per_minute
    error_message = "api_tenant_clickhouse_seconds_per_minute must be a whole number from 1 to 3600."
  }
}
