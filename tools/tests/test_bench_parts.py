import runpy
import unittest
from pathlib import Path

commands = runpy.run_path(str(Path(__file__).resolve().parents[2] / "bench" / "parts.py"))["commands"]
RUST = ["cargo", "bench", "-p", "bench", "--bench", "figures", "--"]
PAGE = ["node", "dashboard/bench/figures.js"]


class Parts(unittest.TestCase):
    def test_each_part_runs_where_it_is_written(self):
        for parts, expected in [
            ([], [RUST, PAGE]),
            (["dashboard"], [PAGE]),
            (["starts", "loop"], [[*RUST, "starts", "loop"]]),
            (["dashboard", "sizes"], [[*RUST, "sizes"], PAGE]),
        ]:
            self.assertEqual(commands(parts), expected, parts)

    def test_an_unknown_part_is_named(self):
        with self.assertRaisesRegex(SystemExit, "no part starst. The parts are starts, "):
            commands(["starst", "loop"])


if __name__ == "__main__":
    unittest.main()
