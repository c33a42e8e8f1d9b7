import unittest
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from machines import fleet, machines, node, planted
from machines.planted import Fault
from local_stack import CloudError

END = datetime(2026, 11, 21, 13, 7, tzinfo=timezone.utc)
FAULT = Fault("a flood", "demo-health", "health-3", 3, frozenset({"machine_cpu", "machine_bandwidth"}), "spike")


def item(**others):
    at = Decimal(int((END - timedelta(minutes=2)).timestamp() * 1000))
    return {"customer_id": "demo-health", "entity": "health-3", "metric": "machine_cpu", "direction": "spike", "severity": "critical",
            "window_end": at, "description": "it rose", **others}


class Fleet(unittest.TestCase):
    def test_each_metric_has_a_statement_and_it_is_the_same_each_time(self):
        statements = list(fleet.statements(END, planted.changes()))
        self.assertEqual(len(statements), len(fleet.METRICS))
        self.assertEqual(statements, list(fleet.statements(END, planted.changes())))
        for one, statement in zip(fleet.METRICS, statements):
            self.assertIn(f"'{one.written}'", statement)
            self.assertIn("INSERT INTO db.otel_metrics_gauge", statement.format(database="db"))

    def test_the_preset_reads_each_metric(self):
        preset = machines.DEMO.catalog.read_text(encoding="utf-8")
        for one in fleet.METRICS:
            self.assertIn(f'name = "{one.name}"', preset)
            self.assertIn(f"MetricName = '{one.written}'", preset)

    def test_only_the_statement_of_a_metric_holds_its_changes(self):
        statements = dict(zip((one.name for one in fleet.METRICS), fleet.statements(END, {("bank-1", "machine_memory"): "98"})))
        self.assertIn("machine = 'bank-1', ifNull(98, usual)", statements["machine_memory"])
        self.assertNotIn("bank-1', ifNull", statements["machine_cpu"])

    def test_the_newest_sample_is_in_the_newest_minute(self):
        self.assertIn(f"{int(END.timestamp())} - 60 * number - 30", next(fleet.statements(END, {})))


class Planted(unittest.TestCase):
    def test_each_is_of_a_machine_and_a_metric_of_the_fleet(self):
        for machine, metric in planted.changes():
            self.assertIn(machine, fleet.MACHINES)
            self.assertEqual(fleet.metric(metric).name, metric)

    def test_a_namespace_has_one_fault_at_most_so_that_each_has_a_page_of_its_own(self):
        machines_of = [machine for machine in {machine for machine, _ in planted.changes()}]
        self.assertEqual(len({fleet.namespace_of(machine) for machine in machines_of}), len(machines_of))

    def test_the_runs_judge_a_minute_before_each_fault(self):
        self.assertTrue(all(0 <= one.began < planted.RUNS - 1 for one in planted.FAULTS))

    def test_each_metric_has_a_fault(self):
        self.assertEqual({metric for one in planted.FAULTS for metric in one.values}, {one.name for one in fleet.METRICS})

    def test_the_backup_came_on_each_of_the_days_before_and_comes_now(self):
        spans = planted.backup(5).split(" OR ")
        self.assertEqual(len(spans), fleet.DAYS)
        self.assertIn("minute BETWEEN -15 AND 5", spans[0])


class Comparison(unittest.TestCase):
    def test_any_of_the_metrics_that_move_together_may_be_told(self):
        for metric in FAULT.metrics:
            result = planted.compare([FAULT], [item(metric=metric)])
            self.assertEqual(([fault for fault, _ in result.found], result.missed, result.unplanted), ([FAULT], [], []))

    def test_another_metric_direction_machine_or_namespace_was_not_planted(self):
        for other in ({"metric": "machine_latency"}, {"direction": "drop"}, {"entity": "health-1"}, {"customer_id": "demo-shop"}):
            result = planted.compare([FAULT], [item(**other)])
            self.assertEqual((result.found, result.missed, len(result.unplanted)), ([], [FAULT], 1), other)

    def test_success_is_all_of_them_told_and_nothing_else(self):
        told = {("demo-health", "health-3", "machine_cpu")}
        machines.require_success(planted.compare([FAULT], [item()]), told, 1)
        for anomalies, told, problem in (
            ([], told, "missed: a flood of health-3"),
            ([item(), item(entity="x-1")], told, "not planted: demo-health x-1 machine_cpu"),
            ([item()], set(), "no alert came"),
        ):
            with self.assertRaisesRegex(CloudError, problem):
                machines.require_success(planted.compare([FAULT], anomalies), told, 1)

    def test_the_delay_counts_from_the_beginning_of_the_fault(self):
        # The fault began with the fourth newest minute. The anomaly is of the minute that ended two minutes before the end.
        (line,) = machines.rows(planted.compare([FAULT], [item()]), set(), END)
        self.assertEqual(line[3:6], ["2 minutes", "critical", "NO"])


class Node(unittest.TestCase):
    def test_proc_is_read(self):
        self.assertEqual(node.processor("cpu  10 1 5 80 4 0 0 0 3 0\ncpu0 1 1 1 1\n"), (84, 100))
        self.assertAlmostEqual(node.memory("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\nHugePages_Total: 0\n"), 0.75)
        devices = ("Inter-|   Receive    |  Transmit\n face |bytes packets errs ...\n"
                   "    lo: 999 1 9 0 0 0 0 0 999 1 9 0 0 0 0 0\n  eth0: 100 1 2 0 0 0 0 0 50 1 3 0 0 0 0 0\n")
        self.assertEqual(node.network(devices), (150, 5))

    def test_a_sample_is_of_the_time_between(self):
        before = node.Counters(idle=100, all=200, memory=0.5, bytes=1_000, errors=1, at=10.0)
        after = node.Counters(idle=130, all=240, memory=0.6, bytes=3_000, errors=2, at=10.5)
        found = node.sample(before, after, [0.010, 0.014, None])
        self.assertAlmostEqual(found["system.cpu.utilization"], 0.75)
        self.assertAlmostEqual(found["system.network.io"], 4_000)
        self.assertAlmostEqual(found["system.network.errors"], 2)
        self.assertAlmostEqual(found["ping.rtt.avg"], 12)
        self.assertAlmostEqual(found["ping.rtt.stddev"], 2)
        self.assertAlmostEqual(found["ping.loss.ratio"], 1 / 3)

    def test_without_answers_and_without_time_there_is_no_value(self):
        counters = node.Counters(1, 1, 0.5, 1, 1, 1.0)
        self.assertEqual(set(node.sample(counters, counters, [None])),
                         {"system.memory.utilization", "system.network.io", "system.network.errors", "ping.loss.ratio"})

    def test_measured_samples_are_of_minutes_and_the_last_one_is_the_newest(self):
        statement = machines.inserted([{"ping.rtt.avg": 1.5}, {"ping.rtt.avg": 400.0}], END)
        newest = int(END.timestamp()) - 30
        self.assertIn(f"toInt64({newest}) * 1000000000), 400.0)", statement)
        self.assertIn(f"toInt64({newest - 60}) * 1000000000), 1.5)", statement)


if __name__ == "__main__":
    unittest.main()
