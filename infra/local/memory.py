"""What `up` remembers of how the cloud of this checkout was started, so that later commands need none of its variables.

The folder of a cloud holds the variables in cloud.json. Where that folder is not the default one, the default one holds
the way to it in place.json. A variable of the environment goes before what is remembered, also an empty one, which stands
for the default. The cloud of the tests is given all its variables, so nothing of it is remembered.
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
    # Channels may be given with their secrets, so nobody else gets to read it.
    write_private_json(directory / CLOUD, dict(variables))
    if directory == default:
        (default / PLACE).unlink(missing_ok=True)
    else:
        write_json(default / PLACE, str(directory))


def forget(default: Path, directory: Path) -> None:
    (directory / CLOUD).unlink(missing_ok=True)
    if place(default) == default:
        (default / PLACE).unlink(missing_ok=True)
