"""Archives whose bytes depend on nothing but the names, the modes and the contents of their files."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Iterable, Tuple

# A file of an archive: its name, its mode and its bytes.
File = Tuple[str, int, bytes]


def write_tar(destination: Path, files: Iterable[File], time: int) -> None:
    """Writes a .tar.gz in which each file has this time."""
    write(destination, gzip.compress(tar(files, time), compresslevel=9, mtime=0))


def tar(files: Iterable[File], time: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode, content in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, time
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def write(destination: Path, content: bytes) -> None:
    """Writes a file as a whole or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f"{destination.name}.partial")
    temporary.write_bytes(content)
    os.replace(temporary, destination)
