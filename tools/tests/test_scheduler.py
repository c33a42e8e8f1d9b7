import sys
import tempfile
import time
import unittest
from pathlib import Path

import counts
from counts import Counts
from files import trim
from logs import Logs
from scheduler import Scheduler
from step import Step


def program(text):
    return [sys.executable, "-c", text]


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.logs = Logs(self.folder / "checks")
        self.said = []

    def run_steps(self, *steps):
        scheduler = Scheduler(list(steps), self.logs, self.folder, self.said.append)
        return {result.step.name: result for result in scheduler.run()}

    def said_of(self, name):
        return next(text for text in self.said if text.startswith(f"{name}"))


class Order(InAFolder):
    def test_steps_run_side_by_side(self):
        # Each of the two waits for the other.
        wait = "import pathlib, time\npathlib.Path({mine!r}).touch()\nwhile not pathlib.Path({other!r}).exists(): time.sleep(0.01)"
        first, second = program(wait.format(mine="a", other="b")), program(wait.format(mine="b", other="a"))
        results = self.run_steps(Step("first", first), Step("second", second))
        self.assertTrue(results["first"].passed and results["second"].passed)

    def test_a_step_waits_for_what_it_needs(self):
        make = program("import pathlib, time; time.sleep(0.2); pathlib.Path('made').touch()")
        use = program("import pathlib, sys; sys.exit(not pathlib.Path('made').exists())")
        self.assertTrue(self.run_steps(Step("use", use, ("make",)), Step("make", make))["use"].passed)

    def test_a_step_that_is_not_urgent_lets_the_others_go_first(self):
        tell = program("import os, pathlib, sys, time; time.sleep(0.2); pathlib.Path(sys.argv[1]).write_text(str(os.nice(0)))")
        self.run_steps(Step("urgent", [*tell, "urgent"], is_urgent=True), Step("usual", [*tell, "usual"]),
                       Step("patient", [*tell, "patient"], is_patient=True))
        urgent, usual, patient = (int((self.folder / name).read_text()) for name in ("urgent", "usual", "patient"))
        self.assertEqual((usual, patient), (min(urgent + 10, 19), 19))

    def test_what_needs_a_failed_step_does_not_run_and_the_others_do(self):
        results = self.run_steps(
            Step("broken", program("raise SystemExit(3)")), Step("after", program(""), ("broken",)),
            Step("long after", program(""), ("after",)), Step("other", program("")))
        self.assertEqual({name: result.code for name, result in results.items()},
                         {"broken": 3, "after": None, "long after": None, "other": 0})
        self.assertEqual(self.said_of("after"), "after does not run: broken failed")

    def test_the_last_step_runs_also_after_a_failure(self):
        end = Step("end", program("import pathlib; pathlib.Path('ended').touch()"), ends="broken")
        self.run_steps(Step("broken", program("raise SystemExit(1)")), end)
        self.assertTrue((self.folder / "ended").exists())

    def test_the_last_step_does_not_run_when_there_is_nothing_to_end(self):
        end = Step("end", program("import pathlib; pathlib.Path('ended').touch()"), ends="never")
        self.run_steps(Step("broken", program("raise SystemExit(1)")), Step("never", program(""), ("broken",)), end)
        self.assertFalse((self.folder / "ended").exists())

    def test_an_interruption_ends_the_steps_at_work(self):
        def interrupt(text):
            raise KeyboardInterrupt

        sleeping = Step("sleeping", program("import time; time.sleep(60)"))
        scheduler = Scheduler([sleeping], self.logs, self.folder)
        scheduler._say_what_runs = lambda: interrupt("")
        import scheduler as module
        before, module.HEARTBEAT_SECONDS = module.HEARTBEAT_SECONDS, 0.3
        self.addCleanup(setattr, module, "HEARTBEAT_SECONDS", before)
        began = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            scheduler.run()
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(scheduler.results["sleeping"].code, -15)


class Failures(InAFolder):
    def test_a_failed_step_shows_the_end_of_its_log_and_how_to_repeat_it(self):
        text = "for number in range(1000): print('line', number)\nraise SystemExit('the cause')"
        self.run_steps(Step("broken", program(text), environment={"WORD": "two words"}))
        said = self.said_of("broken")
        self.assertIn("FAILED", said)
        self.assertIn("line 999\nthe cause", said)
        self.assertNotIn("line 100\n", said)
        self.assertIn(f"To repeat this step: WORD='two words' {sys.executable} -c ", said)

    def test_a_program_that_is_not_there_fails_its_step(self):
        results = self.run_steps(Step("absent", ["no-such-program-anywhere"]))
        self.assertFalse(results["absent"].passed)
        self.assertIn("no-such-program-anywhere cannot be run", self.said_of("absent"))

    def test_processor_time_is_counted(self):
        busy = "import time\nwhile time.process_time() < 0.3: pass"
        self.assertGreater(self.run_steps(Step("busy", program(busy)))["busy"].cpu_seconds, 0.25)


class LogFiles(InAFolder):
    def test_a_run_deletes_the_logs_of_the_one_before(self):
        self.logs.of("old").write_text("old")
        self.assertFalse(Logs(self.folder / "checks").of("old").exists())

    def test_a_long_log_keeps_its_end(self):
        file = self.folder / "long.log"
        file.write_text("".join(f"line {number}\n" for number in range(1000)))
        trim(file, 100)
        lines = file.read_text().splitlines()
        self.assertRegex(lines[0], r"^\(the first \d+ bytes were cut\)$")
        self.assertEqual(lines[-1], "line 999")
        self.assertLess(file.stat().st_size, 200)


class Counting(InAFolder):
    JUNIT = """<testsuites><testsuite name="s" tests="4">
        <testcase classname="a" name="good" time="1.5"/>
        <testcase classname="a" name="bad" time="0.5"><failure message="no"/></testcase>
        <testcase classname="a" name="broken" time="0.1"><error message="no"/></testcase>
        <testcase classname="a" name="left out" time="0"><skipped/></testcase>
        </testsuite></testsuites>"""

    def reporting(self, text, code=0, **others):
        writing = f"import pathlib; pathlib.Path('report').write_text({text!r}); raise SystemExit({code})"
        step = Step("tests", program(writing), report=self.folder / "report", **others)
        return counts.of(self.run_steps(step)["tests"])

    def test_junit(self):
        self.assertEqual(self.reporting(self.JUNIT, code=1), Counts(1, 2))
        self.assertEqual(counts.slowest(self.folder / "report")[0], (1.5, "a good"))

    def test_terraform(self):
        summary = '{"type":"test_summary","test_summary":{"status":"fail","passed":5,"failed":1,"errored":2,"skipped":9}}'
        of_a_folder = '{"type":"version"}\n' + summary + "\n"
        self.assertEqual(self.reporting(of_a_folder * 2, code=1, format=counts.Format.TERRAFORM), Counts(10, 6))

    def test_a_runner_that_fails_without_a_failed_test_counts_as_one(self):
        self.assertEqual(self.reporting('<a><testcase name="good"/></a>', code=1), Counts(1, 1))

    def test_a_runner_that_ran_nothing_has_failed(self):
        for report in ("<a></a>", "", "<a>"):
            with self.subTest(report):
                self.assertEqual(self.reporting(report), Counts(0, 1))

    def test_the_report_of_an_earlier_run_does_not_count(self):
        (self.folder / "report").write_text(self.JUNIT)
        step = Step("tests", program(""), report=self.folder / "report")
        self.assertEqual(counts.of(self.run_steps(step)["tests"]), Counts(0, 1))

    def test_a_gate_counts_as_one(self):
        results = self.run_steps(Step("good", program("")), Step("bad", program("raise SystemExit(1)")))
        self.assertEqual([counts.of(results[name]) for name in ("good", "bad")], [Counts(1, 0), Counts(0, 1)])

    def test_a_preparation_counts_only_when_it_fails_and_so_does_what_did_not_run(self):
        results = self.run_steps(
            Step("good", program(""), is_preparation=True), Step("bad", program("raise SystemExit(1)"), is_preparation=True),
            Step("after", program(""), ("bad",), report=self.folder / "none"))
        found = {name: counts.of(result) for name, result in results.items()}
        self.assertEqual(found, {"good": Counts(), "bad": Counts(0, 1), "after": Counts(0, 1)})
