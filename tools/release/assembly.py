"""From the programs to the files of a release."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, Optional

import archives
import compilation
import dashboard
import package
import sbom
import settings
import sums
from console import CloudError, say
from parts import CLI, FUNCTIONS, Part, folder_name, package_name
from source import Source

FOLDER = "release-files"
TOOLS = Path(__file__).resolve().parents[2] / ".local" / "tools" / "venv" / "bin"

# The scripts by the shells, as each shell looks for them.
COMPLETIONS = {"bash": "meterflow.bash", "fish": "meterflow.fish", "powershell": "_meterflow.ps1", "zsh": "_meterflow"}
# A program says of itself what the machine of the build would tell it in these variables.
OWN_VARIABLES = ("CLICKHOUSE_", "METERFLOW_", "AWS_")


def build(source: Source, parts: List[Part], target: Path) -> Path:
    """Builds the parts, and returns the folder that holds the files of the release."""
    folder = target / FOLDER / source.version
    folder.mkdir(parents=True, exist_ok=True)
    for rest in folder.iterdir():
        rest.unlink()
    page = page_of(source) if any(part.is_of_functions for part in parts) else []
    pages: Optional[List[archives.File]] = None
    for part in sorted(parts, key=lambda part: not is_of_this_machine(part)):
        say(f"Building {part.name} for {part.target}")
        programs = compilation.build(part, source, TOOLS, target)
        if part.is_of_functions:
            for name, program in programs.items():
                beside = page if name == FUNCTIONS["api"] else []
                package.write(folder / package_name(name, part.architecture), program.read_bytes(), beside)
        else:
            pages = pages or pages_of(programs[CLI], part)
            pack(part, programs[CLI], pages, source, folder)
    sbom.write(folder, source)
    sums.write(folder)
    return folder


def page_of(source: Source) -> List[package.Entry]:
    return dashboard.entries(dashboard.build(settings.load(root=source.root)))


def is_of_this_machine(part: Part) -> bool:
    system = "Darwin" if part.is_for_macos else "Linux"
    return (system, part.architecture) == (platform.system(), package.host_architecture())


def pages_of(program: Path, part: Part) -> List[archives.File]:
    """The manual and the completions, as the program itself writes them."""
    if not is_of_this_machine(part):
        raise CloudError(f"{program} is for another machine, and a program writes its manual itself. Build the part of this "
                         "machine, too.")
    clean = without_own(os.environ)
    files = [(f"completions/{name}", 0o644, run([str(program), "completions", shell], clean))
             for shell, name in COMPLETIONS.items()]
    with tempfile.TemporaryDirectory() as folder:
        run([str(program), "man", folder], clean)
        return [*files, *((f"man/man1/{page.name}", 0o644, page.read_bytes()) for page in Path(folder).iterdir())]


def pack(part: Part, program: Path, pages: List[archives.File], source: Source, folder: Path) -> None:
    top = folder_name(part, source.version)
    files = [(CLI, 0o755, program.read_bytes()), ("LICENSE", 0o644, (source.root / "LICENSE").read_bytes()), *pages]
    archives.write_tar(folder / f"{top}.tar.gz", [(f"{top}/{name}", mode, content) for name, mode, content in files], source.time)


def without_own(environ: Mapping[str, str]) -> Dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(OWN_VARIABLES)}


def run(command: List[str], environ: Mapping[str, str]) -> bytes:
    result = subprocess.run(command, env=environ, stdout=subprocess.PIPE)
    if result.returncode:
        raise CloudError(f"`{' '.join(command)}` failed; see above.")
    return result.stdout
