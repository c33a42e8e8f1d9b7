variable "name" {
  description = "Name of the user pool, and the beginning of the names beside it."
  type        = string
  default     = "meterflow"
  nullable    = false
}

variable "domain_prefix" {
  description = "Beginning of the sign-in page's host, unique in the region: PREFIX.auth.REGION.amazoncognito.com."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.domain_prefix))
    error_message = "domain_prefix must have 1 to 63 lower case letters, digits and hyphens."
  }
}

variable "dashboard_urls" {
  description = "Addresses of the dashboard, exactly as the output dashboard_url of the stack has them, with the slash at the end. Before the first deployment of the stack its address is not known; the default leads nowhere."
  type        = list(string)
  default     = ["https://localhost/"]
  nullable    = false

  validation {
    condition     = length(var.dashboard_urls) > 0 && alltrue([for url in var.dashboard_urls : can(regex("^https://[^?#\\s]+/$", url))])
    error_message = "dashboard_urls must hold https addresses with a slash at the end."
  }
}
