import io
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import node
import settings
import tools
from console import CloudError


class Packages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = Path(folder.name)
        self.settings = settings.load({}, root)
        self.identity, self.page = root / "identity", root / "dashboard"
        for place in (self.identity, self.page):
            place.mkdir()
            (place / "package-lock.json").write_text(place.name)
        patch = mock.patch.object(node, "IDENTITY", self.identity)
        patch.start()
        self.addCleanup(patch.stop)

    def install(self, fails=False):
        """Installs with an npm that only makes folders; returns the folders that it was called for."""
        called = []

        def run(command, purpose, mirror):
            folder = Path(command[command.index("--prefix") + 1])
            called.append(folder)
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            (folder / "node_modules").mkdir()
            if fails:
                raise CloudError(purpose)

        with mock.patch.object(tools, "run", run), mock.patch("sys.stdout", io.StringIO()):
            try:
                node.install(self.settings)
            except CloudError:
                pass
        return called

    def test_they_are_installed_once(self):
        self.assertEqual(self.install(), [self.identity, self.page])
        node.require_installed(self.settings)
        self.assertEqual(self.install(), [])

    def test_half_an_installation_does_not_count(self):
        self.install(fails=True)
        with self.assertRaisesRegex(CloudError, "npm packages of the issuer of tokens are not installed.*make setup"):
            node.require_installed(self.settings)
        self.assertEqual(self.install(), [self.identity, self.page])

    def test_another_lock_file_needs_another_installation_of_that_folder_alone(self):
        self.install()
        (self.page / "package-lock.json").write_text("changed")
        with self.assertRaisesRegex(CloudError, "npm packages of the dashboard"):
            node.require_installed(self.settings)
        self.assertEqual(self.install(), [self.page])

    def test_a_folder_without_a_lock_file_is_named(self):
        self.install()
        (self.page / "package-lock.json").unlink()
        with self.assertRaisesRegex(CloudError, "There is no .*dashboard/package-lock.json"):
            node.require_installed(self.settings)
