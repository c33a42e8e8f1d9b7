"""The crates that the programs of a release are made of.

`cargo metadata` knows each crate and what it depends on, also what only tests need. `cargo tree` knows which of them a
build takes. So a crate counts if both know it.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Dict, Iterable, List, Set, Tuple

from parts import PARTS
from resolved import Package

TARGETS = sorted({part.target for part in PARTS.values()})
LOCKED = re.compile(r'^\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"\n(?:source = "[^"]+"\nchecksum = "([0-9a-f]{64})")?',
                    re.MULTILINE)


def of_programs(root: Path, programs: Dict[str, str]) -> List[Package]:
    """The programs, by the packages of Cargo that hold them, and all crates in them."""
    known = json.loads(cargo(root, "metadata", "--format-version", "1", *(word for target in TARGETS for word in
                                                                        ("--filter-platform", target))))
    taken = built(root, groups(programs))
    digests = {(name, version): digest for name, version, digest in
               LOCKED.findall((root / "Cargo.lock").read_text(encoding="utf-8"))}
    packages = {package["id"]: package for package in known["packages"] if (package["name"], package["version"]) in taken}
    uses = {node["id"]: list(normal(node["deps"], packages)) for node in known["resolve"]["nodes"] if node["id"] in packages}
    refs = {identity: programs.get(package["name"]) or ref(package) for identity, package in packages.items()}
    return [
        Package(
            ref=refs[identity],
            name=programs.get(package["name"]) or package["name"],
            version=package["version"],
            licence=package["license"],
            purl=f"pkg:cargo/{package['name']}@{package['version']}" if package["source"] else None,
            digest=digests.get((package["name"], package["version"])) or None,
            uses=[refs[used] for used in uses[identity]],
            is_program=package["name"] in programs,
        )
        for identity, package in sorted(packages.items())
    ]


def ref(package: Dict[str, str]) -> str:
    return f"crate {package['name']} {package['version']}"


def groups(programs: Iterable[str]) -> Set[Tuple[str, ...]]:
    """The programs that one call of Cargo builds: they share the features of their crates."""
    return {part.packages for part in PARTS.values() if set(part.packages) <= set(programs)}


def built(root: Path, together: Iterable[Tuple[str, ...]]) -> Set[Tuple[str, str]]:
    """Names and versions of the crates that become a part of the programs."""
    found = set()
    for packages in together:
        chosen = [word for package in packages for word in ("-p", package)]
        platforms = [word for target in TARGETS for word in ("--target", target)]
        lines = cargo(root, "tree", *chosen, *platforms, "-e", "normal", "--prefix", "none", "--format", "{p}").splitlines()
        found |= {(words[0], words[1].lstrip("v")) for words in (line.split() for line in lines) if words}
    return found


def normal(dependencies: List[dict], packages: Dict[str, dict]) -> Iterable[str]:
    for dependency in dependencies:
        if dependency["pkg"] in packages and any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            yield dependency["pkg"]


@functools.lru_cache(maxsize=None)
def cargo(root: Path, *arguments: str) -> str:
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout
