# ---------------------------------------------------------------------------------------------
# Rules of the account
# ---------------------------------------------------------------------------------------------

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the permissions of each role."
  type        = string
  default     = null
}

variable "role_path" {
  description = "Path of each role in IAM, for accounts that allow roles below a path only."
  type        = string
  default     = "/"
}

variable "kms_key" {
  description = "Key of yours that encrypts table, topics, queues and logs."
  type = object({
    arn = string
  })
  default = null
}
