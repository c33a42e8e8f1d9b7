# ---------------------------------------------------------------------------------------------
# Release
# ---------------------------------------------------------------------------------------------

variable "release" {
  description = "Release whose packages the functions are made of, such as 0.2.0."
  type        = string
  default     = null
}

variable "release_location" {
  description = "Where the releases are: the address of a folder in a bucket of the stack's region, such as s3://artifacts/meterflow, or a folder of files."
  type        = string
  default     = null
}
