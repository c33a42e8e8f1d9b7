# ---------------------------------------------------------------------------------------------
# Sources with entities, such as executions of workflows
# ---------------------------------------------------------------------------------------------

variable "sources" {
  description = "Sources of the catalog whose entities are watched, by their names there. schedule: how often a run judges all entities of the source: rate(1 hour), which is the default, rate(5 minutes) or rate(1 minute). Each finished event that events_bus announces is judged at once as well. Empty means none, and a stack without the functions and the queue for it."
  type = map(object({
    schedule = optional(string, "rate(1 hour)")
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
    condition     = alltrue([for name in keys(var.sources) : length("${local.schedule_name}-${name}") <= 64])
    error_message = "sources must have shorter names: each source has the rule ${local.schedule_name}-NAME, and AWS limits the name to 64 characters."
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
