"""A collector of OpenTelemetry: takes spans by OTLP, and writes them to a database of its own in ClickHouse."""

from __future__ import annotations

import os
import time
from typing import Optional
from urllib.parse import urlsplit

import ports
import processes
import tools
from console import CloudError, Step
from local_stack import LocalStack, shown

NAME = "collector"
START_SECONDS = 20
# Spans travel in batches.
ARRIVE_SECONDS = 30


class Collector:
    """Runs from `with` to the end of its block."""

    def __init__(self, stack: LocalStack, database: str, port: int):
        self._stack, self.database, self._port = stack, database, port
        self._record: Optional[processes.Record] = None

    def __enter__(self) -> Collector:
        settings = self._stack.settings
        with Step("Collector of OpenTelemetry") as step:
            old = processes.find(NAME, settings.pids)
            if old:
                processes.stop(old, settings.pids)
            self._record = processes.start(NAME, [str(program(settings)), *self._options()], _environment(),
                                           settings.logs / "collector.log", settings.pids)
            try:
                self._wait_until_it_listens()
            except BaseException:
                self.__exit__()
                raise
            step.result = f"takes spans at {endpoint(self._port)}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._record:
            processes.stop(self._record, self._stack.settings.pids)

    def wait_for(self, requests: int) -> int:
        """Waits for the spans of so many requests of the API. Returns the number of all spans."""
        deadline = time.monotonic() + ARRIVE_SECONDS
        while time.monotonic() < deadline:
            spans, came = self._stack.query(
                f"SELECT count(), countIf(SpanKind IN ('Server', 'SPAN_KIND_SERVER')) FROM `{self.database}`.otel_traces").split("\t")
            if int(came) >= requests:
                return int(spans)
            time.sleep(0.2)
        raise CloudError(f"The spans of {came} of {requests} requests arrived within {ARRIVE_SECONDS} s. "
                         f"See {shown(self._stack.settings.logs / 'collector.log')}")

    def _options(self) -> list[str]:
        server, (grpc,) = self._stack.settings.clickhouse, ports.free(1)
        login = [f"--clickhouse-exporter-{name}={value}" for name, value in (("user", server.user), ("password", server.password)) if value]
        return [
            "start", f"--otlp-http-endpoint=127.0.0.1:{self._port}", f"--otlp-grpc-endpoint=127.0.0.1:{grpc}",
            "--exporter=clickhouse", f"--clickhouse-exporter-endpoint={server.url}",
            f"--clickhouse-exporter-database={self.database}", "--clickhouse-exporter-async-insert=false",
            f"--pid-file={self._stack.settings.pids / 'collector.pid'}", *login,
        ]

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and processes.is_running(self._record):
            if ports.answers(self._port):
                return
            time.sleep(0.1)
        raise CloudError(f"The collector did not start. See {shown(self._stack.settings.logs / 'collector.log')}")


def endpoint(port: int) -> str:
    """Where functions send their spans."""
    return f"http://127.0.0.1:{port}"


def program(settings) -> os.PathLike:
    """The program as PyPI brings it, with the other tools of the local cloud."""
    found = sorted((settings.tools / "venv").glob("lib/python*/site-packages/rotel/rotel-agent"))
    if not found:
        raise CloudError(f"{shown(tools.REQUIREMENTS)} brings no collector for this version of Python. It has builds for 3.10 to 3.13.")
    return found[0]


def _environment() -> dict[str, str]:
    # The collector would take its options from the user's own variables.
    return {name: value for name, value in os.environ.items() if not name.startswith("ROTEL_")}


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
