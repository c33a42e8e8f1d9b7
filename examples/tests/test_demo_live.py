"""Living usage on a real ClickHouse engine: it joins the planted usage without a step, and repeats nothing that was planted
as odd.
"""

import tempfile
import unittest
from contextlib import redirect_stdout
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import clickhouse
import ports
import processes
import settings
from demo import live

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
# A customer for five weeks with a rhythm of its own, and one who came three days ago. On the last day both have five times as much.
EVENTS = """
    INSERT INTO {{events}}
    WITH number AS ago, toDateTime64({end}, 3, 'UTC') - toIntervalHour(ago + 1) AS hour
    SELECT concat('seed-', customer, '-', toString(ago), '-', toString(event)), customer, 'api_request',
        hour + toIntervalMillisecond(event * 30000 + 7), '{{{{"bytes":12}}}}'
    FROM numbers({hours})
    ARRAY JOIN {customers} AS customer
    ARRAY JOIN range(toUInt64((if(ago < 24, 5, 1)) * (2 + toHour(hour) + 3 * (toDayOfWeek(hour) < 6)))) AS event
    WHERE customer = 'old' OR ago < 72"""


class Database:
    """As much of a LocalStack as living usage needs."""

    def __init__(self, server):
        self.server = server

    def query(self, sql):
        return clickhouse.query(self.server, sql.format(events="default.events")).strip()

    def has_table(self, name):
        return True


class Living(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        root = Path(__file__).resolve().parents[2]
        http, tcp, aws, issuer = map(str, ports.free(4))
        where = {"TEST_CLOUD_DIR": folder.name, "TEST_CLICKHOUSE_HTTP_PORT": http, "TEST_CLICKHOUSE_TCP_PORT": tcp,
                 "TEST_AWS_PORT": aws, "TEST_ISSUER_PORT": issuer}
        cls.settings = settings.load(where, root, settings.TEST)
        with redirect_stdout(StringIO()):
            clickhouse.ensure_running(cls.settings)
        cls.addClassCleanup(lambda: processes.kill(processes.find(clickhouse.NAME, cls.settings.pids), cls.settings.pids))

    def setUp(self):
        self.stack = Database(self.settings.clickhouse)
        self.stack.query("CREATE OR REPLACE TABLE {events} (transaction_id String, customer_id String, event_type String, "
                         "timestamp DateTime64(3, 'UTC'), properties String) ENGINE = MergeTree ORDER BY (customer_id, timestamp)")
        self.stack.query(EVENTS.format(end=int(END.timestamp()), hours=35 * 24, customers=["old", "young"]))

    def by_hour(self, customer, begin, end):
        rows = self.stack.query(
            "SELECT toUnixTimestamp(toStartOfHour(timestamp)) AS hour, count() FROM {events} "
            f"WHERE customer_id = '{customer}' AND timestamp >= fromUnixTimestamp64Milli({live.milliseconds(begin)}) "
            f"AND timestamp < fromUnixTimestamp64Milli({live.milliseconds(end)}) GROUP BY hour ORDER BY hour")
        return {datetime.fromtimestamp(int(hour), timezone.utc): int(events)
                for hour, events in (row.split("\t") for row in rows.splitlines())}

    def test_each_hour_is_that_of_the_week_before_the_planted_day(self):
        planted = self.by_hour("old", END - timedelta(days=8), END - timedelta(days=1))
        live.insert(self.stack, END, END + timedelta(days=8))
        lived = self.by_hour("old", END, END + timedelta(days=8))
        expected = {}
        for hour in (END + number * HOUR for number in range(8 * 24)):
            past = hour
            while past not in planted:
                past -= timedelta(days=7)
            expected[hour] = planted[past]
        self.assertEqual(lived, expected)

    def test_a_young_customer_repeats_a_day(self):
        planted = self.by_hour("young", END - timedelta(days=2), END - timedelta(days=1))
        live.insert(self.stack, END, END + timedelta(days=2))
        lived = self.by_hour("young", END, END + timedelta(days=2))
        self.assertEqual([lived[END + number * HOUR] for number in range(48)],
                         [planted[END - timedelta(days=2) + number % 24 * HOUR] for number in range(48)])

    def test_in_pieces_it_is_the_same_and_nothing_comes_twice(self):
        until = END + timedelta(hours=5, minutes=20)
        whole = live.insert(self.stack, END, until)
        texts = "SELECT arraySort(groupArray((transaction_id, timestamp))) FROM {events}"
        at_once = self.stack.query(texts)
        self.setUp()
        pieces, at = 0, END
        while at < until:
            at = min(until, at + timedelta(minutes=7, microseconds=1234))
            pieces += live.insert(self.stack, END, at)
        self.assertEqual((pieces, self.stack.query(texts)), (whole, at_once))
        self.assertEqual(live.insert(self.stack, END, until), 0)
        self.assertEqual(self.stack.query("SELECT count() - uniqExact(transaction_id) FROM {events}"), "0")

    def test_it_is_told_from_a_demo_without_life_and_from_the_usage_of_others(self):
        planted = int(self.stack.query("SELECT count() FROM {events}"))
        labels = {"events": planted}
        self.assertFalse(live.is_under_way(self.stack, labels), "nothing lives yet")
        live.insert(self.stack, END, END + HOUR)
        self.assertTrue(live.is_under_way(self.stack, labels))
        self.assertFalse(live.is_under_way(self.stack, {"events": planted + 1}), "another seed")
        self.assertFalse(live.is_under_way(self.stack, None))
        self.stack.query("INSERT INTO {events} VALUES ('mine', 'c', 'api_request', now64(3), '')")
        self.assertFalse(live.is_under_way(self.stack, labels), "somebody else's event is there")


class Telling(unittest.TestCase):
    summary = {"window": {"end": "2026-11-21T13:00:00Z"}, "checked": 800, "incidents": {"resolved": 3}}

    def told(self, run, known):
        with redirect_stdout(StringIO()) as output:
            now = live.tell_of_run(run, known)
        return now, output.getvalue().strip()

    def test_a_new_run_is_told_once(self):
        run = {"run_id": "b", "completed": True, "summary": self.summary}
        self.assertEqual(self.told(run, "a"), ("b", "the run of 2026-11-21T13:00:00Z judged 800 series; incidents: 3 resolved"))
        self.assertEqual(self.told(run, "b"), ("b", ""))
        # The run of the demo itself, which was told before.
        self.assertEqual(self.told(run, None), ("b", ""))

    def test_a_failed_run_and_no_run(self):
        self.assertEqual(self.told({"run_id": "b", "completed": False, "summary": None}, "a"),
                         ("b", "a run failed; the reason is in the log of the detector"))
        self.assertEqual(self.told(None, "a"), ("a", ""))

    def test_ctrl_c_stops_it_with_words_and_without_an_error(self):
        stack = SimpleNamespace(env={"DASHBOARD_URL": "http://page", "API_URL": "", "API_HOST": "", "API_TOKEN_ADMIN": ""},
                                settings=SimpleNamespace(logs=Path("logs")))
        with mock.patch.object(live, "insert", side_effect=[7, KeyboardInterrupt]), \
             mock.patch.object(live.Api, "expect", return_value={"last_run": None}), \
             mock.patch.object(live.time, "sleep"), redirect_stdout(StringIO()) as output:
            live.go_on(stack, END)
        self.assertIn("Stopped. 7 events came in this time.", output.getvalue())

    def test_each_full_hour_is_a_time_of_insertion(self):
        for minute, second, expected in [(0, 0, 300), (4, 30, 30), (59, 59, 1), (56, 0, 240)]:
            now = END + timedelta(minutes=minute, seconds=second)
            self.assertEqual(live.seconds_until_next(now), expected)

    def test_more_than_an_hour_at_once_is_refused(self):
        for begin, end in [(END - HOUR, END), (END, END), (END, END + 2 * HOUR)]:
            with self.assertRaises(ValueError):
                live.insertion(END, begin, end)


if __name__ == "__main__":
    unittest.main()
