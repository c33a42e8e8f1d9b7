"""Compares two builds of a release, down to the files in their archives."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from pathlib import Path
from typing import Dict, List

import sums


def differences(first: Path, second: Path) -> List[str]:
    """A line for each file that only one build has, or that differs."""
    found = []
    for name in sorted({*sums.names(first), *sums.names(second)}):
        one, other = first / name, second / name
        if not (one.is_file() and other.is_file()):
            found.append(f"{name} is only in {first if one.is_file() else second}")
        elif one.read_bytes() != other.read_bytes():
            found.append(f"{name} differs{_inside(one, other)}")
    return found


def _inside(one: Path, other: Path) -> str:
    before, after = members(one), members(other)
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if names:
        return f" in {', '.join(names)}"
    return " in its packing alone" if before else ""


def members(archive: Path) -> Dict[str, str]:
    """The checksums of the files in an archive. None for a file that is no archive."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            return {name: hashlib.sha256(opened.read(name)).hexdigest() for name in opened.namelist()}
    if archive.name.endswith(".tar.gz"):
        with tarfile.open(archive) as opened:
            files = [member for member in opened if member.isfile()]
            return {file.name: hashlib.sha256(opened.extractfile(file).read()).hexdigest() for file in files}
    return {}
