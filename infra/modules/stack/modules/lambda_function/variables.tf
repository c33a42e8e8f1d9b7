variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,49}$", var.name))
    error_message = "name must have 1 to 49 letters, digits, hyphens or underscores: with the region after it, it names the role, which IAM limits to 64 characters."
  }
}

variable "description" {
  description = "Purpose of the function, for the console."
  type        = string
  nullable    = false
}

variable "package" {
  description = "The program: path of a zip file with the executable `bootstrap`, the same file as s3://BUCKET/KEY, or the URI of an image in ECR."
  type        = string
  nullable    = false

  validation {
    condition     = !startswith(var.package, "s3://") || can(regex("^s3://[^/]+/[^/].*$", var.package))
    error_message = "package must name a bucket and a key, such as \"s3://artifacts/meterflow/0.2.0/anomaly-detection.zip\"."
  }
}

variable "architecture" {
  description = "Processor that the package was built for: arm64 or x86_64."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"x86_64\"."
  }
}

variable "memory_mb" {
  description = "Memory of the function in MB. Lambda gives processor time in proportion."
  type        = number
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "memory_mb must be from 128 to 10240."
  }
}

variable "timeout_seconds" {
  description = "Seconds after which Lambda ends a run."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be from 1 to 900."
  }
}

variable "reserved_concurrency" {
  description = "How many copies of the function may run at once; -1 reserves nothing."
  type        = number
  default     = -1
  nullable    = false
}

variable "environment" {
  description = "Environment variables of the function."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "policy_statements" {
  description = "Permissions of the function beside its log, its failure queue and its network. Conditions are operator => key => values."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for statement in var.policy_statements : alltrue([for action in statement.actions : !strcontains(action, "*")])])
    error_message = "policy_statements must name every action in full, without \"*\"."
  }
}

# One object: Terraform must know whether there is a queue before it knows the ARN.
variable "asynchronous" {
  description = "Treatment of events that nobody waits for: seconds that Lambda keeps an event, number of repetitions of a failed run, and the SQS queue for events that failed after that. Null for a function whose caller always waits for the answer."
  type = object({
    maximum_event_age_seconds = optional(number, 21600)
    maximum_retry_attempts    = optional(number, 2)
    failure_queue_arn         = string
  })
  default = null

  validation {
    condition     = try(var.asynchronous.maximum_event_age_seconds >= 60 && var.asynchronous.maximum_event_age_seconds <= 21600, var.asynchronous == null)
    error_message = "asynchronous.maximum_event_age_seconds must be from 60 to 21600."
  }

  validation {
    condition     = try(contains([0, 1, 2], var.asynchronous.maximum_retry_attempts), var.asynchronous == null)
    error_message = "asynchronous.maximum_retry_attempts must be 0, 1 or 2."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's log."
  type        = number
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the log. Its policy must admit CloudWatch Logs."
  type        = string
  nullable    = false
}

variable "vpc_subnet_ids" {
  description = "Subnets of the function; empty means no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "vpc_security_group_ids" {
  description = "Security groups of the function; empty means no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the permissions of the role; null means none."
  type        = string
  default     = null
}

variable "role_path" {
  description = "Path of the role in IAM."
  type        = string
  default     = "/"
  nullable    = false
}

variable "xray_tracing" {
  description = "Whether Lambda sends a trace of each invocation to AWS X-Ray."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of the function, its role and its log group."
  type        = map(string)
  default     = {}
  nullable    = false
}
