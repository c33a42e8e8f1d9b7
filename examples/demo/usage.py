"""The demo's usage in ClickHouse. It is made once an hour, kept if it exists, and never replaces other data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Dict, Optional

from files import read_json
from local_stack import CloudError, LocalStack, count, rfc3339, say

CUSTOMERS = 200
DAYS = 35
SEED = 42
# As the seed names them.
CUSTOMER_IDS = frozenset(f"cust_{number:04}" for number in range(1, CUSTOMERS + 1))
# On a server of the user's own, only a database of this name is the demo's to empty.
DEMO_DATABASE = "meterflow_demo"


@dataclass(frozen=True)
class Usage:
    """The content of the tables. Times are Unix seconds."""

    events: int
    rollup_rows: int
    # Events that `meterflow seed` did not make.
    foreign: int
    first: float
    last: float


def stored(stack: LocalStack) -> Usage:
    rollup_rows = stack.query("SELECT count() FROM {usage_hourly}") if stack.has_table("usage_hourly") else 0
    if not stack.has_table("events"):
        return Usage(0, int(rollup_rows), 0, 0, 0)
    events, foreign, first, last = stack.query(
        "SELECT count(), countIf(NOT startsWith(transaction_id, 'seed-')), "
        "toUnixTimestamp64Milli(min(timestamp)), toUnixTimestamp64Milli(max(timestamp)) FROM {events}"
    ).split("\t")
    return Usage(int(events), int(rollup_rows), int(foreign), int(first) / 1000, int(last) / 1000)


def is_of_hour(usage: Usage, labels: Optional[Dict[str, object]], end: datetime) -> bool:
    """Whether the usage is exactly the usage of these labels, and ends at this hour."""
    expected = {"customers": CUSTOMERS, "days": DAYS, "seed": SEED, "end": rfc3339(end), "events": usage.events}
    return (
        labels is not None
        and {name: labels.get(name) for name in expected} == expected
        and usage.foreign == 0
        and (end - timedelta(days=DAYS)).timestamp() <= usage.first
        and usage.last < end.timestamp()
    )


def clear(stack: LocalStack, usage: Usage) -> None:
    """Empties the tables, but only of seeded usage, which can be made again."""
    require_expendable(usage, stack.owns_clickhouse, stack.database)
    if usage.events or usage.rollup_rows:
        say(f"Emptying the database {stack.database}: it holds {count(usage.events, 'event')} of an earlier seed.")
        stack.query("TRUNCATE TABLE IF EXISTS {events}")
        stack.query("TRUNCATE TABLE IF EXISTS {usage_hourly}")


def require_expendable(usage: Usage, owns_clickhouse: bool, database: str) -> None:
    way_out = f"Give the demo a database of its own: CLICKHOUSE_DATABASE={DEMO_DATABASE} make demo"
    if usage.foreign:
        raise CloudError(f"The database {database} holds {count(usage.foreign, 'event')} that `meterflow seed` did not "
                         f"make, and the demo must start from an empty one. {way_out}")
    if (usage.events or usage.rollup_rows) and not owns_clickhouse and database != DEMO_DATABASE:
        raise CloudError(f"The database {database} on your own server (CLICKHOUSE_URL) is not empty, and the demo does "
                         f"not empty it. {way_out}")


def seed(stack: LocalStack, end: datetime, labels_file: Path) -> Dict[str, object]:
    """Makes the usage and returns the labels of the planted anomalies."""
    labels_file.parent.mkdir(parents=True, exist_ok=True)
    stack.meterflow("seed", "--customers", str(CUSTOMERS), "--days", str(DAYS), "--seed", str(SEED),
                    "--end", rfc3339(end), "--labels", str(labels_file))
    labels = read_json(labels_file)
    if labels is None:
        raise CloudError(f"`meterflow seed` left no readable labels in {labels_file}.")
    return labels
