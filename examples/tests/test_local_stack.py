import unittest
from datetime import datetime, timezone
from pathlib import Path

import local_stack


class Text(unittest.TestCase):
    def test_a_table_has_aligned_columns(self):
        text = local_stack.table(["name", "z"], [["cust_0001", "-4.0"], ["b", "100.0"]], numeric=["z"])
        self.assertEqual(text, "\n".join([
            "name           z",
            "---------  -----",
            "cust_0001   -4.0",
            "b          100.0",
        ]))

    def test_a_table_without_rows_is_its_head(self):
        self.assertEqual(local_stack.table(["a", "bc"], []), "a  bc\n-  --")

    def test_counted_nouns(self):
        self.assertEqual(local_stack.count(1, "event"), "1 event")
        self.assertEqual(local_stack.count(1200, "event"), "1,200 events")
        self.assertEqual(local_stack.count(0, "anomaly", "anomalies"), "0 anomalies")

    def test_paths_in_the_project_are_shown_relative_to_it(self):
        self.assertEqual(local_stack.shown(local_stack.ROOT / "events" / "x.json"), "events/x.json")
        self.assertEqual(local_stack.shown(Path("/elsewhere/x.json")), "/elsewhere/x.json")

    def test_times(self):
        time = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
        self.assertEqual(local_stack.rfc3339(time), "2026-11-21T13:00:00Z")


if __name__ == "__main__":
    unittest.main()
