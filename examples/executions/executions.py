#!/usr/bin/env python3
"""A fleet of workflows, watched by the preset `executions`: `make demo-executions`.

Twelve made-up workflows of three workspaces run for 40 days. In the last hour one execution is slow, one writes nothing, one
workflow fails three times in a row, and the errors of another one creep up. The example deploys a second stack beside the first,
with the preset as its catalog and a database of its own. Each planted execution is announced on the bus when its row is written,
and the time from the event to the alert is measured. Then the runs of the hour judge all workflows and all nodes. Every planted
anomaly must be found, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_stack import (  # noqa: E402  (the path must be set first)
    LocalStack, count, heading, rfc3339, run_example, say, table,
)
from console import Step  # noqa: E402
from executions import fleet, planted  # noqa: E402
from watching import alerts, found, generated  # noqa: E402
from watching.demo import Demo, Finished, announce_all, next_steps, require_success  # noqa: E402

SOURCES = ("executions", "execution_nodes")
DEMO = Demo("executions", "executions", {name: generated.is_own("id") for name in SOURCES}, SOURCES)


def demo(options: argparse.Namespace) -> None:
    # The runs judge the last full hour.
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    heading("1. A second stack in the local cloud, with the preset `executions` and a database of its own")
    stack = DEMO.deploy()

    heading(f"2. {len(fleet.WORKFLOWS)} workflows, {generated.DAYS} days up to {rfc3339(end)}")
    prepare(stack, end)

    heading("3. Five executions end, and each is announced on the bus")
    made = planted.executions(end)
    say(announce_all(stack, [Finished(tuple(fleet.insertions(one.execution)), one.announcements) for one in made]))

    heading(f"4. The runs of the hour {end:%H}:00, by {stack.sources_function}")
    DEMO.run_of_the_hour(stack, end)

    heading(f"5. What was found ({stack.table})")
    anomalies = alerts.anomalies(stack)
    say(table(["workspace", "workflow / node", "type", "severity", "execution", "description"], found.rows(anomalies)))
    say("\nWhat an event told, the run of the hour finds once more, without an execution. It joins the incident and pages nobody.")
    require_success(planted.expected(made), anomalies)
    say(next_steps(stack, "docs/executions.md"))


def prepare(stack: LocalStack, end: datetime) -> None:
    """Makes the tables, fills them with the fleet, and lets `meterflow migrate` make the rollups."""
    with Step("The executions of the fleet, and those of their nodes") as step:
        DEMO.prepare(stack, fleet.statements(end))
        executions, failed, nodes = stack.query(
            "SELECT count(), countIf(status = 'failed'), (SELECT count() FROM {database}.execution_nodes) FROM {database}.executions"
        ).split("\t")
        step.result = (f"{count(int(executions), 'execution')}, {int(failed) / int(executions):.1%} of them failed, and "
                       f"{int(nodes):,} of nodes")
    stack.meterflow("migrate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sys.exit(run_example(demo, parser.parse_args(), "demo-executions"))
