#!/usr/bin/env python3
"""The parts of `make bench`: those of the Rust bench, and `dashboard`, which needs a browser. Without a name all of them
but `cluster`, `chaos` and `storm`.

    parts.py [starts] [loop] [neighbours] [finished] [machines] [sizes] [cluster] [chaos] [storm] [dashboard]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[1]
IN_RUST = ("starts", "loop", "neighbours", "finished", "machines", "sizes", "cluster", "chaos", "storm")
DASHBOARD = "dashboard"


def commands(parts: List[str]) -> List[List[str]]:
    """What has to run for these parts."""
    unknown = sorted(set(parts) - {*IN_RUST, DASHBOARD})
    if unknown:
        raise SystemExit(f"There is no part {', '.join(unknown)}. The parts are {', '.join((*IN_RUST, DASHBOARD))}.")
    in_rust = [part for part in parts if part in IN_RUST]
    made = []
    if in_rust or not parts:
        made.append(["cargo", "bench", "-p", "bench", "--bench", "figures", "--", *in_rust])
    if DASHBOARD in parts or not parts:
        made.append(["node", "dashboard/bench/figures.js"])
    return made


if __name__ == "__main__":
    # A missed figure of one part does not hide those of the others.
    codes = [subprocess.run(command, cwd=ROOT).returncode for command in commands(sys.argv[1:])]
    sys.exit(next((code for code in codes if code), 0))
