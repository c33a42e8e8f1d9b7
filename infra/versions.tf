terraform {
  # 1.9 is the first version in which a validation may use another variable.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # Without a backend the state is a file in this folder. A team keeps it in S3: write a `terraform` block with the backend
  # into backend.tf. The local cloud leaves files out that begin with `backend`.
}
