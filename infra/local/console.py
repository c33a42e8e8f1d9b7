"""Output of the local cloud for its user: one line per step, and errors with the next step.

Every step prints its name at once, and its result with the elapsed seconds at its end. So a slow step is visible. On
a terminal the seconds count up. Elsewhere a dot every ten seconds keeps a log alive.
"""

from __future__ import annotations

import sys
import threading
import time


class CloudError(Exception):
    """A failure that the user can act on. The message says what failed, where, and what to do."""


class Step:
    """A context manager around one step. Set `result` inside it to say more than "done" at the end."""

    def __init__(self, title: str, stream=None):
        self.title = title
        self.result = "done"
        self.stream = stream or sys.stdout
        self._ended = threading.Event()

    def __enter__(self) -> Step:
        self._began = time.monotonic()
        self._write(f"{self.title} ... ")
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._ended.set()
        self._ticker.join()
        seconds = time.monotonic() - self._began
        outcome = self.result if kind is None else "failed"
        start = f"\r{self.title} ... " if self.stream.isatty() else ""
        self._write(f"{start}{outcome} ({seconds:.1f} s)\n")

    def _tick(self) -> None:
        terminal = self.stream.isatty()
        while not self._ended.wait(1 if terminal else 10):
            elapsed = time.monotonic() - self._began
            self._write(f"\r{self.title} ... {elapsed:.0f} s" if terminal else ". ")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def say(text: str = "") -> None:
    print(text, flush=True)
