"""Recorded vectors of models of the week: shared/detection/src/model/vectors.json and shared/detection/src/student/vectors.json.

An independent way to the same figures: averages of NumPy over whole days of UTC, and the distributions of SciPy.
Recorded with Python 3.11, numpy 2.4.6 and scipy 1.17.1:

    pip install numpy==2.4.6 scipy==1.17.1 && python tools/vectors/seasonal.py
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats

SOURCE = Path(__file__).resolve().parents[2] / "shared" / "detection" / "src"
LENGTHS = (1, 3, 6, 24)
DAYS = 32
COMPARED_DAYS = 30
# The model's day is a Tuesday; Monday is 0.
TODAY = 1
GATE_DAYS = 28
# The spread of the root of a count, with that of the choice of levels.
OF_COUNT = 1.03 * 0.5
TO_SPREAD = 1 / stats.norm.ppf(0.75)


def write(folder: str, cases: list) -> None:
    path = SOURCE / folder / "vectors.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


def usage(seed: int, level: float, weekend: float, shape: float) -> np.ndarray:
    """Counts with days and weeks whose noise is negative binomial, and one odd day."""
    random = np.random.default_rng(seed)
    place = np.arange(DAYS * 24)
    weekday = (TODAY - DAYS + place // 24) % 7
    expected = level * (1 + 0.7 * np.cos((place % 24 - 14) / 12 * np.pi)) * np.where(weekday >= 5, weekend, 1.0)
    hours = random.poisson(expected * random.gamma(shape, 1 / shape, place.size)).astype(float)
    hours[12 * 24 + 9:12 * 24 + 13] *= 6
    return hours


def classes(ends: np.ndarray, length: int) -> np.ndarray:
    """By the end of each window: whether its first hour and its last hour lie on a weekend."""
    weekend = lambda place: ((TODAY - DAYS + place // 24) % 7 >= 5).astype(int)
    return 2 * weekend(ends - length + 1) + weekend(ends)


def share(squared: float, noise: float, remaining: float) -> float:
    return max(squared - noise, 0) / (max(squared - noise, 0) + remaining) if squared > noise else 0.0


def size(weights: np.ndarray) -> float:
    return weights.sum() ** 2 / (weights ** 2).sum()


def cell(values: np.ndarray, groups: np.ndarray, own_group: int):
    """Expectation, variance, and the residuals of the days, newest first."""
    count = len(values)
    ages = np.arange(1, count + 1)
    weights = 2.0 ** (-ages / 14)
    average = np.average(values, weights=weights)
    means = {group: np.average(values[groups == group], weights=weights[groups == group]) for group in set(groups)}
    within = np.average((values - [means[group] for group in groups]) ** 2, weights=weights) * count / (count - 2)

    expected, apart = {}, {}
    for group, mean in means.items():
        inside = groups == group
        rest = np.average(values[~inside], weights=weights[~inside])
        noise = within / 0.7 * (1 / inside.sum() + 1 / (~inside).sum())
        apart[group] = share((mean - rest) ** 2, noise, noise)
        expected[group] = average + apart[group] * (mean - average)
    own, others = groups == own_group, (groups != own_group).sum()
    apart = apart[own_group]
    residuals = values - [expected[group] for group in groups]

    shared = weights * np.where(own, 1, 1 - apart)
    spreading = weights * np.where(own, 1, 1 - apart * (1 - min(4 / others, 1)))
    typical = TO_SPREAD * np.median(np.abs(residuals[own] if apart > 0.5 else residuals))
    limit = 2.5 * max(typical, 0.4 * np.sqrt(np.average(residuals ** 2, weights=spreading)))
    clipped = np.clip(residuals, -limit, limit)
    number = size(spreading)
    variance = np.cov(clipped, aweights=spreading, ddof=0) * number / (number - 1) * 1.25
    usual = expected[own_group] + np.average(clipped, weights=shared)
    noise = 1 / size(shared)

    weekday = ages % 7 == 0
    mean, days = np.average(values[weekday], weights=weights[weekday]), weekday.sum()
    of_weekday = np.cov(values[weekday], aweights=weights[weekday], ddof=0) * days / (days - 1)
    mixed = lambda all_days: (of_weekday * (days - 1) + all_days) / days
    moves = share((mean - usual) ** 2, within / days, mixed(within) / days)
    today = usual + moves * (mean - usual)
    if moves > 0.5:
        variance = (1 - moves) * variance + moves * mixed(variance)
    noise = (1 - moves) * noise + moves / days
    of_class = residuals.copy()
    for group in range(1, 7):
        same = ages % 7 == group
        mean, days = of_class[same].mean(), same.sum()
        remaining = (of_class[same].var(ddof=1) * (days - 1) + within) / days
        residuals[same] -= share(mean ** 2, within / days, remaining / days) * mean
    residuals[weekday] = values[weekday] - today
    alike = own if apart > 0.5 else np.ones(count, bool)
    return {"expected": today, "variance": variance, "samples": 1 / noise, "number": number}, residuals, alike


def spread_of(figures: dict, pooled: float, borrowed: int) -> float:
    own = figures["number"] - 2
    spread = np.sqrt((borrowed * 1.17 * pooled ** 2 + own * figures["variance"]) / (borrowed + own))
    is_count = figures["expected"] >= 3 and 0.5 <= pooled / OF_COUNT <= 1.02 and spread <= 1.26 * OF_COUNT
    return OF_COUNT if is_count else spread


def gate_of(residuals: np.ndarray, scores: np.ndarray, length: int) -> float:
    """How far spikes must rise; 0 for no gate. Nothing stood out a month before in these hours."""
    daily = lambda values: np.sort(np.nanmax(values.reshape(DAYS, 24)[-GATE_DAYS:], axis=1))
    if daily(scores)[-3] > 5:
        return 1.42 * daily(residuals)[-1]
    return 1.15 * daily(residuals)[-3] if length < 24 else 0.0


def distance(value: float, expected: float, length: int) -> float:
    """From an expected root. Deep falls over many hours count by their logarithm."""
    softened = np.sqrt(value + max(1.0, (expected / 40) ** 2))
    falls = length >= 6 and softened < expected / 2
    return min(np.sqrt(value) - expected, expected / 2 * (np.log(2 * softened / expected) - 1) if falls else np.inf)


def rows(hours: np.ndarray, newest: np.ndarray):
    """The figures of the windows of a day, and their scores if `newest` are the hours of that day."""
    everything = np.concatenate([hours, newest])
    for length in LENGTHS:
        sums = np.convolve(everything, np.ones(length), "valid")
        window = np.concatenate([np.full(length - 1, np.nan), sums])
        daily = window[:DAYS * 24].reshape(DAYS, 24)[-GATE_DAYS:].max(axis=1)
        limit = 1.5 * np.sort(daily)[-3]
        pool, alike, cells = np.full(DAYS * 24, np.nan), np.zeros(DAYS * 24, bool), []
        for hour in range(24):
            own = np.array([DAYS * 24 + hour])
            ends = own - 24 * np.arange(1, COMPARED_DAYS + 1)
            values = np.sqrt(np.minimum(window[ends], limit))
            figures, pool[ends], alike[ends] = cell(values, classes(ends, length), classes(own, length)[0])
            cells.append((figures, window[ends], window[own[0]]))
        pooled, borrowed = TO_SPREAD * np.nanmedian(np.abs(pool)), 4 if length == 1 else 2
        spreads = np.array([spread_of(figures, pooled, borrowed) for figures, *_ in cells])
        gate = gate_of(pool, np.where(alike, pool / np.tile(spreads, DAYS), -np.inf), length)
        for hour, (figures, before, value) in enumerate(cells):
            spread = spreads[hour]
            is_known = figures["expected"] >= 3 and spread == OF_COUNT
            freedom = 1e6 if is_known else borrowed + figures["number"] - 2
            least = max(spread, 0.02 * figures["expected"], 0.5)
            t = distance(value, figures["expected"], length) / (least * np.sqrt(1 + 1 / figures["samples"]))
            tail = stats.norm.isf(stats.t.sf(abs(t), freedom))
            if hour % 5 == 3:
                yield {"hour": hour, "length": length, "expected": figures["expected"], "spread": spread,
                       "samples": figures["samples"], "freedom": freedom, "gate": gate, "mean": before.mean(),
                       "stddev": before.std(ddof=1), "score": float(np.copysign(tail, t))}


def models():
    for seed, level, weekend, shape in ((1, 120.0, 0.3, 8.0), (2, 15.0, 1.0, 50.0), (3, 3000.0, 0.02, 20.0)):
        hours = usage(seed, level, weekend, shape)
        newest = usage(seed + 10, level, weekend, shape)[:24]
        newest[8:11] *= 3
        newest[14:] = 0
        yield {"hours": hours.tolist(), "newest": newest.tolist(), "rows": list(rows(hours, newest))}


def tails():
    for freedom in (3.0, 5.0, 9.0, 20.5, 32.0, 1e6):
        for t in (0.0, 0.5, -2.0, 4.0, 8.0, -20.0):
            tail = stats.t.sf(abs(t), freedom)
            if tail > 1e-300:
                yield {"freedom": freedom, "t": t, "normal": float(np.copysign(stats.norm.isf(tail), t)) + 0.0}


if __name__ == "__main__":
    write("model", list(models()))
    write("student", list(tails()))
