"""Fails if Clippy has a remark about any crate of this workspace.

Cargo keeps the remarks of a compilation and repeats them if nothing has to be compiled. So this takes a second after
the build. A remark does not fail the build itself, because tests tell more than a build that stops at the first
remark.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Iterable, List


def main(command: List[str]) -> int:
    process = subprocess.Popen([*command, "--message-format=json"], stdout=subprocess.PIPE, text=True)
    remarks = list(dict.fromkeys(remarks_of(process.stdout)))
    for text in remarks:
        print(text)
    if process.wait():
        return 1
    print(f"{len(remarks)} remarks")
    return 1 if remarks else 0


def remarks_of(lines: Iterable[str]) -> Iterable[str]:
    """Warnings and errors in the form for people. Cargo shows none of crates from elsewhere."""
    for line in lines:
        event = json.loads(line) if line.startswith("{") else {}
        message = event.get("message", {})
        if event.get("reason") == "compiler-message" and message.get("level") in ("warning", "error"):
            yield message["rendered"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
