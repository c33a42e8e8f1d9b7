"""Builds one commit at two places, and compares the bytes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

import compare
import sums
from assembly import FOLDER
from console import CloudError, say
from source import Source

HERE = Path(__file__).resolve().parent


def build(source: Source, only: List[str]) -> None:
    if source.is_changed:
        raise CloudError("Files differ from the commit, and this check compares two builds of a commit. Commit them first.")
    with tempfile.TemporaryDirectory(prefix="meterflow-") as place:
        builds = []
        # Two paths of different lengths, neither of which is this checkout.
        for name in ("first", "second/and-deeper"):
            checkout = Path(place) / name / "meterflow"
            copy(source, checkout)
            target = checkout / "target"
            command = [sys.executable, str(HERE), "build", "--root", str(checkout), "--target", str(target)]
            if subprocess.run([*command, *(["--only", *only] if only else [])]).returncode:
                raise CloudError("The build failed; see above.")
            builds.append(Path(place) / name / "files")
            shutil.move(str(target / FOLDER / source.version), str(builds[-1]))
            shutil.rmtree(target)
        found = compare.differences(*builds)
        if found:
            raise CloudError("\n".join(["Two builds of one commit differ:", *found]))
        say(f"Both builds have the same bytes: {len(sums.names(builds[0]))} files.")
        say((builds[0] / sums.NAME).read_text(encoding="ascii").rstrip())


def copy(source: Source, checkout: Path) -> None:
    """A checkout of the commit, with the packages of npm that this one has."""
    checkout.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(source.root), str(checkout)], check=True)
    subprocess.run(["git", "-C", str(checkout), "checkout", "--quiet", "--detach", source.commit], check=True)
    # Git takes a link for a new file.
    (checkout / ".git" / "info" / "exclude").write_text("node_modules\n", encoding="utf-8")
    (checkout / "dashboard" / "node_modules").symlink_to(source.root / "dashboard" / "node_modules")
