import platform
import shutil
import struct
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import package
from console import CloudError


def elf(machine):
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(44)


class Package(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.program = self.folder / "anomaly-detection"
        self.zip = self.folder / "lambda" / "bootstrap.zip"

    def make(self, content):
        self.program.write_bytes(content)
        package.make(self.program, self.zip)

    def on(self, system, machine):
        for name, value in (("system", system), ("machine", machine)):
            patch = mock.patch.object(package.platform, name, return_value=value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_it_holds_an_executable_bootstrap(self):
        self.make(b"program")
        with zipfile.ZipFile(self.zip) as archive:
            entry = archive.getinfo("bootstrap")
            self.assertEqual(archive.read(entry), b"program")
            self.assertEqual(entry.external_attr >> 16, 0o755)

    @unittest.skipUnless(platform.system() == "Linux", "only ELF programs are stripped")
    def test_symbols_are_left_out(self):
        compiler = shutil.which("cc")
        source = self.folder / "main.c"
        source.write_text("int a_name_to_be_left_out(void) { return 0; } int main(void) { return a_name_to_be_left_out(); }")
        subprocess.run([compiler, "-o", str(self.program), str(source)], check=True)
        self.assertIn(b"a_name_to_be_left_out", self.program.read_bytes())
        package.make(self.program, self.zip)
        with zipfile.ZipFile(self.zip) as archive:
            archive.extractall(self.folder / "unpacked")
        unpacked = self.folder / "unpacked" / "bootstrap"
        self.assertNotIn(b"a_name_to_be_left_out", unpacked.read_bytes())
        unpacked.chmod(0o755)
        self.assertEqual(subprocess.run([str(unpacked)]).returncode, 0)
        self.assertEqual(sorted(file.name for file in self.zip.parent.iterdir()), ["bootstrap.zip"])

    def test_the_same_program_gives_the_same_bytes(self):
        self.make(elf(62))
        first = self.zip.read_bytes()
        self.make(elf(62))
        self.assertEqual(self.zip.read_bytes(), first)

    def test_files_stand_beside_the_program(self):
        self.program.write_bytes(elf(62))
        for page in (b"first", b"second"):
            package.make(self.program, self.zip, beside=[("dashboard/index.html", page), ("dashboard/assets/a.js", b"a")])
            with zipfile.ZipFile(self.zip) as archive:
                self.assertEqual(archive.namelist(), ["bootstrap", "dashboard/index.html", "dashboard/assets/a.js"])
                self.assertEqual(archive.read("dashboard/index.html"), page)
                self.assertEqual(archive.getinfo("dashboard/index.html").external_attr >> 16, 0o644)

    def test_a_finished_package_gets_the_files_of_now_and_keeps_its_program(self):
        self.program.write_bytes(elf(183))
        package.make(self.program, self.zip, beside=[("dashboard/assets/old.js", b"old")])
        package.add(self.zip, [("dashboard/index.html", b"page")])
        with zipfile.ZipFile(self.zip) as archive:
            self.assertEqual(archive.namelist(), ["bootstrap", "dashboard/index.html"])
            self.assertEqual(archive.read("bootstrap"), elf(183))
            self.assertEqual(archive.getinfo("bootstrap").external_attr >> 16, 0o755)
        with self.assertRaisesRegex(CloudError, "There is no Lambda package"):
            package.add(self.folder / "none.zip", [])

    def test_without_a_program_the_way_to_it_is_named(self):
        with self.assertRaisesRegex(CloudError, "make build"):
            package.make(self.program, self.zip)

    def test_a_package_for_this_machine_passes(self):
        self.on("Linux", "x86_64")
        self.make(elf(62))
        package.require_runnable(self.zip)

    def test_a_package_for_another_machine_is_refused(self):
        for system, machine, built in (("Linux", "x86_64", 183), ("Linux", "aarch64", 62), ("Darwin", "arm64", 183)):
            with self.subTest(f"{system} {machine}"):
                self.on(system, machine)
                self.make(elf(built))
                with self.assertRaisesRegex(CloudError, "was built for Linux on"):
                    package.require_runnable(self.zip)

    def test_a_file_that_is_no_package_is_refused(self):
        self.zip.parent.mkdir()
        self.zip.write_bytes(b"half a zip")
        with self.assertRaisesRegex(CloudError, "is not a Lambda package"):
            package.require_runnable(self.zip)
        with zipfile.ZipFile(self.zip, "w") as archive:
            archive.writestr("main", "x")
        with self.assertRaisesRegex(CloudError, "is not a Lambda package"):
            package.require_runnable(self.zip)
