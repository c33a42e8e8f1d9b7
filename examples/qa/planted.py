"""What is planted among the test runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import List

from qa import suites
from qa.suites import Run, Suite
from watching.demo import Finished
from watching.found import Announcement, Expected
from watching.generated import PREFIX

SOURCE = "qa_runs"


def runs(end: datetime) -> List[Finished]:
    """The planted runs, all completed in the last half hour before the end, in the order of their ends."""
    return [*_failures(end), _slow(end)]


def expected(made: List[Finished]) -> List[Expected]:
    single = [told.leads_to for one in made for told in one.announcements if told.leads_to]
    return [
        *single,
        _of(suites.by_name("search"), "qa_failure_rate", "spike_in_failures"),
        _of(suites.by_name("login"), "qa_performance", "performance_degradation"),
        _of(suites.by_name("contracts"), "qa_count", "pattern_deviation"),
    ]


def _slow(end: datetime) -> Finished:
    """It takes four times as long as usual, and succeeds."""
    suite = suites.by_name("checkout")
    run = Run(f"{PREFIX}slow", suite, end - timedelta(minutes=1), 4 * suite.seconds)
    found = _of(suite, "qa_duration", "unusual_execution_time", run.id)
    return Finished((run.statement,), (Announcement("a run that takes four times as long", SOURCE, run.id, found),))


def _failures(end: datetime) -> List[Finished]:
    suite = suites.by_name("push-messages")
    # Each ten minutes, as the template always runs.
    made = [Run(f"{PREFIX}failed-{number}", suite, end - timedelta(minutes=35 - 10 * number), suite.seconds, False)
            for number in (1, 2, 3)]
    third = _of(suite, "qa_failures_in_a_row", "consecutive_failures", made[-1].id)
    return [
        Finished((run.statement,), (Announcement(f"failure {number} of 3 in a row", SOURCE, run.id, third if number == 3 else None),))
        for number, run in enumerate(made, 1)
    ]


def _of(suite: Suite, metric: str, kind: str, run: str = "") -> Expected:
    return Expected(suite.team, suite.template, metric, kind, run or None)
