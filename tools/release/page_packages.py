"""The packages of npm that the page of the dashboard is made of, as its lock file has them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import List
from urllib.parse import quote

from resolved import Package

PAGE = "dashboard"
FOLDER = "node_modules/"


def of_dashboard(root: Path) -> List[Package]:
    """The dashboard, and then its packages. Packages that only its build and its tests need are not in the page."""
    lock = json.loads((root / "dashboard" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    page = lock.pop("")
    taken = {place: package for place, package in lock.items() if not package.get("dev") and not package.get("peer")}
    refs = {place: f"npm {place.rpartition(FOLDER)[2]} {package['version']}" for place, package in taken.items()}

    def used(place: str, package: dict) -> List[str]:
        return sorted(refs[found] for found in (resolve(place, name, taken) for name in package.get("dependencies", {})) if found)

    first = Package(ref=PAGE, name=PAGE, version=page["version"], licence=page.get("license"), uses=used("", page))
    return [first, *(
        Package(
            ref=refs[place],
            name=place.rpartition(FOLDER)[2],
            version=package["version"],
            licence=package.get("license"),
            purl=f"pkg:npm/{quote(place.rpartition(FOLDER)[2], safe='/')}@{package['version']}",
            digest=base64.b64decode(package["integrity"].partition("sha512-")[2]).hex(),
            uses=used(place, package),
        )
        for place, package in sorted(taken.items())
    )]


def resolve(place: str, name: str, lock: dict) -> str:
    """Where Node.js finds a package that one at this place asks for: inside it, or in one of the folders around it."""
    around = place
    while around:
        if f"{around}/{FOLDER}{name}" in lock:
            return f"{around}/{FOLDER}{name}"
        around = around.rpartition(f"/{FOLDER}")[0]
    return f"{FOLDER}{name}" if f"{FOLDER}{name}" in lock else ""
