"""The detector's check, computed a second time from the raw flights and in the plainest way.

It shares nothing with the detector: no rollup, no query, no one-pass statistics, but two passes over a list of daily
totals. Days are UTC days, like the windows of a check at midnight.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
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
    """The anomalies of a day, by carrier and metric."""
    checks = {
        (carrier, metric): totals.check(carrier, metric, day) for carrier in totals.carriers() for metric in METRICS
    }
    return {key: result for key, result in checks.items() if result and result.severity}


def differences(expected: Dict[Tuple[str, str], Check], findings: List[Dict[str, object]]) -> List[str]:
    """Differences between the detector's findings and this computation. Figures may differ by 1e-9 of their size."""
    found = {(str(finding["customer_id"]), str(finding["metric"])): finding for finding in findings}
    lines = [f"{' '.join(key)}: only the detector finds it" for key in sorted(found.keys() - expected.keys())]
    lines += [f"{' '.join(key)}: the detector misses it" for key in sorted(expected.keys() - found.keys())]
    for key in sorted(expected.keys() & found.keys()):
        result, finding = expected[key], found[key]
        for name, value in (("severity", result.severity), ("direction", result.direction),
                            ("sample_count", result.samples)):
            if finding[name] != value:
                lines.append(f"{' '.join(key)}: {name} is {finding[name]}, recomputed {value}")
        for name, value in (("current_value", result.current), ("baseline_mean", result.mean),
                            ("baseline_stddev", result.stddev), ("z_score", result.z_score)):
            if not math.isclose(float(finding[name]), value, rel_tol=1e-9, abs_tol=1e-12):
                lines.append(f"{' '.join(key)}: {name} is {finding[name]}, recomputed {value}")
    return lines
