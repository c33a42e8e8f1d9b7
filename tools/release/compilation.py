"""How Cargo builds the programs of a release: the same source gives the same bytes, wherever it lies.

Four things would differ between two builds:

- The folders of the source, of Cargo and of the toolchain. Panics name them. Rust and C get short names for them.
- Flags of the user's own. They are left out.
- The linker and the C library of the machine. The programs for Linux are linked by the pinned Zig for a named version of glibc.
- The time. Whatever asks for it gets that of the commit.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Dict, List, Mapping

from console import CloudError
from parts import Part
from source import Source

# The flags of the user's own, in the variables by which Cargo and the builds of C take them.
OWN_FLAGS = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS")
# The oldest macOS that the programs run on.
OLDEST_MACOS = "11.0"


def build(part: Part, source: Source, tools: Path, target: Path) -> Dict[str, Path]:
    """Compiles a part. Returns its programs by name."""
    folders = known_folders(source.root, target, os.environ)
    result = subprocess.run(command(part, tools, target, folders), cwd=source.root,
                            env=environment(part, source, tools, target, folders, os.environ))
    if result.returncode:
        raise CloudError(f"{part.name} was not built; see above.")
    programs = {name: program_file(part, target, name) for name in part.programs()}
    for program in programs.values():
        require_no_folder(program.read_bytes(), program, folders)
    return programs


def command(part: Part, tools: Path, target: Path, folders: Mapping[str, str]) -> List[str]:
    packages = [word for package in part.packages for word in ("-p", package)]
    flags = ["--config", f"build.rustflags={json.dumps(rust_flags(folders))}"]
    if part.is_for_macos:
        return ["cargo", "build", "--release", "--locked", "--target", part.target, *packages, *flags]
    # cargo-lambda optimises for the processors of Lambda. `meterflow` runs on any.
    processor = [] if part.is_of_functions else ["--disable-optimizations"]
    return [str(tools / "cargo-lambda"), "lambda", "build", "--release", "--locked", "--target", f"{part.target}.{part.library}",
            "--skip-target-check", "--output-format", "binary", "--lambda-dir", str(target / "programs" / part.name),
            *processor, *packages, *flags]


def program_file(part: Part, target: Path, name: str) -> Path:
    if part.is_for_macos:
        return target / part.target / "release" / name
    return target / "programs" / part.name / name / "bootstrap"


def environment(part: Part, source: Source, tools: Path, target: Path, folders: Mapping[str, str],
                environ: Mapping[str, str]) -> Dict[str, str]:
    kept = {name: value for name, value in environ.items() if not is_own_flag(name)}
    map_of_c = " ".join(f"-ffile-prefix-map={folder}={name}" for folder, name in folders.items())
    triple = part.target.replace("-", "_")
    return {
        **kept,
        # cargo-lambda finds its cross compiler beside it.
        "PATH": f"{tools}{os.pathsep}{environ.get('PATH', '')}",
        "CARGO_TARGET_DIR": str(target),
        "CARGO_INCREMENTAL": "0",
        "METERFLOW_COMMIT": source.shown_commit,
        "SOURCE_DATE_EPOCH": str(source.time),
        "ZERO_AR_DATE": "1",
        f"CFLAGS_{triple}": map_of_c,
        f"CXXFLAGS_{triple}": map_of_c,
        **({"MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS} if part.is_for_macos else {}),
    }


def is_own_flag(name: str) -> bool:
    return name in OWN_FLAGS or name.startswith(("CFLAGS_", "CXXFLAGS_", "CARGO_PROFILE_")) or (
        name.startswith("CARGO_TARGET_") and name.endswith(("_RUSTFLAGS", "_LINKER")))


def known_folders(root: Path, target: Path, environ: Mapping[str, str]) -> Dict[str, str]:
    """The folders that a build of this machine knows, and the names that the programs show instead.

    Of several folders that hold a file, the last one counts. So the outer ones come first.
    """
    home = Path(environ.get("HOME", "/root"))
    named = {
        Path(environ.get("CARGO_HOME") or home / ".cargo"): "/cargo",
        Path(environ.get("RUSTUP_HOME") or home / ".rustup"): "/rustup",
        root: "/meterflow",
        target: "/meterflow/target",
    }
    return {str(folder): named[folder] for folder in sorted(named, key=lambda folder: len(folder.parts))}


def rust_flags(folders: Mapping[str, str]) -> List[str]:
    return [f"--remap-path-prefix={folder}={name}" for folder, name in folders.items()]


def require_no_folder(content: bytes, program: Path, folders: Mapping[str, str]) -> None:
    """Refuses a program that names a folder of the machine that built it."""
    found = [folder for folder in folders if f"{folder}/".encode() in content]
    if found:
        raise CloudError(f"{program} names {' and '.join(found)}, so another machine would build other bytes.")
