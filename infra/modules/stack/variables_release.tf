# ---------------------------------------------------------------------------------------------
# Release
# ---------------------------------------------------------------------------------------------

variable "release" {
  description = "Release whose packages the functions are made of, such as 0.2.0. Then detector_package, api_package and notifier_package do not count. A later release has packages with new names, so Lambda takes them. Null means the packages of those three variables."
  type        = string
  default     = null

  validation {
    condition     = var.release == null || can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+(-[0-9A-Za-z.-]+)?$", var.release))
    error_message = "release must be a version such as \"0.2.0\", without the letter v."
  }

  validation {
    condition     = (var.release == null) == (var.release_location == null)
    error_message = "release and release_location belong together: set both, or neither for packages of your own."
  }

  validation {
    condition     = var.release != null || (var.detector_package != null && var.notifier_package != null)
    error_message = "detector_package and notifier_package must be set in a stack without a release."
  }
}

variable "release_location" {
  description = "Where the releases are: the address of a folder in a bucket of the stack's region, such as s3://artifacts/meterflow, or a folder of files. The packages of release 0.2.0 are in its folder 0.2.0, with the names that they have in the release."
  type        = string
  default     = null

  validation {
    condition     = var.release_location == null || can(regex("^(s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?|[^:]+)$", var.release_location))
    error_message = "release_location must be an address such as \"s3://artifacts/meterflow\", or the path of a folder."
  }
}
