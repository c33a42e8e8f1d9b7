"""The files of the dashboard, built from dashboard/ by Vite, with compressed forms beside them for the API to serve.

The build takes seconds and needs all packages of npm. So a stamp in the result names the sources, and the build runs only
if they are others.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Dict, List

import node
import tools
from console import CloudError, Step, say
from files import read_json, write_json
from package import Entry
from settings import Settings

# The program that compresses the files, in the checkout that is built.
COMPRESS = Path("infra", "local", "compress.mjs")
# Files of dashboard/ that the page is not made of.
NOT_SOURCES = ("bench", "dist", "node_modules", "tests")
# The build makes it from docs/openapi.json.
GENERATED = "schema.d.ts"
STAMP = ".sources.json"
# The folder of the page in the package of the API, where the function looks for it.
PLACE = "dashboard"


def folder(settings: Settings) -> Path:
    return settings.root / "dashboard" / "dist"


def build(settings: Settings) -> Path:
    """The folder with the built files, made anew if the sources have changed."""
    source, result = settings.root / "dashboard", folder(settings)
    stamp = _stamp(settings)
    if read_json(result / STAMP) == stamp and (result / "index.html").is_file():
        say(f"Dashboard: {result} is up to date")
        return result
    node.require_installed(settings)
    with Step("Dashboard: npm run build") as step:
        (result / STAMP).unlink(missing_ok=True)
        _run(["npm", "run", "build", "--prefix", str(source)], source)
        _run(["node", str(settings.root / COMPRESS), str(result)], source)
        write_json(result / STAMP, stamp)
        step.result = "built"
    return result


def entries(built: Path) -> List[Entry]:
    """The files for the package of the API, in an order that is always the same."""
    files = sorted(file for file in built.rglob("*") if file.is_file() and file.name != STAMP)
    return [(f"{PLACE}/{file.relative_to(built)}", file.read_bytes()) for file in files]


def _stamp(settings: Settings) -> Dict[str, str]:
    source = settings.root / "dashboard"
    if not (source / "package.json").is_file():
        raise CloudError(f"There is no {source / 'package.json'}. Is the checkout complete?")
    digest = hashlib.sha256()
    # The client of the page is made from the document of the API.
    inputs = [settings.root / COMPRESS, settings.root / "docs" / "openapi.json"]
    for entry in sorted(source.iterdir()):
        if entry.name not in NOT_SOURCES:
            inputs.extend([entry] if entry.is_file() else sorted(file for file in entry.rglob("*") if _is_source(file)))
    for file in inputs:
        digest.update(f"\0{file.relative_to(settings.root)}\0".encode())
        digest.update(file.read_bytes())
    return {"sources": digest.hexdigest()}


def _is_source(file: Path) -> bool:
    return file.is_file() and file.name != GENERATED


def _run(command: List[str], directory: Path) -> None:
    tools.require_programs(["node", "npm"])
    result = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    if result.returncode:
        raise CloudError(f"The dashboard was not built. `{' '.join(command)}` ended with {result.returncode}:\n"
                         f"{result.stdout.strip()[-6000:]}")
