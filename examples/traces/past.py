"""Real spans, moved in time: minutes of real traffic become a past of two weeks.

A block of requests that took some seconds fills a window of five minutes or an hour. The starts of the traces move, and all spans of
a trace move together. Each copy has ids of its own. Durations, names, attributes and failures stay as they were recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Iterator, List, Sequence

from traces.load import Block

DAYS = 14
MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# Before the newest window: the last two hours, and a little more.
RECENT = timedelta(hours=3)

COLUMNS = ("TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, "
           "StatusCode, StatusMessage")


@dataclass(frozen=True)
class Ends:
    """The ends of what the runs judge: the newest five minutes and the newest hour."""

    minutes: datetime
    hour: datetime

    @staticmethod
    def of(now: datetime, delay: timedelta) -> Ends:
        """The newest windows that are over, for runs that judge so much later."""
        hour = (now - delay).replace(minute=0, second=0, microsecond=0)
        return Ends(hour + (now - delay - hour) // MINUTES * MINUTES, hour)


def windows(ends: Ends) -> List[datetime]:
    """The starts of the windows of five minutes with usual traffic: those of the last hours without the newest, and those of the
    same hours of the days before.
    """
    begins = min(ends.minutes - RECENT, ends.hour - HOUR)
    recent = [begins + MINUTES * number for number in range((ends.minutes - MINUTES - begins) // MINUTES)]
    day = [begins + MINUTES * number for number in range((ends.minutes - begins) // MINUTES)]
    return recent + [start - timedelta(days=days) for days in range(1, DAYS + 1) for start in day]


def usual(blocks: Sequence[Block], ends: Ends, collected: str) -> Iterator[str]:
    """The statements that fill the past. The blocks take turns."""
    starts = windows(ends)
    for number, block in enumerate(blocks):
        yield moved(block, starts[number::len(blocks)], MINUTES, collected)


def moved(block: Block, starts: Sequence[datetime], length: timedelta, collected: str) -> str:
    """The statement that copies a block of the collected spans into windows of this length."""
    factor = length.total_seconds() / (block.ended - block.began)
    times = ", ".join(str(int(start.timestamp())) for start in starts)
    began, ended = (f"fromUnixTimestamp64Micro({int(at * 1e6)})" for at in (block.began, block.ended))
    return (
        f"INSERT INTO {{database}}.otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, {COLUMNS}) "
        f"SELECT fromUnixTimestamp64Nano(toInt64(start * 1e9 + dateDiff('nanosecond', {began}, first) * {factor!r} "
        "+ dateDiff('nanosecond', first, Timestamp))), "
        "lower(hex(sipHash128(TraceId, start))), lower(hex(sipHash64(SpanId, start))), "
        f"if(ParentSpanId = '', '', lower(hex(sipHash64(ParentSpanId, start)))), {COLUMNS} "
        "FROM (SELECT *, min(Timestamp) OVER (PARTITION BY TraceId) AS first "
        f"FROM `{collected}`.otel_traces) ARRAY JOIN [{times}] AS start WHERE first >= {began} AND first < {ended}"
    )
