#!/usr/bin/env python3
"""A fleet of workflows, watched by the preset `executions`: `make demo-executions`.

Twelve made-up workflows of three workspaces run for 40 days. In the last hour one execution is slow, one writes nothing, one
workflow fails three times in a row, and the errors of another one creep up. The example deploys a second stack beside the first,
with the preset as its catalog and a database of its own. Each planted execution is announced on the bus when its row is written,
and the time from the event to the alert is measured. Then the runs of the hour judge all workflows and all nodes. Every planted
anomaly must be found, and nothing else.

Each run of the example starts anew: it empties the database and the table of its own stack.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, List, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_stack import (  # noqa: E402  (the path must be set first)
    ROOT, CloudError, LocalStack, count, heading, rfc3339, run_example, say, shown, table,
)
import settings as configuration  # noqa: E402
from console import Step  # noqa: E402
from executions import alerts, fleet, planted  # noqa: E402

STACK = "executions"
CATALOG = ROOT / "shared" / "catalog" / "presets" / "executions.toml"
TABLES = ROOT / "infra" / "clickhouse" / "executions.sql"
SOURCES = ("executions", "execution_nodes")


def demo(options: argparse.Namespace) -> None:
    # The runs judge the last full hour.
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    heading("1. A second stack in the local cloud, with the preset `executions` and a database of its own")
    stack = deploy()

    heading(f"2. {len(fleet.WORKFLOWS)} workflows, {fleet.DAYS} days up to {rfc3339(end)}")
    prepare(stack, end)

    heading("3. Five executions end, and each is announced on the bus")
    made = planted.executions(end)
    say(announce_all(stack, made))

    heading(f"4. The runs of the hour {end:%H}:00, by {stack.sources_function}")
    for source in SOURCES:
        event = {"time": rfc3339(end), "detail": {"source": source}}
        say(f"event {json.dumps(event)}\n  {summary_line(stack.invoke(event, stack.sources_function))}")

    heading(f"5. What was found ({stack.table})")
    found = alerts.anomalies(stack)
    say(table(["workspace", "workflow / node", "type", "severity", "execution", "description"], planted.rows(found)))
    say("\nWhat an event told, the run of the hour finds once more, without an execution. It joins the incident and pages nobody.")
    require_success(planted.expected(made), found)
    say("\n".join(next_steps(stack)))


def deploy() -> LocalStack:
    """The stack as `cloud.py deploy` makes it. Its schedule stays off, so that this example alone starts the runs."""
    settings = configuration.load()
    # On a server of the user's own the name says whose database it is.
    database = STACK if settings.clickhouse.started_here else f"meterflow_{STACK}"
    command = [sys.executable, str(ROOT / "infra" / "local" / "cloud.py"), "deploy", "--name-prefix", STACK,
               "--database", database, "--catalog-file", str(CATALOG), "--var", "schedule_enabled=false"]
    if subprocess.run(command).returncode:
        raise CloudError(f"The stack {STACK} was not deployed; the reason is above.")
    return LocalStack(STACK, CATALOG)


def prepare(stack: LocalStack, end: datetime) -> None:
    """Makes the tables, fills them with the fleet, and lets `meterflow migrate` make the rollups."""
    clear(stack)
    for statement in table_statements(TABLES.read_text(encoding="utf-8")):
        stack.query(statement)
    with Step("The executions of the fleet, and those of their nodes") as step:
        for statement in fleet.statements(end):
            stack.query(statement)
        executions, failed, nodes = stack.query(
            "SELECT count(), countIf(status = 'failed'), (SELECT count() FROM {database}.execution_nodes) FROM {database}.executions"
        ).split("\t")
        step.result = (f"{count(int(executions), 'execution')}, {int(failed) / int(executions):.1%} of them failed, and "
                       f"{int(nodes):,} of nodes")
    stack.meterflow("migrate")


def clear(stack: LocalStack) -> None:
    """Forgets an earlier run, but only its own rows."""
    present = [name for name in SOURCES if stack.query(f"EXISTS TABLE {{database}}.{name}") == "1"]
    for name in present:
        foreign = int(stack.query(f"SELECT count() FROM {{database}}.{name} WHERE NOT startsWith(id, '{fleet.PREFIX}')"))
        if foreign:
            raise CloudError(f"The table {name} of the database {stack.database} holds {count(foreign, 'row')} that this example "
                             "did not make. It starts with an empty database: name another one, or drop the table if nobody needs it.")
    if present:
        stack.query("DROP DATABASE {database} SYNC")
        stack.query("CREATE DATABASE {database}")
    alerts.forget(stack)


def table_statements(sql: str) -> List[str]:
    """The statements of a file, for the database of the stack."""
    lines = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    made = lines.replace("CREATE TABLE IF NOT EXISTS ", "CREATE TABLE IF NOT EXISTS {database}.")
    return [statement.strip() for statement in made.split(";") if statement.strip()]


def announce_all(stack: LocalStack, made: Sequence[planted.Planted]) -> str:
    """Writes the rows of each planted execution, announces it, and waits for its alert. Returns the times as a table."""
    bus, rows = alerts.Bus(stack), []
    bus.clear()
    for one in made:
        for statement in fleet.insertions(one.execution):
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


def summary_line(summary: Dict[str, object]) -> str:
    return (f"{count(summary['checked'], 'series', 'series')} of {count(summary['customers'], 'entity', 'entities')} in "
            f"{summary['duration_ms'] / 1000:.1f} s: {count(summary['anomalies_found'], 'anomaly', 'anomalies')}, "
            f"{summary['recorded']} stored now, {count(summary['alerts_published'], 'alert')}")


def require_success(expected: Sequence[planted.Expected], found: Sequence[planted.Record]) -> None:
    result = planted.compare(expected, found)
    if not result.is_perfect:
        problems = [
            *(f"missed: {' '.join(one.key)}" for one in result.missed),
            *(f"not planted: {' '.join(planted.key_of(item))}, {item['description']}" for item in result.unplanted),
            *result.different,
        ]
        raise CloudError("The result is not what was planted:\n" + "\n".join(f"  {problem}" for problem in problems))
    say(f"\nAll {len(expected)} planted anomalies were found, and nothing else was.")


def next_steps(stack: LocalStack) -> List[str]:
    curl = 'curl -H "Host: $API_HOST" -H "Authorization: Bearer $API_TOKEN_ADMIN"'
    return [
        "",
        "The same by the API; docs/executions.md tells what to do with an anomaly:",
        f"  set -a; . {shown(stack.env_file)}; set +a",
        f'  {curl} "$API_URL/v1/anomalies?limit=3"',
        f'  {curl} "$API_URL/v1/sources"',
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sys.exit(run_example(demo, parser.parse_args(), "demo-executions"))
