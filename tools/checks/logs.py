"""The logs of a run: one file a step, in one folder, which holds the last run only."""

from __future__ import annotations

import shutil
from pathlib import Path

# A log beyond this size keeps its end only, so that a folder of logs stays small whatever a step prints.
LARGEST = 4 << 20


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
        """Cuts logs that are too long, those of the engines included."""
        for file in self.directory.rglob("*.log"):
            trim(file)


def trim(file: Path, largest: int = LARGEST) -> None:
    size = file.stat().st_size
    if size <= largest:
        return
    with file.open("rb") as log:
        log.seek(size - largest)
        log.readline()
        kept = log.read()
    file.write_bytes(f"(the first {size - len(kept)} bytes were cut)\n".encode() + kept)
