"""`terraform destroy` of a protected stack: it refuses first, says what to do, and destroys nothing."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

STACK = Path(__file__).resolve().parents[2] / "modules" / "stack"
GUARD = STACK / "protection.tf"

# The guard of the stack with a file in the place of all that it guards.
ROOT = """
variable "name_prefix" { default = "meterflow" }
variable "deletion_protection" {}
locals { table_name = "meterflow-anomalies" }
resource "terraform_data" "table" {
  provisioner "local-exec" {
    when    = destroy
    command = "touch destroyed"
  }
}
"""


class Destroy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        guard = re.sub(r"depends_on = \[.*?\]", "depends_on = [terraform_data.table]", GUARD.read_text(), flags=re.DOTALL)
        (self.folder / "main.tf").write_text(ROOT + guard)
        self.terraform("init")

    def terraform(self, command, *arguments):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        environ["CHECKPOINT_DISABLE"] = "1"
        result = subprocess.run(["terraform", command, "-no-color", *arguments], cwd=self.folder, env=environ,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return result.returncode, result.stdout

    def apply(self, protected):
        code, output = self.terraform("apply", "-auto-approve", f"-var=deletion_protection={protected}")
        self.assertEqual(code, 0, output)

    def destroy(self, protected):
        code, output = self.terraform("destroy", "-auto-approve", f"-var=deletion_protection={protected}")
        return code, " ".join(output.replace("\n", " ").split())

    @property
    def is_destroyed(self):
        return (self.folder / "destroyed").exists()

    def test_a_protected_stack_refuses_and_stays_whole(self):
        self.apply("true")
        # The variable alone changes nothing: the table in the account is protected still.
        for given in ("true", "false"):
            code, output = self.destroy(given)
            self.assertNotEqual(code, 0)
            self.assertIn("The stack meterflow is protected: the table meterflow-anomalies holds", output)
            self.assertIn("1. Set deletion_protection = false. 2. Run terraform apply. 3. Run terraform destroy again.", output)
            self.assertFalse(self.is_destroyed)

    def test_an_apply_without_protection_opens_the_way(self):
        self.apply("true")
        self.apply("false")
        self.assertEqual(self.destroy("false")[0], 0)
        self.assertTrue(self.is_destroyed)


class Guarded(unittest.TestCase):
    def test_all_of_the_stack_is_guarded(self):
        # A resource that is left out would be destroyed in spite of the refusal.
        made = set()
        for file in STACK.glob("*.tf"):
            text = file.read_text()
            made.update(f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE))
            made.update(f"module.{name}" for name in re.findall(r'^module "(\w+)"', text, re.MULTILINE))
        listed = re.search(r"depends_on = \[(.*?)\]", GUARD.read_text(), re.DOTALL).group(1)
        guarded = {entry.strip() for entry in listed.split(",") if entry.strip()}
        self.assertEqual(guarded, made - {"terraform_data.deletion_protection"})
