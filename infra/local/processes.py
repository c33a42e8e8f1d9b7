"""Starts, recognises and ends the cloud's own background processes.

A process id alone is no proof: after a crash or a restart of the machine, another process may have the number. So
the record of a process also holds its start time. A process gets a signal only if both agree.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from console import CloudError
from files import read_json, write_json


@dataclass(frozen=True)
class Record:
    name: str
    pid: int
    started: str
    log: str


def start(name: str, command: List[str], environ: Mapping[str, str], log: Path, pids: Path) -> Record:
    """Starts a process that outlives this one, in a session of its own, and records it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # The process outlives this program. Otherwise Python would warn of an unfinished child.
    process.returncode = 0
    started = start_time(process.pid)
    if started is None:
        raise CloudError(f"{name} ended as soon as it was started; see {log}.")
    record = Record(name, process.pid, started, str(log))
    write_json(pids / f"{name}.json", asdict(record))
    return record


def find(name: str, pids: Path) -> Optional[Record]:
    """The recorded process if it is still running, otherwise None."""
    fields = read_json(pids / f"{name}.json")
    try:
        record = Record(**fields)
    except TypeError:
        return None
    return record if is_running(record) else None


def is_running(record: Record) -> bool:
    return start_time(record.pid) == record.started


def stop(record: Record, pids: Path, patience_seconds: float = 20) -> None:
    """Asks the process and its children to end, and kills them if they do not."""
    _end(record, pids, (signal.SIGTERM, signal.SIGKILL), patience_seconds)


def kill(record: Record, pids: Path) -> None:
    """Ends the process and its children at once. They keep nothing of their state."""
    _end(record, pids, (signal.SIGKILL,), patience_seconds=20)


def _end(record: Record, pids: Path, requests: Sequence[signal.Signals], patience_seconds: float) -> None:
    for request in requests:
        if not is_running(record):
            break
        try:
            # The process leads its own group, so its children (running Lambda functions) get the signal as well.
            os.killpg(record.pid, request)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience_seconds
        while is_running(record) and time.monotonic() < deadline:
            time.sleep(0.05)
    if is_running(record):
        raise CloudError(f"{record.name} (process {record.pid}) does not end. Its log is {record.log}.")
    (pids / f"{record.name}.json").unlink(missing_ok=True)


def start_time(pid: int) -> Optional[str]:
    """The start time of a live process, in a form for comparison only. None if there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name in parentheses may hold any character, also spaces and parentheses. The fields follow the last
            # one.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{_boot_id()} {fields[19]}"
    listing = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
        text=True,
    ).stdout.split(None, 1)
    return None if len(listing) < 2 or listing[0].startswith("Z") else listing[1].strip()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
