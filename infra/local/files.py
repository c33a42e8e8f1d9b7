"""Writes files so that a reader sees either the old content or the new one, never a half."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Optional

from console import CloudError

# Largest log after the tests, in bytes.
LARGEST_LOG = 4 << 20


def make_folder(path: Path, variable: Optional[str] = None) -> None:
    """Makes a folder that can be written to; `variable` names another place for it."""
    advice = f"Set {variable} to a folder of yours." if variable else "Who owns it, and is the disk full?"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CloudError(f"The folder {path} cannot be made: {error.strerror}. {advice}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise CloudError(f"The folder {path} cannot be written to. {advice}")


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_json(path: Path, value) -> None:
    write_atomically(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_private_json(path: Path, value) -> None:
    """The same for what only its owner may read."""
    write_atomically(path, json.dumps(value, indent=2, sort_keys=True) + "\n", mode=0o600)


def read_json(path: Path):
    """The file's value, or None if the file is absent or damaged. Both are treated alike here."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def tail(path: Path, lines: int = 30) -> str:
    """The last lines of a log, for an error message."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(the log could not be read)"
    return "\n".join(content[-lines:]) or "(the log is empty)"


def trim(path: Path, largest: int = LARGEST_LOG) -> None:
    """Leaves the end of a log that has grown too long."""
    size = path.stat().st_size
    if size <= largest:
        return
    with path.open("rb") as log:
        log.seek(size - largest)
        log.readline()
        kept = log.read()
    path.write_bytes(f"(the first {size - len(kept)} bytes were cut)\n".encode() + kept)
