#!/usr/bin/env python3
"""Ten and a hundred million customers, computed from measured figures. It writes the last part of docs/scaling.md (`make docs`),
or compares it with --check.

The measured figures are in docs/measured.json. A part of the detector and a server of ClickHouse may need other times on other
machines: measure them, and run it again.
"""

import json
import math
import sys

import cost

BEGIN = "<!-- Written by `make docs` (tools/scaling.py). -->"
END = "<!-- End of the part that `make docs` writes. -->"

SIZES = (1_000_000, 10_000_000, 100_000_000)
# A run is to end within this, so that most of the hour is left for a second try.
RUN_SECONDS = 600
# The parts that a run can be split into, and the time that a part should take: the function has 300 seconds.
PARTS = (1, 2, 4, 8)
PART_SECONDS = 240
CORES_OF_SERVER = 8
# The TTL of the rollup, by default.
DAYS_KEPT = 400
# A model of a series and hour is 29 numbers, before compression. Rows are dropped 52 hours after their day.
MODEL_BYTES, MODEL_HOURS = 29 * 8, 76

# On demand in US East (N. Virginia), in US dollars, as listed in November 2026.
CORE_HOUR = 0.036
DISK_GB = 0.08


def row(measured: dict, customers: int) -> dict:
    millions = customers / 1_000_000
    seconds, cores = measured["run_seconds"]["1000000"], measured["cores"]
    work = seconds * cores * millions
    one_server = work <= RUN_SECONDS * CORES_OF_SERVER
    if not one_server:
        work *= measured["cluster"]["processor_of_four_shards"] / measured["cluster"]["processor_of_one"]
    servers = math.ceil(work / RUN_SECONDS / CORES_OF_SERVER)
    parts = next((parts for parts in PARTS if seconds * millions / parts <= PART_SECONDS), PARTS[-1])
    series = customers * cost.METRICS
    disk = series * (measured["rollup_bytes_an_hour"] * 24 * DAYS_KEPT + MODEL_BYTES * MODEL_HOURS) / 1e9
    anomalies = series * cost.ANOMALOUS
    aws = sum(cost.monthly(seconds * millions, anomalies, anomalies * cost.CRITICAL).values())
    sent = 0 if one_server else measured["cluster"]["bytes_of_four_shards"] / measured["cluster"]["customers"] * customers / 1e9
    return {
        "customers": f"{customers:,}",
        "processor time of a run": f"{work:,.0f} s",
        "servers of 8 cores": f"{servers}",
        "disk of all servers": f"{disk:,.0f} GB",
        "sent to the answering server": f"{sent:,.1f} GB",
        "parts of the detector": f"{parts}",
        "time of a part": f"{seconds * millions / parts:,.0f} s",
        "ClickHouse a month": f"${servers * CORES_OF_SERVER * CORE_HOUR * cost.HOURS + disk * DISK_GB:,.0f}",
        "all else a month": f"${aws:,.0f}",
    }


def section(measured: dict) -> str:
    rows = [row(measured, customers) for customers in SIZES]
    names = list(rows[0])
    return "\n".join([
        BEGIN,
        "",
        "| " + " | ".join(names) + " |",
        "|" + "---|" * len(names),
        *("| " + " | ".join(row.values()) + " |" for row in rows),
        "",
        "How this is computed:",
        "",
        f"- A run of a million customers kept {measured['cores']} cores busy for {measured['run_seconds']['1000000']:g} s, ClickHouse and the detector together. The work grows",
        "  with the customers. Beyond one server it takes"
        f" {measured['cluster']['processor_of_four_shards'] / measured['cluster']['processor_of_one']:.2f} times as much, as four shards did.",
        f"- The servers are as many as end a run within {RUN_SECONDS // 60} minutes.",
        f"- A series takes {measured['rollup_bytes_an_hour']:g} bytes an hour in the rollup, for {DAYS_KEPT} days. Its models take {MODEL_BYTES} bytes an hour at most, for"
        f" {MODEL_HOURS} hours.",
        "  Each replica needs as much again.",
        f"- Prices: ${CORE_HOUR:g} for an hour of a core, ${DISK_GB:g} for a gigabyte of disk a month, and those of [cost.md](cost.md) with its assumptions. All else is Lambda,",
        "  DynamoDB, SNS, CloudWatch and keys. DynamoDB is nearly all of that: it grows with the anomalies.",
        "",
        END,
    ])


def main() -> None:
    path = cost.DOCS / "scaling.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    made = before + section(json.loads((cost.DOCS / "measured.json").read_text())) + rest.split(END)[1]
    if "--check" in sys.argv:
        if text != made:
            sys.exit("docs/scaling.md is out of date. Run: make docs")
    else:
        path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
