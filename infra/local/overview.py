"""What of the local cloud runs, for `status`."""

from __future__ import annotations

import clickhouse
import emulator
import issuer
import processes
import stack as stacks
from console import say
from settings import Settings


def show(settings: Settings) -> int:
    server = settings.clickhouse
    lines = [("ClickHouse", _engine_status(settings, clickhouse.NAME, server.url, clickhouse.ping(server))),
             ("AWS emulator", _engine_status(settings, emulator.NAME, settings.aws_url, emulator.is_healthy(settings))),
             ("Issuer", _engine_status(settings, issuer.NAME, settings.issuer_url, _issuer_answers(settings)))]
    if not server.started_here:
        lines[0] = ("ClickHouse", f"{'answers' if clickhouse.ping(server) else 'does not answer'} at {server.url} (yours)")
    for name in stacks.names(settings):
        known = stacks.deployed(settings, name)
        function = known["outputs"]["detector_function_name"]
        lines.append((f"Stack {name}", f"function {function}, database {known['database']}, {settings.env_file(name)}"))
        host = stacks.api_host(settings, known["outputs"])
        if host:
            lines.append(("Its API", f"{settings.aws_url} with the header Host: {host}"))
            lines.append(("Its dashboard", stacks.dashboard_url(settings, known["outputs"])))
    lines.append(("Logs", str(settings.logs)))
    for title, text in lines:
        say(f"{title + ':':<16} {text}")
    running = _issuer_answers(settings) and is_own(settings, emulator.NAME, emulator.is_healthy(settings)) and (
        is_own(settings, clickhouse.NAME, clickhouse.ping(server)) if server.started_here else clickhouse.ping(server))
    if not running:
        say("The local cloud is not up. Start it with: make up")
    return 0 if running else 1


def _engine_status(settings: Settings, name: str, url: str, answers: bool) -> str:
    record = processes.find(name, settings.pids)
    if record is None:
        return f"does not run{f', but another program answers at {url}' if answers else ''}"
    return f"{'runs' if answers else 'DOES NOT ANSWER'} at {url} (process {record.pid})"


def is_own(settings: Settings, name: str, answers: bool) -> bool:
    """Whether it belongs to this cloud. A server at its address could belong to another checkout."""
    return answers and processes.find(name, settings.pids) is not None


def _issuer_answers(settings: Settings) -> bool:
    # Without a key there is no address to ask. A look at the state makes none.
    return settings.issuer_key.is_file() and issuer.answers(issuer.url(settings))
