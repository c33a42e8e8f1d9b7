# ---------------------------------------------------------------------------------------------
# Sources with entities, such as executions of workflows
# ---------------------------------------------------------------------------------------------

variable "sources" {
  description = "Sources of the catalog whose entities are watched, by their names there."
  type = map(object({
    schedule = optional(string, "rate(1 hour)")
    networks = optional(bool, false)
  }))
  default = {}
}

variable "events_bus" {
  description = "EventBridge bus of this account and region on which your system announces finished events: detail-type \"Execution Completed\", with the name of the source and the id of the event in detail."
  type        = string
  default     = "default"
}

variable "checks_concurrency" {
  description = "Copies of the function for finished events that may run at once."
  type        = number
  default     = 10
}

variable "sources_reserved_concurrency" {
  description = "Copies of the function for runs of sources that may run at once, reserved for it."
  type        = number
  default     = -1
}

variable "machine_models" {
  description = "Place in S3 of the trained networks that vote on entities, such as s3://bucket/machines."
  type        = string
  default     = null
}

variable "network_drift_alarm" {
  description = "How many times the error of their training the error of networks may be for three hours, until the alarm goes off and the networks are trained anew."
  type        = number
  default     = 3
}
