#!/usr/bin/env python3
"""Usage, executions and runs for the browser tests, on the stack that is deployed for them.

* 200 customers with planted anomalies, as `make demo` has them. The deployed detector judges the last hours of their usage.
* Then usage goes on for some hours as in `make demo LIVE=1`. The runs of these hours must open no incident: life joins the
  planted past without a step.
* One more customer with a budget of this month that is used up by about 90 %. A run of the newest hour opens its incidents.
* The workflows of `make demo-executions`, with their planted executions.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from local_stack import CloudError, LocalStack, count, rfc3339, run_example, say  # noqa: E402  (the path must be set first)
from cloud_of_tests import CATALOG_OF_PAGES, PAGES  # noqa: E402
from demo import live, usage  # noqa: E402
from demo.api import Api  # noqa: E402
from executions import executions, fleet, planted  # noqa: E402

# The runs up to the end of the planted usage. Together they find more anomalies than five pages of a list hold.
JUDGED_HOURS = 16
LIVED_HOURS = 2
HOUR = timedelta(hours=1)
# The customer with a budget. dashboard/tests/budget-incidents.test.js knows the name and the calls.
BUDGETED = "budgeted"
CALLS_PER_HOUR = 40
USED_SHARE = 0.905


def prepare(_: argparse.Namespace) -> None:
    stack = LocalStack(PAGES, CATALOG_OF_PAGES)
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    planted_end = end - LIVED_HOURS * HOUR
    for statement in executions.DEMO.statements:
        stack.query(statement)
    # The views that this makes take the rows in as they come.
    stack.meterflow("migrate")
    insert_executions(stack, end)
    stack.meterflow("seed", "--customers", str(usage.CUSTOMERS), "--days", str(usage.DAYS), "--seed", str(usage.SEED),
                    "--end", rfc3339(planted_end))
    found = sum(run(stack, planted_end - ago * HOUR)["anomalies_found"] for ago in reversed(range(JUDGED_HOURS)))
    if not found:
        raise CloudError("The runs found no anomaly, so the pages would be empty.")
    say(f"{count(found, 'anomaly', 'anomalies')} in {JUDGED_HOURS} hours up to {rfc3339(planted_end)}")
    live_on(stack, planted_end, end)
    reach_budget(stack, planted_end, end)
    judge_executions(stack, end)


def live_on(stack: LocalStack, planted_end: datetime, end: datetime) -> None:
    events = live.insert(stack, planted_end, end)
    for hour in range(1, LIVED_HOURS + 1):
        summary = run(stack, planted_end + hour * HOUR)
        opened = summary["incidents"].get("opened", 0)
        if opened:
            raise CloudError(f"The run of {summary['window']['end']} opened {count(opened, 'incident')}, though usage only goes on. "
                             "Living usage must join the planted usage without a step; see examples/demo/live.py.")
    say(f"{count(events, 'event')} of usage that goes on, and no incident opened")


def reach_budget(stack: LocalStack, planted_end: datetime, end: datetime) -> None:
    # Only the run of the newest hour judges budgets. If an hour has passed meanwhile, usage goes on for that hour, too.
    newest = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    if newest > end:
        live.insert(stack, planted_end, newest)
    stack.query(f"""
        INSERT INTO {{events}} (transaction_id, customer_id, event_type, timestamp, properties)
        SELECT concat('{BUDGETED}-', toString(number)), '{BUDGETED}', 'api_request',
            fromUnixTimestamp64Milli({live.milliseconds(newest)} - toInt64(number + 1) * {live.milliseconds_of(HOUR) // CALLS_PER_HOUR}), '{{{{}}}}'
        FROM numbers({usage.DAYS * 24 * CALLS_PER_HOUR})""")
    # An hour of UTC belongs to the month in which it starts.
    hours = (newest - (newest - HOUR).replace(day=1, hour=0)) // HOUR
    quota = round(hours * CALLS_PER_HOUR / USED_SHARE)
    budget = {"quota": quota, "shares": [0.5, 0.8, 1], "days_before_end": 0}
    Api(stack, "API_TOKEN_ADMIN").put(f"/v1/config/customers/{BUDGETED}", {"budgets": {"api_calls": budget}}, 0)
    opened = run(stack, newest)["incidents"].get("opened", 0)
    if opened != 2:
        raise CloudError(f"The run of {rfc3339(newest)} opened {count(opened, 'incident')}. It must open those of 50 % and of 80 % of the "
                         "budget, and no other.")
    say(f"{hours * CALLS_PER_HOUR:,} of {quota:,} calls used, and an incident for each share of the budget that is reached")


def insert_executions(stack: LocalStack, end: datetime) -> None:
    for statement in fleet.statements(end):
        stack.query(statement)
    for one in planted.executions(end):
        for statement in fleet.insertions(one.execution):
            stack.query(statement)


def judge_executions(stack: LocalStack, end: datetime) -> None:
    for source in executions.SOURCES:
        summary = stack.invoke({"time": rfc3339(end), "detail": {"source": source}}, stack.sources_function)
        if not summary["anomalies_found"]:
            raise CloudError(f"The run of the source {source} found no anomaly, so its pages would be empty.")


def run(stack: LocalStack, time: datetime):
    return stack.invoke({"time": rfc3339(time), "detail": {}})


if __name__ == "__main__":
    sys.exit(run_example(prepare, argparse.Namespace(), "up"))
