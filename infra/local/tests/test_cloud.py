import argparse
import io
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import cloud
import settings
from console import CloudError, Step


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = settings.load({}, Path(folder.name))

    def test_a_known_error_is_one_message_and_exit_code_1(self):
        output = io.StringIO()
        with mock.patch.object(cloud.tools, "setup", side_effect=CloudError("no npm")), redirect_stderr(output):
            self.assertEqual(cloud.main(["setup"]), 1)
        self.assertEqual(output.getvalue(), "\nError: no npm\n")

    def test_an_event_is_found_by_its_short_and_its_full_name(self):
        file = self.settings.root / "events" / "detector-scheduled.json"
        file.parent.mkdir()
        file.touch()
        self.assertEqual(cloud._event_file(self.settings, "scheduled"), file)
        self.assertEqual(cloud._event_file(self.settings, "detector-scheduled"), file)
        with self.assertRaisesRegex(CloudError, "Known events: detector-scheduled"):
            cloud._event_file(self.settings, "other")

    def test_variables_are_json_or_plain_text(self):
        self.assertEqual(cloud._variable("baseline_days=14"), ("baseline_days", 14))
        self.assertEqual(cloud._variable("schedule_enabled=false"), ("schedule_enabled", False))
        self.assertEqual(cloud._variable("schedule_expression=rate(1 day)"), ("schedule_expression", "rate(1 day)"))
        with self.assertRaises(argparse.ArgumentTypeError):
            cloud._variable("baseline_days")

    def test_a_purge_spares_the_tools_and_other_clouds(self):
        for name in ("clickhouse/data", "aws/state", "terraform/meterflow", "logs", "tools/venv", "test/clickhouse"):
            (self.settings.directory / name).mkdir(parents=True)
        for name in ("env", "flights.env"):
            (self.settings.directory / name).touch()
        cloud._purge(self.settings, keep_logs=True)
        self.assertEqual(sorted(entry.name for entry in self.settings.directory.iterdir()), ["logs", "test", "tools"])
        cloud._purge(self.settings, keep_logs=False)
        self.assertEqual(sorted(entry.name for entry in self.settings.directory.iterdir()), ["test", "tools"])
        self.assertTrue((self.settings.directory / "test" / "clickhouse").exists())


class Steps(unittest.TestCase):
    def test_a_step_is_one_line_with_its_result_and_its_seconds(self):
        output = io.StringIO()
        with Step("Engine", output) as step:
            step.result = "started"
        self.assertRegex(output.getvalue(), r"^Engine \.\.\. started \(0\.\d s\)\n$")

    def test_a_failed_step_says_so_and_lets_the_error_through(self):
        output = io.StringIO()
        with self.assertRaises(CloudError), Step("Engine", output):
            raise CloudError("why")
        self.assertIn("failed", output.getvalue())
