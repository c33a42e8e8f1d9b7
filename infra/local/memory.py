"""Remembers how the cloud of this checkout was started, so that later commands need no variables.

The folder of a cloud holds the variables in cloud.json. If that folder is not the default one, the default folder
holds the path to it in place.json. A variable of the environment wins over a remembered one. An empty variable
stands for the default. The cloud of the tests gets all its variables, so nothing of it is remembered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping

from files import read_json, write_json, write_private_json

CLOUD = "cloud.json"
PLACE = "place.json"


def place(default: Path) -> Path:
    """The folder of the cloud that was started last, or the default one."""
    known = read_json(default / PLACE)
    folder = Path(known) if isinstance(known, str) else default
    return folder if (folder / CLOUD).is_file() else default


def recall(directory: Path) -> Dict[str, str]:
    """The variables that the cloud of this folder was started with."""
    known = read_json(directory / CLOUD)
    return {str(name): str(value) for name, value in known.items()} if isinstance(known, dict) else {}


def remember(default: Path, directory: Path, variables: Mapping[str, str]) -> None:
    # Channels may contain their secrets, so nobody else may read the file.
    write_private_json(directory / CLOUD, dict(variables))
    if directory == default:
        (default / PLACE).unlink(missing_ok=True)
    else:
        write_json(default / PLACE, str(directory))


def forget(default: Path, directory: Path) -> None:
    (directory / CLOUD).unlink(missing_ok=True)
    if place(default) == default:
        (default / PLACE).unlink(missing_ok=True)
