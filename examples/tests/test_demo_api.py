import contextlib
import io
import unittest
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from demo import api
from local_stack import CloudError

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
END_MS = 1_795_266_000_000


def anomaly(customer, **others):
    return {"anomaly_id": f"{END_MS}.api_calls.{customer}", "customer_id": customer, "metric": "api_calls",
            "severity": "critical", "direction": "spike", "state": "open", "description": "it rose",
            "window": {"start": END_MS - 86_400_000, "end": END_MS}, "current_value": 900.0, "baseline_mean": 100.0,
            "baseline_stddev": 8.0, "z_score": 100.0, "expected_low": 76.0, "expected_high": 124.0, **others}


def incident(customer, **others):
    return {"incident_id": f"{END_MS}.api_calls.spike.{customer}", "customer_id": customer, "opened_at": END_MS,
            "last_seen": END_MS, **others}


def check_of(found, **others):
    figures = {name: found[name] for name in ("current_value", "z_score", "expected_low", "expected_high")}
    return {**figures, "period": found["window"], "baseline": {"mean": found["baseline_mean"], "stddev": found["baseline_stddev"]},
            "severity": found["severity"], "direction": found["direction"], "description": found["description"], **others}


class Gateway:
    """Answers like the API, to whoever has one of the local tokens."""

    def __init__(self, anomalies, incidents=None, leaks=False):
        self.anomalies, self.leaks = anomalies, leaks
        self.incidents = [incident(found["customer_id"]) for found in anomalies] if incidents is None else incidents

    def client(self, stack, token):
        def visible_of(records):
            return [found for found in records if token == "API_TOKEN_ADMIN" or found["customer_id"] == "own"]

        client = mock.Mock(spec=["listed", "expect", "get"])
        visible = visible_of(self.anomalies)
        listed = {"anomalies": visible, "incidents": visible_of(self.incidents)}
        client.listed.side_effect = lambda kind, **query: (listed[kind], 1)
        client.expect.side_effect = lambda path, **query: check_of(next(
            found for found in visible if found["customer_id"] == query["customer_id"]))
        client.get.side_effect = lambda path: (200 if self.leaks else 404, {})
        return client

    def show(self, stored, opened=None):
        opened = [incident(found["customer_id"]) for found in stored] if opened is None else opened
        stack = SimpleNamespace(env={"API_CUSTOMER_ID": "own"})
        output = io.StringIO()
        with mock.patch.object(api, "Api", self.client), contextlib.redirect_stdout(output):
            api.show(stack, stored, opened, END)
        return output.getvalue()


class Showing(unittest.TestCase):
    anomalies = [anomaly("a", severity="warning"), anomaly("b"), anomaly("own")]

    def test_what_the_api_says(self):
        text = Gateway(self.anomalies).show(self.anomalies)
        self.assertIn("lists the same 3 anomalies, on 1 page", text)
        self.assertIn("judges b api_calls anew", text)
        self.assertIn("GET /v1/incidents lists the same 3 incidents.", text)
        self.assertIn("The token of own shows only what is its own: 1 anomaly, 1 incident.", text)
        self.assertIn("For it the anomaly of b does not exist: 404.", text)

    def test_anything_else_is_refused(self):
        for name, gateway, stored, expected in [
            ("one is missing", Gateway(self.anomalies[1:]), self.anomalies, f"Missing: {END_MS}.api_calls.a"),
            ("one is foreign", Gateway(self.anomalies), self.anomalies[1:], f"Not expected: {END_MS}.api_calls.a"),
            ("one comes twice", Gateway([*self.anomalies, anomaly("b")]), self.anomalies, "lists 4 anomalies"),
            ("a leak", Gateway(self.anomalies, leaks=True), self.anomalies, "got 200 for an anomaly of b"),
            ("nothing critical", Gateway(self.anomalies[:1]), self.anomalies[:1], "no critical anomaly"),
        ]:
            with self.subTest(name), self.assertRaises(CloudError) as raised:
                gateway.show(stored)
            self.assertIn(expected, str(raised.exception))

    def test_incidents_that_are_not_those_of_the_anomalies(self):
        incidents = [incident("a"), incident("b"), incident("own")]
        # Over before this window, or opened by the schedule's next run meanwhile: no matter of this hour.
        others = [incident("x", opened_at=1, last_seen=2), incident("y", opened_at=END_MS + 1, last_seen=END_MS + 1)]
        Gateway(self.anomalies, [*incidents, *others]).show(self.anomalies)
        for name, listed, expected in [
            ("one is missing", incidents[1:], f"lists 2 incidents of this hour, and it must be 3. Missing: {END_MS}.api_calls.spike.a."),
            ("one is foreign", [*incidents, incident("c")], f"Not expected: {END_MS}.api_calls.spike.c"),
        ]:
            with self.subTest(name), self.assertRaises(CloudError) as raised:
                Gateway(self.anomalies, listed).show(self.anomalies)
            self.assertIn(expected, str(raised.exception))


class Policies(unittest.TestCase):
    stack = SimpleNamespace(env_file=Path(".local/env"))

    def set(self, metrics):
        """The documents that are put where a policy has these metrics."""
        puts = []
        answer = {"version": 3, "config": {"metrics": metrics, "mutes": [{"reason": "planned"}]}}
        gateway = SimpleNamespace(expect=lambda path: answer, put=lambda *document: puts.append(document))
        with mock.patch.object(api, "Api", lambda *_: gateway):
            api.set_prices(self.stack)
        return puts

    def test_prices_are_set_once_and_leave_the_rest_of_the_policy(self):
        config = {"metrics": api.PRICES, "mutes": [{"reason": "planned"}]}
        self.assertEqual(self.set({}), [("/v1/config", config, 3)])
        self.assertEqual(self.set(api.PRICES), [])

    def test_thresholds_of_a_policy_are_refused_with_what_to_do(self):
        with self.assertRaises(CloudError) as raised:
            self.set({"api_calls": {"threshold": 4}})
        self.assertIn("""-H 'If-Match: "3"' -d '{}' "$API_URL/v1/config\"""", str(raised.exception))


class Comparing(unittest.TestCase):
    def test_the_last_digit_of_a_sum_may_differ(self):
        found = anomaly("a", baseline_mean=Decimal("100"))
        api.require_equal(check_of(found, baseline={"mean": 100.00000000001, "stddev": 8.0}), found)

    def test_another_verdict_is_named(self):
        found = anomaly("a")
        for other, expected in [
            ({"severity": "warning"}, "severity warning, stored critical"),
            ({"z_score": 99.0}, "z_score 99.0, stored 100.0"),
            ({"expected_low": None}, "expected_low None, stored 76.0"),
            ({"baseline": {"mean": 100.1, "stddev": 8.0}}, "baseline_mean 100.1, stored 100.0"),
        ]:
            with self.subTest(other), self.assertRaises(CloudError) as raised:
                api.require_equal(check_of(found, **other), found)
            self.assertIn(expected, str(raised.exception))


class Paging(unittest.TestCase):
    def setUp(self):
        self.api = api.Api(SimpleNamespace(
            env={"API_URL": "http://127.0.0.1:9", "API_HOST": "x", "API_TOKEN_ADMIN": "t"},
            settings=SimpleNamespace(logs=Path("logs")),
        ), "API_TOKEN_ADMIN")

    def test_all_pages_of_the_same_query(self):
        pages = {None: (["a", "b"], "x"), "x": (["c"], "y"), "y": ([], None)}
        asked = []

        def get(path, **query):
            asked.append(query)
            anomalies, following = pages[query.get("cursor")]
            return 200, {path.rpartition("/")[2]: anomalies, "next_cursor": following}

        for kind in ("anomalies", "incidents"):
            asked.clear()
            with mock.patch.object(self.api, "get", get):
                self.assertEqual(self.api.listed(kind, metric="m"), (["a", "b", "c"], 3))
            self.assertEqual([query["metric"] for query in asked], ["m"] * 3)

    def test_a_problem_is_told(self):
        for answer, expected in [
            ((503, {"detail": "try again"}), "answered 503: try again"),
            ((401, {"message": "Unauthorized"}), "answered 401: Unauthorized"),
        ]:
            with self.subTest(expected), mock.patch.object(self.api, "get", lambda path, answer=answer: answer), \
                    self.assertRaises(CloudError) as raised:
                self.api.expect("/v1/status")
            self.assertIn(expected, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
