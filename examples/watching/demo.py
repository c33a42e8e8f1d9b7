"""The parts of an example that watches a source with entities: a stack with a preset, its tables, the events, the runs.

Each run of such an example starts anew: it empties the database and the table of its own stack.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from local_stack import ROOT, CloudError, LocalStack, count, rfc3339, say, shown, table
import settings as configuration
from watching import alerts, found

Record = Dict[str, object]


@dataclass(frozen=True)
class Demo:
    """A preset in a stack of its own, and the tables that the preset reads."""

    stack: str
    preset: str
    # The tables, which have the names of their sources or others, each with the condition in SQL that holds for rows of the example.
    tables: Mapping[str, str]
    sources: Tuple[str, ...]
    # The file of the statements that make the tables, if it has another name than the preset.
    schema: str = ""

    @property
    def catalog(self) -> Path:
        return ROOT / "shared" / "catalog" / "presets" / f"{self.preset}.toml"

    @property
    def statements(self) -> List[str]:
        """The statements that make the tables, for the database of the stack."""
        sql = (ROOT / "infra" / "clickhouse" / f"{self.schema or self.preset}.sql").read_text(encoding="utf-8")
        lines = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
        made = lines.replace("CREATE TABLE IF NOT EXISTS ", "CREATE TABLE IF NOT EXISTS {database}.")
        return [statement.strip() for statement in made.split(";") if statement.strip()]

    def deploy(self, variables: Mapping[str, str] = MappingProxyType({})) -> LocalStack:
        """The stack as `cloud.py deploy` makes it. Its schedule stays off, so that the example alone starts the runs."""
        settings = configuration.load()
        # On a server of the user's own the name says whose database it is.
        database = self.stack if settings.clickhouse.started_here else f"meterflow_{self.stack}"
        command = [sys.executable, str(ROOT / "infra" / "local" / "cloud.py"), "deploy", "--name-prefix", self.stack,
                   "--database", database, "--catalog-file", str(self.catalog), "--var", "schedule_enabled=false"]
        for name, value in variables.items():
            command += ["--var", f"{name}={value}"]
        if subprocess.run(command).returncode:
            raise CloudError(f"The stack {self.stack} was not deployed; the reason is above.")
        return LocalStack(self.stack, self.catalog)

    def prepare(self, stack: LocalStack, filling: Iterable[str]) -> None:
        """Makes the tables and fills them."""
        self._clear(stack)
        for statement in (*self.statements, *filling):
            stack.query(statement)

    def _clear(self, stack: LocalStack) -> None:
        """Forgets an earlier run, but only its own rows."""
        present = [name for name in self.tables if stack.query(f"EXISTS TABLE {{database}}.{name}") == "1"]
        for name in present:
            foreign = int(stack.query(f"SELECT count() FROM {{database}}.{name} "
                                      f"WHERE NOT {self.tables[name]}"))
            if foreign:
                raise CloudError(f"The table {name} of the database {stack.database} holds {count(foreign, 'row')} that this example "
                                 "did not make. It starts with an empty database: name another one, or drop the table if nobody needs it.")
        if present:
            stack.query("DROP DATABASE {database} SYNC")
            stack.query("CREATE DATABASE {database}")
        alerts.forget(stack)

    def run_of_the_hour(self, stack: LocalStack, end: datetime) -> None:
        for source in self.sources:
            event = {"time": rfc3339(end), "detail": {"source": source}}
            say(f"event {json.dumps(event)}\n  {summary_line(stack.invoke(event, stack.sources_function))}")


@dataclass(frozen=True)
class Finished:
    """Rows that are written, and what is announced then."""

    statements: Tuple[str, ...]
    announcements: Tuple[found.Announcement, ...]


def announce_all(stack: LocalStack, made: Sequence[Finished]) -> str:
    """Writes the rows, announces them, and waits for each alert. Returns the times as a table."""
    bus, rows = alerts.Bus(stack), []
    bus.clear()
    for one in made:
        for statement in one.statements:
            stack.query(statement)
        for told in one.announcements:
            began = bus.announce(told)
            if told.leads_to is None:
                rows.append([told.what, told.source, told.id, "none is due", "-"])
                continue
            came = bus.wait_for(told.leads_to)
            if came is None:
                raise alerts.missing(stack, told)
            seconds = came - began
            rows.append([told.what, told.source, told.id, f"{seconds:.2f} s",
                         "met" if seconds <= alerts.TARGET_SECONDS else "missed"])
    note = "\n\nFrom the event on the bus to the alert in a queue of the topic. The first event may wait for the function to start."
    target = f"target of {alerts.TARGET_SECONDS:.0f} s"
    return table(["what ended", "source", "id", "alert after", target], rows, numeric=["alert after"]) + note


def require_success(expected: Sequence[found.Expected], anomalies: Sequence[Record]) -> None:
    result = found.compare(expected, anomalies)
    if not result.is_perfect:
        problems = [
            *(f"missed: {' '.join(one.key)}" for one in result.missed),
            *(f"not planted: {' '.join(found.key_of(item))}, {item['description']}" for item in result.unplanted),
            *result.different,
        ]
        raise CloudError("The result is not what was planted:\n" + "\n".join(f"  {problem}" for problem in problems))
    say(f"\nAll {len(expected)} planted anomalies were found, and nothing else was.")


def summary_line(summary: Record) -> str:
    return (f"{count(summary['checked'], 'series', 'series')} of {count(summary['customers'], 'entity', 'entities')} in "
            f"{summary['duration_ms'] / 1000:.1f} s: {count(summary['anomalies_found'], 'anomaly', 'anomalies')}, "
            f"{summary['recorded']} stored now, {count(summary['alerts_published'], 'alert')}")


def next_steps(stack: LocalStack, page: str) -> str:
    curl = 'curl -H "Host: $API_HOST" -H "Authorization: Bearer $API_TOKEN_ADMIN"'
    return "\n".join([
        "",
        f"The same by the API; {page} tells what to do with an anomaly:",
        f"  set -a; . {shown(stack.env_file)}; set +a",
        f'  {curl} "$API_URL/v1/anomalies?limit=3"',
        f'  {curl} "$API_URL/v1/sources"',
    ])
