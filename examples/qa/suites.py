"""The generated test suites: eight templates of three teams, as SQL that fills the table of the preset `qa_runs`.

A template starts in slots that are counted back from the end: slot 0 is the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Iterator, List, Tuple

from watching.generated import DAYS, JITTER, NIGHT_ENDS, PREFIX, RHYTHM, row, share, time

TABLE = "workflow_runs"
COLUMNS = "instance_id, ticket_id, user_id, template_id, execution_time_seconds, succeeded, completed_at"


@dataclass(frozen=True)
class Suite:
    team: str
    template: str
    every_minutes: int
    # The usual duration.
    seconds: int
    failures: float = 0.01
    rests: bool = False
    # The newest slots without a run: the planted runs take their place.
    left_out: int = 0
    # Slots that fail, where no other slot of the last hour fails.
    failing_slots: Tuple[int, ...] = ()
    # The duration of the last hour's runs, as a multiple of the usual one.
    slower: float = 1.0
    # So many runs start in the place of each run of the last hour.
    repeated: int = 1

    @property
    def runs_an_hour(self) -> int:
        return 60 // self.every_minutes


SUITES = (
    Suite("web", "checkout", 10, 240, left_out=1),
    Suite("web", "search", 1, 35, failing_slots=(57, 50, 44, 38, 33, 28, 24, 20, 16, 12, 9, 6, 4, 1)),
    Suite("web", "accessibility", 30, 600, rests=True),
    Suite("mobile", "login", 2, 70, slower=1.3),
    Suite("mobile", "onboarding", 15, 310, rests=True),
    Suite("mobile", "push-messages", 10, 120, failures=0.004, left_out=3),
    Suite("api", "contracts", 2, 50, repeated=3),
    Suite("api", "load", 20, 700, failures=0.03),
)


def by_name(template: str) -> Suite:
    return next(suite for suite in SUITES if suite.template == template)


@dataclass(frozen=True)
class Run:
    """A run with a known id."""

    id: str
    suite: Suite
    completed_at: datetime
    seconds: int
    succeeded: bool = True

    @property
    def statement(self) -> str:
        values = row(self.id, f"QA-{len(self.id)}", self.suite.team, self.suite.template, self.seconds, self.succeeded,
                     time(int(self.completed_at.timestamp() * 1000)))
        return f"INSERT INTO {{database}}.{TABLE} ({COLUMNS}) VALUES {values}"


def statements(end: datetime) -> Iterator[str]:
    """The SQL that inserts the runs up to the end. {database} stands for the database, as in LocalStack.query."""
    for suite in SUITES:
        yield from _of(suite, int(end.timestamp()))


def _of(suite: Suite, end: int) -> List[str]:
    slot, hour = suite.every_minutes * 60, suite.runs_an_hour
    fails = f"{share(suite.template, repr('fails'))} < {suite.failures}"
    # Where failures are planted, no others are.
    planted = ", ".join(map(str, suite.failing_slots))
    if planted:
        fails = f"multiIf(number IN ({planted}), 1, number < {hour}, 0, {fails})"
    jitter = f"{1 - JITTER} + {2 * JITTER} * {share(suite.template, 'repetition')}"
    resting = f" AND NOT (toHour(started) < {NIGHT_ENDS} AND number % 2)" if suite.rests else ""
    return [f"""
        INSERT INTO {{database}}.{TABLE} ({COLUMNS})
        SELECT concat('{PREFIX}{suite.template}-', toString(number), '-', toString(repetition)) AS instance_id,
            concat('QA-', toString(number % 97)), '{suite.team}', '{suite.template}', seconds, NOT fails,
            started + toIntervalSecond(seconds)
        FROM
        (
            SELECT number, repetition, {fails} AS fails,
                toDateTime64({end} - (number + 1) * {slot}, 3, 'UTC')
                    + toIntervalMillisecond(toUInt64(8000 * {share(suite.template, repr('starts'))})) AS started,
                1 + {RHYTHM} * sin(2 * pi() * (toHour(started) - 9) / 24) AS rhythm,
                toInt32({suite.seconds} * rhythm * ({jitter}) * if(number < {hour}, {suite.slower}, 1)) AS seconds
            FROM numbers({DAYS * 24 * 60 // suite.every_minutes})
            ARRAY JOIN range(if(number < {hour}, {suite.repeated}, 1)) AS repetition
        )
        WHERE number >= {suite.left_out}{resting}"""]
