"""The ClickHouse of the local cloud: an engine that is started here, or the user's own server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Dict, Optional

import clickhouse_users
import ports
import processes
import tools
from console import CloudError, Step
from files import tail
from settings import ClickHouseServer, Settings

NAME = "clickhouse"
START_SECONDS = 60

# A file system in memory, where a machine has one. Tests make and drop thousands of small tables. On a disk, the search for free
# inodes alone took a tenth of the engine's time.
IN_MEMORY = Path("/dev/shm")
# Tests need a tenth of this.
LEAST_FREE_BYTES = 2 << 30


def ensure_running(settings: Settings) -> None:
    server = settings.clickhouse
    if not server.started_here:
        with Step(f"ClickHouse at {server.url} (CLICKHOUSE_URL)") as step:
            step.result = f"version {query(server, 'SELECT version()').strip()}"
        return
    with Step("ClickHouse") as step:
        record = processes.find(NAME, settings.pids)
        config, changed = clickhouse_users.write(settings)
        if record is not None and changed:
            # The engine reads its users when it starts.
            processes.stop(record, settings.pids)
            record = None
        if record is None:
            record = _start(settings, config)
            _wait_until_it_answers(server, record)
            step.result = f"started at {server.url}"
        elif ping(server):
            step.result = f"runs at {server.url}"
        else:
            raise CloudError(f"ClickHouse (process {record.pid}) runs, but does not answer at {server.url}.\n"
                             f"Was it started with other ports? Run: make down, then make up. Its log: {record.log}")


def for_own_engines(settings: Settings) -> Dict[str, str]:
    """The environment of tests that start engines of their own: the library, a folder for data, and the settings of the engine here."""
    return {"CLICKHOUSE_ENGINE_LIBRARY": str(tools.engine_library(settings)),
            "CLICKHOUSE_ENGINE_FOLDER": str(_of_own_engines(data_folder(settings))),
            "CLICKHOUSE_ENGINE_SETTINGS": json.dumps(clickhouse_users.for_tests(settings))}


def ensure_database(server: ClickHouseServer, database: str) -> None:
    name = database.replace("\\", "\\\\").replace("`", "\\`")
    # A user of a server of one's own may use the database, but perhaps not make one.
    if query(server, f"EXISTS DATABASE `{name}`").strip() != "1":
        query(server, f"CREATE DATABASE IF NOT EXISTS `{name}`")


def ping(server: ClickHouseServer) -> bool:
    try:
        with _opener().open(f"{server.url}/ping", timeout=3) as answer:
            return answer.read().strip() == b"Ok."
    except OSError:
        return False


def query(server: ClickHouseServer, sql: str) -> str:
    request = urllib.request.Request(f"{server.url}/", data=sql.encode())
    if server.user:
        request.add_header("X-ClickHouse-User", server.user)
    if server.password:
        request.add_header("X-ClickHouse-Key", server.password)
    try:
        with _opener().open(request, timeout=30) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        reason = error.read().decode(errors="replace").strip()[:600]
        hint = "\nCheck CLICKHOUSE_USER and CLICKHOUSE_PASSWORD." if error.code in (401, 403, 516) else ""
        raise CloudError(f"ClickHouse at {server.url} refused `{sql}`: {reason or error}{hint}") from None
    except OSError as error:
        cause = getattr(error, "reason", error)
        source = "the log of the local cloud" if server.started_here else "CLICKHOUSE_URL and that server"
        raise CloudError(f"ClickHouse at {server.url} cannot be reached: {cause}. Check {source}.") from None


def data_folder(settings: Settings) -> Path:
    """Where the engine keeps its data: those of tests in memory, if there is room."""
    if settings.is_of_tests and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > LEAST_FREE_BYTES:
        return _folder_in_memory(settings)
    return settings.directory / "clickhouse"


def delete_data(settings: Settings) -> None:
    for folder in (settings.directory / "clickhouse", _folder_in_memory(settings)):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(_of_own_engines(folder), ignore_errors=True)


def _of_own_engines(data: Path) -> Path:
    return data.with_name(f"{data.name}-engines")


def _folder_in_memory(settings: Settings) -> Path:
    """One for each cloud of this machine."""
    return IN_MEMORY / f"meterflow-{hashlib.sha256(os.fsencode(settings.directory.absolute())).hexdigest()[:16]}"


def require_ports(settings: Settings) -> None:
    ports.require_free(settings.clickhouse_http_port, "ClickHouse's HTTP interface",
                       f"{settings.kind.prefix}_CLICKHOUSE_HTTP_PORT", "a ClickHouse server")
    ports.require_free(settings.clickhouse_tcp_port, "ClickHouse's native interface",
                       f"{settings.kind.prefix}_CLICKHOUSE_TCP_PORT", "a ClickHouse server, MinIO or `cargo lambda watch`")


def _start(settings: Settings, config: Path) -> processes.Record:
    require_ports(settings)
    data = data_folder(settings)
    for folder in (data, _of_own_engines(data)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        sys.executable, str(Path(__file__).with_name("clickhouse_engine.py")), str(tools.engine_library(settings)),
        str(config), str(data), str(settings.clickhouse_http_port), str(settings.clickhouse_tcp_port),
    ]
    # The user's own CLICKHOUSE_* settings are for clients. This server must start the same way everywhere.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CLICKHOUSE_")}
    return processes.start(NAME, command, environ, settings.logs / "clickhouse.log", settings.pids)


def _wait_until_it_answers(server: ClickHouseServer, record: processes.Record) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if ping(server):
            return
        if not processes.is_running(record):
            break
        time.sleep(0.1)
    ended = not processes.is_running(record)
    what = "ended while it started" if ended else f"did not answer at {server.url}/ping within {START_SECONDS} s"
    raise CloudError(f"ClickHouse {what}. The end of its log, {record.log}:\n{tail(Path(record.log))}")


def _opener() -> urllib.request.OpenerDirector:
    # A proxy of the user's environment knows nothing of servers on this machine or in a private network.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
