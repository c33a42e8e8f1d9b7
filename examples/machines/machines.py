#!/usr/bin/env python3
"""A fleet of machines and this machine itself, watched by the preset `machines`: `make demo-machines`.

36 made-up machines of twelve namespaces have seven metrics each, a sample a minute for six days. Nine of them have a fault in the
last minutes. Two others only look odd: one makes a backup that came on days before, and one is always busy. The example deploys
another stack beside the first, with the preset as its catalog. The deployed detector judges ten minutes, one after the other, as its
schedule would. Then this machine is measured for real, while its way to the local ClickHouse becomes slow. Every planted fault must
be found and told, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Dict, List, Sequence, Set

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_stack import (  # noqa: E402  (the path must be set first)
    CloudError, LocalStack, aws_session, count, heading, rfc3339, run_example, say, table,
)
from console import Step  # noqa: E402
from machines import fleet, node, planted  # noqa: E402
from machines.planted import Fault  # noqa: E402
from traces.dependency import Dependency  # noqa: E402
from watching import alerts, generated  # noqa: E402
from watching.demo import Demo, next_steps, summary_line  # noqa: E402
from watching.found import Key, Record  # noqa: E402

SOURCE = "machines"
OWN = generated.is_own("ResourceAttributes['service.namespace']")
DEMO = Demo("machines", "machines", {"otel_metrics_gauge": OWN}, (SOURCE,), schema="machines_otel")
MINUTE = timedelta(minutes=1)
# The preset judges so much later.
DELAY = timedelta(minutes=1)
# Seconds by which each answer of the local ClickHouse is late in the end.
SLOW_SECONDS = 0.4
HERE = f"{generated.PREFIX}here"
TOLD_SECONDS = 20


def demo(options: argparse.Namespace) -> None:
    heading("1. Another stack in the local cloud, with the preset `machines` and a database of its own")
    stack = DEMO.deploy()
    DEMO.prepare(stack, [])
    stack.meterflow("migrate")
    alerts.Bus(stack).clear()

    now = datetime.now(timezone.utc) - DELAY
    end = now.replace(second=0, microsecond=0)
    heading(f"2. {len(fleet.MACHINES)} machines, {fleet.DAYS} days up to {rfc3339(end)}")
    with Step("A sample a minute of each metric") as step:
        for statement in fleet.statements(end, planted.changes()):
            stack.query(statement)
        step.result = count(int(stack.query("SELECT count() FROM {database}.otel_metrics_gauge")), "sample")

    heading(f"3. The runs of the last {planted.RUNS} minutes, by {stack.sources_function}")
    for ago in reversed(range(planted.RUNS)):
        run(stack, end - ago * MINUTE)

    faults = [one.fault for one in planted.FAULTS]
    if node.is_known():
        heading(f"4. This machine, {node.name()}, measured")
        faults.append(measure(stack, end))
        run(stack, end)
        say("The run judged the newest minute again. What it found of the fleet was stored already, and is told once.")
    else:
        heading("4. This machine is left out: it has no /proc")

    heading(f"5. What was planted, and what was found ({stack.table})")
    anomalies = alerts.anomalies(stack)
    result = planted.compare(faults, anomalies)
    told = alerts_until(stack, {key_of(item) for _, items in result.found for item in items[:1]})
    say(table(["planted", "machine", "found", "after", "severity", "told", "description"], rows(result, told, end)))
    require_success(result, told, len(faults))
    say(next_steps(stack, "docs/machines.md"))


def run(stack: LocalStack, end: datetime) -> None:
    event = {"time": rfc3339(end + DELAY), "detail": {"source": SOURCE}}
    say(f"{end:%H:%M}  {summary_line(stack.invoke(event, stack.sources_function))}")


def measure(stack: LocalStack, end: datetime) -> Fault:
    """Measures this machine. At last its way to ClickHouse is slow. A sample of a quarter of a second stands for one of a minute."""
    with Dependency(stack.settings.clickhouse.url, 0) as way:
        with Step("Processor, memory, network, and the time that ClickHouse takes to answer") as step:
            samples = node.measure(way.port)
            latencies = sorted(sample["ping.rtt.avg"] for sample in samples if "ping.rtt.avg" in sample)
            if not latencies:
                raise CloudError("The local ClickHouse answered no question while this machine was measured. Look with: make status")
            step.result = f"{count(len(samples), 'sample')}, latency {latencies[len(latencies) // 2]:.1f} ms"
        with Step("The way to ClickHouse becomes slow") as step:
            way.delay = SLOW_SECONDS
            samples += node.measure(way.port, samples=1)
            step.result = f"latency {samples[-1].get('ping.rtt.avg', float('nan')):.1f} ms"
    stack.query(inserted(samples, end))
    return Fault("a slow service on this machine", HERE, node.name(), 0, frozenset({"machine_latency"}), "spike")


def inserted(samples: Sequence[Dict[str, float]], end: datetime) -> str:
    """The statement that writes measured samples as the collector does, one a minute, the last one in the newest minute."""
    rows = []
    for ago, sample in enumerate(reversed(samples)):
        at = int((end - ago * MINUTE - MINUTE / 2).timestamp())
        for name, value in sample.items():
            attributes = "map('state', 'idle')" if name.startswith("system.cpu") else (
                "map('state', 'used')" if name.startswith("system.memory") else "map('device', 'all')")
            rows.append(f"(map('service.namespace', '{HERE}', 'host.name', '{node.name()}'), '{name}', {attributes}, "
                        f"fromUnixTimestamp64Nano(toInt64({at}) * 1000000000), {value!r})")
    return f"{fleet.INSERT} VALUES {', '.join(rows)}"


def alerts_until(stack: LocalStack, wanted: Set[Key]) -> Set[Key]:
    """What the alerts in the subscribed queue are about, once all of these are there or the patience ends."""
    queue, told = aws_session(stack).client("sqs"), set()
    deadline = time.monotonic() + TOLD_SECONDS
    while time.monotonic() < deadline and not {key[:2] for key in wanted} <= {key[:2] for key in told}:
        answer = queue.receive_message(QueueUrl=stack.env["ALERTS_QUEUE_URL"], MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            about = alerts.about(message["Body"])
            told |= {about} if about else set()
            queue.delete_message(QueueUrl=stack.env["ALERTS_QUEUE_URL"], ReceiptHandle=message["ReceiptHandle"])
    return told


def key_of(item: Record) -> Key:
    return str(item["customer_id"]), str(item.get("entity", "")), str(item["metric"])


def rows(result: planted.Comparison, told: Set[Key], end: datetime) -> List[List[str]]:
    lines = []
    for fault, items in result.found:
        first = min(items, key=lambda item: int(item["window_end"]))
        worst = "critical" if any(item["severity"] == "critical" for item in items) else "warning"
        minutes = round((int(first["window_end"]) / 1000 - (end - (fault.began + 1) * MINUTE).timestamp()) / 60)
        is_told = not planted.untold([(fault, items)], told)
        lines.append([fault.what, fault.machine, ", ".join(sorted({str(item["metric"]) for item in items})),
                      count(minutes, "minute"), worst, "yes" if is_told else "NO", str(first["description"])])
    lines += [[fault.what, fault.machine, "MISSED", "", "", "", ""] for fault in result.missed]
    lines += [["nothing", str(item.get("entity", "")), str(item["metric"]), "", str(item["severity"]), "", str(item["description"])]
              for item in result.unplanted]
    return lines


def require_success(result: planted.Comparison, told: Set[Key], faults: int) -> None:
    problems = [
        *(f"missed: {fault.what} of {fault.machine}" for fault in result.missed),
        *(f"not planted: {' '.join(key_of(item))}, {item['description']}" for item in result.unplanted),
        *(f"no alert came within {TOLD_SECONDS} s about {fault.what} of {fault.machine}"
          for fault in planted.untold(result.found, told)),
    ]
    say(f"\n{len(result.found)} of {faults} found" + (" and nothing else." if not result.unplanted else
                                                      f", and {count(len(result.unplanted), 'anomaly', 'anomalies')} that nobody planted."))
    if problems:
        raise CloudError("The result is not what was planted:\n" + "\n".join(f"  {problem}" for problem in problems))
    say("The subscribed queue holds an alert about each of them.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sys.exit(run_example(demo, parser.parse_args(), "demo-machines"))
