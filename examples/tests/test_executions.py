import json
import unittest
from datetime import datetime, timedelta, timezone

from executions import executions, fleet, planted
from watching import alerts, found, generated

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)


def item(expected, **others):
    ids = {"ids": {"execution_id": expected.execution_id}} if expected.execution_id else {}
    return {"customer_id": expected.customer, "entity": expected.entity, "metric": expected.metric, "type": expected.kind,
            "severity": "critical", "description": "it rose", **ids, **others}


class Fleet(unittest.TestCase):
    def test_twelve_workflows_of_three_workspaces(self):
        self.assertEqual(len({workflow.name for workflow in fleet.WORKFLOWS}), 12)
        self.assertEqual({workflow.workspace for workflow in fleet.WORKFLOWS}, {"acme", "globex", "initech"})
        self.assertTrue(all(3 <= len(workflow.nodes) <= 4 for workflow in fleet.WORKFLOWS))

    def test_an_execution_fits_into_its_slot(self):
        for workflow in fleet.WORKFLOWS:
            longest = workflow.usual_ms * (1 + generated.JITTER) * (1 + generated.RHYTHM) + 8_000
            self.assertLess(longest, workflow.every_minutes * 60_000, workflow.name)

    def test_creeping_errors_are_never_in_a_row_and_come_closer(self):
        slots = fleet.by_name("payments").failing_slots
        gaps = [earlier - later for earlier, later in zip(slots, slots[1:])]
        self.assertTrue(all(gap >= 2 for gap in gaps), gaps)
        self.assertEqual(gaps, sorted(gaps, reverse=True), "fewer minutes between them each time")

    def test_the_statements_fill_both_tables_of_each_workflow(self):
        statements = list(fleet.statements(END))
        self.assertEqual(len(statements), 24)
        self.assertEqual(statements, list(fleet.statements(END)), "the same each time")
        self.assertTrue(all("{database}.execution" in statement.format(database="{database}") for statement in statements))

    def test_the_rows_of_one_execution(self):
        workflow = fleet.by_name("invoice-export")
        nodes, whole = fleet.insertions(fleet.failed(workflow, "demo-a", END, 1))
        self.assertIn("('demo-a', 'initech', 'invoice-export', 'failed', '2026-11-21 12:59:35.000', '2026-11-21 13:00:00.000', "
                      "25000, 0, 'render-pdf: connection refused')", whole)
        self.assertIn("('demo-a-render-pdf', 'demo-a', 'initech', 'invoice-export', 'render-pdf', 'transform', 2, 'failed', "
                      "'2026-11-21 12:59:42.000', '2026-11-21 13:00:00.000', 18000, 0, 'connection refused')", nodes)
        self.assertNotIn("upload", nodes, "the nodes behind the failed one do not run")


class Planted(unittest.TestCase):
    made = planted.executions(END)
    expected = planted.expected(made)

    def test_all_end_in_the_last_full_hour_in_this_order(self):
        ends = [one.execution.finished_at for one in self.made]
        self.assertEqual(ends, sorted(ends))
        self.assertTrue(all(END - timedelta(hours=1) <= end < END for end in ends))

    def test_each_takes_the_place_of_a_usual_execution(self):
        left_out = sum(workflow.left_out for workflow in fleet.WORKFLOWS)
        self.assertEqual(left_out, len(self.made))

    def test_the_only_alert_of_three_failures_is_that_of_the_third(self):
        told = [told for one in self.made for told in one.announcements if "in a row" in told.what]
        self.assertEqual([announcement.leads_to is None for announcement in told], [True, True, False])

    def test_what_was_planted_is_found(self):
        items = [item(one) for one in self.expected]
        # The run of the hour may have stored the same anomaly without an execution.
        items.append(item(self.expected[0], ids={}))
        self.assertTrue(found.compare(self.expected, items).is_perfect)

    def test_every_difference_is_named(self):
        items = [item(one) for one in self.expected[1:]]
        items[0]["type"] = "usage_anomaly"
        items[1]["ids"] = {"execution_id": "demo-other"}
        items.append(item(self.expected[1], customer_id="elsewhere"))
        result = found.compare(self.expected, items)
        self.assertEqual(result.missed, [self.expected[0]])
        self.assertEqual([one["customer_id"] for one in result.unplanted], ["elsewhere"])
        self.assertEqual(len(result.different), 2, result.different)
        self.assertFalse(result.is_perfect)

    def test_an_execution_that_is_not_named_is_a_difference(self):
        items = [item(one, ids={}) for one in self.expected]
        single = [one for one in self.expected if one.execution_id]
        self.assertEqual(len(found.compare(self.expected, items).different), len(single))


class Messages(unittest.TestCase):
    def test_the_event_names_source_and_row(self):
        announcement = self.announcement()
        entry = alerts.entry(announcement)
        self.assertEqual(entry["DetailType"], "Execution Completed")
        self.assertEqual(json.loads(entry["Detail"]), {"source": announcement.source, "id": announcement.id})

    def test_an_alert_tells_what_it_is_about(self):
        body = {"event": "opened", "customer_id": "acme", "entity": "order-sync", "metric": "execution_duration"}
        self.assertEqual(alerts.about(json.dumps({"Message": json.dumps(body)})), self.announcement("order-sync").leads_to.key)

    def test_other_messages_are_about_nothing(self):
        ended = {"event": "resolved", "customer_id": "acme", "entity": "a", "metric": "b"}
        for text in (json.dumps({"Message": json.dumps(ended)}), "no JSON", "{}", json.dumps({"Message": "text"})):
            self.assertIsNone(alerts.about(text), text)

    def announcement(self, entity=None):
        told = [told for one in Planted.made for told in one.announcements if told.leads_to]
        return next(one for one in told if entity in (None, one.leads_to.entity))


class Tables(unittest.TestCase):
    def test_the_tables_of_the_preset_are_made_in_the_database(self):
        statements = executions.DEMO.statements
        names = [statement.format(database="d").split()[5] for statement in statements]
        self.assertEqual(names, ["d.executions", "d.execution_nodes"])


if __name__ == "__main__":
    unittest.main()
