#!/usr/bin/env python3
"""Writes infra/modules/stack/README.md from the files of the module: what it needs, its inputs and its outputs.

    module_docs.py            writes the page
    module_docs.py --check    fails if the page is not what would be written
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Iterator, List, Tuple

import configuration

TARGET = configuration.STACK / "README.md"

HEAD = """\
<!-- Made from the files of this folder by `make docs`. Change the descriptions in variables*.tf and outputs.tf, not here. -->

# MeterFlow on AWS

This module makes one stack. [docs/terraform.md](../../../docs/terraform.md) says how to use it, and
[infra/examples](../../examples) has examples. [docs/configuration.md](../../../docs/configuration.md) groups the inputs by subject.
"""

# `name = value`, where the value ends before the next argument or block of the same depth.
ARGUMENT = re.compile(r"^  (\w+) += +(.*(?:\n(?!  \w|  \}|\}).*)*(?:\n  [)\]}]+$)?)", re.MULTILINE)


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare the page with the files of the module")
    options = parser.parse_args(arguments)
    text = page(*(read(pattern) for pattern in ("versions.tf", "variables*.tf", "outputs.tf")))
    if not options.check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.relative_to(configuration.ROOT)} is out of date. Run: make docs", file=sys.stderr)
    return 1


def read(pattern: str) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(configuration.STACK.glob(pattern)))


def page(versions: str, variables: str, outputs: str) -> str:
    return "\n".join([
        HEAD,
        "## Requirements\n",
        "| name | version |",
        "|---|---|",
        *(row(name, f"`{version}`") for name, version in requirements(versions)),
        "\n## Inputs\n",
        "An input without a default must be set.\n",
        "| name | description | type | default |",
        "|---|---|---|---|",
        *(row(f"`{name}`", plain(body["description"]), code(body["type"]), code(body.get("default", ""))) for name, body in blocks("variable", variables)),
        "\n## Outputs\n",
        "| name | description |",
        "|---|---|",
        *(row(f"`{name}`", plain(body["description"])) for name, body in blocks("output", outputs)),
    ]) + "\n"


def requirements(versions: str) -> Iterator[Tuple[str, str]]:
    yield "terraform", re.search(r'required_version = "(.+)"', versions).group(1)
    for name, version in re.findall(r'^    (\w+) = \{\n(?:.*\n)*?\s+version = "(.+)"', versions, re.MULTILINE):
        yield name, version


def blocks(kind: str, text: str) -> List[Tuple[str, dict]]:
    """The blocks of a kind in alphabetical order, each with its arguments as they are written."""
    found = re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.MULTILINE | re.DOTALL)
    return sorted((name, dict(ARGUMENT.findall(body))) for name, body in found)


def plain(text: str) -> str:
    return configuration.plain(text)


def code(value: str) -> str:
    """A type or a default on one line."""
    value = re.sub(r"^\s*#.*$", "", value, flags=re.MULTILINE)
    lines = [re.sub(r"\s+", " ", line.strip()) for line in value.splitlines() if line.strip()]
    text = lines[0] if lines else ""
    for line in lines[1:]:
        # A line without a comma at its end ends with the block or with the line.
        inside = text[-1] in "([{" or line[0] in ")]}"
        text += (" " if "{" in text[-1] or "}" in line[0] or text[-1] == "," else "" if inside else ", ") + line
    return f"`{text}`" if text else ""


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
