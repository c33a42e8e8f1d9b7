"""Source files stay short: at most 400 lines without their tests. Of the Rust files, half have at most 150."""

import statistics
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST, MEDIAN = 400, 150


def sources(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        path = Path(line)
        if not {"tests", "examples"} & set(path.parts) and path.stem != "tests":
            yield path


def lines(path: Path) -> int:
    """The lines of a file before its own tests, which stand last."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return text.split("\n#[cfg(test)]\nmod tests {", 1)[0].count("\n")


class Structure(unittest.TestCase):
    def test_no_file_is_too_long(self):
        long = {str(path): lines(path) for path in sources("*.rs", "*.tf", "*.py") if lines(path) > LONGEST}
        self.assertEqual(long, {}, f"more than {LONGEST} lines: does the file hide two subjects?")

    def test_most_files_are_short(self):
        self.assertLessEqual(statistics.median(lines(path) for path in sources("*.rs")), MEDIAN)


if __name__ == "__main__":
    unittest.main()
