"""infra/ is a thin root around infra/modules/stack: the same variables, the same outputs, and a way for every old state."""

import re
import unittest
from pathlib import Path

import configuration

ROOT, STACK = configuration.INFRA, configuration.STACK
# What the root knows and the module cannot know: where `make build` puts the packages.
OWN_DEFAULTS = {"detector_package", "api_package", "notifier_package"}


def text(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))


def addresses(folder: Path):
    """The resources and modules that a folder makes."""
    made = re.findall(r'^resource "(\w+)" "(\w+)"', text(folder), re.MULTILINE)
    return {".".join(each) for each in made} | {f"module.{name}" for name in re.findall(r'^module "(\w+)"', text(folder), re.MULTILINE)}


def outputs(folder: Path):
    return re.findall(r'^output "(\w+)" \{\n  description = (.*)\n', text(folder), re.MULTILINE)


class Variables(unittest.TestCase):
    def setUp(self):
        self.root, self.stack = (dict(configuration.blocks(configuration.variables(folder))) for folder in (ROOT, STACK))

    def test_root_and_module_have_the_same_variables(self):
        self.assertEqual(list(self.root), list(self.stack))

    def test_types_and_defaults_are_the_same(self):
        for name, of_root in self.root.items():
            of_stack = self.stack[name]
            for key in ("type", "default"):
                if (key, name) not in {("default", each) for each in OWN_DEFAULTS}:
                    self.assertEqual((key in of_root, of_root.get(key)), (key in of_stack, of_stack.get(key)), f"{key} of {name}")

    def test_descriptions_of_the_root_are_the_first_sentences_of_those_in_the_module(self):
        for name, of_root in self.root.items():
            self.assertTrue(configuration.plain(self.stack[name]["description"]).startswith(configuration.plain(of_root["description"])), name)

    def test_only_the_module_validates(self):
        self.assertEqual([name for name, body in self.root.items() if "validation" in body], [])

    def test_the_root_hands_on_each_variable(self):
        # The provider puts the tags on everything.
        handed_on = dict(re.findall(r"^  (\w+) += (var\.\w+)$", (ROOT / "main.tf").read_text(encoding="utf-8"), re.MULTILINE))
        self.assertEqual(handed_on, {name: f"var.{name}" for name in self.stack if name != "tags"})


class TestsOfVariables(unittest.TestCase):
    def test_they_have_each_file_of_variables_of_the_module(self):
        folder = STACK / "tests" / "variables"
        linked = {file.name for file in folder.glob("*.tf") if file.is_symlink() and file.resolve() == (STACK / file.name).resolve()}
        self.assertEqual(linked, {file.name for file in STACK.glob("variables*.tf")} | {"names.tf"})


class Outputs(unittest.TestCase):
    def test_root_and_module_have_the_same_outputs(self):
        self.assertEqual(outputs(ROOT), outputs(STACK))

    def test_the_root_hands_on_each_output(self):
        values = re.findall(r"^  value +=  *module\.stack\.(\w+)$", (ROOT / "outputs.tf").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(values, [name for name, _ in outputs(ROOT)])


class Moved(unittest.TestCase):
    def test_each_resource_and_module_of_an_old_state_is_found_in_the_module(self):
        moved = re.findall(r"^moved \{\n  from = (\S+)\n  to   = module\.stack\.(\S+)\n\}$", text(ROOT), re.MULTILINE)
        self.assertEqual([source for source, target in moved if source != target], [])
        self.assertEqual({source for source, _ in moved}, addresses(STACK))
        self.assertEqual(len(moved), len({source for source, _ in moved}))

    def test_the_root_makes_nothing_but_the_module(self):
        self.assertEqual(addresses(ROOT), {"module.stack"})


if __name__ == "__main__":
    unittest.main()
