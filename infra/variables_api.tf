# ---------------------------------------------------------------------------------------------
# The API
# ---------------------------------------------------------------------------------------------

variable "api_jwt_issuer" {
  description = "Issuer of the API's tokens, exactly as in their claim `iss`."
  type        = string
  default     = null
}

variable "api_jwt_audience" {
  description = "Allowed audiences."
  type        = list(string)
  default     = []
}

variable "api_scopes" {
  description = "The issuer's names of the three scopes."
  type = object({
    read  = optional(string, "anomalies:read")
    write = optional(string, "anomalies:write")
    admin = optional(string, "anomalies:admin")
  })
  default = {}
}

variable "api_cors_allow_origins" {
  description = "Origins whose pages may call the API from a browser, or \"*\" for all."
  type        = list(string)
  default     = []
}

variable "api_reserved_concurrency" {
  description = "Copies of the API's function that may run at once."
  type        = number
  default     = 20
}

variable "api_access_log_class" {
  description = "Class of the log with one line for each request: STANDARD or INFREQUENT_ACCESS, which costs half and has no live tail."
  type        = string
  default     = null
}

variable "api_domain" {
  description = "Domain of yours for the API and the dashboard."
  type = object({
    name            = string
    certificate_arn = string
    hosted_zone_id  = optional(string)
    default_address = optional(bool, true)
  })
  default = null
}

variable "api_throttling_rate_limit" {
  description = "Requests per second of all callers together, in the long run."
  type        = number
  default     = 50
}

variable "api_throttling_burst_limit" {
  description = "Requests that may come at once before the rate limit counts."
  type        = number
  default     = 100
}

variable "api_tenant_requests_per_minute" {
  description = "Requests that read usage and that one customer's tokens may make in a minute."
  type        = number
  default     = 120
}

variable "api_tenant_clickhouse_seconds_per_minute" {
  description = "Seconds of reading usage that one customer's tokens may take in a minute, all requests together."
  type        = number
  default     = 20
}
