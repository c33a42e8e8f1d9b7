"""The Lambda packages of the local cloud, made of the programs that Cargo built for this machine.

The emulator runs a function as a plain process, so it needs a program for this machine, also on macOS, where
`cargo lambda build` makes only Linux programs. The packages for AWS come from cargo-lambda (see `make deploy`).
"""

from __future__ import annotations

import os
import platform
import struct
import zipfile
from pathlib import Path

from console import CloudError

BOOTSTRAP = "bootstrap"
ELF_MACHINES = {62: "x86_64", 183: "arm64"}


def make(program: Path, destination: Path) -> None:
    """Zips the program as `bootstrap`. The same program gives the same bytes, so that nothing is deployed anew."""
    if not program.is_file():
        raise CloudError(f"The function is not built: there is no {program}. Run: make build")
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_suffix(".partial")
    entry = zipfile.ZipInfo(BOOTSTRAP, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(temporary, "w") as package:
        package.writestr(entry, program.read_bytes(), compresslevel=9)
    os.replace(temporary, destination)


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
    if head[:4] == b"\x7fELF":
        built_for = ELF_MACHINES.get(struct.unpack("<H", head[18:20])[0], "another processor")
        if platform.system() != "Linux" or built_for != host_architecture():
            raise CloudError(f"{package} was built for Linux on {built_for}, but this machine is {platform.system()} on "
                             f"{host_architecture()}, and the local cloud runs the function here. Run: make build")
