"""The source that a release is built from: its version, its commit and the time of the commit."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from console import CloudError

# Enough of a commit's hash to find the commit.
SHOWN = 12


@dataclass(frozen=True)
class Source:
    root: Path
    # That of Cargo.toml.
    version: str
    # The whole hash.
    commit: str
    # Seconds since 1970 at which the commit was made. It stands for the time of the build.
    time: int
    # Files differ from the commit.
    is_changed: bool

    @property
    def shown_commit(self) -> str:
        """The commit as the programs show it. A build of changed files says so."""
        return self.commit[:SHOWN] + (".changed" if self.is_changed else "")


def read(root: Path) -> Source:
    commit, time = git(root, "log", "-1", "--format=%H %ct").split()
    return Source(root, version(root), commit, int(time), bool(git(root, "status", "--porcelain")))


def version(root: Path) -> str:
    """The version of the workspace."""
    text = (root / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise CloudError("Cargo.toml has no version at the beginning of [workspace.package].")
    return found.group(1)


def require_release(source: Source, tag: str) -> None:
    """Refuses a tag that is not that of the source, and a version that the changelog does not tell of."""
    wanted = f"v{source.version}"
    if tag != wanted:
        raise CloudError(f"The tag is {tag}, and Cargo.toml has version {source.version}. The tag must be {wanted}.")
    if source.is_changed:
        raise CloudError("Files differ from the commit. A release is built from a commit: commit them, or take them back.")
    changes(source.root, source.version)


def changes(root: Path, version: str) -> str:
    """What the changelog tells of a version."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## \[{re.escape(version)}\].*\n((?:(?!## ).*\n)*)", text, re.MULTILINE)
    if not found:
        raise CloudError(f"CHANGELOG.md has no section [{version}]. Give [Unreleased] this name.")
    return found.group(1).strip()


def git(root: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(root), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        raise CloudError(f"`git {' '.join(arguments)}` failed in {root}: {result.stderr.strip()}")
    return result.stdout.strip()


def tag_of(environ) -> Optional[str]:
    """The tag that a release is built for, if it is one."""
    return environ.get("RELEASE_TAG") or None
