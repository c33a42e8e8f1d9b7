import io
import os
import re
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import settings
import tools
from console import CloudError


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = settings.load({}, Path(folder.name))
        self.settings.tools.mkdir(parents=True)


class MissingPrograms(unittest.TestCase):
    def test_each_is_named_with_the_way_to_get_it(self):
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}), self.assertRaises(CloudError) as raised:
            tools.require_programs(tools.HOW_TO_GET)
        for name, way in tools.HOW_TO_GET.items():
            self.assertIn(f"{name}: {way}", str(raised.exception))

    def test_an_old_terraform_is_refused_and_a_new_one_taken(self):
        for version in ("Terraform v1.8.5", "Terraform v0.15.0", "OpenTofu v1.8.11", "nonsense"):
            with self.subTest(version), self.assertRaisesRegex(CloudError, f"{version} is too old. Needed is Terraform 1.9"):
                tools.require_terraform_version(version)
        for version in ("Terraform v1.9.0", "Terraform v1.11.4", "Terraform v2.0.0-rc1", "OpenTofu v1.9.0"):
            tools.require_terraform_version(version)

    def test_an_old_node_is_refused_and_a_new_one_taken(self):
        for version in ("v18.20.8", "v20.18.3", "v9.0.0", "", "nonsense"):
            with self.subTest(version), self.assertRaisesRegex(CloudError, "is too old for the dashboard. Needed is Node.js 20.19"):
                tools.require_node_version(version)
        for version in ("v20.19.0", "v22.0.0", "v24.1.0-nightly"):
            tools.require_node_version(version)

    def test_without_any_usable_python_the_needed_version_is_named(self):
        with mock.patch.object(tools.shutil, "which", return_value=None):
            with self.assertRaisesRegex(CloudError, "needs Python 3.10 or newer"):
                tools.find_python()

    def test_a_python_without_venv_names_the_package(self):
        answer = mock.Mock(stdout="3 11\n", returncode=1)
        with mock.patch.object(tools.subprocess, "run", return_value=answer):
            with self.assertRaisesRegex(CloudError, "apt-get install python3.11-venv"):
                tools.find_python()


class TerraformOrOpenTofu(InAFolder):
    """Programs in the place of the two; each says its version and where it was called."""

    def setUp(self):
        super().setUp()
        self.bin = self.settings.root / "bin"
        self.bin.mkdir()

    def install(self, name, version):
        program = self.bin / name
        program.write_text(f"#!/bin/sh\necho 'There is a newer one.' >&2\nprintf '{version}\\non linux_amd64\\n'\n")
        program.chmod(0o755)
        return str(program)

    def found(self, **environ):
        tools._version_of.cache_clear()
        self.addCleanup(tools._version_of.cache_clear)
        with mock.patch.dict(os.environ, {"PATH": str(self.bin), **environ}):
            if "TERRAFORM" not in environ:
                os.environ.pop("TERRAFORM", None)
            tools.require_programs(["terraform"])
            return tools.terraform_program(), tools.is_opentofu()

    def test_terraform_goes_before_opentofu(self):
        self.install("tofu", "OpenTofu v1.9.1")
        self.assertEqual(self.found(), ("tofu", True))
        self.install("terraform", "Terraform v1.9.0")
        self.assertEqual(self.found(), ("terraform", False))

    def test_a_variable_names_another_program(self):
        self.install("terraform", "Terraform v1.9.0")
        other = self.install("my-terraform", "OpenTofu v1.10.0")
        self.assertEqual(self.found(TERRAFORM=other), (other, True))
        with self.assertRaisesRegex(CloudError, "none-such: Terraform 1.9 or newer.*OpenTofu.*TERRAFORM="):
            self.found(TERRAFORM="none-such")

    def test_an_old_one_and_one_that_is_something_else_are_refused(self):
        self.install("tofu", "OpenTofu v1.8.2")
        with self.assertRaisesRegex(CloudError, "OpenTofu v1.8.2 is too old"):
            self.found()
        self.install("terraform", "a wrapper of somebody")
        with self.assertRaisesRegex(CloudError, "`terraform version` gave no version"):
            self.found()


class Offline(InAFolder):
    """What npm and pip print without a network, as they did."""

    NPM = ("npm error code ENOTFOUND\n"
           "npm error network request to https://registry.npmjs.org/@chdb%2flib failed, reason: getaddrinfo ENOTFOUND registry.npmjs.org\n"
           "npm error network This is a problem related to network connectivity.\n")
    PIP = ("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('Connection refused')': /simple/boto3/\n"
           "ERROR: Could not find a version that satisfies the requirement boto3==1.43.106 (from versions: none)\n"
           "ERROR: No matching distribution found for boto3==1.43.106\n")

    def failure(self, output, mirror="npm_config_registry"):
        command = ["sh", "-c", 'printf "%s" "$1"; exit 1', "sh", output]
        with self.assertRaises(CloudError) as raised:
            tools.run(command, "fetch it from the registry", mirror)
        return str(raised.exception)

    def test_the_network_is_named_and_the_way_around(self):
        for output, cause in ((self.NPM, "ENOTFOUND registry.npmjs.org"), (self.PIP, "Connection refused")):
            with self.subTest(cause):
                message = self.failure(output)
                self.assertIn("Could not fetch it from the registry: it cannot be reached.\nCheck the network, and HTTPS_PROXY", message)
                self.assertIn("npm_config_registry names a mirror", message)
                self.assertIn(cause, message)
                self.assertNotIn("No matching distribution", message)

    def test_another_failure_is_shown_as_it_is(self):
        self.assertIn("npm error 404 Not Found", self.failure("npm error 404 Not Found"))
        self.assertIn("(it printed nothing)", self.failure(""))
        self.assertIn("ECONNREFUSED", self.failure("ECONNREFUSED", mirror=None))

    def test_npm_without_a_network_says_so_soon(self):
        with mock.patch.dict(os.environ, {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_cache": str(self.settings.root)}):
            with mock.patch("sys.stdout", io.StringIO()), self.assertRaisesRegex(CloudError, "it cannot be reached(.|\n)*ECONNREFUSED"):
                tools._install_engine(self.settings)

    def test_pip_without_a_network_says_so(self):
        command = [sys.executable, "-m", "pip", "download", "--no-input", "--quiet", "--retries", "1", "--dest",
                   str(self.settings.root), "no-such-package-of-ours==1"]
        with mock.patch.dict(os.environ, {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "0"}):
            with self.assertRaisesRegex(CloudError, "it cannot be reached(.|\\n)*PIP_INDEX_URL(.|\\n)*[Cc]onnection"):
                tools.run(command, "install the Python tools from PyPI", mirror="PIP_INDEX_URL")


class SetUp(InAFolder):
    def test_all_programs_are_needed_also_with_a_clickhouse_of_ones_own(self):
        own = settings.load({"CLICKHOUSE_URL": "https://host:8443"}, self.settings.root)
        for cloud in (own, self.settings):
            with mock.patch.object(tools, "require_programs", side_effect=CloudError("seen")) as required:
                with self.assertRaises(CloudError):
                    tools.setup(cloud)
            self.assertEqual(set(required.call_args[0][0]), {"cargo", "cc", "node", "npm", "terraform"})


class Engine(InAFolder):
    def test_every_known_machine_has_a_pinned_package(self):
        versions = set()
        for system, processor in tools.ENGINE_PACKAGES:
            with mock.patch.object(tools.platform, "system", return_value=system):
                with mock.patch.object(tools.platform, "machine", return_value=processor):
                    versions.add(tools.engine_package()[1])
        self.assertEqual(len(versions), 1)

    def test_an_unknown_machine_is_told_of_the_other_way(self):
        with mock.patch.object(tools.platform, "machine", return_value="riscv64"):
            with self.assertRaisesRegex(CloudError, "riscv64.*\n.*CLICKHOUSE_URL"):
                tools.engine_package()

    def archive(self, *names):
        path = self.settings.tools / "package.tgz"
        with tarfile.open(path, "w:gz") as package:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size = 6
                package.addfile(entry, io.BytesIO(b"engine"))
        return path

    def test_the_library_is_taken_out_of_the_package(self):
        target = self.settings.tools / "out"
        tools._extract_library(self.archive("package/index.js", "package/libchdb.so"), target)
        self.assertEqual(target.read_bytes(), b"engine")

    def test_a_package_without_it_is_refused(self):
        with self.assertRaisesRegex(CloudError, "holds no ClickHouse library"):
            tools._extract_library(self.archive("package/index.js"), self.settings.tools / "out")

    def test_another_package_than_the_pinned_one_is_refused(self):
        archive = self.archive("package/libchdb.so")
        with self.assertRaisesRegex(CloudError, "is not the package that package.json names"):
            tools._require_checksum(archive, "@chdb/lib-linux-x64-gnu")
        # npm has compared it with the checksum of the registry.
        tools._require_checksum(archive, "@chdb/lib-linux-arm64-gnu")

    def test_an_interrupted_download_does_not_count(self):
        def interrupted(command, purpose, mirror):
            Path(command[command.index("--pack-destination") + 1], "half.tgz").write_bytes(b"half")
            raise KeyboardInterrupt

        with mock.patch.object(tools, "run", interrupted), mock.patch("sys.stdout", io.StringIO()):
            with self.assertRaises(KeyboardInterrupt):
                tools._install_engine(self.settings)
        self.assertFalse(tools.engine_library(self.settings).exists())
        self.assertEqual(list(self.settings.tools.iterdir()), [])


class PythonTools(InAFolder):
    def install(self, fail_at=None):
        ran = []

        def run(command, purpose, mirror=None):
            ran.append(purpose)
            if purpose == fail_at:
                raise CloudError(purpose)
            tools.venv_python(self.settings).parent.mkdir(parents=True, exist_ok=True)
            tools.venv_python(self.settings).touch()

        with mock.patch.object(tools, "run", run), mock.patch("sys.stdout", io.StringIO()):
            try:
                tools._install_python_tools(self.settings, "python3")
            except CloudError:
                pass
        return ran

    def complete(self):
        return tools._python_tools_are_complete(self.settings)

    def test_each_pinned_package_has_its_checksums(self):
        """requirements.lock is made from requirements.txt; its first lines say how."""
        def pins(text):
            found = re.findall(r"^(\w[\w.-]*)(?:\[.*\])?==([^;\s]+)", text, re.MULTILINE)
            return {(re.sub(r"[._]", "-", name).lower(), version) for name, version in found}

        lock = tools.REQUIREMENTS.read_text()
        self.assertEqual(pins(tools.REQUIREMENTS.with_name("requirements.txt").read_text()) - pins(lock), set())
        entries = re.findall(r"^\w.*(?:\n .*)*", lock, re.MULTILINE)
        self.assertEqual([entry for entry in entries if "--hash=sha256:" not in entry], [])

    def test_they_are_installed_once(self):
        self.assertEqual(len(self.install()), 2)
        self.assertTrue(self.complete())
        self.assertEqual(self.install(), [])

    def test_half_an_installation_does_not_count_and_is_done_again(self):
        self.install(fail_at="install the Python tools from PyPI")
        self.assertFalse(self.complete())
        self.install()
        self.assertTrue(self.complete())

    def test_a_failed_renewal_does_not_count_either(self):
        self.install()
        tools._stamp_file(self.settings).write_text("{}")
        self.install(fail_at="install the Python tools from PyPI")
        self.assertFalse(self.complete())

    def test_another_version_or_another_place_needs_an_installation(self):
        self.install()
        with tempfile.NamedTemporaryFile() as changed, mock.patch.object(tools, "REQUIREMENTS", Path(changed.name)):
            self.assertFalse(self.complete())
        moved = self.settings.root / "moved"
        os.rename(self.settings.root / ".local", moved)
        elsewhere = settings.load({}, self.settings.root)
        os.rename(moved, elsewhere.root / ".local")
        self.assertTrue(tools._python_tools_are_complete(elsewhere))
        renamed = Path(str(self.settings.root) + "-renamed")
        os.rename(self.settings.root, renamed)
        self.addCleanup(os.rename, renamed, self.settings.root)
        self.assertFalse(tools._python_tools_are_complete(settings.load({}, renamed)))
