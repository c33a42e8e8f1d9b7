"""SHA256SUMS: the checksum of each file of a release, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Dict, List

NAME = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([\w.+-]+)")


def write(folder: Path) -> None:
    lines = [f"{digest(folder / name)}  {name}\n" for name in names(folder)]
    (folder / NAME).write_text("".join(lines), encoding="ascii")


def read(folder: Path) -> Dict[str, str]:
    """The checksums by file."""
    lines = (folder / NAME).read_text(encoding="ascii").splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise ValueError(f"{folder / NAME} has a line that is not a checksum, two spaces and a name")
    return {line.group(2): line.group(1) for line in found}


def faults(folder: Path) -> List[str]:
    """What of a folder is not as its SHA256SUMS says."""
    listed, present = read(folder), names(folder)
    return [
        *(f"{name} is missing" for name in listed if name not in present),
        *(f"{name} is not listed" for name in present if name not in listed),
        *(f"{name} has another checksum" for name in present if name in listed and digest(folder / name) != listed[name]),
    ]


def names(folder: Path) -> List[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file() and file.name != NAME)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
