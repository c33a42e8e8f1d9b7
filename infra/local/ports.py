"""Tells whether a port is free, and which program has it otherwise."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import List, Optional

from console import CloudError

LISTENING = "0A"
CHOICE = (20_000, 30_000)
# A program that is ending holds its port for a moment, and its connections hold the port for up to a minute.
ENDING_SECONDS = 3.0
LINGER_SECONDS = 65.0


def require_free(port: int, purpose: str, variable: str, usual_suspects: str) -> None:
    began = time.monotonic()
    while not _is_free(port):
        patience = ENDING_SECONDS if answers(port) else LINGER_SECONDS
        if _holder(port) or time.monotonic() - began > patience:
            _refuse(port, purpose, variable, usual_suspects)
        time.sleep(0.2)


def _refuse(port: int, purpose: str, variable: str, usual_suspects: str) -> None:
    holder = _holder(port)
    who = f"It is held by {holder}." if holder else f"It could be {usual_suspects}, or a cloud of another checkout."
    raise CloudError(
        f"Port {port} on 127.0.0.1 is taken, and the local cloud needs it for {purpose}.\n"
        f"{who}\n"
        f"End that program, or choose another port by setting {variable}={_suggestion(port)} in the environment."
    )


def free(count: int) -> List[int]:
    """Free ports. They lie below the range that systems use for outgoing connections."""
    found: List[int] = []
    while len(found) < count:
        port = random.randint(*CHOICE)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True  # A port below 1024: the engine itself will say that it may not use it.
        except OSError:
            return False
    # On macOS a program that listens on all addresses does not prevent the bind above, but it does answer.
    return not answers(port)


def answers(port: int) -> bool:
    """Whether a program listens on a port. Without one, only old connections hold a port that is not free."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _suggestion(port: int) -> int:
    return port + 10000 if port + 10000 <= 65535 else port - 10000


def _holder(port: int) -> Optional[str]:
    """The listening program as "name (process 123)", as far as this user may see it."""
    if Path("/proc/net/tcp").exists():
        pid = _pid_from_proc(port)
    elif shutil.which("lsof"):
        listing = subprocess.run(
            ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ).stdout.split()
        pid = int(listing[0]) if listing else None
    else:
        pid = None
    if pid is None:
        return None
    return f"{_command(pid)} (process {pid})"


def _pid_from_proc(port: int) -> Optional[int]:
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(process / "fd" / number) in sockets for number in os.listdir(process / "fd")):
                return int(process.name)
        except OSError:
            continue  # Ended meanwhile, or another user's.
    return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        words = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ).stdout.strip()
    return words[:100] or "a program"
