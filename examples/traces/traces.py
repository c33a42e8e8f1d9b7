#!/usr/bin/env python3
"""The traces of this system's own API and detector, watched by the preset `traces_otel`: `make demo-traces`.

The example deploys another stack beside the first. Its functions send real spans by OTLP to a collector, which writes them to
ClickHouse. Under load, ClickHouse becomes slow and then cannot be reached, a client is refused again and again, and somebody walks
through ids with a stolen token. The recorded spans are moved in time, so that seconds of usual traffic are the past of two weeks.
Then the runs judge the newest windows. Every planted anomaly must be found and told, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_stack import (  # noqa: E402  (the path must be set first)
    LocalStack, count, heading, rfc3339, run_example, say, table,
)
import ports  # noqa: E402
from console import Step  # noqa: E402
from traces import collector, load, past, planted  # noqa: E402
from traces.collector import Collector  # noqa: E402
from traces.dependency import Dependency  # noqa: E402
from watching import alerts, found  # noqa: E402
from watching.demo import Demo, next_steps, require_success, summary_line  # noqa: E402

DEMO = Demo("traces", "traces_otel", {"otel_traces": "startsWith(ServiceName, 'traces-')"}, planted.SOURCES)
COLLECTED = "traces_collected"
# Blocks of usual requests.
BLOCKS = 6
SLOW_SECONDS = 0.4


def demo(options: argparse.Namespace) -> None:
    heading("1. A second stack in the local cloud, whose functions send spans to a collector")
    of_spans, of_clickhouse = ports.free(2)
    stack = DEMO.deploy({"otel_endpoint": collector.endpoint(of_spans), "clickhouse_url": f"http://127.0.0.1:{of_clickhouse}"})
    DEMO.prepare(stack, [f"DROP DATABASE IF EXISTS `{COLLECTED}` SYNC", f"CREATE DATABASE `{COLLECTED}`",
                         f"CREATE TABLE `{COLLECTED}`.otel_traces AS {{database}}.otel_traces"])
    stack.meterflow("migrate")

    with Collector(stack, COLLECTED, of_spans) as spans, Dependency(stack.settings.clickhouse.url, of_clickhouse) as way:
        heading("2. Requests to the API: usual ones, and then what is planted")
        api = load.Api(stack)
        usual, faults, hour = requests(api, way)
        with Step("Spans in ClickHouse") as step:
            number = spans.wait_for(sum(block.requests for block in (*usual, faults, hour)))
            step.result = f"{count(number, 'span')} of {api.service}"

        heading("3. A past of two weeks from the recorded spans")
        ends = past.Ends.of(datetime.now(timezone.utc), planted.DELAY)
        with Step("Spans moved in time") as step:
            for statement in (
                *past.usual(usual, ends, COLLECTED),
                past.moved(faults, [ends.minutes - past.MINUTES], past.MINUTES, COLLECTED),
                past.moved(hour, [ends.hour - past.HOUR], past.HOUR, COLLECTED),
            ):
                stack.query(statement)
            step.result = count(int(stack.query("SELECT count() FROM {database}.otel_traces")), "span")

        heading(f"4. The runs of the newest five minutes and of the newest hour, by {stack.sources_function}")
        alerts.Bus(stack).clear()
        for source in planted.SOURCES:
            end = ends.minutes if source in planted.OF_MINUTES else ends.hour
            event = {"time": rfc3339(end + planted.DELAY), "detail": {"source": source}}
            say(f"{source}, up to {rfc3339(end)}\n  {summary_line(stack.invoke(event, stack.sources_function))}")

    heading(f"5. What was found ({stack.table})")
    anomalies = alerts.anomalies(stack)
    say(table(["what", "type", "severity", "one of its traces", "description"], rows(anomalies)))
    require_success(planted.expected(api.service), anomalies)
    say(planted.require_told(stack, anomalies))
    say(next_steps(stack, "docs/traces.md"))


def requests(api: load.Api, way: Dependency) -> tuple[List[load.Block], load.Block, load.Block]:
    """The blocks of usual requests, the one of the newest five minutes, and the one of the newest hour."""
    with Step("Usual requests") as step:
        # The first requests start the function.
        api.make(load.interleaved(load.incidents(3), load.entities(3), load.baselines(3)))
        usual = [api.make(load.interleaved(load.incidents(), load.entities(), load.baselines())) for _ in range(BLOCKS)]
        step.result = count(sum(block.requests for block in usual), "request")
    with Step("ClickHouse becomes slow, and then cannot be reached. A client is refused again and again") as step:
        way.delay = SLOW_SECONDS
        slow = api.make(load.entities())
        way.delay = 0.0
        way.close()
        failing = api.make(load.baselines(status=503))
        way.open()
        calm = api.make([*load.incidents(), *load.refused(planted.REFUSED)])
        faults = load.Block(slow.began, calm.ended, slow.requests + failing.requests + calm.requests)
        step.result = count(faults.requests, "request")
    with Step("Somebody walks through ids with the operator's token") as step:
        hour = api.make(list(load.walk(planted.STEPS)))
        step.result = count(hour.requests, "request")
    return usual, faults, hour


def trace_of(item: dict) -> str:
    """The trace of the first example. A new client has none."""
    return str((item.get("example_ids") or [{}])[0].get("trace_id", ""))


def rows(anomalies: List[dict]) -> List[List[str]]:
    return [[f"{entity or '-'}: {metric}", str(item["type"]), str(item["severity"]), trace_of(item),
             str(item["description"])]
            for item in sorted(anomalies, key=found.key_of) for _, entity, metric in [found.key_of(item)]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sys.exit(run_example(demo, parser.parse_args(), "demo-traces"))
