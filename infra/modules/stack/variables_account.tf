# ---------------------------------------------------------------------------------------------
# Rules of the account
# ---------------------------------------------------------------------------------------------

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the permissions of each role. Null means no boundary. The boundary must allow what the roles need, or the functions fail."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[!-~]+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be null or the ARN of a policy, such as \"arn:aws:iam::123456789012:policy/boundary\"."
  }
}

variable "role_path" {
  description = "Path of each role in IAM, for accounts that allow roles below a path only. A change makes the roles anew."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "role_path must begin and end with a slash, such as \"/services/meterflow/\"."
  }
}
