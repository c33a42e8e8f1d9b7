#!/usr/bin/env python3
"""Writes every document that is made from the code (`make docs`), or compares them with --check (`make check-docs`).

The JSON files come from programs that Cargo has built already. The pages and the picture come from the programs beside this
file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "target" / "debug"

# The programs that print a document, and the document's place.
PRINTED = {
    ("examples/openapi",): ROOT / "docs" / "openapi.json",
    ("examples/slack_message",): ROOT / "docs" / "slack-message.json",
    ("meterflow", "schema"): ROOT / "docs" / "catalog.schema.json",
}
GENERATORS = ("trace_presets.py", "api_docs.py", "slack_message.py", "configuration.py", "module_docs.py", "cost.py", "scaling.py")


class DocsError(Exception):
    """The fault of a document, and the next step."""


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a document is out of date")
    options = parser.parse_args(arguments)
    try:
        for (program, *words), target in PRINTED.items():
            bring(printed_by(BUILT / program, *words), target, options.check)
        for generator in GENERATORS:
            generate(generator, options.check)
    except DocsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def printed_by(program: Path, *words: str) -> bytes:
    if not program.is_file():
        raise DocsError(f"There is no {program}. Run: make build")
    result = subprocess.run([str(program), *words], stdout=subprocess.PIPE)
    if result.returncode:
        raise DocsError(f"{program} failed; see above.")
    return result.stdout


def bring(content: bytes, target: Path, check: bool) -> None:
    """Writes the document, or compares it."""
    if not check:
        target.write_bytes(content)
    elif not target.is_file() or target.read_bytes() != content:
        raise DocsError(f"{target} is out of date. Run: make docs")


def generate(generator: str, check: bool) -> None:
    command = [sys.executable, str(Path(__file__).with_name(generator)), *(["--check"] if check else [])]
    if subprocess.run(command).returncode:
        raise DocsError(f"tools/{generator} failed; see above.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
