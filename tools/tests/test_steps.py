import json
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import channels as stack_channels
import places
import report
import settings
import steps
from logs import Logs
from step import Result

ROOT = Path(__file__).resolve().parents[2]


class Steps(unittest.TestCase):
    known = steps.all_steps(ROOT)

    def test_every_need_is_a_step(self):
        for step in self.known.values():
            self.assertLessEqual(set(step.needs), set(self.known), step.name)

    def test_a_chosen_step_brings_what_it_needs(self):
        chosen = [step.name for step in steps.with_needs(self.known, ["unit"])]
        self.assertEqual(chosen, ["programs", "tests", "setup", "unit"])

    def test_the_longest_way_goes_before_the_rest(self):
        urgent = {step.name for step in self.known.values() if step.is_urgent}
        self.assertLessEqual({"programs", "package", "engines-of-pages", "pages", "data", "browser", "browser-reading"}, urgent)
        self.assertFalse(urgent & {"terraform", "unit", "e2e", "stack", "deployed", "python", "lint"})

    def test_each_browser_test_runs_once(self):
        changing, reading = steps.browser_tests(ROOT)
        files = [str(file.relative_to(ROOT)) for file in (ROOT / "dashboard" / "tests").glob("*.test.js")]
        self.assertEqual(sorted(changing + reading), sorted(files))
        self.assertEqual(len(reading), len(steps.READING))

    def test_an_unknown_step_is_named(self):
        with self.assertRaisesRegex(SystemExit, "no step unti. The steps are programs, "):
            steps.with_needs(self.known, ["unti"])


class Places(unittest.TestCase):
    tests, pages = places.choose(ROOT)

    def test_the_channel_of_the_pages_has_buttons_and_another_receiver_than_the_tests_of_alerting(self):
        channels = json.loads(self.pages["TEST_CHANNELS"])
        self.assertEqual(list(channels["channels"]), ["slack"])
        self.assertEqual(channels["channels"]["slack"]["signing_secret_arn"], "secret:slack_signing")
        self.assertIn(f":{self.pages['DASHBOARD_RECEIVER_PORT']}/", channels["secrets"]["slack"])
        for place in (self.tests, self.pages):
            with unittest.mock.patch.dict(os.environ, place):
                stack_channels.require_valid(settings.load(kind=settings.TEST))

    def test_no_port_and_no_folder_is_taken_twice(self):
        taken = [(name, value) for place in (self.tests, self.pages) for name, value in place.items() if "PORT" in name or "DIR" in name]
        self.assertEqual(len({value for _, value in taken}), len(taken), taken)
        self.assertEqual(len(taken), 13)

    def test_all_clouds_and_emulators_are_searched_for_secrets(self):
        searched = places.searched(self.tests, self.pages)
        self.assertEqual([searched.count(option) for option in ("--cloud", "--emulator")], [2, 3])
        self.assertIn(f"http://127.0.0.1:{self.tests['TEST_AWS_PORT_WITHOUT_STACK']}", searched)


class Lints(unittest.TestCase):
    """One compilation makes the program and the remarks of Clippy, and the remarks are repeated each time."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "src").mkdir()
        (self.folder / "Cargo.toml").write_text('[package]\nname = "linted"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n')

    def lint(self, expression):
        (self.folder / "src" / "main.rs").write_text(f"fn main() {{ let all: Vec<u8> = Vec::new(); assert!({expression}); }}\n")
        environ = {**os.environ, **steps.linting_compiler(ROOT), "CARGO_TARGET_DIR": str(self.folder / "target")}
        command = [sys.executable, str(ROOT / "tools" / "checks" / "lint.py"), "cargo", "build", "--offline"]
        return subprocess.run(command, cwd=self.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def test_a_remark_of_clippy_fails_also_the_second_time_and_the_program_is_there(self):
        for _ in range(2):
            result = self.lint("all.len() == 0")
            self.assertEqual((result.returncode, "clippy::len_zero" in result.stdout), (1, True), result.stdout)
        self.assertEqual(subprocess.run([str(self.folder / "target/debug/linted")]).returncode, 0)

    def test_code_without_a_remark_passes(self):
        self.assertEqual((self.lint("all.is_empty()").returncode, self.lint("all.is_empty()").stdout), (0, "0 remarks\n"))

    def test_code_that_does_not_compile_fails(self):
        result = self.lint("all.is_emptyy()")
        self.assertEqual((result.returncode, "no method named `is_emptyy`" in result.stdout), (1, True))


class Report(unittest.TestCase):
    def told(self, *codes):
        with tempfile.TemporaryDirectory() as folder:
            results = [Result(steps.Step(f"step{number}", ["true"]), code, 0.0, number + 1.0, 0.5)
                       for number, code in enumerate(codes)]
            import contextlib
            import io
            with contextlib.redirect_stdout(io.StringIO()) as output:
                code = report.print_report(results, Logs(Path(folder)))
        return code, output.getvalue()

    def test_the_last_line_counts_and_the_longest_step_comes_first(self):
        code, text = self.told(0, 0)
        self.assertEqual((code, text.splitlines()[-1]), (0, "2 passed, 0 failed"))
        self.assertLess(text.index("step1"), text.index("step0"))

    def test_a_failure_and_what_did_not_run_are_named(self):
        code, text = self.told(0, 1, None)
        self.assertEqual((code, text.splitlines()[-1]), (1, "1 passed, 2 failed"))
        self.assertIn("Not passed: step1, step2. The logs are in ", text)
