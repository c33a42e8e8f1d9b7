import json
import unittest
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from demo import comparison, demo, findings, usage
from local_stack import CloudError

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
USAGE = usage.Usage(events=1000, rollup_rows=50, foreign=0,
                    first=(END - timedelta(days=31)).timestamp(), last=END.timestamp() - 1)
EMPTY = usage.Usage(events=0, rollup_rows=0, foreign=0, first=0, last=0)
LABELS = {"customers": usage.CUSTOMERS, "days": usage.DAYS, "seed": usage.SEED, "end": "2026-11-21T13:00:00Z",
          "events": 1000, "planted": []}


def label(customer, metric="api_calls", findable=True, **others):
    return {"customer_id": customer, "metric": metric, "kind": "spike", "direction": "spike", "findable": findable,
            "severity": "critical", "why": "because", **others}


def item(customer, metric="api_calls", **others):
    return {"customer_id": customer, "metric": metric, "direction": "spike", "severity": "critical",
            "z_score": Decimal("33.26"), "description": "it rose", "alert_state": "sent", **others}


class KeptUsage(unittest.TestCase):
    def test_the_usage_of_this_hour_is_kept(self):
        self.assertTrue(usage.is_of_hour(USAGE, LABELS, END))

    def test_anything_else_is_not(self):
        for name, present, labels in [
            ("no labels", USAGE, None),
            ("labels of another hour", USAGE, {**LABELS, "end": "2026-11-21T12:00:00Z"}),
            ("labels of other customers", USAGE, {**LABELS, "customers": 7}),
            ("a part of the events", replace(USAGE, events=999), LABELS),
            ("events of somebody else", replace(USAGE, foreign=1), LABELS),
            ("events of later", replace(USAGE, last=END.timestamp()), LABELS),
            ("events of earlier", replace(USAGE, first=USAGE.first - 1), LABELS),
            ("nothing", EMPTY, LABELS),
        ]:
            with self.subTest(name):
                self.assertFalse(usage.is_of_hour(present, labels, END))


class Expendable(unittest.TestCase):
    def test_what_a_seed_made_is(self):
        usage.require_expendable(USAGE, True, "meterflow")
        usage.require_expendable(USAGE, False, usage.DEMO_DATABASE)
        usage.require_expendable(EMPTY, False, "production")

    def test_what_somebody_else_made_is_not(self):
        foreign = replace(USAGE, foreign=3)
        for present, owns, database in [
            (foreign, True, "meterflow"),
            (foreign, False, usage.DEMO_DATABASE),
            (USAGE, False, "production"),
            (replace(EMPTY, rollup_rows=9), False, "production"),
        ]:
            with self.subTest(present=present, database=database), self.assertRaises(CloudError) as raised:
                usage.require_expendable(present, owns, database)
            self.assertIn("CLICKHOUSE_DATABASE=meterflow_demo", str(raised.exception))


class Comparing(unittest.TestCase):
    def test_a_perfect_result(self):
        result = comparison.compare([label("b"), label("a"), label("c", findable=False)], [item("a"), item("b")])
        self.assertTrue(result.is_perfect)
        self.assertEqual([comparison.key_of(planted)[0] for planted, _ in result.matched], ["a", "b"])
        self.assertEqual([planted["customer_id"] for planted in result.not_findable], ["c"])
        self.assertIn("a         api_calls  spike    critical  spike      33.3  it rose", comparison.tables(result))
        self.assertIn("because", comparison.tables(result))

    def test_what_is_wrong_is_counted_and_named(self):
        planted = [label("a"), label("missed"), label("small", findable=False), label("turned")]
        found = [item("a"), item("a", "bandwidth"), item("small"), item("turned", direction="drop")]
        result = comparison.compare(planted, found)
        self.assertFalse(result.is_perfect)
        self.assertEqual([planted["customer_id"] for planted in result.missed], ["missed"])
        self.assertEqual([comparison.key_of(extra) for extra in result.unplanted],
                         [("a", "bandwidth"), ("small", "api_calls")])
        self.assertEqual([planted["customer_id"] for planted, _ in result.different], ["turned"])
        self.assertIn("NOT FOUND", comparison.tables(result))
        self.assertIn("NOT PLANTED", comparison.tables(result))
        self.assertIn("turned api_calls: planted spike, critical; found drop, critical", comparison.score(result))

    def test_another_severity_is_another_thing(self):
        result = comparison.compare([label("a", severity="warning")], [item("a")])
        self.assertFalse(result.is_perfect)

    def test_nothing_planted_and_nothing_found_is_no_success(self):
        self.assertFalse(comparison.compare([], []).is_perfect)


class Ending(unittest.TestCase):
    perfect = comparison.compare([label("a")], [item("a")])

    def test_a_stale_table_is_told_from_a_wrong_result(self):
        for found, result, expected in [
            ([item("a"), item("b")], self.perfect, "stored by an earlier run"),
            ([item("b")], comparison.compare([label("a")], [item("b")]), "1 missed, 1 not planted"),
        ]:
            with self.subTest(expected), self.assertRaises(CloudError) as raised:
                demo.require_success(result, {"anomalies_found": 1}, found, Path("planted.json"))
            self.assertIn(expected, str(raised.exception))

    def test_the_summary_says_when_the_hour_was_checked_before(self):
        summary = {"checked": 8, "customers": 2, "duration_ms": 120, "anomalies_found": 1, "critical": 1, "recorded": 0,
                   "already_recorded": 1, "alerts_published": 0, "undetermined": {"no_data": 1},
                   "window": {"start": "2026-11-20T13:00:00Z", "end": "2026-11-21T13:00:00Z"}}
        lines = demo.summary_lines(summary)
        self.assertIn("checked:    8 series of 2 customers in 0.1 s", lines)
        self.assertIn("not judged: 1 series (no_data 1)", lines)
        self.assertIn("checked before", lines[-1])
        again = demo.summary_lines({**summary, "recorded": 1, "already_recorded": 0})
        self.assertNotIn("checked before", again[-1])


class Alerts(unittest.TestCase):
    body = {"customer_id": "a", "metric": "api_calls", "event": "opened", "detected_at": "2026-11-21T13:00:00Z"}
    envelope = {"Subject": "[MeterFlow] Critical anomaly: a - api_calls", "Message": json.dumps(body),
                "MessageAttributes": {"metric": {"Type": "String", "Value": "api_calls"}}}

    def test_an_alert_of_the_window(self):
        self.assertTrue(findings.is_of_window(self.envelope, END))

    def test_other_messages(self):
        for message in [
            json.dumps({**self.body, "detected_at": "2026-11-21T12:00:00Z"}),
            json.dumps({**self.body, "event": "digest"}),
            "hello", "[]", "{}", None,
        ]:
            with self.subTest(message):
                self.assertFalse(findings.is_of_window({"Message": message}, END))
        self.assertFalse(findings.is_of_window({}, END))

    def test_the_text(self):
        text = findings.alert_text(self.envelope)
        self.assertIn("Subject:    [MeterFlow] Critical anomaly: a - api_calls", text)
        self.assertIn("Attributes: metric=api_calls", text)
        self.assertIn('  "customer_id": "a"', text)


if __name__ == "__main__":
    unittest.main()
