"""The figures of the detector's findings, computed a second time from the raw flights and in the plainest way.

Nothing here is shared with the detector: no rollup, no query, no one-pass statistics, but two passes over a list of totals.
Days and hours are those of UTC.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Dict, Iterable, List, Optional, Tuple

from flights.data import Flight

BASELINE_DAYS = 30
MIN_SAMPLES = 7
THRESHOLD = 3.0
CRITICAL_THRESHOLD = 5.0
MIN_CHANGE = 1.0
MIN_RELATIVE_CHANGE = 0.1
MIN_RELATIVE_SPREAD = 0.04
Z_CAP = 100.0

METRICS = ("departures", "distance", "air_time")


@dataclass(frozen=True)
class Check:
    """A carrier's day beside the days before it. `severity` is None for a usual day."""

    current: float
    mean: float
    stddev: float
    z_score: float
    samples: int
    severity: Optional[str]

    @property
    def direction(self) -> str:
        return "spike" if self.current > self.mean else "drop"


class DailyTotals:
    """The flights of each carrier on each UTC day."""

    def __init__(self, flights: Iterable[Flight]):
        self._totals: Dict[str, Dict[str, Dict[date, float]]] = {
            metric: defaultdict(lambda: defaultdict(float)) for metric in METRICS
        }
        days = {}
        for flight in flights:
            day = days.get(flight.day) or days.setdefault(flight.day, date.fromisoformat(flight.day))
            self._totals["departures"][flight.carrier][day] += 1
            self._totals["distance"][flight.carrier][day] += flight.distance_miles
            self._totals["air_time"][flight.carrier][day] += flight.air_time_minutes or 0

    def carriers(self) -> List[str]:
        return sorted(self._totals["departures"])

    def of(self, carrier: str, metric: str, day: date) -> float:
        return self._totals[metric][carrier].get(day, 0.0)

    def check(self, carrier: str, metric: str, day: date) -> Optional[Check]:
        """None if there are too few days to compare with."""
        baseline = [self.of(carrier, metric, earlier) for earlier in self._counted_days(carrier, day)]
        if len(baseline) < MIN_SAMPLES:
            return None
        return check(self.of(carrier, metric, day), baseline)

    def _counted_days(self, carrier: str, day: date) -> List[date]:
        """All 30 days before, or, of a carrier that began within them, those after its first day with a flight."""
        days = [day - timedelta(days=age) for age in range(BASELINE_DAYS, 0, -1)]
        flown = [earlier for earlier in days if self.of(carrier, "departures", earlier)]
        if flown and flown[0] == days[0]:
            return days
        return [earlier for earlier in days if flown and earlier > flown[0]]


def check(current: float, baseline: List[float]) -> Check:
    mean = math.fsum(baseline) / len(baseline)
    stddev = math.sqrt(math.fsum((value - mean) ** 2 for value in baseline) / (len(baseline) - 1))
    change = abs(current - mean)
    matters = change >= MIN_CHANGE and change >= MIN_RELATIVE_CHANGE * abs(mean)
    spread = max(stddev, MIN_RELATIVE_SPREAD * abs(mean))
    if spread == 0:
        z_score = math.copysign(Z_CAP, current - mean) if matters else 0.0
        anomalous, critical = matters, change >= abs(mean) and change >= 10 * MIN_CHANGE
    else:
        exact = (current - mean) / spread
        z_score = max(-Z_CAP, min(Z_CAP, exact))
        anomalous, critical = matters and abs(exact) >= THRESHOLD, abs(exact) >= CRITICAL_THRESHOLD
    severity = ("critical" if critical else "warning") if anomalous else None
    return Check(current, mean, stddev, z_score, len(baseline), severity)


def anomalies(totals: DailyTotals, day: date) -> Dict[Tuple[str, str], Check]:
    """The anomalies of a day by the classical rule, by carrier and metric."""
    checks = {
        (carrier, metric): totals.check(carrier, metric, day) for carrier in totals.carriers() for metric in METRICS
    }
    return {key: result for key, result in checks.items() if result and result.severity}


class HourlyTotals:
    """The flights of each carrier in each UTC hour."""

    def __init__(self, flights: Iterable[Flight]):
        self._totals: Dict[Tuple[str, str], Dict[int, float]] = defaultdict(lambda: defaultdict(float))
        hours: Dict[str, int] = {}
        for flight in flights:
            hour = hours.get(flight.hour) or hours.setdefault(flight.hour, hour_of(flight.hour))
            self._totals[flight.carrier, "departures"][hour] += 1
            self._totals[flight.carrier, "distance"][hour] += flight.distance_miles
            if flight.air_time_minutes is not None:
                self._totals[flight.carrier, "air_time"][hour] += flight.air_time_minutes

    def check(self, carrier: str, metric: str, start: str, end: str) -> Check:
        """The hours from `start` to `end` beside the same hours of the 30 days before, as far as the series goes back."""
        totals, first, last = self._totals[carrier, metric], hour_of(start), hour_of(end)

        def value(age: int) -> float:
            return math.fsum(totals.get(hour - 24 * age, 0.0) for hour in range(first, last))

        known = [age for age in range(1, BASELINE_DAYS + 1) if first - 24 * age >= min(totals)]
        return check(value(0), [value(age) for age in known])


def hour_of(time: str) -> int:
    """The number of an hour since 1970."""
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()) // 3600


def differences(hours: HourlyTotals, findings: List[Dict[str, object]]) -> List[str]:
    """Differences between the figures of the detector's findings and this computation, beyond 1e-9 of their size."""
    lines = []
    for finding in findings:
        carrier, metric, window = str(finding["customer_id"]), str(finding["metric"]), finding["window"]
        result = hours.check(carrier, metric, window["start"], window["end"])
        if finding["sample_count"] != result.samples:
            lines.append(f"{carrier} {metric}: sample_count is {finding['sample_count']}, recomputed {result.samples}")
        for name, value in (("current_value", result.current), ("baseline_mean", result.mean),
                            ("baseline_stddev", result.stddev), ("z_score", result.z_score)):
            if not math.isclose(float(finding[name]), value, rel_tol=1e-9, abs_tol=1e-9):
                lines.append(f"{carrier} {metric}: {name} is {finding[name]}, recomputed {value}")
    return lines
