"""The end of a run's output: the longest steps, the failures, and the count."""

from __future__ import annotations

import os
from typing import List

import counts
from counts import Counts
from logs import Logs
from step import Format, Result

SLOW_TESTS = 12


def print_report(results: List[Result], logs: Logs) -> int:
    print("\nSteps, the longest first (begin and end in seconds of this run, processor seconds):")
    for result in sorted(results, key=lambda result: -result.seconds):
        if result.code is None:
            continue
        times = f"{result.began:6.1f} to {result.began + result.seconds:6.1f}"
        print(f"  {result.seconds:7.1f} s  {result.step.name:<16} {times}, {result.cpu_seconds:7.1f}")
    _print_slow_tests(results)
    failed = [result.step.name for result in results if not result.passed]
    if failed:
        print(f"\nNot passed: {', '.join(failed)}. The logs are in {os.path.relpath(logs.directory)}.")
    total = sum((counts.of(result) for result in results), Counts())
    print(f"\n{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if failed or total.failed else 0


def _print_slow_tests(results: List[Result]) -> None:
    reports = [result.step.report for result in results if result.step.report and result.step.format is Format.JUNIT]
    tests = sorted((test for report in reports for test in counts.slowest(report)), reverse=True)
    if tests:
        print("\nThe slowest tests:")
    for seconds, name in tests[:SLOW_TESTS]:
        print(f"  {seconds:7.1f} s  {name}")
