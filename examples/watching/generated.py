"""Numbers and rows of generated runs, as SQL.

What is drawn depends on the seed, a name, the number of the slot and the purpose alone, so each run of an example makes the
same rows.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Iterable, Union

DAYS = 40
SEED = 42
# All ids begin with it. So an example knows its own rows.
PREFIX = "demo-"
# Durations: around the usual one by so much from run to run, and by so much from hour to hour of a day.
JITTER, RHYTHM = 0.10, 0.04
# From midnight to this hour, what rests at night runs half as often.
NIGHT_ENDS = 6


def share(name: str, of: str) -> str:
    """A number from 0 to below 1 that is always the same for this name, slot and purpose."""
    return f"(cityHash64({SEED}, '{name}', number, {of}) % 100000 / 100000)"


def is_own(column: str) -> str:
    """The condition that holds for rows of an example, by the column of their ids."""
    return f"startsWith({column}, '{PREFIX}')"


def row(*values: Union[str, int, bool]) -> str:
    return "(" + ", ".join(map(_literal, values)) + ")"


def array(values: Iterable[Union[str, int]]) -> str:
    return "[" + ", ".join(map(_literal, values)) + "]"


def time(milliseconds: int) -> str:
    """A time as ClickHouse reads it for a column in UTC."""
    moment = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03}"


def _literal(value: Union[str, int, bool]) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
