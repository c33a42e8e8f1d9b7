"""Runs everything that CI runs: every check and test, side by side, with one log per step.

    python3 tools/checks                   everything (`make test`)
    python3 tools/checks unit terraform    these steps, and the steps that they need
    python3 tools/checks --list            the names of the steps

The last line is always `N passed, N failed`, over all Rust, Terraform, Python and browser tests and every gate.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "infra" / "local")]

import report  # noqa: E402  (the path must be set first)
import steps  # noqa: E402
import tools  # noqa: E402
from console import CloudError  # noqa: E402
from logs import Logs  # noqa: E402
from scheduler import Scheduler  # noqa: E402


def main(arguments=None) -> int:
    known = steps.all_steps(ROOT)
    options = _parser(list(known)).parse_args(arguments)
    if options.list:
        print("\n".join(known))
        return 0
    # A SIGTERM ends like Ctrl-C: the running steps end, and the cloud of the tests is deleted.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        tools.require_programs(["cargo", "cc", "node", "npm", "terraform"])
    except CloudError as error:
        print(f"{error}\n\n0 passed, 1 failed")
        return 1
    chosen = steps.with_needs(known, options.step or list(known))
    logs = Logs(ROOT / ".local" / "checks")
    results = Scheduler(chosen, logs, ROOT).run()
    return report.print_report(results, logs)


def _parser(names) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/checks", description=__doc__.splitlines()[0])
    parser.add_argument("step", nargs="*", metavar="STEP", help=f"one of {', '.join(names)} (default: all)")
    parser.add_argument("--list", action="store_true", help="only list the steps")
    return parser


if __name__ == "__main__":
    sys.exit(main())
