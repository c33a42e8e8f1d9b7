"""Finds problems of a command before anything is fetched, compiled or started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import catalogs
import channels
import clickhouse
import emulator
import issuer
import memory
import processes
import settings as configuration
import tools
from console import CloudError, Step
from files import make_folder
from settings import Settings

ARCHITECTURES = ("arm64", "x86_64")


def up(settings: Settings) -> None:
    """Checks all inputs of `up` that come from the user."""
    make_folder(settings.directory, f"{settings.kind.prefix}_CLOUD_DIR")
    require_own_clickhouse(settings)
    require_agreement(settings)
    catalogs.require_valid(settings.catalog)
    catalogs.require_accepted(settings.catalog, settings.program("meterflow"))
    channels.require_valid(settings)
    if processes.find(clickhouse.NAME, settings.pids) is None and settings.clickhouse.started_here:
        clickhouse.require_ports(settings)
    if processes.find(emulator.NAME, settings.pids) is None:
        emulator.require_port(settings)
    if processes.find(issuer.NAME, settings.pids) is None:
        issuer.require_port(settings)


def require_built_in_catalog(settings: Settings) -> None:
    if settings.catalog:
        raise CloudError(f"The demo plants anomalies in the built-in metrics, but the local cloud has the catalog {settings.catalog}.\n"
                         "Give the demo a cloud of its own (the variables are in infra/local/settings.py), or take the built-in "
                         "metrics back: make up CATALOG=")


def require_own_clickhouse(settings: Settings) -> None:
    """Refuses to replace the user's own ClickHouse by one on this machine unless the user says so."""
    if settings.forgotten_clickhouse and settings.clickhouse.started_here:
        raise CloudError(f"The local cloud was started with your ClickHouse at {settings.forgotten_clickhouse}, which no variable "
                         "names now.\nSet CLICKHOUSE_URL again, with CLICKHOUSE_USER and CLICKHOUSE_PASSWORD if it asks for "
                         "them, or set CLICKHOUSE_URL= (empty) to start a ClickHouse here.")


def require_agreement(settings: Settings) -> None:
    """Refuses other ports than those of the cloud that runs in this folder."""
    if not any(processes.find(name, settings.pids) for name in (emulator.NAME, clickhouse.NAME, issuer.NAME)):
        return
    remembered, now = memory.recall(settings.directory), configuration.as_environment(settings)
    for name in configuration.PORTS:
        if remembered.get(name, now[name]) != now[name]:
            raise CloudError(f"The local cloud in {settings.directory} runs with {name}={remembered[name]}, but {name}={now[name]} "
                             "is set now.\nUnset it to use the cloud that runs, or run `make down` first to move the cloud.")


def deploy(settings: Settings, variables: Path, architecture: str) -> None:
    """Checks all inputs of `make plan` and `make deploy` that come from the user: variables, an account, a provider.

    A plan is the best check. It needs no function yet, because a plan takes any file for a package.
    """
    if architecture not in ARCHITECTURES:
        raise CloudError(f"ARCH is {architecture!r}, but Lambda has {' and '.join(ARCHITECTURES)}. Run: make plan ARCH=arm64")
    if not variables.is_file():
        raise CloudError(f"There is no {variables}, the variables of your stack.\nRun: cp infra/example.tfvars {variables}\n"
                         "Then change what differs. VARS=… names another file.")
    tools.require_programs(["terraform"])
    infra = settings.root / "infra"
    packages = [f"-var={function}_package={infra / 'versions.tf'}" for function in ("detector", "api", "notifier")]
    with Step("Terraform provider and modules"):
        _terraform(infra, "init", "-input=false", "-no-color")
    with Step(f"Plan with {variables}, without the functions") as step:
        _terraform(infra, "plan", "-input=false", "-no-color", "-compact-warnings", "-lock=false", "-refresh=false",
                   f"-var-file={variables.resolve()}", f"-var=architecture={architecture}", *packages)
        step.result = "possible"


def _terraform(infra: Path, command: str, *arguments: str) -> None:
    """Runs Terraform on the user's own state and account. Its output is shown only if it fails."""
    program = tools.terraform_program()
    result = subprocess.run([program, f"-chdir={infra}", command, *arguments], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise CloudError(f"`{program} {command}` failed, so nothing was built:\n{result.stdout.strip()[-6000:]}")
