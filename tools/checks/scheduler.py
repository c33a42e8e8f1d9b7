"""Runs steps side by side. Each starts as soon as the steps that it needs have passed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Dict, List

from logs import Logs
from step import Result, Step

# A run that prints nothing for longer looks dead in the log of a CI.
HEARTBEAT_SECONDS = 30
# Time for a step to end when the run is interrupted.
PATIENCE_SECONDS = 30
# A step with this priority gets a tenth of the time of an urgent one, when both want a processor. A patient one gets a seventh
# of that.
NOT_URGENT = 10
PATIENT = 19
# Lines of its log that a failed step shows.
TAIL_LINES = 60


class Scheduler:
    def __init__(self, steps: List[Step], logs: Logs, root: Path, say: Callable[[str], None] = None):
        self.steps = [step for step in steps if step.ends is None]
        self.last = [step for step in steps if step.ends is not None]
        self.logs = logs
        self.root = root
        self.results: Dict[str, Result] = {}
        self._processes: Dict[str, subprocess.Popen] = {}
        self._started: Dict[str, float] = {}
        self._changed = threading.Condition()
        self._say = say or _print
        self._began = time.monotonic()

    def run(self) -> List[Result]:
        for step in self.steps:
            if step.report:
                # The report of an earlier run would count for a step that does not run now.
                step.report.unlink(missing_ok=True)
        try:
            self._run_all()
        except BaseException:
            self._end_running()
            raise
        finally:
            for step in self.last:
                if step.ends in self._started:
                    self._run_step(step)
            self.logs.trim()
        return list(self.results.values())

    def _run_all(self) -> None:
        with self._changed:
            while len(self.results) < len(self.steps):
                self._start_ready()
                if len(self.results) < len(self.steps) and not self._changed.wait(HEARTBEAT_SECONDS):
                    self._say_what_runs()

    def _start_ready(self) -> None:
        for step in self.steps:
            if step.name in self._started or step.name in self.results:
                continue
            needed = [self.results.get(name) for name in step.needs]
            failed = [result.step.name for result in needed if result and not result.passed]
            if failed:
                self.results[step.name] = Result(step, None)
                self._say(f"{step.name} does not run: {', '.join(failed)} failed")
                # Steps that need this step do not run either.
                return self._start_ready()
            if all(needed):
                self._started[step.name] = time.monotonic()
                threading.Thread(target=self._run_step, args=(step,), daemon=True).start()

    def _run_step(self, step: Step) -> None:
        began = self._started.setdefault(step.name, time.monotonic())
        result = Result(step, 127)
        try:
            result = self._wait_for(step, began)
        except OSError as error:
            self.logs.of(step.name).write_text(f"{step.command[0]} cannot be run: {error}\n", encoding="utf-8")
        finally:
            with self._changed:
                self.results[step.name] = result
                self._tell(result)
                self._changed.notify_all()

    def _wait_for(self, step: Step, began: float) -> Result:
        with self.logs.of(step.name).open("wb") as log:
            log.write(f"$ {step.shell_line()}\n".encode())
            log.flush()
            process = subprocess.Popen(
                step.command, cwd=self.root, env={**os.environ, **step.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                # A group of its own, so that the whole step can be ended.
                start_new_session=True,
            )
        if not step.is_urgent:
            later = PATIENT if step.is_patient else NOT_URGENT
            os.setpriority(os.PRIO_PGRP, process.pid, os.nice(0) + later)
        self._processes[step.name] = process
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        del self._processes[step.name]
        return Result(step, process.returncode, began - self._began, time.monotonic() - began,
                      usage.ru_utime + usage.ru_stime)

    def _tell(self, result: Result) -> None:
        step, took = result.step, f"{result.seconds:.1f} s, processor {result.cpu_seconds:.1f} s"
        if result.passed:
            return self._say(f"{step.name}: passed ({took})")
        log = self.logs.of(step.name)
        self._say(f"{step.name}: FAILED ({took}). The end of {os.path.relpath(log, self.root)}:\n"
                  f"{self.logs.tail(step.name, TAIL_LINES)}\n"
                  f"To repeat this step: {step.shell_line()}")

    def _say_what_runs(self) -> None:
        now = time.monotonic()
        running = [name for name in self._started if name not in self.results]
        self._say("… " + ", ".join(f"{name} {now - self._started[name]:.0f} s" for name in running))

    def _end_running(self) -> None:
        for process in list(self._processes.values()):
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._processes and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in list(self._processes.values()):
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # It has ended meanwhile.


def _print(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
