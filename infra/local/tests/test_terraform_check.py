import json
import os
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import provider
import settings
import terraform_check
from console import CloudError


def script(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Told(unittest.TestCase):
    def test_only_what_a_person_needs_is_told(self):
        lines = [
            ({"type": "version", "@message": "Terraform 1.11.4"}, ""),
            ({"type": "test_run", "@message": '  "a"... in progress', "test_run": {"progress": "starting"}}, ""),
            ({"type": "test_run", "@message": '  "a"... pass', "test_run": {"progress": "complete"}}, '"a"... pass'),
            ({"type": "test_summary", "@message": "Success! 1 passed, 0 failed."}, "Success! 1 passed, 0 failed."),
        ]
        for event, expected in lines:
            with self.subTest(event):
                self.assertEqual(terraform_check.told(event), expected)

    def test_a_problem_is_told_with_its_place(self):
        event = {"type": "diagnostic", "@message": "Error: no", "diagnostic": {
            "severity": "error", "summary": "Test assertion failed", "detail": "An alarm is missing.",
            "range": {"filename": "tests/alarms.tftest.hcl", "start": {"line": 30}}}}
        self.assertEqual(terraform_check.told(event),
                         "error: Test assertion failed (tests/alarms.tftest.hcl, line 30)\nAn alarm is missing.")


class Check(InAFolder):
    """With stand-ins for Terraform and its provider."""

    SUMMARY = json.dumps({"type": "test_summary", "@message": "Success!", "test_summary": {"passed": 1}})

    def check(self, of_test):
        for folder in (self.folder / name for name in (*terraform_check.TESTED, *terraform_check.EXAMPLES)):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "main.tf").touch()
        script(self.folder / "bin" / "terraform", f"""
            echo "$@ $TF_REATTACH_PROVIDERS" >> {self.folder}/calls
            case "$*" in version*) echo "Terraform v1.11.4" ;;
              *" init "*) mkdir -p $TF_DATA_DIR/providers/r/hashicorp/aws/1/linux
                cp {self.folder}/provider $TF_DATA_DIR/providers/r/hashicorp/aws/1/linux/terraform-provider-aws_v1 ;;
              *" test "*) {of_test} ;; esac""")
        script(self.folder / "provider", "echo \"TF_REATTACH_PROVIDERS='the address'\"; exec sleep 60")
        with mock.patch.dict(os.environ, {"TERRAFORM": f"{self.folder}/bin/terraform"}):
            with mock.patch("terraform._provider_sources", return_value=[None]):
                terraform_check.check(settings.load({}, self.folder), self.folder / "report.json")

    def test_the_tests_reach_the_provider_that_runs_already_and_are_reported(self):
        self.check(f"echo '{self.SUMMARY}'")
        calls = [call for call in (self.folder / "calls").read_text().splitlines() if not call.startswith("version")]
        made = [(Path(call.split("/root ")[0]).name, call.split("/root ")[1].split()[0], call.endswith("the address"))
                for call in calls if "/root " in call]
        self.assertEqual(made, [
            ("infra", "init", False), ("infra", "test", True),
            ("stack", "init", False), ("stack", "test", True),
            ("variables", "init", False), ("variables", "test", True),
            ("cognito", "init", False), ("cognito", "validate", True),
            ("suspend_key", "init", False), ("suspend_key", "validate", True),
        ])
        self.assertEqual((self.folder / "report.json").read_text(), f"{self.SUMMARY}\n" * 3)

    def test_a_failed_test_fails_the_check(self):
        with self.assertRaisesRegex(CloudError, "`terraform test` failed"):
            self.check(f"echo '{self.SUMMARY}'; exit 1")


class Provider(InAFolder):
    def make(self, text):
        script(self.folder / "providers/registry/hashicorp/aws/5.0.0/linux/terraform-provider-aws_v5", text)

    def test_it_ends_with_its_use(self):
        self.make(f"echo $$ > {self.folder}/pid; echo \"TF_REATTACH_PROVIDERS='{{}}'\"; exec sleep 60")
        with provider.running(self.folder, os.environ) as address:
            self.assertEqual(address, "{}")
            os.kill(int((self.folder / "pid").read_text()), 0)
        with self.assertRaises(ProcessLookupError):
            os.kill(int((self.folder / "pid").read_text()), 0)

    def test_one_that_ends_is_told_with_its_words(self):
        self.make("echo no memory; exit 1")
        with self.assertRaisesRegex(CloudError, "did not start(.|\n)*no memory"):
            with provider.running(self.folder, os.environ):
                pass

    def test_without_one_it_says_where_it_looked(self):
        with self.assertRaisesRegex(CloudError, "no AWS provider"):
            with provider.running(self.folder, os.environ):
                pass
