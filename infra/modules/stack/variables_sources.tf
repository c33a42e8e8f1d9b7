# ---------------------------------------------------------------------------------------------
# Sources with entities, such as executions of workflows
# ---------------------------------------------------------------------------------------------

variable "sources" {
  description = "Sources of the catalog whose entities are watched, by their names there. schedule: how often a run judges all entities of the source: rate(1 hour), which is the default, rate(5 minutes) or rate(1 minute). networks: whether trained networks of machine_models vote on the entities; then they are trained anew once a month and when they drift. Each finished event that events_bus announces is judged at once as well. Empty means none, and a stack without the functions and the queue for it."
  type = map(object({
    schedule = optional(string, "rate(1 hour)")
    networks = optional(bool, false)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.sources) : can(regex("^[a-z][a-z0-9_]{0,63}$", name))])
    error_message = "sources must have the names of the catalog: 1 to 64 lower-case letters, digits or underscores with a letter first, such as \"executions\"."
  }

  validation {
    condition     = !contains(keys(var.sources), "usage")
    error_message = "sources must not name usage: schedule_expression is the schedule of the usage of customers."
  }

  # EventBridge limits names to 64 characters.
  validation {
    condition     = alltrue([for name, source in var.sources : length("${local.schedule_name}-${name}${source.networks ? "-train" : ""}") <= 64])
    error_message = "sources must have shorter names: each source has the rule ${local.schedule_name}-NAME, one with networks also ${local.schedule_name}-NAME-train, and AWS limits the name to 64 characters."
  }

  validation {
    condition     = var.machine_models != null || alltrue([for source in var.sources : !source.networks])
    error_message = "sources with networks = true need machine_models: the place where the networks are."
  }

  validation {
    condition     = alltrue([for source in var.sources : contains(["rate(1 hour)", "rate(5 minutes)", "rate(1 minute)"], source.schedule)])
    error_message = "sources must have the schedule rate(1 hour), rate(5 minutes) or rate(1 minute)."
  }
}

variable "events_bus" {
  description = "EventBridge bus of this account and region on which your system announces finished events: detail-type \"Execution Completed\", with the name of the source and the id of the event in detail. events/execution_completed.json is an example."
  type        = string
  default     = "default"
  nullable    = false

  validation {
    condition     = can(regex("^[/.A-Za-z0-9_-]{1,256}$", var.events_bus))
    error_message = "events_bus must be the name of an EventBridge bus, such as \"default\", and no ARN."
  }
}

variable "checks_concurrency" {
  description = "Copies of the function for finished events that may run at once. Two of them stay free for the API, and the others take events from the queue. Events beyond them wait in the queue. -1 reserves nothing, for accounts whose limit leaves nothing to reserve."
  type        = number
  default     = 10
  nullable    = false

  # The mapping of a queue takes two copies at least, and the API needs the rest.
  validation {
    condition     = var.checks_concurrency == -1 || (var.checks_concurrency >= 4 && var.checks_concurrency <= 1000 && floor(var.checks_concurrency) == var.checks_concurrency)
    error_message = "checks_concurrency must be -1 (no reservation) or a whole number from 4 to 1000."
  }
}

variable "sources_reserved_concurrency" {
  description = "Copies of the function for runs of sources that may run at once, reserved for it. -1 reserves and limits nothing. Each source needs one."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.sources_reserved_concurrency == -1 || (var.sources_reserved_concurrency >= 1 && floor(var.sources_reserved_concurrency) == var.sources_reserved_concurrency)
    error_message = "sources_reserved_concurrency must be -1 (no reservation) or a whole number of at least 1."
  }
}

variable "machine_models" {
  description = "Place in S3 of the trained networks that vote on entities, such as s3://bucket/machines. The bucket exists already, is in the region of the stack, and is encrypted by S3's own keys. Runs read the greatest version there. Null means that no networks vote."
  type        = string
  default     = null

  validation {
    condition     = var.machine_models == null || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.-]+)+/?$", var.machine_models))
    error_message = "machine_models must be a bucket and a prefix, such as \"s3://bucket/machines\"."
  }
}

variable "network_drift_alarm" {
  description = "How many times the error of their training the error of networks may be for three hours, until the alarm goes off and the networks are trained anew."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.network_drift_alarm > 1 && var.network_drift_alarm <= 1000
    error_message = "network_drift_alarm must be above 1, which is the error of the training itself, and at most 1000."
  }
}
