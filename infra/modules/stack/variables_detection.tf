# ---------------------------------------------------------------------------------------------
# The check
# ---------------------------------------------------------------------------------------------

variable "window_delay_seconds" {
  description = "Seconds between the end of the window and the scheduled time, for events that reach ClickHouse late."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.window_delay_seconds >= 0 && var.window_delay_seconds <= 86400 && floor(var.window_delay_seconds) == var.window_delay_seconds
    error_message = "window_delay_seconds must be a whole number from 0 to 86400."
  }
}

variable "baseline_days" {
  description = "Days that a check of a chosen period compares with. Runs use models of a month."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.baseline_days >= 2 && var.baseline_days <= 90 && floor(var.baseline_days) == var.baseline_days
    error_message = "baseline_days must be a whole number from 2 to 90."
  }
}

variable "min_samples" {
  description = "Least number of baseline windows with a value. A series with fewer is not judged."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.min_samples >= 2 && var.min_samples <= var.baseline_days && floor(var.min_samples) == var.min_samples
    error_message = "min_samples must be a whole number from 2 to baseline_days: with more, no series could ever be judged."
  }
}

variable "threshold" {
  description = "|z-score| from which a change is an anomaly, unless the catalog sets another value for the metric."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.threshold > 0 && var.threshold <= 100
    error_message = "threshold must be above 0 and at most 100, where z-scores are capped."
  }
}

variable "critical_threshold" {
  description = "|z-score| from which an anomaly is critical."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.critical_threshold >= var.threshold && var.critical_threshold <= 100
    error_message = "critical_threshold must be from threshold to 100, where z-scores are capped."
  }
}

variable "min_relative_change" {
  description = "Smallest change that can be an anomaly, as a share of the mean (0.1 is 10 %)."
  type        = number
  default     = 0.1
  nullable    = false

  validation {
    condition     = var.min_relative_change >= 0
    error_message = "min_relative_change must not be negative. 0.1 means 10 % of the mean."
  }
}

variable "detectors" {
  description = "The detectors that judge usage. \"ensemble\" compares the last 1, 3, 6 and 24 hours with models of the week. \"z_score\" compares the last 24 hours with those of the days before. A list such as \"seasonal, z_score\" names detectors one by one: seasonal, autoregressive, z_score."
  type        = string
  default     = "ensemble"
  nullable    = false

  validation {
    condition     = var.detectors == "ensemble" || alltrue([for name in split(",", var.detectors) : contains(["seasonal", "autoregressive", "z_score"], trimspace(name))])
    error_message = "detectors must be \"ensemble\", or a list of seasonal, autoregressive and z_score with commas between."
  }
}

variable "min_relative_spread" {
  description = "Least spread of a z-score, as a share of the mean (0.04 is 4 %). It keeps an exactly regular customer from being critical at the first change. 0 gives the plain z-score."
  type        = number
  default     = 0.04
  nullable    = false

  validation {
    condition     = var.min_relative_spread >= 0 && var.min_relative_spread <= 1
    error_message = "min_relative_spread must be a share of the mean from 0 to 1. 0.04 means 4 %."
  }
}

variable "anomaly_retention_days" {
  description = "Days after which an anomaly expires from the table."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.anomaly_retention_days >= 1 && var.anomaly_retention_days <= 3650 && floor(var.anomaly_retention_days) == var.anomaly_retention_days
    error_message = "anomaly_retention_days must be a whole number from 1 to 3650."
  }
}

variable "split_metric_index" {
  description = "Whether the table has the index metric-part-index in place of metric-severity-index. It has eight keys a metric, so a storm of one metric is stored in an eighth of the time. A change makes the index anew: for some minutes lists of all customers answer 503. They do not have anomalies that a version without this variable stored."
  type        = bool
  default     = false
  nullable    = false
}

# ---------------------------------------------------------------------------------------------
# Incidents
# ---------------------------------------------------------------------------------------------

variable "resolve_after_runs" {
  description = "Runs in a row that must find usage back to normal before an incident is resolved."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.resolve_after_runs >= 1 && var.resolve_after_runs <= 168 && floor(var.resolve_after_runs) == var.resolve_after_runs
    error_message = "resolve_after_runs must be a whole number from 1 to 168."
  }
}

variable "reopen_within_hours" {
  description = "Hours after the end of an incident in which a returning deviation is the same incident. 0 always makes a new incident."
  type        = number
  default     = 6
  nullable    = false

  validation {
    condition     = var.reopen_within_hours >= 0 && var.reopen_within_hours <= 8760 && floor(var.reopen_within_hours) == var.reopen_within_hours
    error_message = "reopen_within_hours must be a whole number from 0 (never the same) to 8760."
  }
}

variable "accept_after_hours" {
  description = "Hours after which a lasting level becomes the new normal and its incident is accepted. 0 means never."
  type        = number
  default     = 72
  nullable    = false

  validation {
    condition     = var.accept_after_hours >= 0 && var.accept_after_hours <= 8760 && floor(var.accept_after_hours) == var.accept_after_hours
    error_message = "accept_after_hours must be a whole number from 0 (never) to 8760."
  }
}

variable "repeat_interval_hours" {
  description = "Hours after which an open incident without acknowledgement is paged again. 0 means never."
  type        = number
  default     = 72
  nullable    = false

  validation {
    condition     = var.repeat_interval_hours >= 0 && var.repeat_interval_hours <= 8760 && floor(var.repeat_interval_hours) == var.repeat_interval_hours
    error_message = "repeat_interval_hours must be a whole number from 0 (never) to 8760."
  }
}

variable "alert_min_severity" {
  description = "Least severity that is alerted: critical or warning. Incidents below it are stored without an alert."
  type        = string
  default     = "critical"
  nullable    = false

  validation {
    condition     = contains(["critical", "warning"], var.alert_min_severity)
    error_message = "alert_min_severity must be critical or warning."
  }
}

variable "max_pages_per_run" {
  description = "Most single pages of one run. One digest stands for all further pages. Each of detector_shards is a run of its own. Ends of incidents do not count."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.max_pages_per_run >= 1 && var.max_pages_per_run <= 1000 && floor(var.max_pages_per_run) == var.max_pages_per_run
    error_message = "max_pages_per_run must be a whole number from 1 to 1000."
  }
}

variable "max_pages_per_customer" {
  description = "Most single pages of one run about one customer. The digest stands for all further pages. Ends of incidents do not count."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_pages_per_customer >= 1 && floor(var.max_pages_per_customer) == var.max_pages_per_customer
    error_message = "max_pages_per_customer must be a whole number of at least 1."
  }
}
