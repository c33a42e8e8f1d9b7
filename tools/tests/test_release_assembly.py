"""From programs to the files of a release, with made-up programs."""

import io
import os
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import assembly
import package
import parts
import sums
from console import CloudError
from source import Source

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Source(ROOT, "0.2.0", "4e1f0c2a9b7d" + "0" * 28, 1_790_000_000, False)
# A program that writes its manual as meterflow does. Nothing of it may depend on variables of the user.
METERFLOW = f"""#!{sys.executable}
import os, pathlib, sys
if sys.argv[1] == "completions":
    print(sys.argv[2], os.environ.get("CLICKHOUSE_USER"))
else:
    pathlib.Path(sys.argv[2], "meterflow.1").write_text(".TH")
"""
SYSTEM = "macos" if sys.platform == "darwin" else "linux"
OWN = f"{SYSTEM}-{package.host_architecture()}"
OTHER = f"{SYSTEM}-{'x86_64' if OWN.endswith('arm64') else 'arm64'}"


class Assembly(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = Path(place.name)
        self.page = self.place / "page"
        self.page.mkdir()
        (self.page / "index.html").write_text("<html>")

    def built(self, *names):
        order = []

        def programs(part, source, tools, target):
            order.append(part.name)
            made = {name: self.place / "made" / part.name / name for name in part.programs()}
            for name, file in made.items():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(METERFLOW if name == parts.CLI else f"{name} for {part.name}")
                file.chmod(0o755)
            return made

        environ = mock.patch.dict(os.environ, {"CLICKHOUSE_USER": "somebody"})
        with mock.patch.object(assembly.compilation, "build", programs), environ, mock.patch("sys.stdout", io.StringIO()):
            with mock.patch.object(assembly.dashboard, "build", return_value=self.page):
                return assembly.build(SOURCE, [parts.PARTS[name] for name in names], self.place / "target"), order

    def test_each_part_has_its_files_and_the_release_its_sums(self):
        folder, _ = self.built("functions-arm64", "functions-x86_64", OWN)
        expected = {name for part in ("functions-arm64", "functions-x86_64", OWN) for name in parts.PARTS[part].files("0.2.0")}
        self.assertEqual(set(sums.read(folder)), {*expected, "meterflow-0.2.0.cdx.json"})
        self.assertEqual(sums.faults(folder), [])

    def test_the_package_of_the_api_alone_holds_the_dashboard(self):
        folder, _ = self.built("functions-arm64")
        held = {name: zipfile.ZipFile(folder / f"{name}-arm64.zip").namelist() for name in parts.FUNCTIONS.values()}
        self.assertEqual(held, {
            "anomaly-api": ["bootstrap", "dashboard/index.html"],
            "anomaly-detection": ["bootstrap"],
            "anomaly-notifier": ["bootstrap"],
        })
        self.assertEqual(zipfile.ZipFile(folder / "anomaly-notifier-arm64.zip").read("bootstrap"),
                         b"anomaly-notifier for functions-arm64")

    def test_the_program_comes_with_its_manual_its_completions_and_the_licence(self):
        # A program for another machine cannot write them. So that of this machine is built first.
        folder, order = self.built(OTHER, OWN)
        self.assertEqual(order, [OWN, OTHER])
        for name in OWN, OTHER:
            with tarfile.open(folder / f"meterflow-0.2.0-{name}.tar.gz") as archive:
                files = {file.name.partition("/")[2]: archive.extractfile(file).read() for file in archive}
            self.assertEqual(set(files), {
                "LICENSE", "meterflow", "man/man1/meterflow.1", "completions/meterflow.bash", "completions/meterflow.fish",
                "completions/_meterflow", "completions/_meterflow.ps1",
            })
            self.assertEqual(files["completions/_meterflow"], b"zsh None\n")

    def test_a_program_for_another_machine_alone_is_refused(self):
        with self.assertRaisesRegex(CloudError, "Build the part of this machine"):
            self.built(OTHER)

    def test_nothing_of_an_earlier_build_stays(self):
        self.built("functions-arm64")
        folder, _ = self.built("functions-x86_64")
        self.assertEqual([name for name in sums.names(folder) if "arm64" in name], [])


if __name__ == "__main__":
    unittest.main()
