# ---------------------------------------------------------------------------------------------
# The check
# ---------------------------------------------------------------------------------------------

variable "window_delay_seconds" {
  description = "Seconds between the end of the window and the scheduled time, for events that reach ClickHouse late."
  type        = number
  default     = 0
}

variable "baseline_days" {
  description = "Days that a check of a chosen period compares with."
  type        = number
  default     = 30
}

variable "min_samples" {
  description = "Least number of baseline windows with a value."
  type        = number
  default     = 7
}

variable "threshold" {
  description = "|z-score| from which a change is an anomaly, unless the catalog sets another value for the metric."
  type        = number
  default     = 3
}

variable "critical_threshold" {
  description = "|z-score| from which an anomaly is critical."
  type        = number
  default     = 5
}

variable "min_relative_change" {
  description = "Smallest change that can be an anomaly, as a share of the mean (0.1 is 10 %)."
  type        = number
  default     = 0.1
}

variable "detectors" {
  description = "The detectors that judge usage. \"ensemble\" compares the last 1, 3, 6 and 24 hours with models of the week. \"z_score\" compares the last 24 hours with those of the days before."
  type        = string
  default     = "ensemble"
}

variable "min_relative_spread" {
  description = "Least spread of a z-score, as a share of the mean (0.04 is 4 %)."
  type        = number
  default     = 0.04
}

variable "anomaly_retention_days" {
  description = "Days after which an anomaly expires from the table."
  type        = number
  default     = 90
}

variable "split_metric_index" {
  description = "Whether the table has the index metric-part-index in place of metric-severity-index. It has eight keys a metric, so a storm of one metric is stored in an eighth of the time. A change makes the index anew: for some minutes lists of all customers answer 503. They do not have anomalies that a version without this variable stored."
  type        = bool
  default     = false
}

# ---------------------------------------------------------------------------------------------
# Incidents
# ---------------------------------------------------------------------------------------------

variable "resolve_after_runs" {
  description = "Runs in a row that must find usage back to normal before an incident is resolved."
  type        = number
  default     = 3
}

variable "reopen_within_hours" {
  description = "Hours after the end of an incident in which a returning deviation is the same incident."
  type        = number
  default     = 6
}

variable "accept_after_hours" {
  description = "Hours after which a lasting level becomes the new normal and its incident is accepted."
  type        = number
  default     = 72
}

variable "repeat_interval_hours" {
  description = "Hours after which an open incident without acknowledgement is paged again."
  type        = number
  default     = 72
}

variable "alert_min_severity" {
  description = "Least severity that is alerted: critical or warning."
  type        = string
  default     = "critical"
}

variable "max_pages_per_run" {
  description = "Most single pages of one run."
  type        = number
  default     = 25
}

variable "max_pages_per_customer" {
  description = "Most single pages of one run about one customer."
  type        = number
  default     = 10
}
