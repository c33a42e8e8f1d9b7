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

# One object: Terraform must know whether there is a key before it knows the ARN.
variable "kms_key" {
  description = "Key of yours that encrypts table, topics, queues and logs. arn: ARN of the key in the region of the stack. Its policy must have the statements of the output kms_key_policy_statements. Null means a key of the stack's own."
  type = object({
    arn = string
  })
  default = null

  validation {
    condition     = try(can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key.arn)), false) || var.kms_key == null
    error_message = "kms_key.arn must be the ARN of a key (not of an alias), such as \"arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }
}
