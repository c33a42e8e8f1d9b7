#!/usr/bin/env python3
"""A blizzard, found in real data: `make demo-flights`.

The customers are the 16 carriers that flew out of New York in 2013. Their flights are the usage. On 8 and 9 February
2013 a blizzard closed the airports of the north-east. The example imports the flights into a database of their own.
It deploys a second stack with its own catalog beside the first, and lets its function check three days.

The runs are dry runs. An anomaly is kept for 90 days from the hour that it belongs to. An anomaly of 2013 would be
stored as expired.

    flights.py                      the run of `make demo-flights`
    flights.py --day 2013-11-28     check this day, or several, instead of the three
    flights.py --picture FILE.svg   only draw the picture, which needs no local cloud
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import textwrap
from datetime import date, timedelta
from pathlib import Path
from typing import Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_stack import (  # noqa: E402  (the path must be set first)
    ROOT, CloudError, LocalStack, count, heading, run_example, say, shown, table,
)
import settings as configuration  # noqa: E402
from console import Step  # noqa: E402
from flights import data, picture, recompute  # noqa: E402

STACK = "flights"
TOGETHER = "data_stopped"
CATALOG = Path(__file__).with_name("catalog.toml")

# The flights are older than the hours that a rollup keeps by default.
KEPT = ("--keep-days", "10000")

# The days to check, and for how many of the carriers a drop of departures must be found.
DAYS = {date(2013, 2, 5): 0, date(2013, 2, 8): 9, date(2013, 2, 9): 8}
# The hours of the first evening, whose runs tell when the blizzard shows. The last one ends the day.
EVENING = [f"2013-02-08T{hour:02}:00:00Z" for hour in range(12, 24)] + ["2013-02-09T00:00:00Z"]
# The drop that stands for the example: carrier, day, z-score.
JETBLUE, BLIZZARD, JETBLUE_Z = "B6", date(2013, 2, 9), "-14.1"

Findings = List[Dict[str, object]]


def demo(options: argparse.Namespace) -> None:
    heading("1. The flights that left New York in 2013")
    directory = configuration.load().directory / "flights"
    archive = data.fetch(directory)
    with Step("Reading the flights") as step:
        flights = data.read_flights(archive)
        usage = directory / "usage.csv"
        events = data.write_usage(flights, usage)
        totals, hours = recompute.DailyTotals(flights), recompute.HourlyTotals(flights)
        step.result = f"{len(flights):,} departed, of {len(totals.carriers())} carriers: {shown(usage)}"

    heading("2. A second stack in the local cloud, with a catalog and a database of its own")
    stack = deploy()
    load(stack, usage, events)

    days = options.day or list(DAYS)
    heading(f"3. The deployed Lambda {stack.function} checks {count(len(days), 'day')} (UTC)")
    carriers = data.read_carriers(archive)
    problems = []
    for day in days:
        problems += check_day(stack, totals, hours, carriers, day)
    if problems:
        raise CloudError("The result is not what it must be:\n" + "\n".join(f"  {problem}" for problem in problems))
    say("\nEvery figure above was computed a second time from the raw flights, in plain Python: all agree.")
    if not options.day:
        heading(f"4. The hours of the first evening, judged by {count(len(EVENING), 'run')}")
        show_evening(stack, carriers)
    say("\n".join(next_steps(stack)))


def deploy() -> LocalStack:
    """The stack as `cloud.py deploy` makes it. Its schedule stays off: there are no flights of today to check."""
    settings = configuration.load()
    # On a server of the user's own the name says whose database it is.
    database = STACK if settings.clickhouse.started_here else f"meterflow_{STACK}"
    command = [sys.executable, str(ROOT / "infra" / "local" / "cloud.py"), "deploy", "--name-prefix", STACK,
               "--database", database, "--catalog-file", str(CATALOG), "--var", "schedule_enabled=false"]
    if subprocess.run(command).returncode:
        raise CloudError(f"The stack {STACK} was not deployed; the reason is above.")
    return LocalStack(STACK, CATALOG)


def load(stack: LocalStack, usage: Path, events: int) -> None:
    """Brings the events into the stack's database, once."""
    present = int(stack.query("SELECT count() FROM {events}")) if stack.has_table("events") else 0
    if present == events:
        stack.meterflow("migrate", *KEPT)
        say(f"The {count(events, 'event')} of the flights are in the database {stack.database} already.")
        return
    if present and not stack.owns_clickhouse:
        raise CloudError(f"The database {stack.database} on your own server (CLICKHOUSE_URL) holds "
                         f"{count(present, 'event')}, but the flights make {events:,}. If nobody needs it, drop it and "
                         "run `make demo-flights` again.")
    if present:
        say(f"The database {stack.database} holds {count(present, 'event')}, not {events:,}: starting anew.")
        stack.query("DROP DATABASE {database} SYNC")
    stack.meterflow("migrate", *KEPT)
    stack.meterflow("import", str(usage))


def show_evening(stack: LocalStack, carriers: Dict[str, str]) -> None:
    """Shows the run that tells each carrier's drop of departures for the first time."""
    told: Dict[str, Dict[str, object]] = {}
    for time in EVENING:
        for finding in stack.invoke({"time": time, "dry_run": True}).get("findings", []):
            if (finding["type"], finding["metric"], finding["direction"]) == ("usage_anomaly", "departures", "drop"):
                told.setdefault(str(finding["customer_id"]), {**finding, "told": time})
    if not told:
        raise CloudError("No run of the evening of 8 February tells a drop of departures.")
    rows = [[str(finding["told"])[11:16], code, carriers.get(code, ""), window_of(finding), str(finding["description"])]
            for code, finding in told.items()]
    say(table(["told at", "", "carrier", "window", "description"], rows, numeric=["window"]))
    say(f"The day ends at 00:00. The windows of 1, 3 and 6 hours tell {count(len(told), 'carrier')} by then, the first one at "
        f"{rows[0][0]}.")


def window_of(finding: Dict[str, object]) -> str:
    window = finding["window"]
    return f"{recompute.hour_of(window['end']) - recompute.hour_of(window['start'])} h"


def check_day(
    stack: LocalStack, totals: recompute.DailyTotals, hours: recompute.HourlyTotals, carriers: Dict[str, str], day: date
) -> List[str]:
    """Shows what the function finds on a day, and returns what is wrong with it."""
    event = {"time": f"{day + timedelta(days=1)}T00:00:00Z", "dry_run": True}
    summary = stack.invoke(event)
    listed = summary.get("findings", [])
    # Not of a carrier: many carriers dropped in the same hour.
    together = [finding for finding in listed if finding["type"] == TOGETHER]
    findings = [finding for finding in listed if finding["type"] != TOGETHER]
    drops = sorted(
        (finding for finding in findings if (finding["metric"], finding["direction"]) == ("departures", "drop")),
        key=lambda finding: finding["z_score"],
    )
    say(f"\n{day:%A} {day.day} {day:%B %Y}: a drop of departures for {len(drops)} of {len(totals.carriers())} carriers")
    say(f"event {json.dumps(event)}, answered in {summary['duration_ms']} ms")
    if drops:
        say(table(["", "carrier", "window", "departed", "mean", "stddev", "z", "severity"],
                  [row_of(finding, carriers) for finding in drops],
                  numeric=["window", "departed", "mean", "stddev", "z"]))
        say(textwrap.fill(f"No drop: {others(totals, drops, day)}", 120, subsequent_indent="  "))
    for finding in together:
        say(textwrap.fill(f"Of all carriers together: {finding['description']}", 120, subsequent_indent="  "))
    rest = count(len(findings) - len(drops), "anomaly", "anomalies")
    say(f"Also found: {rest} of other kinds or in distance and air time")
    return problems_of(day, summary, drops, hours)


def problems_of(
    day: date, summary: Dict[str, object], drops: Findings, hours: recompute.HourlyTotals
) -> List[str]:
    findings = summary.get("findings", [])
    problems = recompute.differences(hours, [finding for finding in findings if finding["type"] != TOGETHER])
    if summary["anomalies_found"] != len(findings):
        problems.append(f"{summary['anomalies_found']} anomalies were found, but {len(findings)} are listed")
    if len(drops) != DAYS.get(day, len(drops)):
        problems.append(f"{count(len(drops), 'carrier')} with a drop of departures, and it must be {DAYS[day]}")
    jetblue = [f"{finding['z_score']:.1f}" for finding in drops if finding["customer_id"] == JETBLUE]
    if day == BLIZZARD and jetblue != [JETBLUE_Z]:
        problems.append(f"JetBlue ({JETBLUE}) is at z {jetblue or 'that is no drop'}, and it must be {JETBLUE_Z}")
    return [f"{day}: {problem}" for problem in problems]


def others(totals: recompute.DailyTotals, drops: Findings, day: date) -> str:
    """The carriers without a drop, with what they flew beside their mean."""
    found = {finding["customer_id"] for finding in drops}
    checks = {carrier: totals.check(carrier, "departures", day) for carrier in totals.carriers() if carrier not in found}
    return ", ".join(
        f"{carrier} (too few days before)" if result is None
        else f"{carrier} {result.current:.0f} (mean {result.mean:.1f}, z {result.z_score:.2f})"
        for carrier, result in checks.items()
    )


def row_of(finding: Dict[str, object], carriers: Dict[str, str]) -> List[str]:
    code = str(finding["customer_id"])
    return [code, carriers.get(code, ""), window_of(finding), f"{finding['current_value']:.0f}", f"{finding['baseline_mean']:.1f}",
            f"{finding['baseline_stddev']:.1f}", f"{finding['z_score']:.1f}", str(finding["severity"])]


def next_steps(stack: LocalStack) -> List[str]:
    python = shown(stack.settings.tools / "venv" / "bin" / "python")
    return [
        "",
        "The same as a picture: docs/flights-blizzard.svg",
        "Another day of 2013, Thanksgiving for one:",
        f"  python3 infra/local/cloud.py run -- {python} {shown(Path(__file__).resolve())} --day 2013-11-28",
    ]


def day_of_2013(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year != 2013:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day of 2013, such as 2013-11-28")
    return day


def draw(file: Path) -> None:
    flights = data.read_flights(data.fetch(configuration.load().directory / "flights"))
    file.write_text(picture.svg(recompute.DailyTotals(flights)), encoding="utf-8")
    say(f"Drawn: {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--day", type=day_of_2013, action="append", metavar="2013-MM-DD",
                        help="check this UTC day; can be given several times")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="only draw the picture; needs no local cloud")
    arguments = parser.parse_args()
    if arguments.picture:
        try:
            draw(arguments.picture)
        except (CloudError, OSError) as error:
            sys.exit(f"Error: {error}")
    else:
        sys.exit(run_example(demo, arguments, "demo-flights"))
