"""The workflows name actions by their commits, and the workflow of a release builds each part of it twice."""

import re
import unittest
from pathlib import Path

import parts
import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "workflows"


def steps():
    for file in sorted(FOLDER.glob("*.yml")):
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            yield from ((file.name, step) for step in [job, *job.get("steps", [])])


class Workflows(unittest.TestCase):
    def test_each_action_is_pinned_to_a_commit_and_says_its_version(self):
        for file in FOLDER.glob("*.yml"):
            for used in re.findall(r"uses: (.+)", file.read_text()):
                self.assertRegex(used, r"^(\./\.github/workflows/\w+\.yml|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", file.name)

    def test_an_action_has_the_same_version_everywhere(self):
        used = {(step["uses"].partition("@")) for _, step in steps() if "@" in step.get("uses", "")}
        self.assertEqual(len({name for name, _, _ in used}), len(used))

    def test_no_workflow_may_write_but_the_job_that_publishes(self):
        for file in FOLDER.glob("*.yml"):
            read = yaml.safe_load(file.read_text())
            self.assertEqual(read["permissions"], {"contents": "read"}, file.name)
            allowed = {name for name, job in read["jobs"].items() if "permissions" in job}
            self.assertEqual(allowed, {"publish"} if file.name == "release.yml" else set())

    def test_no_checkout_leaves_a_token_behind(self):
        for file, step in steps():
            if step.get("uses", "").startswith("actions/checkout@"):
                self.assertIs(step["with"]["persist-credentials"], False, file)


class Release(unittest.TestCase):
    def setUp(self):
        self.jobs = yaml.safe_load((FOLDER / "release.yml").read_text())["jobs"]
        self.matrix = self.jobs["build"]["strategy"]["matrix"]

    def test_each_part_is_built_on_the_system_that_can(self):
        systems = {each["system"]: each for each in self.matrix["include"] if "system" in each}
        named = {name: system for system, each in systems.items() for name in each["only"].split()}
        self.assertEqual(named, {name: "macos" if part.is_for_macos else "linux" for name, part in parts.PARTS.items()})
        for each in systems.values():
            targets = {parts.PARTS[name].target for name in each["only"].split()}
            self.assertEqual(set(each["targets"].split()), targets)

    def test_both_builds_are_in_folders_of_their_own(self):
        folders = [each["folder"] for each in self.matrix["include"] if "folder" in each]
        self.assertEqual((len(folders), len(set(folders))), (len(self.matrix["build"]), 2))

    def test_nothing_is_published_before_all_checks_have_passed(self):
        self.assertEqual(set(self.jobs["publish"]["needs"]), set(self.jobs) - {"publish"})


if __name__ == "__main__":
    unittest.main()
