"""The blizzard as a picture, in SVG written by hand. So no drawing library is needed.

Two panels share one axis of days. The upper panel has JetBlue's departures with the expected band. The lower panel
has the number of carriers with a drop. The colours follow the reader's choice of light or dark. The picture has its
own background, so it can be read on either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import List

from flights.recompute import THRESHOLD, DailyTotals, anomalies

CARRIER, CARRIER_NAME = "B6", "JetBlue"
FIRST_DAY = date(2013, 1, 10)
LAST_DAY = date(2013, 2, 20)

WIDTH, HEIGHT = 880, 500
LEFT, RIGHT = 56, 24

STYLE = """
  text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #59636e; }
  .title { font-size: 16px; font-weight: 600; fill: #1f2328; }
  .strong { font-weight: 600; fill: #cf222e; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  .background { fill: #ffffff; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .band { fill: #0969da; fill-opacity: 0.14; }
  .mean { stroke: #0969da; stroke-width: 1; stroke-dasharray: 4 4; fill: none; }
  .line { stroke: #1f2328; stroke-width: 1.5; fill: none; stroke-linejoin: round; }
  .dot { fill: #1f2328; }
  .anomaly { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1; }
    .title { fill: #f0f6fc; }
    .strong { fill: #ff7b72; }
    .background { fill: #0d1117; }
    .grid { stroke: #3d444d; }
    .band { fill: #4493f8; fill-opacity: 0.22; }
    .mean { stroke: #4493f8; }
    .line { stroke: #f0f6fc; }
    .dot { fill: #f0f6fc; }
    .anomaly { fill: #f85149; }
  }
"""


@dataclass(frozen=True)
class Panel:
    """A plot's place: its vertical extent in pixels, and the value at its top; its bottom is 0."""

    top: float
    bottom: float
    maximum: float

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / self.maximum


ABOVE = Panel(top=74, bottom=304, maximum=200)
BELOW = Panel(top=376, bottom=456, maximum=16)


def svg(totals: DailyTotals) -> str:
    days = [FIRST_DAY + timedelta(days=index) for index in range((LAST_DAY - FIRST_DAY).days + 1)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title description">',
        '<title id="title">The blizzard of February 2013 in the departures from New York</title>',
        f'<desc id="description">{_description(totals)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="background" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        *_departures(totals, days),
        *_carriers(totals, days),
        *_day_axis(days),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _departures(totals: DailyTotals, days: List[date]) -> List[str]:
    checks = [totals.check(CARRIER, "departures", day) for day in days]
    # Each day's expectation is drawn over the whole width of the day, so that the steps of the band show.
    high = [(x, ABOVE.y(c.mean + THRESHOLD * c.stddev)) for day, c in zip(days, checks) for x in _edges(day)]
    low = [(x, ABOVE.y(max(0.0, c.mean - THRESHOLD * c.stddev))) for day, c in zip(days, checks) for x in _edges(day)]
    mean = [(x, ABOVE.y(c.mean)) for day, c in zip(days, checks) for x in _edges(day)]
    flown = [(_x(day), ABOVE.y(c.current)) for day, c in zip(days, checks)]
    parts = [
        f'<text class="title" x="{LEFT}" y="30">{CARRIER_NAME}: departures from New York by UTC day</text>',
        f'<text x="{LEFT}" y="50">blue: the mean of the days before, at most 30 of them, and '
        f"{THRESHOLD:.0f} standard deviations about it</text>",
        *_value_grid(ABOVE, range(0, 201, 50)),
        f'<polygon class="band" points="{_points(high + low[::-1])}"/>',
        f'<polyline class="mean" points="{_points(mean)}"/>',
        f'<polyline class="line" points="{_points(flown)}"/>',
    ]
    for day, result, (x, y) in zip(days, checks, flown):
        if not result.severity:
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2"/>')
            continue
        parts += [
            f'<circle class="anomaly" cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
            f'<text class="strong end" x="{x - 14:.1f}" y="{y - 1:.1f}">{day.day} {day:%B}: {result.current:.0f}</text>',
            f'<text class="end" x="{x - 14:.1f}" y="{y + 17:.1f}">the mean was {result.mean:.1f}, so z is '
            f"{_signed(result.z_score)}</text>",
        ]
    return parts


def _carriers(totals: DailyTotals, days: List[date]) -> List[str]:
    parts = [
        f'<text class="title" x="{LEFT}" y="358">Carriers with a drop of departures, of {len(totals.carriers())}</text>',
        *_value_grid(BELOW, (0, 8, 16)),
    ]
    for day in days:
        drops = _drops(totals, day)
        if drops:
            left, right = _edges(day)
            y = BELOW.y(drops)
            parts.append(f'<rect class="anomaly" x="{left + 2:.1f}" y="{y:.1f}" width="{right - left - 4:.1f}" '
                         f'height="{BELOW.bottom - y:.1f}"/>')
            parts.append(f'<text class="strong middle" x="{_x(day):.1f}" y="{y - 5:.1f}">{drops}</text>')
    return parts


def _day_axis(days: List[date]) -> List[str]:
    return [
        f'<text class="middle" x="{_x(day):.1f}" y="{BELOW.bottom + 22}">{day.day} {day:%b}</text>'
        for day in days if (day - FIRST_DAY).days % 5 == 0
    ]


def _value_grid(panel: Panel, values) -> List[str]:
    parts = []
    for value in values:
        y = panel.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 8}" y="{y + 4:.1f}">{value}</text>')
    return parts


def _description(totals: DailyTotals) -> str:
    worst = date(2013, 2, 9)
    result = totals.check(CARRIER, "departures", worst)
    return (
        f"On {worst.day} {worst:%B} {CARRIER_NAME} had {result.current:.0f} departures, where {result.mean:.1f} were the "
        f"mean of the 30 days before (z {result.z_score:.1f}). The check finds a drop for {_drops(totals, worst)} of "
        f"{len(totals.carriers())} carriers on that day, and for {_drops(totals, worst - timedelta(days=1))} on the day "
        "before."
    )


def _drops(totals: DailyTotals, day: date) -> int:
    return sum(
        metric == "departures" and result.direction == "drop"
        for (_, metric), result in anomalies(totals, day).items()
    )


def _day_width() -> float:
    return (WIDTH - LEFT - RIGHT) / ((LAST_DAY - FIRST_DAY).days + 1)


def _x(day: date) -> float:
    return LEFT + _day_width() * ((day - FIRST_DAY).days + 0.5)


def _edges(day: date):
    return _x(day) - _day_width() / 2, _x(day) + _day_width() / 2


def _points(points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _signed(value: float) -> str:
    """With the minus sign of print."""
    return f"{value:.1f}".replace("-", "−")
