#!/usr/bin/env python3
"""The cost of detector, notifier and sources on AWS per month. It writes docs/cost.md (`make docs`), or compares it with
--check.

Prices and assumptions are below. The measured figures are in docs/measured.json, from `make bench` and `make
bench-large`. Change them to your region and your measurements, and run it again. Nothing is rounded before the end.
ClickHouse appears as the time that it is busy: a run is a few more queries an hour on an existing server.
"""

import json
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
HOURS = 730

# US East (N. Virginia), in US dollars, as listed in November 2026; free tiers are left out.
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20e-6
WRITE_UNIT = 0.625e-6  # DynamoDB on demand, one kilobyte written
READ_UNIT = 0.125e-6  # four kilobytes; half a unit where what is read may be a moment old
STORED_GB = 0.25
BACKUP_GB = 0.20  # point-in-time recovery, of the table without its indexes
SNS_PUBLISH = 0.50e-6
SNS_EMAIL = 2.00e-5
CLOUDWATCH_METRIC = 0.30  # for each hour in which it has values, its part of the month
CLOUDWATCH_ALARM = 0.10  # for each metric that an alarm looks at
LOG_GB = 0.50
SECRET = 0.40
KMS_KEY = 1.00
KMS_REQUEST = 3e-6
EVENT = 1.00e-6  # EventBridge, put on a bus by your system. The events of a schedule are free
SQS_REQUEST = 0.40e-6

DETECTOR_GB, NOTIFIER_GB = 0.5, 0.25
NOTIFIER_SECONDS = 1.0
CHANNELS = 2  # Slack and PagerDuty, and one address for e-mail
SECRETS = 1 + CHANNELS

# An item of about 1.5 kB costs two units for each place that it is in. An anomaly and its incident are written in one
# transaction, which costs twice as much in the table and nothing more in the indexes. The anomaly is in the index by
# metric; the incident moves within its own index with each window, which is two writes there.
ITEM_KB = 1.5
UNITS_PER_ANOMALY = (4 + 2) + (4 + 4)
# One run that finds usage back inside, and the next, which closes the incident: it moves to another key.
UNITS_PER_END = (2 + 4) + (4 + 4 + 4)
# A page: its item has one kilobyte more, enters and leaves the index of what waits, is claimed and is marked. The notice
# of its end does the same in the table and that index alone.
UNITS_PER_PAGE = (2 + 1 + 3) + (3 + 3 + 3) + (3 + 3 + 3)
UNITS_PER_NOTICE = (4 + 2) + (2 + 2) + (2 + 2)
# An anomaly of an entity is in the index by entity as well, and one with the id of an execution or trace in the index by that id.
# Anomalies of customers are in neither.
UNITS_OF_ENTITY, UNITS_OF_EXECUTION = 2, 2
# A delivery is claimed, throttled and marked.
UNITS_PER_DELIVERY = 3

# An anomaly stays in the 24-hour window for 24 runs. So about one in twenty opens an incident, or pages if critical.
OPENING = 1 / 20
RETENTION_HOURS = 90 * 24
# Each run reads the incidents of its baseline's days.
BASELINE_HOURS = 30 * 24

LOG_KB_PER_RUN, LOG_KB_PER_ALERT = 6, 3
# SeriesChecked and AnomaliesFound. All other metrics have values only in hours in which something is wrong.
DETECTOR_METRICS = 2
# The detector has 10 alarms on one metric, one on 2 (writes of the table and of an index) and one on 2 (anomalies and series); the
# notifier has 5, and one for each channel.
ALARM_METRICS = 10 + 2 + 2 + 5 + CHANNELS
DETAILED_ALARM_METRICS = 16
FREE_METRICS, FREE_ALARMS = 10, 10  # of each account

# Anomalies are assumed: one series in 1,000 an hour, a quarter of them critical.
METRICS = 4
ANOMALOUS, CRITICAL = 1 / 1_000, 1 / 4

# Runs of a source with entities, by its schedule.
RUNS = {"rate(1 hour)": HOURS, "rate(5 minutes)": HOURS * 12, "rate(1 minute)": HOURS * 60}
# A source that is checked every ten seconds holds its function from the first check of a minute to the end of the sixth.
CHECKS_A_MINUTE, SECONDS_BETWEEN_CHECKS = 6, 50
# A finished event has a call of the function for itself at worst, is sent, received and deleted, and reads the policies and
# the latest incidents of four metrics in both directions, half a unit each. Each writes a line of log or two.
CHECK_SECONDS = 0.3
REQUESTS_PER_EVENT = 3
READS_PER_EVENT = (1 + 4 * 2) / 2
LOG_KB_PER_EVENT = 1
# While the queue is empty, five readers of Lambda ask it every 20 seconds. SQS takes a new key for the data every five
# minutes, as the sender and as the receiver.
POLLS = HOURS * 180 * 5
KEYS = HOURS * 12 * 2
# One event in 1,000 is anomalous.
ANOMALOUS_EVENT = 1 / 1_000

# The naive design: two queries for each customer and metric, one pair after the other, in functions of the same size
# that may run for 300 seconds each.
FUNCTION_SECONDS = 300


def monthly(seconds: float, anomalies: float, critical: float) -> dict:
    incidents, pages = anomalies * OPENING, critical * OPENING
    alerts = 2 * pages  # the page and its end
    writes = (anomalies * UNITS_PER_ANOMALY + incidents * UNITS_PER_END + pages * (UNITS_PER_PAGE + UNITS_PER_NOTICE)
              + alerts * CHANNELS * UNITS_PER_DELIVERY)
    reads = incidents * BASELINE_HOURS * ITEM_KB / 4 / 2
    stored_gb = (anomalies + incidents) * RETENTION_HOURS * ITEM_KB / 1e6
    run = seconds * DETECTOR_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST
    notification = NOTIFIER_SECONDS * NOTIFIER_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST
    logs_gb = HOURS * (LOG_KB_PER_RUN + alerts * LOG_KB_PER_ALERT) / 1e6
    return {
        "Lambda": HOURS * (run + alerts * notification),
        "DynamoDB": HOURS * (writes * WRITE_UNIT + reads * READ_UNIT) + stored_gb * (2 * STORED_GB + BACKUP_GB),
        "SNS": HOURS * alerts * (SNS_PUBLISH + SNS_EMAIL),
        "CloudWatch": DETECTOR_METRICS * CLOUDWATCH_METRIC + ALARM_METRICS * CLOUDWATCH_ALARM + logs_gb * LOG_GB,
        "secrets": SECRETS * SECRET,
        "KMS": KMS_KEY,
    }


def scheduled(runs: float, seconds: float) -> float:
    """The runs of a source with metrics of its own, without what they find."""
    return DETECTOR_METRICS * CLOUDWATCH_METRIC + runs * (seconds * DETECTOR_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST + LOG_KB_PER_RUN / 1e6 * LOG_GB)


def stays(calls: float, seconds: float) -> float:
    """The same for a source with six checks within each call. They wait for their time within the call."""
    seconds_of_call = SECONDS_BETWEEN_CHECKS + seconds
    logs = CHECKS_A_MINUTE * LOG_KB_PER_RUN / 1e6 * LOG_GB
    return DETECTOR_METRICS * CLOUDWATCH_METRIC + calls * (seconds_of_call * DETECTOR_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST + logs)


def finished(events: float) -> dict:
    check = CHECK_SECONDS * DETECTOR_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST
    return {
        "EventBridge": events * EVENT,
        "SQS": (events * REQUESTS_PER_EVENT + POLLS) * SQS_REQUEST,
        "Lambda": events * check,
        "DynamoDB": events * (READS_PER_EVENT * READ_UNIT + ANOMALOUS_EVENT * (UNITS_PER_ANOMALY + UNITS_OF_ENTITY + UNITS_OF_EXECUTION) * WRITE_UNIT),
        "CloudWatch": events * LOG_KB_PER_EVENT / 1e6 * LOG_GB + CLOUDWATCH_ALARM,
        "KMS": KEYS * KMS_REQUEST,
    }


def free_of_charge() -> float:
    """What the metrics and alarms cost that an account has free."""
    return min(FREE_METRICS, DETECTOR_METRICS) * CLOUDWATCH_METRIC + min(FREE_ALARMS, ALARM_METRICS) * CLOUDWATCH_ALARM


def money(dollars: float) -> str:
    return f"${dollars:,.2f}"


def document(measured: dict) -> str:
    columns = ["Lambda", "DynamoDB", "SNS", "CloudWatch", "secrets", "KMS"]
    lines = [
        "# What it costs",
        "",
        "`make docs` makes this page with [`tools/cost.py`](../tools/cost.py). That program holds the prices (US East, US dollars,",
        "without free tiers) and these assumptions:",
        "",
        "- One series in 1,000 is anomalous each hour.",
        "- One anomaly in twenty opens an incident. One critical anomaly in twenty pages.",
        "- There are two channels and one address for e-mail.",
        "",
        "The seconds of a run are measured as billed, with start and fit",
        f"({measured['on']}). See [`measured.json`](measured.json) and [`scaling.md`](scaling.md).",
        "",
        "## Detector and notifier, a month",
        "",
        "| customers | a run | GB-seconds | " + " | ".join(columns) + " | a month | an hourly run |",
        "|---|---|---|" + "---|" * (len(columns) + 2),
    ]
    for customers, seconds in runs(measured):
        anomalies = customers * METRICS * ANOMALOUS
        costs = monthly(seconds, anomalies, anomalies * CRITICAL)
        cells = " | ".join(money(costs[column]) for column in columns)
        total = sum(costs.values())
        lines.append(f"| {customers:,} | {seconds:g} s | {seconds * DETECTOR_GB:.2f} | {cells} | **{money(total)}** | ${total / HOURS:.4f} |")
    pair = measured["naive_pair_ms"] / 1_000
    lines += [
        "",
        "## The naive design beside it",
        "",
        f"Two queries for each customer and metric, {measured['naive_pair_ms']:g} ms a pair (measured). Functions and ClickHouse are",
        "both busy for that time. Storing and alerting cost the same as above.",
        "",
        "| customers | time of a run | functions of 300 s | Lambda a month | of this design | ClickHouse busy, of an hour |",
        "|---|---|---|---|---|---|",
    ]
    for customers, seconds in runs(measured):
        naive = customers * METRICS * pair
        functions = -(-naive // FUNCTION_SECONDS)
        cost = HOURS * (naive * DETECTOR_GB * LAMBDA_GB_SECOND + functions * LAMBDA_REQUEST)
        ours = HOURS * (seconds * DETECTOR_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST)
        lines.append(
            f"| {customers:,} | {naive:,.0f} s | {functions:,.0f} | {money(cost)} | {money(ours)}"
            f" | {naive / 36:,.1f} % ({seconds / 36:.2f} %) |"
        )
    lines += [
        "",
        "More than 100 % means that the run takes longer than an hour, whatever the number of functions.",
        "",
        *of_sources(measured),
        "## Not included",
        "",
        f"CloudWatch charges an account for metrics and alarms beyond {FREE_METRICS} of each. So a stack that is alone in its account pays",
        f"{money(free_of_charge())} a month less. With `amazon_q_slack` and with a webhook there is one alarm more.",
        f"`detailed_alarms` adds {DETAILED_ALARM_METRICS} metrics to alarms and one metric ({money(DETAILED_ALARM_METRICS * CLOUDWATCH_ALARM + CLOUDWATCH_METRIC)}).",
        "",
        "The API adds two alarms ($0.20). A million requests cost $1.00 for API Gateway, $0.20 for Lambda, and $0.67 for each",
        "100 ms of the average answer, without reads and logs. A run in eight shards adds seven alarms and eight metrics ($3.10).",
        "A dashboard of CloudWatch (`cloudwatch_dashboard`) costs $3.00, unless it is one of three of an account with 50 metrics each. Most of",
        "its graphs ask the logs: $0.005 for each gigabyte that they read.",
        "",
        "ClickHouse Cloud charges for the time in which a service is awake. A service that nobody asks falls asleep, by default after 15",
        "minutes. So an hourly run keeps a service awake for a quarter of the time that otherwise sleeps, and a run every five minutes keeps it",
        "awake all the time. The first query waits until the service is awake. A service that takes your events is awake anyway.",
        "",
    ]
    return "\n".join(lines)


def of_sources(measured: dict) -> list:
    """The part about sources with entities, without what their hourly runs find."""
    sizes = runs(measured)[:3]
    lines = [
        "## Sources with entities, a month",
        "",
        "A stack without `sources` pays nothing of this. A run of a source is assumed to take as long as a run for as many customers.",
        "Its findings cost what those of customers cost, and more for the index by entity and the index by execution or trace id:",
        f"{money(UNITS_OF_ENTITY * WRITE_UNIT * 1e6)} and {money(UNITS_OF_EXECUTION * WRITE_UNIT * 1e6)} for a million anomalies.",
        f"{money(DETECTOR_METRICS * CLOUDWATCH_METRIC)} of each sum are the metrics of the source. A more frequent schedule makes more runs, and each run is a few",
        "more queries for ClickHouse.",
        "",
        "| schedule of a source | runs | " + " | ".join(f"{entities:,} entities" for entities, _ in sizes) + " |",
        "|---|---|" + "---|" * len(sizes),
    ]
    for schedule, number in RUNS.items():
        cells = " | ".join(money(scheduled(number, seconds)) for _, seconds in sizes)
        lines.append(f"| `{schedule}` | {number:,} | {cells} |")
    every_minute = RUNS["rate(1 minute)"]
    cells = " | ".join(money(stays(every_minute, seconds)) for _, seconds in sizes)
    lines.append(f"| `rate(1 minute)`, with `every = \"10s\"` | {CHECKS_A_MINUTE * every_minute:,} | {cells} |")
    columns = ["EventBridge", "SQS", "Lambda", "DynamoDB", "CloudWatch", "KMS"]
    lines += [
        "",
        f"Each finished event is checked at once. A check is assumed to take {CHECK_SECONDS:g} s, in a call for itself. One event in",
        "1,000 is anomalous. ClickHouse answers three short queries for each event.",
        "",
        "| finished events | " + " | ".join(columns) + " | a month |",
        "|---|" + "---|" * (len(columns) + 1),
    ]
    for events in (0, 100_000, 1_000_000, 10_000_000):
        costs = finished(events)
        lines.append(f"| {events:,} | {' | '.join(money(costs[column]) for column in columns)} | **{money(sum(costs.values()))}** |")
    return [*lines, ""]


def runs(measured: dict) -> list:
    return [(int(customers), seconds) for customers, seconds in measured["run_seconds"].items()]


def main() -> None:
    text = document(json.loads((DOCS / "measured.json").read_text()))
    path = DOCS / "cost.md"
    if "--check" in sys.argv:
        if not path.is_file() or path.read_text() != text:
            sys.exit("docs/cost.md is out of date. Run: make docs")
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
