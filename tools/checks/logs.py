"""The logs of a run: one file per step, in one folder. The folder holds only the last run."""

from __future__ import annotations

import shutil
from pathlib import Path

from files import trim


class Logs:
    def __init__(self, directory: Path):
        self.directory = directory
        for old in (directory / "logs", directory / "reports"):
            shutil.rmtree(old, ignore_errors=True)
            old.mkdir(parents=True)

    def of(self, step: str) -> Path:
        return self.directory / "logs" / f"{step}.log"

    def tail(self, step: str, lines: int) -> str:
        try:
            text = self.of(step).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"

    def trim(self) -> None:
        """Cuts logs that are too long, so that the folder stays small."""
        for file in self.directory.rglob("*.log"):
            trim(file)

