"""The rules of tflint's recommended set, for all Terraform files of the repository. And each exception of checkov has a reason."""

import re
import subprocess
import unittest
from pathlib import Path

import lint_terraform

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r'^(variable|output|resource|data|module|locals|terraform)\b((?: "[\w-]+")*) \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"checkov:skip=(\w*)(.*)")


def folders():
    """Each folder with Terraform files, and their text without comments. A configuration for tests is for nobody else."""
    listed = subprocess.run(["git", "ls-files", "*.tf"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for folder in sorted({Path(file).parent for file in listed}):
        files = [ROOT / file for file in listed if Path(file).parent == folder and not (ROOT / file).is_symlink()]
        if files and "tests" not in folder.parts:
            yield folder, re.sub(r"^\s*#.*$", "", "\n".join(file.read_text(encoding="utf-8") for file in files), flags=re.MULTILINE)


def faults(text: str):
    """What tflint would find in the files of one folder."""
    blocks = [(kind, re.findall(r'"([\w-]+)"', labels), body) for kind, labels, body in BLOCK.findall(text)]
    for kind, labels, body in blocks:
        name = ".".join([kind, *labels])
        if labels and not re.fullmatch(r"[a-z][a-z0-9_]*", labels[-1]):
            yield f"{name}: not in snake case"
        if kind in ("variable", "output") and not re.search(r"^  description += ", body, re.MULTILINE):
            yield f"{name}: no description"
        if kind == "variable" and not re.search(r"^  type += ", body, re.MULTILINE):
            yield f"{name}: no type"
        if kind == "variable" and not re.search(rf"\bvar\.{labels[0]}\b", text.replace(f"{body}", "")):
            yield f"{name}: not used"
        if kind == "data" and f"data.{labels[0]}.{labels[1]}" not in text:
            yield f"{name}: not used"
        if kind == "locals":
            for local in re.findall(r"^  (\w+) += ", body, re.MULTILINE):
                if not re.search(rf"\blocal\.{local}\b", text):
                    yield f"local.{local}: not used"
        if kind == "terraform" and "required_providers" in body and re.search(r"aws += \{", body) and "version" not in body:
            yield "terraform: a provider without a version"
    if re.search(r"\$\{[^{}]*\.\d+[.}]", text):
        yield "an index after a dot"
    # A text of several lines may show Terraform to a reader.
    text = re.sub(r"<<-?(\w+)\n.*?\n\s*\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    if re.search(r'= "\$\{[^{}"\n]*\}"$', text, re.MULTILINE):
        yield "a text that is only an interpolation"
    if re.search(r'^resource "aws', text, re.MULTILINE) and "required_version" not in text:
        yield "terraform: no required_version"


class Style(unittest.TestCase):
    def test_no_folder_has_a_fault(self):
        found = {str(folder): list(faults(text)) for folder, text in folders()}
        self.assertGreater(len(found), 8)
        self.assertEqual({folder: list_ for folder, list_ in found.items() if list_}, {})

    def test_each_fault_is_found(self):
        for text, expected in [
            ('variable "a" {\n  type = string\n}\nresource "x" "y" {\n  z = var.a\n}\n', ["variable.a: no description"]),
            ('variable "a" {\n  description = "A."\n}\nresource "x" "y" {\n  z = var.a\n}\n', ["variable.a: no type"]),
            ('variable "a" {\n  type = string\n  description = "A."\n}\n', ["variable.a: not used"]),
            ('data "aws_region" "current" {\n}\n', ["data.aws_region.current: not used"]),
            ("locals {\n  a = 1\n}\n", ["local.a: not used"]),
            ('resource "x" "my-bucket" {\n}\n', ["resource.x.my-bucket: not in snake case"]),
            ('output "a" {\n  value = 1\n}\n', ["output.a: no description"]),
            ('resource "x" "y" {\n  z = "${x.y.z}"\n}\n', ["a text that is only an interpolation"]),
            ('resource "aws_sns_topic" "y" {\n}\n', ["terraform: no required_version"]),
        ]:
            with self.subTest(expected):
                self.assertEqual(list(faults(text)), expected)


class Checkov(unittest.TestCase):
    def test_each_exception_names_its_rule_and_has_a_reason(self):
        listed = subprocess.run(["git", "ls-files", "*.tf"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        found = [(file, *skip) for file in listed for skip in SKIP.findall((ROOT / file).read_text(encoding="utf-8"))]
        self.assertGreater(len(found), 10)
        self.assertEqual([skip for skip in found if not re.fullmatch(r"CKV2?_AWS_\d+", skip[1]) or not re.fullmatch(r":\w.{20,}\.", skip[2])], [])

    def test_all_that_it_brings_is_pinned(self):
        lines = [line for line in lint_terraform.REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
        self.assertIn("checkov", {line.split("==")[0] for line in lines})
        self.assertEqual([line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)], [])

    def test_each_configuration_that_it_checks_exists(self):
        for kind, place in lint_terraform.CHECKED:
            self.assertTrue((ROOT / place).is_file() if kind == "--file" else (ROOT / place / "main.tf").exists() or any((ROOT / place).glob("*.tf")), place)


if __name__ == "__main__":
    unittest.main()
