import gzip
import io
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import dashboard
import node
import settings
from console import CloudError

ROOT = Path(__file__).resolve().parents[3]


class Build(unittest.TestCase):
    """The build with an npm in its place that writes a page and counts."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("dashboard/package.json", "dashboard/src/main.tsx", "dashboard/src/api/schema.d.ts", "dashboard/tests/a.test.js",
                     "dashboard/node_modules/a/index.js", "docs/openapi.json", "infra/local/compress.mjs"):
            self.write(name, "first")
        self.settings = settings.load({}, self.root)
        self.commands = []
        for patch in (
            mock.patch.object(node, "require_installed"),
            mock.patch.object(dashboard, "_run", self.run_command),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_command(self, command, directory):
        self.commands.append(command[0])
        self.write("dashboard/dist/index.html", "page")
        self.write("dashboard/src/api/schema.d.ts", "generated")

    def built(self):
        before = len(self.commands)
        with mock.patch("sys.stdout", io.StringIO()):
            dashboard.build(self.settings)
        return len(self.commands) > before

    def test_only_other_sources_make_another_page(self):
        self.assertTrue(self.built())
        self.assertFalse(self.built())
        for name in ("dashboard/tests/a.test.js", "dashboard/node_modules/a/index.js", "dashboard/dist/assets/a.js",
                     "dashboard/src/api/schema.d.ts"):
            self.write(name, "second")
            self.assertFalse(self.built(), name)
        for name in ("dashboard/src/main.tsx", "dashboard/package.json", "docs/openapi.json", "infra/local/compress.mjs",
                     "dashboard/src/new.ts"):
            self.write(name, "second")
            self.assertTrue(self.built(), name)
            self.assertFalse(self.built(), name)

    def test_a_failed_build_is_repeated(self):
        with mock.patch.object(dashboard, "_run", side_effect=CloudError("types")), self.assertRaises(CloudError):
            self.built()
        self.assertTrue(self.built())
        (self.root / "dashboard" / "dist" / "index.html").unlink()
        self.assertTrue(self.built())

    def test_the_package_gets_the_page_and_not_the_stamp(self):
        self.built()
        self.write("dashboard/dist/assets/a.js", "a")
        entries = dashboard.entries(dashboard.folder(self.settings))
        self.assertEqual(entries, [("dashboard/assets/a.js", b"a"), ("dashboard/index.html", b"page")])


class Command(unittest.TestCase):
    def test_what_a_failed_build_said_is_shown(self):
        with self.assertRaisesRegex(CloudError, "dashboard was not built(.|\n)*ended with 3:\nno such type"):
            dashboard._run(["sh", "-c", "echo no such type; exit 3"], Path("."))


class Compressed(unittest.TestCase):
    def test_each_file_that_becomes_smaller_has_two_forms_with_the_same_content(self):
        with tempfile.TemporaryDirectory() as folder:
            assets = Path(folder) / "assets"
            assets.mkdir()
            (assets / "a.js").write_text("text " * 1000)
            (assets / "tiny.svg").write_text("<svg/>")
            for _ in range(2):
                subprocess.run(["node", str(ROOT / "infra" / "local" / "compress.mjs"), folder], check=True)
                self.assertEqual(sorted(file.name for file in assets.iterdir()), ["a.js", "a.js.br", "a.js.gz", "tiny.svg"])
            self.assertEqual(gzip.decompress((assets / "a.js.gz").read_bytes()).decode(), "text " * 1000)
            script = "process.stdout.write(require('zlib').brotliDecompressSync(require('fs').readFileSync(process.argv[1])))"
            plain = subprocess.run([shutil.which("node"), "-e", script, str(assets / "a.js.br")], stdout=subprocess.PIPE, check=True)
            self.assertEqual(plain.stdout.decode(), "text " * 1000)
