#!/usr/bin/env python3
"""Writes docs/configuration.md from the variables of Terraform and the environment of the functions.

The module in infra/modules/stack has the descriptions. The defaults are those of infra/.

    configuration.py            writes docs/configuration.md
    configuration.py --check    fails if docs/configuration.md is not what would be written
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import hcl2

ROOT = Path(__file__).resolve().parents[1]
INFRA = ROOT / "infra"
STACK = INFRA / "modules" / "stack"
TARGET = ROOT / "docs" / "configuration.md"

HEAD = """\
<!-- Made from infra/modules/stack by `make docs`. Change the descriptions in its variables*.tf, not here. -->

# Configuration

Set these variables in `infra/terraform.tfvars`. `make plan` refuses a wrong value and names the allowed values. The column
*environment* names the variable that the functions read, for those who run a function without Terraform. A variable without a
default must be set.

The module `infra/modules/stack` has the same variables, for a configuration of your own: see [terraform.md](terraform.md).
"""

SECTION = re.compile(r"^# -{20,}\n# (.+)\n# -{20,}$", re.MULTILINE)
REFERENCE = re.compile(r"\bvar\.([a-z0-9_]+)")


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare docs/configuration.md with the variables")
    options = parser.parse_args(arguments)
    text = page(variables(STACK), environment(STACK), defaults(INFRA))
    if not options.check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print("docs/configuration.md is out of date. Run: make docs", file=sys.stderr)
    return 1


def variables(folder: Path) -> str:
    """The text of all files of variables, the general ones first."""
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("variables*.tf")))


def defaults(folder: Path) -> Dict[str, str]:
    return {name: default(body) for name, body in blocks(variables(folder))}


def page(variables: str, names: Dict[str, List[str]], defaults: Dict[str, str]) -> str:
    """The page for the text of the variables, with the environment variables and the default of each of them."""
    parts = [HEAD]
    for title, text in sections(variables):
        rows = [row(name, body, names.get(name, []), defaults[name]) for name, body in blocks(text)]
        parts.append("\n".join([f"\n## {title}\n", "| variable | default | meaning | environment |", "|---|---|---|---|", *rows, ""]))
    return "".join(parts)


def sections(text: str) -> Iterator[Tuple[str, str]]:
    """The parts of the variables under each title."""
    titles = list(SECTION.finditer(text))
    if not titles:
        raise SystemExit("the files variables*.tf have no section titles (a title between two lines of hyphens)")
    for title, following in zip(titles, [*titles[1:], None]):
        yield title.group(1), text[title.end():following.start() if following else len(text)]


def blocks(text: str) -> Iterator[Tuple[str, Dict[str, object]]]:
    for block in hcl2.loads(text).get("variable", []):
        for name, body in block.items():
            yield plain(name), body


def row(name: str, body: Dict[str, object], names: List[str], default: str) -> str:
    cells = [f"`{name}`", default, plain(body["description"]), ", ".join(f"`{each}`" for each in names)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default(body: Dict[str, object]) -> str:
    """The default as it is written in Terraform; nothing for a variable that must be set."""
    if "default" not in body:
        return ""
    value = body["default"]
    if value is None or value == "null":
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f"`{plain(value)}`"
    if isinstance(value, list):
        return f"`[{', '.join(plain(str(item)) for item in value)}]`"
    if isinstance(value, dict):
        return "`{}`" if not value else f"`{value}`"
    return f"`{value}`"


def environment(folder: Path) -> Dict[str, List[str]]:
    """The environment variables of the functions that hold the value of each Terraform variable."""
    names: Dict[str, List[str]] = {}
    line = re.compile(r"^\s+([A-Z][A-Z0-9_]+)\s*=\s*(.+)$", re.MULTILINE)
    for file in sorted(folder.glob("*.tf")):
        for match in line.finditer(file.read_text(encoding="utf-8")):
            for variable in REFERENCE.findall(match.group(2)):
                known = names.setdefault(variable, [])
                if match.group(1) not in known:
                    known.append(match.group(1))
    return names


def plain(text: object) -> str:
    """A string of the HCL parser without the quotes around it and the escapes in it."""
    text = str(text)
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.replace('\\"', '"')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
