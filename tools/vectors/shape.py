"""Recorded vectors of the detector of shapes: shared/detection/src/detectors/shape/vectors.json.

An independent way to the same figures: correlations of SciPy, medians of NumPy, and Student's distribution of SciPy.
Recorded with Python 3.11, numpy 2.4.6 and scipy 1.17.1:

    pip install numpy==2.4.6 scipy==1.17.1 && python tools/vectors/shape.py
"""

import numpy as np
from scipy import stats

import vectors

WEEKLY = np.array([1.0, 1.1, 1.05, 1.0, 0.9, 0.3, 0.25])
DAILY = 1 + 0.7 * np.cos((np.arange(24) - 14) / 12 * np.pi)


def usage(seed: int, level: float, days: int) -> np.ndarray:
    """Counts of a customer with days and weeks, oldest hour first, ending at midnight."""
    expected = level * np.outer(np.resize(WEEKLY, days), DAILY).ravel()
    return np.random.default_rng(seed).poisson(expected).astype(float)


def likeness(days: np.ndarray, age: int):
    others = [other for other in range(age % 7 or 7, len(days), 7) if other != age]
    usual = np.median(days[others], axis=0)
    return stats.pearsonr(days[age], usual).statistic, np.linalg.norm(usual - usual.mean())


def judge(hours: np.ndarray) -> dict:
    days = hours.reshape(-1, 24)[::-1][:29]
    cosine, strength = likeness(days, 0)
    earlier = [likeness(days, age) for age in range(1, len(days))]
    usual = np.arctanh([other for other, its_strength in earlier if strength / 2 <= its_strength <= strength * 2])
    spread = max(stats.median_abs_deviation(usual, scale="normal"), 1 / np.sqrt(21))
    spread *= np.sqrt(1 + 1 / len(usual))
    t = (np.arctanh(cosine) - np.median(usual)) / spread
    tail = stats.norm.isf(stats.t.sf(abs(t), len(usual) - 1))
    reach = stats.t.isf(stats.norm.sf(3), len(usual) - 1) * spread
    return {"cosine": cosine, "usual": np.tanh(np.median(usual)), "score": np.copysign(tail, t),
            "low": min(np.tanh(np.median(usual) - reach), 0.9)}


def cases():
    for seed, level, days in ((1, 40.0, 29), (2, 400.0, 31), (3, 12.0, 29), (4, 2000.0, 24)):
        hours = usage(seed, level, days)
        yield f"level {level:g}", hours
        yield f"level {level:g}, day and night changed", np.concatenate([hours[:-24], np.roll(hours[-24:], 12)])


if __name__ == "__main__":
    vectors.write("shape", [{"name": name, "hours": hours.tolist(), **judge(hours)} for name, hours in cases()])
