# ---------------------------------------------------------------------------------------------
# The dashboard
# ---------------------------------------------------------------------------------------------

variable "dashboard" {
  description = "The page for people, at the address of the API."
  type = object({
    client_id = string
    url       = optional(string)
    scope     = optional(string)
    audience  = optional(string)
    origins   = optional(list(string), [])
    links     = optional(map(string), {})
  })
  default = null
}
