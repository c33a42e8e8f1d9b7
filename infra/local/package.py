"""The Lambda packages of the local cloud, made of the programs that Cargo built for this machine.

The emulator runs a function as a plain process, so it needs a program for this machine, also on macOS. `cargo lambda
build` makes only Linux programs. cargo-lambda makes the packages for AWS (see `make deploy`).
"""

from __future__ import annotations

import os
import platform
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Iterable, Tuple

from console import CloudError

BOOTSTRAP = "bootstrap"
ELF = b"\x7fELF"
ELF_MACHINES = {62: "x86_64", 183: "arm64"}


# A file of a package, and the bytes in it.
Entry = Tuple[str, bytes]


def make(program: Path, destination: Path, smallest: bool = False, beside: Iterable[Entry] = ()) -> None:
    """Zips the program as `bootstrap`, and the files beside it. The same content gives the same bytes, so an unchanged
    function is not deployed again.
    """
    if not program.is_file():
        raise CloudError(f"The function is not built: there is no {program}. Run: make build")
    destination.parent.mkdir(parents=True, exist_ok=True)
    stripped = destination.with_suffix(".stripped")
    _strip(program, stripped)
    # The smallest package takes ten times as long as one that is a tenth larger.
    write(destination, stripped.read_bytes(), beside, level=9 if smallest else 1)
    stripped.unlink()


def write(destination: Path, program: bytes, beside: Iterable[Entry], level: int = 9) -> None:
    """Zips the program as it is, and the files beside it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_suffix(".partial")
    with zipfile.ZipFile(temporary, "w") as package:
        package.writestr(_entry(BOOTSTRAP, 0o755), program, compresslevel=level)
        _write(package, beside)
    os.replace(temporary, destination)


def add(package: Path, beside: Iterable[Entry]) -> None:
    """Puts files beside the program in a package that another tool made, such as cargo-lambda. Whatever was beside the
    program before is left out.
    """
    if not package.is_file():
        raise CloudError(f"There is no Lambda package {package}. Run: make package-for-aws")
    with zipfile.ZipFile(package) as before:
        program = before.read(BOOTSTRAP)
    # Compressed as well as cargo-lambda did.
    write(package, program, beside)


def _write(package: zipfile.ZipFile, entries: Iterable[Entry]) -> None:
    for name, content in entries:
        package.writestr(_entry(name, 0o644), content)


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _strip(program: Path, destination: Path) -> None:
    """Copies the program without its symbols, which are a third of a debug build and make each start slower."""
    shutil.copyfile(program, destination)
    # The signature of a program of macOS would not fit any more. A machine without `strip` gets larger packages.
    if destination.read_bytes()[:4] == ELF and shutil.which("strip"):
        subprocess.run(["strip", str(destination)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def host_architecture() -> str:
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def require_runnable(package: Path) -> None:
    """Refuses a package that the emulator could not start, before anything is deployed."""
    if not package.is_file():
        raise CloudError(f"There is no Lambda package {package}. Run: make build")
    try:
        with zipfile.ZipFile(package) as archive:
            with archive.open(BOOTSTRAP) as program:
                head = program.read(20)
    except (zipfile.BadZipFile, KeyError):
        raise CloudError(f"{package} is not a Lambda package: it must be a zip file with `{BOOTSTRAP}` in it.") from None
    if head[:4] == ELF:
        built_for = ELF_MACHINES.get(struct.unpack("<H", head[18:20])[0], "another processor")
        if platform.system() != "Linux" or built_for != host_architecture():
            raise CloudError(f"{package} was built for Linux on {built_for}, but this machine is {platform.system()} on "
                             f"{host_architecture()}, and the local cloud runs the function here. Run: make build")
