"""Puts what several machines have built into one folder, which is the release."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

import sums


def join(builds: List[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for build in builds:
        require(sums.faults(build), build)
        for name in sums.names(build):
            target = folder / name
            # Each build has the list of components.
            if target.exists() and target.read_bytes() != (build / name).read_bytes():
                raise ValueError(f"{name} of {build} is not that of another build")
            shutil.copyfile(build / name, target)
    sums.write(folder)


def require(faults: List[str], build: Path) -> None:
    if faults:
        raise ValueError(f"{build} is not as its {sums.NAME} says: {', '.join(faults)}")
