import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import aws
import emulator
import files
import settings
import stack
from console import CloudError
from terraform import Terraform


def cloud(folder, **environ):
    return settings.load({"LOCAL_CLOUD_DIR": str(folder), **environ}, Path(folder))


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class EnvFile(InAFolder):
    def write(self, name="meterflow", **environ):
        where = cloud(self.folder, **environ)
        stack.write_env_file(where, stack.Stack(name, "usage", Path("x.zip")), "http://127.0.0.1:4566/0/inbox")
        return where.env_file(name)

    def test_it_holds_the_addresses_of_the_cloud(self):
        self.assertEqual(self.write().read_text(), (
            "CLICKHOUSE_URL=http://127.0.0.1:8123\n"
            "CLICKHOUSE_DATABASE=usage\n"
            "AWS_ENDPOINT_URL=http://127.0.0.1:4566\n"
            "AWS_REGION=us-east-1\n"
            "AWS_DEFAULT_REGION=us-east-1\n"
            "AWS_ACCESS_KEY_ID=test\n"
            "AWS_SECRET_ACCESS_KEY=test\n"
            "ALERTS_QUEUE_URL=http://127.0.0.1:4566/0/inbox\n"
        ))

    def test_a_password_reaches_shell_and_reader_unchanged_and_nobody_else(self):
        password = "it's $HOME `x` \"y\" #z\\"
        file = self.write(CLICKHOUSE_URL="http://host:8123", CLICKHOUSE_USER="u", CLICKHOUSE_PASSWORD=password)
        self.assertEqual(stack.parse_env(file.read_text())["CLICKHOUSE_PASSWORD"], password)
        shell = subprocess.run(["sh", "-c", f'. {file}; printf %s "$CLICKHOUSE_PASSWORD"'], stdout=subprocess.PIPE, text=True)
        self.assertEqual(shell.stdout, password)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_a_line_break_is_refused(self):
        with self.assertRaisesRegex(CloudError, "CLICKHOUSE_PASSWORD holds a line break"):
            self.write(CLICKHOUSE_URL="http://host:8123", CLICKHOUSE_PASSWORD="a\nb")

    def test_a_second_stack_leaves_the_first_ones_file_alone(self):
        first = self.write()
        before = first.read_text()
        self.assertNotEqual(self.write("flights"), first)
        self.assertEqual(first.read_text(), before)

    def test_a_failed_write_leaves_the_old_file_and_no_rest(self):
        file = self.folder / "env"
        files.write_atomically(file, "old")
        with mock.patch("files.os.replace", side_effect=OSError("disk full")), self.assertRaises(OSError):
            files.write_atomically(file, "new")
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["env"])
        self.assertEqual(file.read_text(), "old")


class Generation(InAFolder):
    """Terraform states are trusted exactly as long as the emulator is the one that they describe."""

    def setUp(self):
        super().setUp()
        self.settings = cloud(self.folder)
        self.emulator = {"generation": None, "resets": 0}
        self.enterContext(mock.patch.object(aws, "call", self.call))
        self.enterContext(mock.patch.object(emulator, "reset", self.reset))
        self.enterContext(mock.patch("sys.stdout", io.StringIO()))
        self.state = self.settings.stack_directory("meterflow") / "terraform.tfstate"

    def enterContext(self, context):  # Python has it from 3.11 on.
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def call(self, _, operation, **arguments):
        if operation == "write_generation":
            self.emulator["generation"] = arguments["generation"]
        return self.emulator["generation"]

    def reset(self, _):
        self.emulator["resets"] += 1

    def deployed_once(self):
        stack._agree_on_generation(self.settings)
        stack._advance_generation(self.settings)
        files.write_json(self.state, {})
        files.write_json(self.state.with_name("deployed.json"), {})
        self.emulator["resets"] = 0

    def test_states_of_the_same_emulator_are_kept(self):
        self.deployed_once()
        stack._agree_on_generation(self.settings)
        self.assertTrue(self.state.exists())
        self.assertEqual(self.emulator["resets"], 0)

    def test_an_emulator_that_forgot_everything_drops_the_states(self):
        self.deployed_once()
        self.emulator["generation"] = None
        stack._agree_on_generation(self.settings)
        self.assertFalse(self.state.exists())
        self.assertEqual(stack.names(self.settings), [])

    def test_an_emulator_that_forgot_the_last_deployment_starts_empty_too(self):
        self.deployed_once()
        saved = self.emulator["generation"]
        stack._advance_generation(self.settings)
        self.emulator["generation"] = saved
        stack._agree_on_generation(self.settings)
        self.assertEqual((self.state.exists(), self.emulator["resets"]), (False, 1))

    def test_a_terraform_that_was_killed_at_work_drops_the_states(self):
        self.deployed_once()
        self.state.with_name("unfinished").touch()
        stack._agree_on_generation(self.settings)
        self.assertEqual((self.state.exists(), self.emulator["resets"]), (False, 1))
        self.assertFalse(Terraform(self.settings, self.state.parent).was_killed)


class Fingerprint(InAFolder):
    def test_it_changes_with_package_configuration_catalog_and_variables(self):
        made = {}
        names = ("main.tf", "bootstrap.zip", "catalog.toml")
        for name in names:
            (self.folder / name).write_text(name)
            made[name] = self.folder / name

        def fingerprint(**variables):
            described = stack.Stack("meterflow", "usage", made["bootstrap.zip"], made["catalog.toml"])
            return stack._fingerprint([made["main.tf"]], described, variables)

        first = fingerprint(a=1)
        self.assertEqual(first, fingerprint(a=1))
        seen = {first, fingerprint(a=2)}
        for name in names:
            made[name].write_text("changed")
            seen.add(fingerprint(a=1))
        self.assertEqual(len(seen), 5)
