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
        text = configuration.page(VARIABLES, {"threshold": ["THRESHOLD"]})
        check, api = text.split("## The API")
        self.assertIn("| `threshold` | `3` | \\|z-score\\| of an anomaly. | `THRESHOLD` |", check)
        self.assertIn("| `clickhouse_url` |  | Address of ClickHouse. |  |", check)
        self.assertIn('| `scopes` | `[a, b]` | Names of the "scopes". |  |', api)

    def test_variables_without_sections_are_refused(self):
        with self.assertRaises(SystemExit):
            configuration.page('variable "a" {\n  description = "b"\n}\n', {})

    def test_the_environment_of_the_functions_is_found_in_terraform(self):
        names = configuration.environment(configuration.INFRA)
        self.assertEqual(names["threshold"], ["THRESHOLD"])
        self.assertIn("CLICKHOUSE_URL", names["clickhouse_url"])


if __name__ == "__main__":
    unittest.main()
