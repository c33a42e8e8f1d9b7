import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import emulator
import settings
import terraform
import terraform_check
import tools
from console import CloudError


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.settings = settings.load({}, self.folder)


class Stage(InAFolder):
    def stage(self, **options):
        work = terraform.Terraform(self.settings, self.settings.stack_directory("meterflow"), **options)
        files = work.stage()
        return sorted(entry.name for entry in work.root.iterdir()), files

    def setUp(self):
        super().setUp()
        for name in ("main.tf", "backend.tf", "terraform.tfvars", "my.auto.tfvars", "terraform.tfstate", "example.tfvars",
                     ".terraform.lock.hcl", "modules/m/main.tf", "modules/m/tests/a.tftest.hcl", "tests/a.tftest.hcl", "examples/e/main.tf", "local/cloud.py"):
            file = self.folder / "infra" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    def test_it_links_the_configuration_and_nothing_of_the_users_deployment(self):
        names, files = self.stage()
        self.assertEqual(names, [".terraform.lock.hcl", "example.tfvars", "main.tf", "modules"])
        self.assertIn(self.folder / "infra/modules/m/main.tf", files)
        self.assertNotIn(self.folder / "infra/modules/m/tests/a.tftest.hcl", files)

    def test_a_removed_file_disappears(self):
        self.stage()
        (self.folder / "infra/main.tf").rename(self.folder / "infra/other.tf")
        self.assertEqual(self.stage()[0], [".terraform.lock.hcl", "example.tfvars", "modules", "other.tf"])

    def test_what_terraform_adds_to_the_lock_file_stays_out_of_the_configuration(self):
        self.stage()
        staged = self.settings.stack_directory("meterflow") / "root" / ".terraform.lock.hcl"
        staged.write_text("more checksums")
        self.assertEqual((self.folder / "infra/.terraform.lock.hcl").read_text(), "")
        self.stage()
        self.assertEqual(staged.read_text(), "")

    def test_the_tests_and_the_examples_that_they_plan_belong_to_the_check_only(self):
        names, files = self.stage(with_tests=True)
        self.assertEqual(names, [".terraform.lock.hcl", "example.tfvars", "examples", "main.tf", "modules", "tests"])
        self.assertIn(self.folder / "infra/modules/m/tests/a.tftest.hcl", files)

    def test_without_a_configuration_it_says_where_it_looked(self):
        settings_elsewhere = settings.load({}, self.folder / "empty")
        (self.folder / "empty" / "infra").mkdir(parents=True)
        with self.assertRaisesRegex(CloudError, "no Terraform configuration in .*empty/infra"):
            terraform.Terraform(settings_elsewhere, self.folder / "work").stage()


class Environment(InAFolder):
    def environment(self, **environ):
        with mock.patch.dict(os.environ, environ, clear=True):
            with mock.patch.object(emulator.client_environment, "__defaults__", (dict(environ),)):
                return terraform.Terraform(self.settings, self.folder / "work").environment()

    def test_nothing_of_the_users_aws_account_gets_in(self):
        environ = self.environment(AWS_PROFILE="prod", AWS_SESSION_TOKEN="t", AWS_ENDPOINT_URL_SQS="x", AWS_ACCESS_KEY_ID="real")
        self.assertEqual(environ["AWS_ACCESS_KEY_ID"], "test")
        self.assertEqual(environ["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566")
        self.assertEqual(environ["AWS_CONFIG_FILE"], os.devnull)
        self.assertFalse({"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SQS"} & set(environ))

    def test_settings_of_the_users_own_terraform_stay_out(self):
        environ = self.environment(TF_VAR_name_prefix="prod", TF_CLI_ARGS_apply="-destroy", TF_WORKSPACE="prod", TF_DATA_DIR="x")
        self.assertFalse({"TF_VAR_name_prefix", "TF_CLI_ARGS_apply", "TF_WORKSPACE"} & set(environ))
        self.assertEqual(environ["TF_DATA_DIR"], str(self.folder / "work" / "data"))

    def test_a_configuration_file_counts_only_if_it_exists(self):
        self.assertNotIn("TF_CLI_CONFIG_FILE", self.environment(TF_CLI_CONFIG_FILE=str(self.folder / "none")))
        file = self.folder / "terraformrc"
        file.touch()
        self.assertEqual(self.environment(TF_CLI_CONFIG_FILE=str(file))["TF_CLI_CONFIG_FILE"], str(file))

    def test_a_proxy_is_not_asked_for_this_machine(self):
        self.assertEqual(self.environment(NO_PROXY="intranet")["NO_PROXY"], "intranet,127.0.0.1,localhost")


class Mirror(InAFolder):
    def make(self, where):
        (self.folder / where / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)

    def test_the_nearest_one_within_four_levels_is_found(self):
        self.make("a/b/c")
        self.assertEqual(self.find(), self.folder / "a/b/c")
        self.make("opt")
        self.assertEqual(self.find(), self.folder / "opt")

    def test_a_deeper_one_and_one_without_the_provider_are_not(self):
        self.make("a/b/c/d")
        (self.folder / "x" / "registry.terraform.io").mkdir(parents=True)
        self.assertIsNone(self.find())

    def test_opentofu_has_mirrors_of_its_own(self):
        self.make("opt")
        with mock.patch.object(tools, "is_opentofu", return_value=True):
            self.assertIsNone(self.find())
            (self.folder / "tofu" / "registry.opentofu.org" / "hashicorp" / "aws").mkdir(parents=True)
            self.assertEqual(self.find(), self.folder / "tofu")

    def find(self):
        return terraform.find_mirror(self.folder, terraform._registry())

    def sources(self, answers, mirror, environ=None):
        with mock.patch.object(terraform, "_registry_answers", return_value=answers):
            with mock.patch.object(terraform, "find_mirror", return_value=mirror):
                with mock.patch.object(terraform.Path, "home", return_value=self.folder):
                    return terraform._provider_sources(environ or {})

    def test_it_is_used_only_when_the_registry_does_not_answer(self):
        mirror = Path("/mirror")
        self.assertEqual(self.sources(True, mirror), [None])
        self.assertEqual(self.sources(False, mirror), [mirror])
        self.assertEqual(self.sources(False, None), [None])
        self.assertEqual(self.sources(False, mirror, {"TF_CLI_CONFIG_FILE": "rc"}), [None, mirror])


class OpenTofu(InAFolder):
    def test_its_program_is_called_everywhere(self):
        called = self.folder / "called"
        program = self.folder / "tofu"
        program.write_text(f'#!/bin/sh\necho "$*" >> {called}\n[ "$1" = version ] && echo "OpenTofu v1.9.0"\n'
                           'for word in "$@"; do [ "$word" = output ] && echo "{}"; done\nexit 0\n')
        program.chmod(0o755)
        tools._version_of.cache_clear()
        self.addCleanup(tools._version_of.cache_clear)
        work = terraform.Terraform(self.settings, self.folder / "work")
        work.directory.mkdir()
        with mock.patch.dict(os.environ, {"TERRAFORM": str(program)}), \
             mock.patch.object(terraform, "_registry_answers", return_value=True):
            work.init()
            self.assertEqual(work.apply({}), {})
            with self.assertRaisesRegex(CloudError, "tests of infra/ need Terraform"):
                terraform_check.check(self.settings)
        calls = [line.split()[1 if line.startswith("-chdir") else 0] for line in called.read_text().splitlines()]
        self.assertEqual([call for call in calls if call != "version"], ["init", "apply", "output", "fmt"])
