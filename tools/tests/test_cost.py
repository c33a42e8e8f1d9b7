"""The costs: the goals, and that the numbers of metrics and alarms are those of the code."""

import json
import re
import unittest
from pathlib import Path

import cost

ROOT = Path(__file__).resolve().parents[2]
# Dollars a month, by customers.
GOALS = {1_000: 5, 100_000: 12}


class Goals(unittest.TestCase):
    def test_a_stack_costs_no_more_than_the_goal(self):
        seconds = dict(cost.runs(json.loads((cost.DOCS / "measured.json").read_text())))
        for customers, goal in GOALS.items():
            anomalies = customers * cost.METRICS * cost.ANOMALOUS
            total = sum(cost.monthly(seconds[customers], anomalies, anomalies * cost.CRITICAL).values())
            self.assertLessEqual(total, goal, customers)


class Counted(unittest.TestCase):
    def test_the_metrics_of_each_run_are_those_of_the_function(self):
        """A field is a metric of each run if it is a number, has no flag NoMetric, and is not left out while all is well."""
        text = (ROOT / "shared/platform/src/emf.rs").read_text(encoding="utf-8")
        fields = [field for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL) if name != "Completed"
                  for field in re.findall(r"#\[metrics\(unit = \w+\)\]\n    (\w+): (?!Option)", body)]
        self.assertEqual(fields, ["series_checked", "anomalies_found"])
        self.assertEqual(cost.DETECTOR_METRICS, len(fields))

    def test_the_metrics_of_alarms_are_those_of_terraform(self):
        text = (ROOT / "infra/modules/stack/tests/alarms.tftest.hcl").read_text(encoding="utf-8")
        with_one_channel = int(re.search(r"must pay for the metrics of (\d+) alarms", text).group(1))
        self.assertEqual(cost.ALARM_METRICS, with_one_channel + cost.CHANNELS - 1)
        self.assertIn(f"== {with_one_channel - 1} + {cost.DETAILED_ALARM_METRICS}\n", text)


if __name__ == "__main__":
    unittest.main()
