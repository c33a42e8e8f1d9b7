"""A package as its lock file resolves it, of Cargo or of npm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional


@dataclass
class Package:
    # Names the package in a list of components.
    ref: str
    name: str
    version: str
    licence: Optional[str] = None
    # Where the world finds it; none for packages of this project.
    purl: Optional[str] = None
    # Of the archive that the registry has: SHA-256 or SHA-512 in hexadecimal digits.
    digest: Optional[str] = None
    # The refs of the packages that it is made of.
    uses: List[str] = field(default_factory=list)
    is_program: bool = False
