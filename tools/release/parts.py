"""What a release consists of: its parts, the names of their files, and why a machine cannot build a part."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

# The programs of the functions, by the packages of Cargo that hold them.
FUNCTIONS = {"detector": "anomaly-detection", "api": "anomaly-api", "notifier": "anomaly-notifier"}
CLI = "meterflow"

# The C library of Amazon Linux 2023, which runs the functions.
LIBRARY_OF_LAMBDA = "2.34"
# The oldest C library that Rust's standard library takes. So `meterflow` runs on any Linux with glibc since 2012.
OLDEST_LIBRARY = "2.17"


@dataclass(frozen=True)
class Part:
    """Programs for one kind of machine that one call of Cargo makes."""

    name: str
    # As Cargo calls the machine.
    target: str
    packages: Tuple[str, ...]
    # The version of the C library; none on macOS.
    library: Optional[str] = None

    @property
    def architecture(self) -> str:
        """As Lambda and people call the processor."""
        return self.name.rpartition("-")[2]

    @property
    def is_of_functions(self) -> bool:
        return self.packages != (CLI,)

    @property
    def is_for_macos(self) -> bool:
        return self.target.endswith("-apple-darwin")

    def programs(self) -> List[str]:
        return [FUNCTIONS.get(package, package) for package in self.packages]

    def files(self, version: str) -> List[str]:
        """The names of the files of a release that hold the part."""
        if self.is_of_functions:
            return [package_name(program, self.architecture) for program in self.programs()]
        return [f"{folder_name(self, version)}.tar.gz"]


def package_name(program: str, architecture: str) -> str:
    """The Terraform module looks for this name (infra/modules/stack/release.tf)."""
    return f"{program}-{architecture}.zip"


def folder_name(part: Part, version: str) -> str:
    return f"{CLI}-{version}-{part.name}"


PARTS: Dict[str, Part] = {part.name: part for part in (
    Part("functions-arm64", "aarch64-unknown-linux-gnu", tuple(FUNCTIONS), LIBRARY_OF_LAMBDA),
    Part("functions-x86_64", "x86_64-unknown-linux-gnu", tuple(FUNCTIONS), LIBRARY_OF_LAMBDA),
    Part("linux-arm64", "aarch64-unknown-linux-gnu", (CLI,), OLDEST_LIBRARY),
    Part("linux-x86_64", "x86_64-unknown-linux-gnu", (CLI,), OLDEST_LIBRARY),
    Part("macos-arm64", "aarch64-apple-darwin", (CLI,)),
    Part("macos-x86_64", "x86_64-apple-darwin", (CLI,)),
)}


def obstacle(part: Part, system: str, libraries: Path) -> Optional[str]:
    """Why a machine of this system cannot build the part; `libraries` is the folder of Rust's standard libraries."""
    if part.is_for_macos and system != "Darwin":
        return "programs for macOS need Apple's SDK, which is only on macOS"
    if not part.is_for_macos and system == "Darwin":
        # The pages of the manual come from a program that this machine can run.
        return "programs for Linux are built on Linux"
    if not (libraries / part.target / "lib").is_dir():
        return f"Rust's standard library for {part.target} is not installed. Run: rustup target add {part.target}"
    return None


def choose(only: List[str]) -> Tuple[List[Part], Dict[str, str]]:
    """The parts that this machine can build of those that are asked for, and the reasons for those that it leaves out."""
    unknown = [name for name in only if name not in PARTS]
    if unknown:
        raise ValueError(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    wanted = [part for name, part in PARTS.items() if not only or name in only]
    reasons = {part.name: obstacle(part, platform.system(), Path(sysroot) / "lib" / "rustlib") for part in wanted}
    return [part for part in wanted if not reasons[part.name]], {name: reason for name, reason in reasons.items() if reason}
