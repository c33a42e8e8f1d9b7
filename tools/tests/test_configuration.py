import unittest

import configuration

VARIABLES = '''
# ---------------------------------------------------------------------------------------------
# The check
# ---------------------------------------------------------------------------------------------

variable "threshold" {
  description = "|z-score| of an anomaly."
  type        = number
  default     = 3
}

variable "clickhouse_url" {
  description = "Address of ClickHouse."
  type        = string
}

# ---------------------------------------------------------------------------------------------
# The API
# ---------------------------------------------------------------------------------------------

variable "scopes" {
  description = "Names of the \\"scopes\\"."
  type        = list(string)
  default     = ["a", "b"]
}
'''


class Configuration(unittest.TestCase):
    def test_every_variable_is_in_the_table_of_its_section(self):
        text = configuration.page(VARIABLES, {"threshold": ["THRESHOLD"]}, {"threshold": "`4`", "clickhouse_url": "", "scopes": "`[a, b]`"})
        check, api = text.split("## The API")
        self.assertIn("| `threshold` | `4` | \\|z-score\\| of an anomaly. | `THRESHOLD` |", check)
        self.assertIn("| `clickhouse_url` |  | Address of ClickHouse. |  |", check)
        self.assertIn('| `scopes` | `[a, b]` | Names of the "scopes". |  |', api)

    def test_variables_without_sections_are_refused(self):
        with self.assertRaises(SystemExit):
            configuration.page('variable "a" {\n  description = "b"\n}\n', {}, {})

    def test_the_environment_of_the_functions_is_found_in_terraform(self):
        names = configuration.environment(configuration.STACK)
        self.assertEqual(names["threshold"], ["THRESHOLD"])
        self.assertIn("CLICKHOUSE_URL", names["clickhouse_url"])

    def test_a_default_is_shown_as_terraform_writes_it(self):
        bodies = dict(configuration.blocks(VARIABLES))
        self.assertEqual([configuration.default(bodies[name]) for name in ("threshold", "clickhouse_url", "scopes")], ["`3`", "", "`[a, b]`"])


if __name__ == "__main__":
    unittest.main()
