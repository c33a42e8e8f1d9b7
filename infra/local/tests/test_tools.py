import io
import os
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
        for version in ("1.8.5", "0.15.0", "nonsense"):
            with self.subTest(version), self.assertRaisesRegex(CloudError, f"Terraform {version} is too old"):
                tools.require_terraform_version(version)
        for version in ("1.9.0", "1.11.4", "2.0.0-rc1"):
            tools.require_terraform_version(version)

    def test_without_any_usable_python_the_needed_version_is_named(self):
        with mock.patch.object(tools.shutil, "which", return_value=None):
            with self.assertRaisesRegex(CloudError, "needs Python 3.10 or newer"):
                tools.find_python()

    def test_a_python_without_venv_names_the_package(self):
        answer = mock.Mock(stdout="3 11\n", returncode=1)
        with mock.patch.object(tools.subprocess, "run", return_value=answer):
            with self.assertRaisesRegex(CloudError, "apt-get install python3.11-venv"):
                tools.find_python()


class SetUp(InAFolder):
    def test_npm_is_not_needed_with_a_clickhouse_of_ones_own(self):
        own = settings.load({"CLICKHOUSE_URL": "https://host:8443"}, self.settings.root)
        for cloud, expected in ((own, False), (self.settings, True)):
            with mock.patch.object(tools, "require_programs", side_effect=CloudError("seen")) as required:
                with self.assertRaises(CloudError):
                    tools.setup(cloud)
            self.assertEqual("npm" in required.call_args[0][0], expected)


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

    def test_an_interrupted_download_does_not_count(self):
        def interrupted(command, purpose):
            Path(command[command.index("--pack-destination") + 1], "half.tgz").write_bytes(b"half")
            raise KeyboardInterrupt

        with mock.patch.object(tools, "_run", interrupted), mock.patch("sys.stdout", io.StringIO()):
            with self.assertRaises(KeyboardInterrupt):
                tools._install_engine(self.settings)
        self.assertFalse(tools.engine_library(self.settings).exists())
        self.assertEqual(list(self.settings.tools.iterdir()), [])


class PythonTools(InAFolder):
    def install(self, fail_at=None):
        ran = []

        def run(command, purpose):
            ran.append(purpose)
            if purpose == fail_at:
                raise CloudError(purpose)
            tools.venv_python(self.settings).parent.mkdir(parents=True, exist_ok=True)
            tools.venv_python(self.settings).touch()

        with mock.patch.object(tools, "_run", run), mock.patch("sys.stdout", io.StringIO()):
            try:
                tools._install_python_tools(self.settings, "python3")
            except CloudError:
                pass
        return ran

    def complete(self):
        return tools._python_tools_are_complete(self.settings)

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
