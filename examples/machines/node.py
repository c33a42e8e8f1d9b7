"""The metrics of this machine itself, measured: processor, memory and network from /proc, and the way to a local service."""

from __future__ import annotations

import os
import socket
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional

from console import CloudError

PROC = Path("/proc")
SAMPLES, SECONDS = 220, 0.25
PINGS = 4
# A question that takes longer is lost.
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Counters:
    """What /proc tells, all since the start of the machine but the memory."""

    idle: int
    all: int
    memory: float
    bytes: int
    errors: int
    at: float


def is_known() -> bool:
    """Whether this machine tells its metrics, as Linux does."""
    return all((PROC / name).is_file() for name in ("stat", "meminfo", "net/dev"))


def read(proc: Path = PROC, at: Optional[float] = None) -> Counters:
    idle, total = processor((proc / "stat").read_text())
    received, errors = network((proc / "net" / "dev").read_text())
    return Counters(idle, total, memory((proc / "meminfo").read_text()), received, errors, time.monotonic() if at is None else at)


def processor(stat: str) -> tuple[int, int]:
    """The idle time and all time of all processors."""
    fields = next(line for line in stat.splitlines() if line.startswith("cpu ")).split()[1:]
    # The last two are the time of guests, which the first two hold already.
    times = [int(field) for field in fields[:8]]
    return times[3] + times[4], sum(times)


def memory(meminfo: str) -> float:
    """The share of the memory that is used, from 0 to 1."""
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in meminfo.splitlines()) if rest.split()}
    return 1 - sizes["MemAvailable"] / sizes["MemTotal"]


def network(dev: str) -> tuple[int, int]:
    """The bytes and the errors of all devices but the loopback, in both directions."""
    bytes_, errors = 0, 0
    for line in dev.splitlines():
        device, colon, rest = line.partition(":")
        if colon and device.strip() != "lo":
            fields = [int(field) for field in rest.split()]
            bytes_ += fields[0] + fields[8]
            errors += fields[2] + fields[10]
    return bytes_, errors


def sample(before: Counters, after: Counters, pings: List[Optional[float]]) -> Dict[str, float]:
    """The metrics of the time between, as the collector writes them. A metric without a value is left out."""
    seconds, ticks = max(after.at - before.at, 1e-3), after.all - before.all
    came = [ping for ping in pings if ping is not None]
    found = {
        "system.memory.utilization": after.memory,
        "system.network.io": (after.bytes - before.bytes) / seconds,
        "system.network.errors": (after.errors - before.errors) / seconds,
    }
    if ticks > 0:
        found["system.cpu.utilization"] = (after.idle - before.idle) / ticks
    if pings:
        found["ping.loss.ratio"] = 1 - len(came) / len(pings)
    if came:
        found["ping.rtt.avg"] = 1000 * statistics.mean(came)
        found["ping.rtt.stddev"] = 1000 * statistics.pstdev(came)
    return found


def measure(port: int, samples: int = SAMPLES, seconds: float = SECONDS) -> List[Dict[str, float]]:
    """Samples of this machine, the oldest first, and of its way to the service on this port."""
    found, before = [], read()
    for _ in range(samples):
        began = time.monotonic()
        pings = [ping(port) for _ in range(PINGS)]
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        after = read()
        found.append(sample(before, after, pings))
        before = after
    return found


def ping(port: int) -> Optional[float]:
    """How many seconds a question to an HTTP service takes, with its connection. None if no answer came."""
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as service:
            service.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return time.monotonic() - began if service.recv(64) else None
    except OSError:
        return None


def name() -> str:
    """The name of this machine."""
    found = os.uname().nodename if hasattr(os, "uname") else socket.gethostname()
    if not found:
        raise CloudError("This machine has no name. Set one with: hostname NAME")
    return found
