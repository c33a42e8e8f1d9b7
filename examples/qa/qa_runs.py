#!/usr/bin/env python3
"""Test suites, watched by the preset `qa_runs`: `make demo-qa`.

Eight made-up templates of three teams run for 40 days. In the last hour one run takes four times as long, one template fails three
times in a row, the failures of another one creep up, one is slower in all its runs, and one runs three times as often. The example
deploys a stack of its own, with the preset as its catalog. Each planted run is announced on the bus when its row is written, and
the time from the event to the alert is measured. Then the run of the hour judges all templates. Every planted anomaly must be
found, and nothing else.
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
from qa import planted, suites  # noqa: E402
from watching import alerts, found, generated  # noqa: E402
from watching.demo import Demo, announce_all, next_steps, require_success  # noqa: E402

DEMO = Demo("suites", "qa_runs", {suites.TABLE: generated.is_own("instance_id")}, (planted.SOURCE,))


def demo(options: argparse.Namespace) -> None:
    # The run judges the last full hour.
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    heading("1. A stack of its own in the local cloud, with the preset `qa_runs`")
    stack = DEMO.deploy()

    heading(f"2. {len(suites.SUITES)} templates, {generated.DAYS} days up to {rfc3339(end)}")
    prepare(stack, end)

    heading("3. Four runs end, and each is announced on the bus")
    made = planted.runs(end)
    say(announce_all(stack, made))

    heading(f"4. The run of the hour {end:%H}:00, by {stack.sources_function}")
    DEMO.run_of_the_hour(stack, end)

    heading(f"5. What was found ({stack.table})")
    anomalies = alerts.anomalies(stack)
    say(table(["team", "template", "type", "severity", "run", "description"], found.rows(anomalies)))
    require_success(planted.expected(made), anomalies)
    say(next_steps(stack, "docs/qa_runs.md"))


def prepare(stack: LocalStack, end: datetime) -> None:
    """Makes the table, fills it with the runs, and lets `meterflow migrate` make the rollup."""
    with Step("The runs of all templates") as step:
        DEMO.prepare(stack, suites.statements(end))
        runs, failed = stack.query(f"SELECT count(), countIf(NOT succeeded) FROM {{database}}.{suites.TABLE}").split("\t")
        step.result = f"{count(int(runs), 'run')}, {int(failed) / int(runs):.1%} of them failed"
    stack.meterflow("migrate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sys.exit(run_example(demo, parser.parse_args(), "demo-qa"))
