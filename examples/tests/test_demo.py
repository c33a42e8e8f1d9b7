import json
import unittest
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from demo import comparison, demo, findings, incidents, usage
from local_stack import CloudError

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
USAGE = usage.Usage(events=1000, rollup_rows=50, foreign=0,
                    first=(END - timedelta(days=usage.DAYS)).timestamp(), last=END.timestamp() - 1)
EMPTY = usage.Usage(events=0, rollup_rows=0, foreign=0, first=0, last=0)
LABELS = {"customers": usage.CUSTOMERS, "days": usage.DAYS, "seed": usage.SEED, "end": "2026-11-21T13:00:00Z",
          "events": 1000, "planted": []}


def label(customer, metric="api_calls", findable=True, **others):
    return {"customer_id": customer, "metric": metric, "kind": "spike", "direction": "spike", "findable": findable,
            "severity": "critical", "why": "because", **others}


def item(customer, metric="api_calls", **others):
    return {"customer_id": customer, "metric": metric, "direction": "spike", "severity": "critical",
            "window_start": Decimal(0), "window_end": Decimal(3_600_000),
            "z_score": Decimal("33.26"), "description": "it rose", "alert_state": "sent",
            "incident_id": f"{metric}.{customer}", **others}


def incident(customer, metric="api_calls", single=True, **others):
    """One that people were told of, by an alert of its own unless `single` says otherwise."""
    page = {"event": "opened", "window_end": Decimal(1), "single": single}
    return {"incident_id": f"{metric}.{customer}", "customer_id": customer, "severity": "critical", "state": "open",
            "last_page": page, **others}


def untold(customer, **others):
    known = incident(customer, **others)
    del known["last_page"]
    return known


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
        self.assertIn("a         api_calls  spike    critical  spike         1 h  33.3  it rose", comparison.tables(result))
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

    def test_another_shape_is_another_thing_than_a_spike(self):
        for kind, found in [("shape", "usage_anomaly"), ("spike", "shape_change")]:
            with self.subTest(kind):
                self.assertFalse(comparison.compare([label("a", kind=kind)], [item("a", type=found)]).is_perfect)
        self.assertTrue(comparison.compare([label("a", kind="shape")], [item("a", type="shape_change")]).is_perfect)

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
                   "already_recorded": 1, "alerts_published": 0, "undetermined": {"no_data": 1}, "incidents": {},
                   "window": {"start": "2026-11-20T13:00:00Z", "end": "2026-11-21T13:00:00Z"}}
        lines = demo.summary_lines(summary)
        self.assertIn("checked:    8 series of 2 customers in 0.1 s", lines)
        self.assertIn("not judged: 1 series (no_data 1)", lines)
        self.assertIn("checked before", lines[-1])
        self.assertIn("incidents:  none changed its state", lines)
        first = demo.summary_lines({**summary, "recorded": 1, "already_recorded": 0, "incidents": {"opened": 1}})
        self.assertNotIn("checked before", first[-1])
        self.assertIn("incidents:  1 opened", first)


class Incidents(unittest.TestCase):
    found = [item("a"), item("b", severity="warning", alert_state="none"), item("c", alert_state="none")]
    opened = [incident("a"), untold("b", severity="warning"), incident("c", single=False)]
    digests = [{"held_back": Decimal(1)}]

    def test_those_of_the_anomalies_are_told_from_others(self):
        self.assertEqual(incidents.belonging_to(self.found, [*self.opened, incident("other")]), self.opened)

    def test_the_most_expensive_incidents_come_first(self):
        def priced(customer, so_far, a_month):
            cost = {"so_far": so_far, "a_month": a_month, "currency": "USD"}
            return {**incident(customer), "metric": "api_calls", "direction": "spike", "cost": cost}

        lines = incidents.most_expensive([incident("x"), priced("a", 1.5, 45), priced("b", -80.25, -2435), priced("c", 0.5, 15)])
        self.assertEqual([line.split()[0] for line in lines[2:]], ["b", "a", "c"])
        self.assertIn("misses 80.25 USD so far, 2,435 a month at this rate", lines[2])
        self.assertEqual(incidents.most_expensive([incident("x")]), [])

    def test_they_are_counted(self):
        self.assertEqual(incidents.tally(self.opened), "2 critical and 1 warning are open")
        self.assertEqual(incidents.tally([*self.opened, incident("d", state="resolved")]),
                         "2 critical and 1 warning are open; 1 critical is resolved")
        self.assertEqual(incidents.told_of(self.opened), incidents.Told(singly=1, by_digest=1))

    def test_what_is_shown(self):
        text = "\n".join(demo.incident_lines(self.found, self.opened))
        self.assertIn("belongs to an incident: 2 critical and 1 warning are open.", text)
        self.assertIn("An anomaly of the next hours joins its incident and pages nobody", text)
        self.assertIn("alert_state of the anomalies: none 2, sent 1\n", text)
        self.assertIn("a digest tells of the other 1.", text)
        self.assertNotIn("digest", "\n".join(demo.incident_lines(self.found[:1], self.opened[:1])))

    def test_all_were_told(self):
        incidents.require_told(self.found, self.opened, self.digests)
        muted = item("m", alert_state="none", mute_reason="planned")
        incidents.require_told([muted], [untold("m")], [])
        incidents.require_told([item("r", alert_state="none", recurring=Decimal(2))], [untold("r")], [])
        first_use = item("n", severity="warning", alert_state="none", type="new_usage", incident_id=None)
        incidents.require_told([first_use], [], [])
        text = "\n".join(demo.incident_lines([*self.found, first_use], self.opened))
        self.assertIn("Each anomaly, but 1 first use of a metric, belongs to an incident", text)

    def test_whatever_was_not_is_named(self):
        for name, found, opened, digests, expected in [
            ("no incident", self.found, self.opened[:2], [], "c api_calls belongs to no incident"),
            ("an anomaly of before", [item("a", incident_id=None)], [], [], "a api_calls belongs to no incident"),
            ("a first use", [item("a", type="new_usage")], [incident("a")], [], "the first use a api_calls belongs to an incident"),
            ("nobody told", [item("a", alert_state="none")], [untold("a")], [], "nobody was notified of the critical incident a"),
            ("no alert", [item("a", alert_state="none")], [incident("a")], [], "0 anomalies with an alert, but 1 incident"),
            ("no digest", self.found, self.opened, [], "1 incident left to a digest"),
            ("a digest of others", self.found, self.opened, [{"held_back": Decimal(4)}], "1 incident left to a digest"),
        ]:
            with self.subTest(name), self.assertRaises(CloudError) as raised:
                incidents.require_told(found, opened, digests)
            self.assertIn(expected, str(raised.exception))


class Table:
    """A table of DynamoDB as the demo asks it, which answers one item a page."""

    def __init__(self, items):
        self.items = items

    def query(self, **query):
        condition = query["KeyConditionExpression"]
        found = [item for item in self.items if condition(item)]
        begin = query.get("ExclusiveStartKey", 0)
        more = {"LastEvaluatedKey": begin + 1} if begin + 1 < len(found) else {}
        return {"Items": found[begin:begin + 1], **more}


class Condition:
    """As much of boto3's `Key` as the demo uses, as a question that an item answers."""

    def __init__(self, name, holds=None):
        self.name, self.holds = name, holds

    def eq(self, value):
        return Condition(self.name, lambda item: item.get(self.name) == value)

    def begins_with(self, prefix):
        return Condition(self.name, lambda item: str(item.get(self.name, "")).startswith(prefix))

    def __and__(self, other):
        return Condition(self.name, lambda item: self(item) and other(item))

    def __call__(self, item):
        return self.holds(item)


class LeftBehind(unittest.TestCase):
    ms = 1_795_266_000_000

    def items_of(self, customer):
        pk = f"CUSTOMER#{customer}"
        shard = {"customer_id": customer, "incident_shard": "7"}
        return {
            "open": {"pk": pk, "sk": "INCIDENT#api_calls#spike", **shard},
            "closed": {"pk": pk, "sk": "INCIDENT#api_calls#spike#1", **shard},
            "notice": {"pk": pk, "sk": f"NOTICE#{self.ms}#api_calls#spike#resolved"},
            "anomaly": {"pk": pk, "sk": f"ANOMALY#{self.ms}#api_calls", "metric": "api_calls", "detected_at": self.ms},
            "earlier anomaly": {"pk": pk, "sk": "ANOMALY#1#api_calls", "metric": "api_calls", "detected_at": 1},
        }

    def test_incidents_with_their_notices_and_what_this_hour_found(self):
        own, other = self.items_of("cust_0001"), self.items_of("mine")
        digests = [{"pk": "DIGEST", "sk": f"DIGEST#{ms}#29-4"} for ms in (self.ms, self.ms + 3_600_000, 1)]
        table = Table([*own.values(), *other.values(), *digests, {"pk": "CONFIG", "sk": "GLOBAL"}])
        modules = {"boto3": SimpleNamespace(), "boto3.dynamodb": SimpleNamespace(),
                   "boto3.dynamodb.conditions": SimpleNamespace(Key=Condition)}
        with mock.patch.object(findings, "_table", lambda stack: table), mock.patch.dict("sys.modules", modules):
            left = findings.left_behind(None, [END, END + timedelta(hours=1)], usage.CUSTOMER_IDS)
        self.assertCountEqual([(record["pk"], record["sk"]) for record in left], [
            *((of_customer["pk"], of_customer["sk"]) for of_customer in own.values()),
            # An anomaly of this very hour and of somebody else goes as it always did: its usage is gone.
            (other["anomaly"]["pk"], other["anomaly"]["sk"]),
            ("DIGEST", f"DIGEST#{self.ms}#29-4"),
            ("DIGEST", f"DIGEST#{self.ms + 3_600_000}#29-4"),
            ("STATUS", "JUDGED"),
        ])

    def test_the_customers_are_named_as_the_seed_names_them(self):
        self.assertEqual(len(usage.CUSTOMER_IDS), usage.CUSTOMERS)
        self.assertTrue({"cust_0001", f"cust_{usage.CUSTOMERS:04}"} <= usage.CUSTOMER_IDS)


class Alerts(unittest.TestCase):
    body = {"alert_id": "1.api_calls.YQ", "event": "opened", "customer_id": "a", "metric": "api_calls",
            "detected_at": "2026-11-21T13:00:00Z", "incident_id": "1.api_calls.spike.YQ",
            "incident": {"state": "open", "anomalies": 1}}
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
        for expected in ('  "alert_id": "1.api_calls.YQ"', '  "customer_id": "a"', '    "state": "open"'):
            self.assertIn(expected, text)


if __name__ == "__main__":
    unittest.main()
