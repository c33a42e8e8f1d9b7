"""The recipe of the images takes the files of a release as they are named, and refuses changed ones.

Its commands run here in a shell, in a folder with a small release. No image is built.
"""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import archives
import package
import parts
import sums

TEXT = (Path(__file__).resolve().parents[1] / "release" / "Containerfile").read_text(encoding="utf-8")
# As BusyBox has it, for machines without.
UNZIP = f"""#!{sys.executable}
import sys, zipfile
zipfile.ZipFile(sys.argv[2]).extractall(sys.argv[4])
"""


def stages():
    """The instructions of each stage by its name."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE))
    for stage in re.split(r"^(?=FROM )", joined, flags=re.MULTILINE)[1:]:
        lines = stage.strip().splitlines()
        yield lines[0].rpartition(" AS ")[2], [tuple(line.split(" ", 1)) for line in lines]


STAGES = dict(stages())


class Recipe(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.release, self.unpacked = Path(place.name) / "release", Path(place.name) / "unpacked"
        self.bin = Path(place.name) / "bin"
        for part in parts.PARTS.values():
            for name in part.files("0.2.0"):
                if part.is_of_functions:
                    package.write(self.release / name, name.encode(), [("dashboard/index.html", b"<html>")])
                else:
                    top = parts.folder_name(part, "0.2.0")
                    archives.write_tar(self.release / name, [(f"{top}/meterflow", 0o755, name.encode())], 0)
        sums.write(self.release)
        self.bin.mkdir()
        (self.bin / "unzip").write_text(UNZIP)
        (self.bin / "unzip").chmod(0o755)

    def run_stage(self, stage, **arguments):
        command = next(text for instruction, text in STAGES[stage] if instruction == "RUN").replace("/unpacked", str(self.unpacked))
        return subprocess.run(["sh", "-c", command], cwd=self.release, capture_output=True, text=True,
                              env={"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", **arguments})

    def test_the_package_of_the_function_is_unpacked(self):
        for machine, shown in ("amd64", "x86_64"), ("arm64", "arm64"):
            for function in parts.FUNCTIONS.values():
                result = self.run_stage("function-files", TARGETARCH=machine, FUNCTION=function)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual((self.unpacked / "bootstrap").read_text(), f"{function}-{shown}.zip")

    def test_the_program_is_unpacked(self):
        result = self.run_stage("meterflow-files", TARGETARCH="arm64", VERSION="0.2.0")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.unpacked / "meterflow" / "meterflow").read_text(), "meterflow-0.2.0-linux-arm64.tar.gz")

    def test_a_changed_file_a_missing_one_and_another_processor_are_refused(self):
        good = {"TARGETARCH": "arm64", "VERSION": "0.2.0"}
        self.assertNotEqual(self.run_stage("meterflow-files", **{**good, "TARGETARCH": "riscv64"}).returncode, 0)
        self.assertNotEqual(self.run_stage("meterflow-files", **{**good, "VERSION": "0.3.0"}).returncode, 0)
        package.write(self.release / "anomaly-api-arm64.zip", b"changed", [])
        self.assertNotEqual(self.run_stage("function-files", TARGETARCH="arm64", FUNCTION="anomaly-api").returncode, 0)
        self.assertFalse(self.unpacked.exists())

    def test_images_start_what_they_hold_and_the_program_is_not_root(self):
        function, program = dict(STAGES["function"]), dict(STAGES["meterflow"])
        self.assertEqual(function["COPY"], "--from=function-files /unpacked/ /var/task/")
        self.assertEqual(function["ENTRYPOINT"], '["/var/task/bootstrap"]')
        self.assertEqual(program["COPY"], "--from=meterflow-files /unpacked/meterflow/meterflow /usr/local/bin/meterflow")
        self.assertEqual((program["USER"], program["ENTRYPOINT"]), ("nonroot", '["/usr/local/bin/meterflow"]'))

    def test_functions_run_on_amazon_linux_2023(self):
        self.assertIn("\nARG LAMBDA=public.ecr.aws/lambda/provided:al2023\n", TEXT)
        self.assertEqual(STAGES["function"][0], ("FROM", "${LAMBDA} AS function"))


if __name__ == "__main__":
    unittest.main()
