"""Source files stay short: at most 400 lines without their tests. Of the Rust files, half have at most 150.

The files of a crate do not use each other in a circle.
"""

import re
import statistics
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST, MEDIAN = 400, 150
# The paths of modules that a file names, such as `crate::plan` or `super::{inspect, plan::Plan}`.
PATH = re.compile(r"\b((?:crate|super)(?:::\w+)*)(?:::\{([^{}]*)\})?")


def sources(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        path = Path(line)
        if not {"tests", "examples"} & set(path.parts) and path.stem != "tests":
            yield path


def code(path: Path) -> str:
    """A file before its own tests, which stand last."""
    return (ROOT / path).read_text(encoding="utf-8").split("\n#[cfg(test)]\nmod tests", 1)[0]


def lines(path: Path) -> int:
    return code(path).count("\n")


def module(path: Path):
    """The module of a file in the folder `src` of a crate."""
    inner = path.parts[path.parts.index("src") + 1:-1]
    return inner if path.stem in ("lib", "main") else (*inner, path.stem)


def named_in(text: str, here, known):
    """The other modules that the code of one names. A name of a parent's own is taken for the parent."""
    uncommented = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    for path, braces in PATH.findall(uncommented):
        words = path.split("::")
        up = words.count("super")
        start = () if words[0] == "crate" else here[:len(here) - up]
        for name in braces.split(",") if braces else [""]:
            target = (*start, *words[max(up, 1):], *(name.strip().split("::") if name.strip() else []))
            while target and target not in known:
                target = target[:-1]
            if target and target != here:
                yield target


def circles(files):
    """The modules of a crate, by the texts of their files, that use each other. A module and its parts are one."""
    def is_part(one, other):
        return one[:len(other)] == other or other[:len(one)] == one

    uses = {here: {other for other in named_in(text, here, files) if not is_part(here, other)} for here, text in files.items()}

    def reached(start):
        seen, waiting = set(), list(uses[start])
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                waiting.extend(uses[here])
        return seen

    return sorted("::".join(here) for here in uses if here in reached(here))


class Structure(unittest.TestCase):
    def test_no_file_is_too_long(self):
        long = {str(path): lines(path) for path in sources("*.rs", "*.tf", "*.py") if lines(path) > LONGEST}
        self.assertEqual(long, {}, f"more than {LONGEST} lines: does the file hide two subjects?")

    def test_most_files_are_short(self):
        self.assertLessEqual(statistics.median(lines(path) for path in sources("*.rs")), MEDIAN)

    def test_no_files_of_a_crate_use_each_other_in_a_circle(self):
        crates = {}
        for path in sources("*.rs"):
            if "src" in path.parts:
                crates.setdefault(path.parts[:path.parts.index("src")], {})[module(path)] = code(path)
        found = {"/".join(crate): circles(files) for crate, files in crates.items()}
        self.assertEqual({crate: names for crate, names in found.items() if names}, {})

    def test_circles_are_seen(self):
        straight = {("a",): "use crate::b::B;", ("b",): "use super::c;", ("c",): "/// See [`crate::a`].\nuse super::Own;"}
        self.assertEqual(circles(straight), [])
        self.assertEqual(circles({**straight, ("c",): "use super::{a::A, Own};"}), ["a", "b", "c"])
        self.assertEqual(circles({("a",): "mod part; use crate::a::part;", ("a", "part"): "use super::A;"}), [])


if __name__ == "__main__":
    unittest.main()
