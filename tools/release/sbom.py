"""The list of all components of a release, in the form CycloneDX: crates of each program, packages of the dashboard.

It lists what becomes a part of the programs on any of the machines of a release. Tools of the build are not in it.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterable, List

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import crates
import page_packages
from parts import CLI, FUNCTIONS
from resolved import Package
from source import Source

# Makes the number of a list from its release, so that two builds have the same one.
NAMESPACE = uuid.UUID("6c6f4a0e-3f0f-5a0c-9a53-6d657465726f")
LICENSES = LicenseFactory()


def text(source: Source) -> str:
    """The list as JSON."""
    return JsonV1Dot6(bom(source)).output_as_string(indent=2) + "\n"


def file_name(version: str) -> str:
    return f"{CLI}-{version}.cdx.json"


def bom(source: Source) -> Bom:
    whole = Component(name=CLI, version=source.version, type=ComponentType.APPLICATION, bom_ref=f"{CLI} {source.version}",
                      licenses=[licence("MIT")])
    listed = Bom(
        serial_number=uuid.uuid5(NAMESPACE, f"{source.version} {source.commit}"),
        metadata=BomMetaData(component=whole, timestamp=datetime.fromtimestamp(source.time, timezone.utc)),
    )
    programs = crates.of_programs(source.root, {**FUNCTIONS, CLI: CLI})
    page = page_packages.of_dashboard(source.root)
    # The package of the API holds the dashboard.
    api = next(package for package in programs if package.ref == FUNCTIONS["api"])
    api.uses.append(page[0].ref)
    components = {package.ref: component(package) for package in [*programs, *page]}
    for each in components.values():
        listed.components.add(each)
    listed.register_dependency(whole, [components[name] for name in (*FUNCTIONS.values(), CLI)])
    for package in [*programs, *page]:
        listed.register_dependency(components[package.ref], in_order(components[ref] for ref in set(package.uses)))
    return listed


def in_order(components: Iterable[Component]) -> List[Component]:
    return sorted(components, key=lambda component: component.bom_ref.value)


def component(package: Package) -> Component:
    algorithm = {64: HashAlgorithm.SHA_256, 128: HashAlgorithm.SHA_512}
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.APPLICATION if package.is_program else ComponentType.LIBRARY,
        bom_ref=package.ref,
        purl=PackageURL.from_string(package.purl) if package.purl else None,
        hashes=[HashType(alg=algorithm[len(package.digest)], content=package.digest)] if package.digest else [],
        licenses=[licence(package.licence)] if package.licence else [],
    )


def licence(expression: str):
    # Older crates separate their licences by a slash.
    return LICENSES.make_from_string(expression.replace("/", " OR "), license_acknowledgement=LicenseAcknowledgement.DECLARED)


def write(folder: Path, source: Source) -> None:
    (folder / file_name(source.version)).write_text(text(source), encoding="utf-8")
