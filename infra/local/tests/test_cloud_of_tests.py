import io
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import cloud_of_tests
import settings


class Commands(unittest.TestCase):
    def setUp(self):
        self.done = []
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        place = mock.patch.dict(os.environ, {"TEST_CLOUD_DIR": folder.name})
        place.start()
        self.addCleanup(place.stop)
        for module, name in ((cloud_of_tests.clickhouse, "ensure_running"), (cloud_of_tests.emulator, "ensure_running"),
                             (cloud_of_tests.issuer, "ensure_running"), (cloud_of_tests.node, "require_installed"),
                             (cloud_of_tests.stack, "agree_on_generation"), (cloud_of_tests.tools, "require_set_up"),
                             (cloud_of_tests.cloud, "tear_down"),
                             (cloud_of_tests.Terraform, "stage"), (cloud_of_tests.Terraform, "init")):
            patch = mock.patch.object(module, name, side_effect=self.note(f"{module.__name__}.{name}"))
            patch.start()
            self.addCleanup(patch.stop)

    def note(self, name):
        return lambda *_: self.done.append(name)

    def test_the_engines_start_afresh_and_the_provider_is_fetched(self):
        started = ["issuer.ensure_running", "clickhouse.ensure_running", "emulator.ensure_running"]
        for port, emulators in ((None, 1), ("20009", 2)):
            with mock.patch.dict(os.environ, {"TEST_AWS_PORT_WITHOUT_STACK": port} if port else {}):
                self.done.clear()
                self.assertEqual(cloud_of_tests.main(["engines"]), 0)
            self.assertEqual(self.done, ["tools.require_set_up", "node.require_installed", *["cloud.tear_down"] * emulators, *started,
                                         *["emulator.ensure_running"] * (emulators - 1), "stack.agree_on_generation",
                                         "Terraform.stage", "Terraform.init"])

    def test_the_end_ends_the_emulator_of_an_earlier_run_as_well(self):
        (self.folder / "without-stack").mkdir()
        self.assertEqual(cloud_of_tests.main(["end"]), 0)
        self.assertEqual(self.done, ["cloud.tear_down"] * 2)

    def test_a_program_without_a_stack_gets_the_engines_and_nothing_of_the_users(self):
        here = {"TEST_CLICKHOUSE_HTTP_PORT": "20001", "TEST_AWS_PORT": "20002", "CLICKHOUSE_PASSWORD": "mine", "AWS_PROFILE": "mine"}
        for own, port in (({}, "20002"), ({"TEST_AWS_PORT_WITHOUT_STACK": "20009"}, "20009")):
            program = ("import os, sys; sys.exit(not (os.environ['CLICKHOUSE_URL'].endswith(':20001') and "
                       "'max_threads' in os.environ['CLICKHOUSE_ENGINE_SETTINGS'] and "
                       f"os.environ['AWS_ENDPOINT_URL'].endswith(':{port}') and 'CLICKHOUSE_PASSWORD' not in os.environ "
                       "and 'AWS_PROFILE' not in os.environ))")
            with mock.patch.dict(os.environ, {**here, **own}):
                with mock.patch.object(cloud_of_tests.emulator.client_environment, "__defaults__", (dict(os.environ),)):
                    self.assertEqual(cloud_of_tests.main(["run-without-stack", sys.executable, "-c", program]), 0)
        self.assertEqual(cloud_of_tests.main(["run-without-stack", sys.executable, "-c", "raise SystemExit(3)"]), 3)

    def test_the_stack_is_deployed_into_the_cloud_of_the_tests(self):
        with mock.patch.object(cloud_of_tests.cloud, "main", return_value=0) as called:
            cloud_of_tests.main(["stack"])
            cloud_of_tests.main(["run", "program", "--option"])
            cloud_of_tests.main(["stack-of-pages"])
            cloud_of_tests.main(["run-on-pages", "program", "--option"])
        self.assertEqual([call.args for call in called.call_args_list], [
            (["up"], settings.TEST), (["run", "--", "program", "--option"], settings.TEST),
            (["deploy", "--name-prefix", "pages", "--database", "pages", "--catalog-file", str(cloud_of_tests.CATALOG_OF_PAGES)],
             settings.TEST),
            (["run", "--name-prefix", "pages", "--", "program", "--option"], settings.TEST),
        ])

    def test_an_unknown_command_is_told(self):
        with redirect_stderr(io.StringIO()) as said:
            self.assertEqual(cloud_of_tests.main(["begin"]), 2)
        self.assertIn("Usage: cloud_of_tests.py", said.getvalue())
