import io
import json
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import aws
import files
import invocation
import settings
from console import CloudError

OUTPUTS = {"detector_function_name": "m-anomaly-detection", "api_function_name": "m-anomaly-api",
           "notifier_function_name": "m-anomaly-notifier", "checks_function_name": "m-anomaly-checks"}


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = settings.load({}, Path(folder.name))
        self.deployed(OUTPUTS)
        self.event("detector-scheduled", {"time": "2026-11-21T13:00:00Z", "detail": {}})
        self.event("api-check", {"rawPath": "/v1/anomalies/check"})
        self.event("notifier-digest", {"time": "2026-11-21T08:00:00Z"})
        self.event("notifier-alert", {"Records": []})

    def deployed(self, outputs):
        files.write_json(self.settings.stack_directory("meterflow") / "deployed.json", {"outputs": outputs})

    def event(self, name, content):
        files.write_json(self.settings.root / "events" / f"{name}.json", content)

    def invoke(self, name, time=None, answer=None, error=None):
        """The exit code, what was called, and what was printed."""
        calls, output, errors = [], io.StringIO(), io.StringIO()

        def call(_, operation, **arguments):
            calls.append(arguments)
            return {"answer": answer, "error": error, "log": "the log"}

        with mock.patch.object(aws, "call", call), redirect_stdout(output), redirect_stderr(errors):
            code = invocation.invoke(self.settings, "meterflow", invocation.read(self.settings, name, time))
        return code, calls, output.getvalue() + errors.getvalue()


class Event(InAFolder):
    def test_it_is_found_by_its_short_and_its_full_name(self):
        for name, file in (("scheduled", "detector-scheduled"), ("detector-scheduled", "detector-scheduled"),
                           ("api-check", "api-check"), ("notifier-alert", "notifier-alert")):
            found = invocation.event_file(self.settings, name)
            self.assertEqual(found, self.settings.root / "events" / f"{file}.json")

    def test_another_name_lists_the_known_ones(self):
        with self.assertRaisesRegex(CloudError, "Known events: api-check, detector-scheduled, notifier-alert, notifier-digest"):
            invocation.event_file(self.settings, "other")

    def test_it_goes_to_the_function_that_its_name_says(self):
        _, calls, _ = self.invoke("scheduled", answer={})
        self.assertEqual(calls[0]["function"], "m-anomaly-detection")
        _, calls, _ = self.invoke("api-check", answer={"statusCode": 200})
        self.assertEqual(calls[0], {"function": "m-anomaly-api", "payload": {"rawPath": "/v1/anomalies/check"}})
        _, calls, _ = self.invoke("notifier-alert", answer=None)
        self.assertEqual(calls[0], {"function": "m-anomaly-notifier", "payload": {"Records": []}})

    def test_a_finished_event_goes_to_the_function_for_them(self):
        finished = {"detail-type": "Execution Completed", "time": "2026-11-21T13:00:00Z", "detail": {"source": "jobs", "id": "7"}}
        self.event("execution_completed", finished)
        _, calls, _ = self.invoke("execution_completed", answer={"checked": {}})
        self.assertEqual(calls[0], {"function": "m-anomaly-checks", "payload": finished})
        with self.assertRaisesRegex(CloudError, "execution_completed.json names one event"):
            self.invoke("execution_completed", time="2026-11-21T14:00:00Z")
        self.deployed({**OUTPUTS, "checks_function_name": None})
        with self.assertRaisesRegex(CloudError, "meterflow was deployed without sources"):
            self.invoke("execution_completed", answer={})

    def test_a_time_replaces_that_of_the_digest_but_makes_none_of_another_event(self):
        _, calls, _ = self.invoke("notifier-digest", time="2026-11-22T08:00:00Z", answer=None)
        self.assertEqual(calls[0]["payload"], {"time": "2026-11-22T08:00:00Z"})
        with self.assertRaisesRegex(CloudError, "notifier-alert.json is another event"):
            self.invoke("notifier-alert", time="2026-11-22T08:00:00Z")

    def test_a_time_replaces_that_of_an_event_for_the_detector_but_not_of_a_request(self):
        _, calls, _ = self.invoke("scheduled", time="2026-11-21T14:00:00Z", answer={})
        self.assertEqual(calls[0]["payload"], {"time": "2026-11-21T14:00:00Z", "detail": {}})
        with self.assertRaisesRegex(CloudError, "api-check.json is a request to the API"):
            self.invoke("api-check", time="2026-11-21T14:00:00Z")

    def test_what_is_no_time_is_refused_with_an_example(self):
        self.event("detector-dry-run", {"detail": {"dry_run": True}})
        for text in ("tomorrow", "2026-11-21 13:00:00Z", "2026-11-21T13:00:00", "2026-11-21", " ", "2026-13-01T00:00:00Z", "now"):
            for event in ("scheduled", "dry-run", "notifier-digest"):
                with self.subTest(text), self.assertRaises(CloudError) as raised:
                    self.invoke(event, time=text)
                self.assertIn(f"TIME is {text!r}, which is no time", str(raised.exception))
                self.assertIn("TIME=2026-11-21T13:00:00Z", str(raised.exception))

    def test_every_way_to_write_a_time_is_taken(self):
        for text in ("2020-11-21T13:00:00Z", "2020-11-21t13:00:00.123456789z", "2020-11-21T13:00:00+05:30"):
            _, calls, _ = self.invoke("scheduled", time=text, answer={})
            self.assertEqual(calls[0]["payload"]["time"], text)

    def test_a_window_of_the_future_is_only_looked_at(self):
        future = "2999-01-01T00:00:00Z"
        with self.assertRaisesRegex(CloudError, "in the future: that window is not over(.|\n)*make invoke-dry-run TIME=2999"):
            self.invoke("scheduled", time=future)
        self.event("detector-dry-run", {"time": "2026-11-21T13:00:00Z", "detail": {"dry_run": True}})
        _, calls, _ = self.invoke("dry-run", time=future, answer={})
        self.assertEqual(calls[0]["payload"]["time"], future)

    def test_without_an_api_it_says_so(self):
        self.deployed({"detector_function_name": "m-anomaly-detection"})
        with self.assertRaisesRegex(CloudError, "deployed without an API"):
            self.invoke("api-check")
        with self.assertRaisesRegex(CloudError, "older than this function"):
            self.invoke("notifier-alert")

    def test_one_that_is_not_json_is_named(self):
        (self.settings.root / "events" / "api-check.json").write_text("{")
        with self.assertRaisesRegex(CloudError, "api-check.json is not JSON"):
            self.invoke("api-check")


class Answer(InAFolder):
    def test_the_summary_of_a_run_is_shown_as_it_is(self):
        code, _, output = self.invoke("scheduled", answer={"checked": 4})
        self.assertEqual((code, json.loads(output)), (0, {"checked": 4}))

    def test_an_answer_of_the_api_is_its_status_and_its_body(self):
        code, _, output = self.invoke("api-check", answer={"statusCode": 200, "headers": {}, "body": '{"z_score":4.5}'})
        self.assertEqual((code, output), (0, 'status 200\n{\n  "z_score": 4.5\n}\n'))

    def test_bodies_that_are_text_encoded_or_absent(self):
        for answer, expected in (({"body": "plain"}, "status 200\nplain\n"), ({"body": None}, "status 200\n"),
                                 ({"body": "eyJhIjoxfQ==", "isBase64Encoded": True}, 'status 200\n{\n  "a": 1\n}\n')):
            with self.subTest(answer):
                self.assertEqual(self.invoke("api-check", answer={"statusCode": 200, **answer})[2], expected)

    def test_a_refused_request_is_shown_and_ends_with_an_error(self):
        code, _, output = self.invoke("api-check", answer={"statusCode": 400, "body": '{"status":400}'})
        self.assertEqual((code, output), (1, 'status 400\n{\n  "status": 400\n}\n'))

    def test_a_function_that_failed_is_told_with_its_log(self):
        for name in ("scheduled", "api-check"):
            code, _, output = self.invoke(name, error="Unhandled", answer={"errorType": "Timeout", "errorMessage": "late"})
            self.assertEqual(code, 1)
            self.assertRegex(output, r"(?s)failed: Timeout\nlate\n.*the log")


class Recipients(InAFolder):
    """An answer without a failure says nothing of who was told."""

    def output(self, event, channels=(), ops_emails=()):
        recipients = {"channels": list(channels), "alert_emails": [], "ops_emails": list(ops_emails)}
        self.deployed({**OUTPUTS, "recipients": recipients})
        code, _, output = self.invoke(event, answer={"delivered": 0} if event.startswith("notifier") else {"statusCode": 200})
        self.assertEqual(code, 0)
        return output

    def test_a_page_without_a_channel_is_said_to_reach_nobody(self):
        self.assertIn("Nobody was notified: the stack meterflow has no channel.", self.output("notifier-alert"))
        self.assertIn("LOCAL_CHANNELS=channels.json make up", self.output("notifier-alert", ops_emails=["a@example.com"]))
        self.assertNotIn("Nobody", self.output("notifier-alert", channels=["slack"]))

    def test_a_digest_without_an_address_is_said_to_reach_nobody(self):
        self.assertIn("Nobody was notified: the digest goes to ops_emails", self.output("notifier-digest", channels=["slack"]))
        self.assertNotIn("Nobody", self.output("notifier-digest", ops_emails=["a@example.com"]))

    def test_other_functions_and_older_stacks_have_nothing_to_say(self):
        self.assertNotIn("Nobody", self.output("scheduled"))
        self.assertNotIn("Nobody", self.output("api-check"))
        self.deployed(OUTPUTS)
        self.assertNotIn("Nobody", self.invoke("notifier-alert", answer={})[2])
