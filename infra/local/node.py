"""Packages from npm: those of the page in dashboard/, and those of the issuer in identity/ beside this file.

Each folder has a lock file with the checksum of every package. A folder counts as complete once it has a stamp with the
hash of its lock file. So an interrupted installation is repeated, and an unchanged one takes no time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Dict

import tools
from console import CloudError, Step, say
from files import read_json, write_json
from settings import Settings

IDENTITY = Path(__file__).with_name("identity")


def folders(settings: Settings) -> Dict[str, Path]:
    """The folders with packages by the words that name them in messages."""
    return {"the issuer of tokens": IDENTITY, "the dashboard": settings.root / "dashboard"}


def install(settings: Settings) -> None:
    with tools.locked(settings.tools):
        for purpose, folder in folders(settings).items():
            _install(purpose, folder)


def require_installed(settings: Settings) -> None:
    for purpose, folder in folders(settings).items():
        if not is_complete(folder):
            raise CloudError(f"The npm packages of {purpose} are not installed, or not in the pinned versions. Run: make setup")


def is_complete(folder: Path) -> bool:
    return read_json(_stamp_file(folder)) == _stamp(folder)


def _install(purpose: str, folder: Path) -> None:
    if is_complete(folder):
        say(f"npm packages of {purpose}: present")
        return
    with Step(f"npm packages of {purpose}: fetching what {folder.name}/package-lock.json names") as step:
        # `npm ci` deletes the folder of the packages first, and with it the stamp. No package runs a script of its own.
        tools.run(["npm", "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
                   "--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000"],
                  f"install the npm packages of {purpose}", mirror="npm_config_registry")
        write_json(_stamp_file(folder), _stamp(folder))
        step.result = "installed"


def _stamp_file(folder: Path) -> Path:
    return folder / "node_modules" / ".complete.json"


def _stamp(folder: Path) -> Dict[str, str]:
    lock = folder / "package-lock.json"
    if not lock.is_file():
        raise CloudError(f"There is no {lock}, which names the packages. Is the checkout complete?")
    return {"lock": hashlib.sha256(lock.read_bytes()).hexdigest()}
