"""Counts passed and failed tests of a step, from the report of its test runner."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from step import Format, Result


@dataclass(frozen=True)
class Counts:
    passed: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed)


def of(result: Result) -> Counts:
    """A failed step counts at least one failure, whatever its report says."""
    counts = _reported(result)
    return counts if result.passed or counts.failed else Counts(counts.passed, 1)


def _reported(result: Result) -> Counts:
    step = result.step
    if step.is_preparation:
        return Counts()
    if step.report is None:
        return Counts(passed=1) if result.passed else Counts(failed=1)
    if result.code is None:
        return Counts()
    try:
        counts = from_junit(step.report) if step.format is Format.JUNIT else from_terraform(step.report)
    except (OSError, ValueError, xml.etree.ElementTree.ParseError):
        # A runner that passes and reports nothing has tested nothing.
        return Counts(failed=1)
    return counts if counts != Counts() else Counts(failed=1)


def from_junit(report: Path) -> Counts:
    cases = _cases(report)
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    return Counts(len(cases) - failed - skipped, failed)


def from_terraform(report: Path) -> Counts:
    """`terraform test -json` writes an object a line; those of type test_summary have the totals, one for each folder."""
    events = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    summaries = [event["test_summary"] for event in events if event.get("type") == "test_summary"]
    if not summaries:
        raise ValueError(f"{report} has no test_summary")
    return sum((Counts(summary["passed"], summary["failed"] + summary["errored"]) for summary in summaries), Counts())


def slowest(report: Path) -> List[Tuple[float, str]]:
    """The tests of a JUnit report with their seconds."""
    try:
        cases = _cases(report)
    except (OSError, xml.etree.ElementTree.ParseError):
        return []
    return [(float(case.get("time", 0)), f"{case.get('classname')} {case.get('name')}") for case in cases]


def _cases(report: Path) -> List[xml.etree.ElementTree.Element]:
    return list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
