import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import replace
from pathlib import Path

import files
import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


class Processes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pids = Path(folder.name) / "pids"
        self.log = Path(folder.name) / "logs" / "sleeper.log"

    def start(self, command=SLEEP):
        record = processes.start("sleeper", command, os.environ, self.log, self.pids)
        self.addCleanup(self.kill, record)
        return record

    @staticmethod
    def kill(record):
        if processes.is_running(record):
            os.killpg(record.pid, signal.SIGKILL)

    def test_a_started_process_is_found_and_ends_when_asked(self):
        record = self.start()
        self.assertEqual(processes.find("sleeper", self.pids), record)
        processes.stop(record, self.pids)
        self.assertFalse(processes.is_running(record))
        self.assertIsNone(processes.find("sleeper", self.pids))
        self.assertEqual(list(self.pids.iterdir()), [])

    def test_a_process_that_ignores_the_request_is_made_to_end(self):
        stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
        record = self.start([sys.executable, "-c", stubborn])
        while "ready" not in self.log.read_text():
            time.sleep(0.01)
        processes.stop(record, self.pids, patience_seconds=0.3)
        self.assertFalse(processes.is_running(record))

    def test_its_children_end_with_it(self):
        parent = (
            "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
            "print(child.pid, flush=True); time.sleep(60)"
        )
        record = self.start([sys.executable, "-c", parent])
        while not self.log.read_text().strip():
            time.sleep(0.01)
        child = int(self.log.read_text())
        self.assertIsNotNone(processes.start_time(child))
        processes.stop(record, self.pids)
        deadline = time.monotonic() + 5
        while processes.start_time(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIsNone(processes.start_time(child))

    def test_a_stranger_under_the_recorded_number_is_neither_found_nor_ended(self):
        stranger = subprocess.Popen(SLEEP, start_new_session=True)
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        stale = processes.Record("sleeper", stranger.pid, "another start", str(self.log))
        files.write_json(self.pids / "sleeper.json", stale.__dict__)
        self.assertIsNone(processes.find("sleeper", self.pids))
        processes.stop(stale, self.pids)
        self.assertIsNone(stranger.poll())

    def test_a_process_that_ended_by_itself_is_not_found(self):
        record = self.start([sys.executable, "-c", "import time; time.sleep(0.5)"])
        deadline = time.monotonic() + 5
        while processes.is_running(record) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIsNone(processes.find("sleeper", self.pids))
        processes.stop(record, self.pids)

    def test_a_missing_or_damaged_record_is_no_process(self):
        self.assertIsNone(processes.find("sleeper", self.pids))
        self.pids.mkdir()
        for text in ("", "{", "[]", '{"pid": 1}'):
            (self.pids / "sleeper.json").write_text(text)
            self.assertIsNone(processes.find("sleeper", self.pids), text)

    def test_the_log_of_the_run_before_is_kept(self):
        for word in ("first", "second"):
            record = self.start([sys.executable, "-c", f"print('{word}', flush=True); import time; time.sleep(60)"])
            while word not in self.log.read_text():
                time.sleep(0.01)
            processes.stop(record, self.pids)
        self.assertEqual(self.log.read_text().strip(), "second")
        self.assertEqual(self.log.with_suffix(".previous.log").read_text().strip(), "first")

    def test_a_killed_process_gets_no_time_to_save_anything(self):
        code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
        record = self.start([sys.executable, "-c", code])
        while "deaf" not in self.log.read_text():
            time.sleep(0.01)
        begun = time.monotonic()
        processes.kill(record, self.pids)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertIsNone(processes.find("sleeper", self.pids))

    def test_start_times_tell_processes_apart(self):
        own = processes.start_time(os.getpid())
        self.assertEqual(own, processes.start_time(os.getpid()))
        record = self.start()
        self.assertFalse(processes.is_running(replace(record, started=own)))
        self.assertIsNone(processes.start_time(2**22 + 1))
