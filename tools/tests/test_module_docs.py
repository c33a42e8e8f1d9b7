import unittest

import module_docs

VERSIONS = '''
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}
'''

VARIABLES = '''
variable "scopes" {
  description = "Names of the \\"scopes\\" | of all."
  type = object({
    # One comment.
    read  = optional(string, "anomalies:read")
    write = string
  })
  default  = {}
  nullable = false

  validation {
    condition     = true
    error_message = "scopes must be right."
  }
}

variable "address" {
  description = "Address."
  type        = string
}

variable "list" {
  description = "A list."
  type        = list(string)
  default = [
    "a",
    "b",
  ]
}
'''

OUTPUTS = '''
output "url" {
  description = "Address of the API."
  value       = module.api[0].url
}
'''


class Page(unittest.TestCase):
    def setUp(self):
        self.lines = module_docs.page(VERSIONS, VARIABLES, OUTPUTS).splitlines()

    def test_the_inputs_are_listed_by_name_with_type_and_default(self):
        first = self.lines.index("| name | description | type | default |") + 2
        self.assertEqual(self.lines[first:first + 3], [
            "| `address` | Address. | `string` |  |",
            '| `list` | A list. | `list(string)` | `["a", "b", ]` |',
            '| `scopes` | Names of the "scopes" \\| of all. | `object({ read = optional(string, "anomalies:read"), write = string })` | `{}` |',
        ])

    def test_the_outputs_and_versions_are_listed(self):
        for line in ("| `url` | Address of the API. |", "| terraform | `>= 1.9` |", "| aws | `>= 5.100, < 7` |"):
            self.assertIn(line, self.lines)

    def test_each_input_and_output_of_the_module_is_on_its_page(self):
        page = module_docs.TARGET.read_text(encoding="utf-8")
        for pattern, kind in (("variables*.tf", "variable"), ("outputs.tf", "output")):
            blocks = module_docs.blocks(kind, module_docs.read(pattern))
            self.assertGreater(len(blocks), 30)
            self.assertEqual([name for name, _ in blocks if f"\n| `{name}` |" not in page], [])

    def test_the_page_is_up_to_date(self):
        self.assertEqual(module_docs.main(["--check"]), 0, "Run: make docs")


if __name__ == "__main__":
    unittest.main()
