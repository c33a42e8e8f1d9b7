"""What the demo says of deviations that page nobody, or once for all customers."""

import contextlib
import io
import unittest
from datetime import datetime, timezone
from decimal import Decimal
from unittest import mock

from demo import data_stop, findings, weekly_job
from local_stack import CloudError

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
JOB = {"customer_id": "a", "metric": "compute_time", "direction": "spike", "findable": True,
       "earlier": ["2026-11-07T12:00:00Z", "2026-11-14T12:00:00Z"]}


def item(**others):
    return {"customer_id": "a", "metric": "compute_time", "severity": "critical", "description": "it rose",
            "alert_state": "none", "incident_id": "i", "recurring": Decimal(2), **others}


class WeeklyJob(unittest.TestCase):
    incident = {"incident_id": "i", "state": "open", "recurring": Decimal(2)}

    def test_the_planted_job_is_the_one_that_ran_before(self):
        plain = {"customer_id": "b", "metric": "api_calls", "findable": True}
        self.assertEqual(weekly_job.label_of([plain, JOB]), JOB)
        with self.assertRaises(CloudError):
            weekly_job.label_of([plain])

    def test_what_is_shown(self):
        text = "\n".join(weekly_job.lines(JOB, [item()], [self.incident]))
        self.assertIn("it rose\n", text)
        self.assertIn("recurring 2, alert_state none: the incident is open, and nobody was paged", text)

    def test_anything_else_is_refused(self):
        for name, found, incident, expected in [
            ("not found", item(customer_id="b"), self.incident, "did not find the job of a compute_time"),
            ("a first time", item(recurring=Decimal(1)), self.incident, "is stored as one that recurs 1 times"),
            ("no news of its incident", item(), {"incident_id": "i", "state": "open"}, "ran 2 times before"),
            ("an alert", item(alert_state="sent"), self.incident, "people were paged"),
            ("a page of its incident", item(), {**self.incident, "last_page": {}}, "people were paged"),
        ]:
            with self.subTest(name), self.assertRaises(CloudError) as raised:
                weekly_job.lines(JOB, [found], [incident])
            self.assertIn(expected, str(raised.exception))

    def run_earlier(self, answers, known=()):
        """The times of the runs, and what is said. The answers of the runs come in turn."""
        stack, output = mock.Mock(), io.StringIO()
        stack.invoke.side_effect = answers
        stored = [{**JOB, "customer_id": "a", "opened_at": opened_at} for opened_at in known]
        with mock.patch.object(findings, "stored_incidents", lambda stack, customers: stored), \
                contextlib.redirect_stdout(output):
            weekly_job.run_earlier(stack, JOB)
        return [call.args[0]["time"] for call in stack.invoke.call_args_list], output.getvalue()

    opens = {"anomalies_found": 1, "alerts_published": 1, "incidents": {"opened": 1}}
    calm = {"anomalies_found": 0, "alerts_published": 0, "incidents": {}}
    ends = {"anomalies_found": 0, "alerts_published": 1, "incidents": {"resolved": 1}}

    def test_the_hours_of_each_earlier_time_are_run_until_its_end(self):
        times, text = self.run_earlier([self.opens, self.calm, self.ends, self.opens, self.ends])
        self.assertEqual(times, ["2026-11-07T12:00:00Z", "2026-11-07T13:00:00Z", "2026-11-07T14:00:00Z",
                                 "2026-11-14T12:00:00Z", "2026-11-14T13:00:00Z"])
        self.assertIn("2026-11-14T12:00:00Z: compute_time of a rose, and people were paged. The run of 2026-11-14T13:00:00Z",
                      text)

    def test_hours_that_an_earlier_demo_ran_are_not_run_again(self):
        known = [findings.milliseconds(datetime(2026, 11, day, 12, tzinfo=timezone.utc)) for day in (7, 14)]
        times, text = self.run_earlier([], known)
        self.assertEqual((times, text.count("an earlier demo ran this hour")), ([], 2))

    def test_a_time_that_does_not_page_or_end_is_refused(self):
        for name, answers in [("no page", [{**self.opens, "alerts_published": 0}, self.ends]),
                              ("nothing found", [{**self.calm, "alerts_published": 1}, self.ends]),
                              ("no end", [self.opens] + [self.calm] * weekly_job.HOURS_UNTIL_OVER)]:
            with self.subTest(name), self.assertRaises(CloudError):
                self.run_earlier(answers)


class DataStop(unittest.TestCase):
    stop = item(customer_id="*", type="data_stopped", alert_state="sent", description="the data of all customers stopped")
    held = item(mute_reason="the data of all customers stopped")
    summary = {"alerts_published": 1, "recorded": 3}

    def test_one_page_about_all_customers(self):
        text = "\n".join(data_stop.lines(self.summary, [self.stop, self.held, item(customer_id="b")]))
        self.assertIn("published:  1 alert\n", text)
        self.assertIn("type data_stopped, severity critical, customer *, alert_state sent", text)
        self.assertIn("held back:  1 drop of single customers", text)
        # A second demo of the same hour stores and publishes nothing.
        data_stop.lines({"alerts_published": 0, "recorded": 0}, [self.stop, self.held])

    def test_anything_else_is_refused(self):
        for name, summary, found, expected in [
            ("no stop", self.summary, [self.held], "must be one anomaly of all customers, and it is 0"),
            ("another type", self.summary, [{**self.stop, "type": "usage_anomaly"}, self.held], "must be one anomaly"),
            ("a page of a customer", self.summary, [self.stop, {**self.held, "alert_state": "sent"}], "were paged: a"),
            ("no page", self.summary, [{**self.stop, "alert_state": "none"}, self.held], "nobody was paged"),
            ("more pages", {**self.summary, "alerts_published": 2}, [self.stop, self.held], "the run published 2"),
            ("nothing held back", self.summary, [self.stop], "no drop of a single customer was held back"),
        ]:
            with self.subTest(name), self.assertRaises(CloudError) as raised:
                data_stop.lines(summary, found)
            self.assertIn(expected, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
