import argparse
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import cloud
import settings
from console import CloudError, Step
from issuer import Token


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

    def test_a_file_that_may_not_be_used_is_one_message_too(self):
        output = io.StringIO()
        denied = PermissionError(13, "Permission denied", "/elsewhere/env")
        with mock.patch.object(cloud.tools, "setup", side_effect=denied), redirect_stderr(output):
            self.assertEqual(cloud.main(["setup"]), 1)
        self.assertEqual(output.getvalue(), "\nError: Permission denied: /elsewhere/env\n")

    def test_what_answers_at_the_port_is_not_taken_for_the_own_cloud(self):
        with mock.patch.object(cloud.emulator, "is_healthy", return_value=True):
            with self.assertRaisesRegex(CloudError, "The local cloud is not up"):
                cloud._require_running(self.settings)
            with mock.patch.object(cloud.processes, "find", return_value=object()):
                cloud._require_running(self.settings)

    def test_the_status_does_not_take_another_cloud_for_its_own(self):
        with mock.patch.object(cloud.emulator, "is_healthy", return_value=True), \
             mock.patch.object(cloud.clickhouse, "ping", return_value=True), redirect_stdout(io.StringIO()) as output:
            self.assertEqual(cloud.status(self.settings, None), 1)
        self.assertIn("does not run, but another program answers", output.getvalue())

    def options(self, *arguments):
        return cloud._parser().parse_args(arguments)

    def test_all_programs_are_packaged(self):
        for program in ("anomaly-detection", "anomaly-api", "anomaly-notifier"):
            self.settings.program(program).parent.mkdir(parents=True, exist_ok=True)
            self.settings.program(program).write_bytes(program.encode())
        page = self.settings.root / "dashboard" / "dist" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_bytes(b"page")
        with redirect_stdout(io.StringIO()), mock.patch.object(cloud.dashboard, "build", return_value=page.parent):
            cloud.make_packages(self.settings, self.options("package"))
        for program in ("anomaly-detection", "anomaly-api", "anomaly-notifier"):
            with zipfile.ZipFile(self.settings.root / "target" / "lambda" / program / "bootstrap.zip") as archive:
                self.assertEqual(archive.read("bootstrap"), program.encode())
                self.assertEqual(archive.namelist()[1:], ["dashboard/index.html"] if program == "anomaly-api" else [])

    def test_each_package_can_be_another_than_the_built_one(self):
        built = self.settings.root / "target" / "lambda"
        self.assertEqual(cloud._packages(self.settings, self.options("up", "--api-package", "/elsewhere/api.zip")), {
            "detector_package": built / "anomaly-detection" / "bootstrap.zip",
            "api_package": Path("/elsewhere/api.zip"),
            "notifier_package": built / "anomaly-notifier" / "bootstrap.zip",
        })
        for name in ("detector", "notifier"):
            deployed = cloud._packages(self.settings, self.options("deploy", f"--{name}-package", "/elsewhere/own.zip"))
            self.assertEqual(deployed[f"{name}_package"], Path("/elsewhere/own.zip"))

    def token(self, *arguments):
        with mock.patch.object(cloud.issuer, "sign", return_value=["a.b.c"]) as sign, redirect_stdout(io.StringIO()) as output:
            cloud.token(self.settings, self.options("token", *arguments))
        self.assertEqual(output.getvalue(), "a.b.c\n")
        return sign.call_args[0][1][0]

    def test_a_token_says_what_was_asked_for(self):
        self.assertEqual(self.token(), Token("local", [], None, "meterflow", 30 * 24 * 3600))
        self.assertEqual(
            self.token("--scope", "a:read", "a:write", "--scope", "a:admin", "--customer", "c", "--subject", "s",
                       "--expires", "-60", "--audience", "other"),
            Token("s", ["a:read", "a:write", "a:admin"], "c", "other", -60),
        )

    def test_variables_are_json_or_plain_text(self):
        self.assertEqual(cloud._variable("baseline_days=14"), ("baseline_days", 14))
        self.assertEqual(cloud._variable("schedule_enabled=false"), ("schedule_enabled", False))
        self.assertEqual(cloud._variable("schedule_expression=rate(1 day)"), ("schedule_expression", "rate(1 day)"))
        with self.assertRaises(argparse.ArgumentTypeError):
            cloud._variable("baseline_days")

    def test_a_purge_spares_the_tools_and_other_clouds(self):
        for name in ("clickhouse/data", "aws/state", "terraform/meterflow", "issuer", "logs", "tools/venv",
                     "test/clickhouse"):
            (self.settings.directory / name).mkdir(parents=True)
        for name in ("env", "flights.env"):
            (self.settings.directory / name).touch()
        settings.remember(self.settings)
        cloud._purge(self.settings, keep_logs=True)
        self.assertEqual(sorted(entry.name for entry in self.settings.directory.iterdir()), ["logs", "test", "tools"])
        cloud._purge(self.settings, keep_logs=False)
        self.assertEqual(sorted(entry.name for entry in self.settings.directory.iterdir()), ["test", "tools"])
        self.assertTrue((self.settings.directory / "test" / "clickhouse").exists())


class Interrupted(unittest.TestCase):
    """A program gets Ctrl-C as cloud.py does. What it still does and says is not cut off."""

    def run_until_interrupted(self, program):
        """Runs a Python program like `cloud.py run` does, in a group of its own, and sends Ctrl-C to both."""
        # A shell that starts the tests in the background has them ignore Ctrl-C.
        listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        code = listening + "import subprocess, sys, cloud; sys.exit(cloud.guarded(lambda: cloud._wait_for(subprocess.Popen([sys.executable, '-c', sys.argv[1]]))))"
        run = subprocess.Popen([sys.executable, "-c", code, program], cwd=Path(cloud.__file__).parent, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.assertEqual(run.stdout.readline(), "ready\n")
        # A moment later cloud.py waits for sure.
        time.sleep(0.3)
        os.killpg(run.pid, signal.SIGINT)
        said, _ = run.communicate(timeout=90)
        return run.returncode, said

    def test_a_program_ends_in_its_own_way(self):
        program = ("import time\ntry:\n    print('ready', flush=True)\n    time.sleep(30)\n"
                   "except KeyboardInterrupt:\n    time.sleep(1)\n    print('put away')")
        self.assertEqual(self.run_until_interrupted(program), (0, "put away\n"))

    def test_one_that_ctrl_c_kills_has_the_code_of_that(self):
        program = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print('ready', flush=True); time.sleep(30)"
        self.assertEqual(self.run_until_interrupted(program), (cloud.INTERRUPTED, ""))


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
