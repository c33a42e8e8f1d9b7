#!/usr/bin/env python3
"""Checks the Terraform files with checkov (`make lint-terraform`). A comment beside each exception says why it is one.

CI runs this, and `make test` does not: the installation takes 290 MB and 26 s of a processor, and a run takes 15 s.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = Path(__file__).with_name("requirements-checkov.txt")
ENVIRONMENT = ROOT / ".local" / "tools" / "checkov"

# The configurations with resources of their own. The other examples have the module alone. checkov reads a module once more
# for each configuration that uses it, so of the private network it gets the one file.
CHECKED = [
    ["--directory", "infra/modules/stack"],
    ["--directory", "examples/cognito"],
    ["--directory", "examples/suspend_key"],
    ["--file", "infra/examples/private_clickhouse/network.tf"],
]


def main() -> int:
    program = installed()
    results = [subprocess.run(command(program, place), cwd=ROOT).returncode for place in CHECKED]
    if any(results):
        print("checkov found the faults above. Remove each, or explain it beside its resource: #checkov:skip=RULE:reason",
              file=sys.stderr)
        return 1
    return 0


def command(program: Path, place: List[str]) -> List[str]:
    # Without a download: checkov would ask a server for texts about its rules.
    return [str(program), *place, "--framework", "terraform", "--compact", "--quiet", "--skip-download"]


def installed() -> Path:
    """checkov in the pinned version. The stamp comes last, so an interrupted installation is repeated."""
    stamp = ENVIRONMENT / "complete"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "--no-deps", "--requirement", str(REQUIREMENTS)], check=True)
        stamp.write_text(wanted)
    return ENVIRONMENT / "bin" / "checkov"


if __name__ == "__main__":
    sys.exit(main())
