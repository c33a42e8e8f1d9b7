# Region, credentials and endpoint come from the usual AWS_* variables or from a profile, so that
# the same configuration builds the production stack and the local cloud.
provider "aws" {
  default_tags {
    tags = merge({ Stack = var.name_prefix }, var.tags)
  }
}
