"""The demo goes on living: `make demo LIVE=1`.

The planted usage ends at the last hour of the demo. From then on each customer uses what the same customer used at the same
hour of the week, in the last whole week before the planted day. So level and shape stay, and nothing falls silent. Customers
who are younger than that week repeat their last whole day before the planted one. Usage is copied from the planted past only,
never from living usage, so a copy is never copied.

Events come as their time passes, a few minutes at once. The first step delivers what is missing since the last event: the
hour that had none, and the minutes until now. The schedule of the stack judges each hour, as it always does.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Callable, Dict, Iterator, Optional, Tuple

from demo.api import Api
from local_stack import LocalStack, count, say

Record = Dict[str, object]
Clock = Callable[[], datetime]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# The names of seeded events begin with `seed-`, so the next demo may empty the table of these, too.
PREFIX = "seed-live-"
# Between two insertions. Each full hour is one of these times, so the run of the hour finds the whole hour.
STEP = timedelta(minutes=5)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
# One statement inserts so much at most. A source event must fall into it once.
CHUNK = timedelta(hours=1)
# The states of incidents as a run counts them, in the order of a person's interest.
STATES = ("opened", "escalated", "reopened", "resolved", "accepted")

# The events of a part of the time, moved there from the planted past by whole weeks, or by whole days for young customers.
INSERTION = """
    INSERT INTO {{events}} (transaction_id, customer_id, event_type, timestamp, properties)
    WITH planted AS (
        SELECT * FROM {{events}} WHERE NOT startsWith(transaction_id, '{prefix}')
            AND timestamp >= fromUnixTimestamp64Milli({week}) AND timestamp < fromUnixTimestamp64Milli({planted_day})
    ), periods AS (
        SELECT customer_id, if(min(timestamp) > fromUnixTimestamp64Milli({week}), {a_day}, {a_week}) AS period
        FROM {{events}} WHERE NOT startsWith(transaction_id, '{prefix}') GROUP BY customer_id
    )
    SELECT concat('{prefix}', toString(at), '-', transaction_id), customer_id, event_type, fromUnixTimestamp64Milli(at), properties
    FROM (
        SELECT planted.*, toUnixTimestamp64Milli(timestamp) AS past, past + period * intDiv({begin} - past + period - 1, period) AS at
        FROM planted INNER JOIN periods USING customer_id
        WHERE past >= {planted_day} - period
    )
    WHERE at < {end}"""


def insertion(planted_end: datetime, begin: datetime, end: datetime) -> str:
    """The SQL that inserts the usage from `begin` to before `end`, which are an hour apart at most."""
    if not planted_end <= begin < end <= begin + CHUNK:
        raise ValueError(f"the usage from {begin} to {end} cannot be inserted at once, after {planted_end}")
    planted_day = planted_end - DAY
    return INSERTION.format(
        prefix=PREFIX, begin=milliseconds(begin), end=milliseconds(end),
        planted_day=milliseconds(planted_day), week=milliseconds(planted_day - WEEK),
        a_day=milliseconds_of(DAY), a_week=milliseconds_of(WEEK),
    )


def chunks(begin: datetime, end: datetime) -> Iterator[Tuple[datetime, datetime]]:
    """Parts that end at full hours."""
    while begin < end:
        until = min(end, begin.replace(minute=0, second=0, microsecond=0) + CHUNK)
        yield begin, until
        begin = until


def insert(stack: LocalStack, planted_end: datetime, until: datetime) -> int:
    """Inserts what is missing until a time, and returns the number of events."""
    inserted = 0
    for begin, end in chunks(first_missing(stack, planted_end), until):
        before = events_of_life(stack)
        stack.query(insertion(planted_end, begin, end))
        inserted += events_of_life(stack) - before
    return inserted


def first_missing(stack: LocalStack, planted_end: datetime) -> datetime:
    """The end of the planted usage, or the time after the last living event."""
    last = int(stack.query("SELECT toUnixTimestamp64Milli(max(timestamp)) FROM {events} "
                           f"WHERE startsWith(transaction_id, '{PREFIX}')"))
    return max(planted_end, EPOCH + timedelta(milliseconds=last + 1))


def events_of_life(stack: LocalStack) -> int:
    return int(stack.query(f"SELECT countIf(startsWith(transaction_id, '{PREFIX}')) FROM {{events}}"))


def is_under_way(stack: LocalStack, labels: Optional[Record]) -> bool:
    """Whether usage of these labels goes on already, so that nothing has to be planted anew."""
    if labels is None or not stack.has_table("events"):
        return False
    planted, foreign = map(int, stack.query(
        f"SELECT countIf(startsWith(transaction_id, 'seed-') AND NOT startsWith(transaction_id, '{PREFIX}')), "
        "countIf(NOT startsWith(transaction_id, 'seed-')) FROM {events}").split("\t"))
    return planted == labels["events"] and foreign == 0 and events_of_life(stack) > 0


def go_on(stack: LocalStack, planted_end: datetime, clock: Clock = lambda: datetime.now(timezone.utc)) -> None:
    """Inserts usage until somebody presses Ctrl-C, and tells of each run of the schedule."""
    api, known, total = Api(stack, "API_TOKEN_ADMIN"), None, 0
    say("Usage goes on. Each customer uses what the same customer used at the same hour of the week before.\n"
        f"New events come each {STEP.seconds // 60} minutes, and the schedule judges each full hour. Press Ctrl-C to stop.\n"
        f"The dashboard: {stack.env['DASHBOARD_URL']}\n")
    try:
        while True:
            until = clock()
            inserted = insert(stack, planted_end, until)
            total += inserted
            say(f"{until:%H:%M:%S} UTC  {count(inserted, 'event')}")
            known = tell_of_run(api.expect("/v1/status").get("last_run"), known)
            time.sleep(seconds_until_next(clock()))
    except KeyboardInterrupt:
        say(f"\nStopped. {count(total, 'event')} came in this time. No more usage comes now, so data stop from here on.\n"
            "Run `make demo LIVE=1` again to go on: it first delivers what is missing.")


def tell_of_run(run: Optional[Record], known: Optional[str]) -> Optional[str]:
    """Says what a run did, unless it is the known one. Returns the id of the run."""
    if run is None or run["run_id"] == known:
        return known
    summary = run.get("summary") or {}
    if not run["completed"]:
        say("              a run failed; the reason is in the log of the detector")
    elif known is not None:
        became = summary.get("incidents", {})
        states = ", ".join(f"{became[state]} {state}" for state in STATES if became.get(state))
        say(f"              the run of {summary['window']['end']} judged {count(int(summary['checked']), 'series', 'series')}; "
            f"incidents: {states or 'none changed its state'}")
    return str(run["run_id"])


def seconds_until_next(now: datetime) -> float:
    """Until the next time at which events are inserted: each full hour, and each step after it."""
    step = STEP.total_seconds()
    return step - now.timestamp() % step


def milliseconds(moment: datetime) -> int:
    """Whole numbers only: a rounded time could take an event twice."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def milliseconds_of(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
