#!/usr/bin/env python3
"""The cloud that the checks make for their tests, in parts, so that each part starts as early as it can.

    cloud_of_tests.py engines          starts ClickHouse, the AWS emulators and the issuer afresh, and fetches the Terraform provider
    cloud_of_tests.py stack            deploys the built functions
    cloud_of_tests.py run PROGRAM …    runs a program with the environment of the stack
    cloud_of_tests.py stack-of-pages   deploys the functions with the catalog of the browser tests
    cloud_of_tests.py run-on-pages PROGRAM …
    cloud_of_tests.py run-without-stack PROGRAM …   with an AWS emulator that has no stack
    cloud_of_tests.py end              ends all of it and deletes the data; the logs stay

The variables that start with TEST_ (see settings.py) say where the cloud is. An AWS emulator is one process, which uses one
processor at most. So tests without a stack may have one of their own:
TEST_AWS_PORT_WITHOUT_STACK  its port
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import List

import clickhouse
import cloud
import emulator
import issuer
import node
import settings as configuration
import stack
import tools
from files import trim
from settings import DEFAULT_STACK, TEST, Settings
from terraform import Terraform


# The stack whose dashboard is tested in a browser. Its usage is made up, and no other test changes it.
PAGES = "pages"
# With workflows beside usage, so each view has something to show.
CATALOG_OF_PAGES = Path(__file__).resolve().parents[2] / "dashboard" / "tests" / "catalog.toml"


def main(arguments: List[str]) -> int:
    command, program = arguments[:1], arguments[1:]
    if command == ["stack"]:
        return cloud.main(["up"], TEST)
    if command == ["run"]:
        return cloud.main(["run", "--", *program], TEST)
    if command == ["stack-of-pages"]:
        return cloud.main(["deploy", "--name-prefix", PAGES, "--database", PAGES, "--catalog-file", str(CATALOG_OF_PAGES)], TEST)
    if command == ["run-on-pages"]:
        return cloud.main(["run", "--name-prefix", PAGES, "--", *program], TEST)
    commands = {"engines": engines, "run-without-stack": run_without_stack, "end": end}
    if not command or command[0] not in commands:
        print(f"Usage: cloud_of_tests.py stack|run|stack-of-pages|run-on-pages|{'|'.join(commands)} [PROGRAM …]", file=sys.stderr)
        return 2
    return cloud.guarded(lambda: commands[command[0]](configuration.load(kind=TEST), *([program] if program else [])))


def engines(settings: Settings) -> None:
    tools.require_set_up(settings)
    node.require_installed(settings)
    end(settings)
    issuer.ensure_running(settings)
    clickhouse.ensure_running(settings)
    for part in _parts(settings):
        emulator.ensure_running(part)
    # This empties the emulator. The tests make tables in it before the stack is deployed.
    stack.agree_on_generation(settings)
    terraform = Terraform(settings, settings.stack_directory(DEFAULT_STACK))
    terraform.stage()
    terraform.init()


def run_without_stack(settings: Settings, program: List[str]) -> int:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CLICKHOUSE_", "CATALOG_"))}
    environ = {**emulator.client_environment(_parts(settings)[-1], inherited), "CLICKHOUSE_URL": settings.clickhouse.url,
               **clickhouse.for_own_engines(settings)}
    return subprocess.run(program, env=environ, cwd=settings.root).returncode


def end(settings: Settings) -> None:
    parts = _parts(settings)
    if len(parts) == 1 and _folder_without_stack(settings).is_dir():
        # An emulator of an earlier run, whose port nobody needs to know to end it.
        parts.append(dataclasses.replace(settings, directory=_folder_without_stack(settings)))
    for part in reversed(parts):
        cloud.tear_down(part)
        for log in part.logs.glob("*.log"):
            trim(log)


def _parts(settings: Settings) -> List[Settings]:
    """The cloud, and after it the same cloud with the emulator that has no stack, if there is one."""
    port = os.environ.get("TEST_AWS_PORT_WITHOUT_STACK")
    if port is None:
        return [settings]
    return [settings, dataclasses.replace(settings, directory=_folder_without_stack(settings), aws_port=int(port))]


def _folder_without_stack(settings: Settings) -> Path:
    return settings.directory / "without-stack"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
