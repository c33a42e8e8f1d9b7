"""Recorded vectors of seasonal ESD: vectors.json and rosner.json in shared/detection/src/detectors/seasonal_esd.

The decomposition is that of statsmodels. The test statistics and critical values are those of the package sesd, whose
median absolute deviation has no factor for normal values, so its statistics are scaled here. The number of outliers is
Rosner's: that of the last step that exceeds its critical value. Recorded with Python 3.11 and these versions:

    pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 sesd==0.2 && python tools/vectors/seasonal_esd.py
"""

import numpy as np
import sesd
from scipy import stats
from statsmodels.tsa.seasonal import STL

import vectors
from shape import usage

WEEK, MOST, SIGNIFICANCE = 168, 10, 0.05
# Of normal values: the factor from the median absolute deviation to the standard deviation.
NORMAL = 1 / stats.norm.ppf(0.75)


def less_season(values: np.ndarray) -> np.ndarray:
    fitted = STL(values, period=WEEK, seasonal=10 * len(values) + 1, seasonal_deg=0, trend=2 * WEEK + 1,
                 trend_jump=WEEK // 2, low_pass_jump=WEEK // 2).fit(inner_iter=1, outer_iter=0)
    return values - fitted.seasonal


def rosner(values: np.ndarray) -> dict:
    left, taken, statistics, critical = list(values), [], [], []
    for _ in range(MOST):
        place, statistic = sesd.calculate_test_statistic(np.array(left), hybrid=True)
        statistics.append(statistic / NORMAL)
        critical.append(sesd.calculate_critical_value(len(left), SIGNIFICANCE))
        taken.append(left.pop(int(place)))
    exceeding = [step + 1 for step in range(MOST) if statistics[step] > critical[step]]
    return {"values": values.tolist(), "statistics": statistics, "critical": critical,
            "outliers": taken[:max(exceeding, default=0)], "left": left}


def judge(counts: np.ndarray) -> dict:
    rest = less_season(np.sqrt(counts))
    outliers = rosner(rest)["outliers"]
    kept = [value for value in rest if value not in outliers]
    spread = stats.median_abs_deviation(kept, scale="normal")
    return {"less_season": rest[-24:].tolist(), "outliers": len([value for value in rest[-24:] if value in outliers]),
            "score": (rest[-1] - np.median(kept)) / spread, "all_outliers": len(outliers),
            "critical": sesd.calculate_critical_value(len(kept), SIGNIFICANCE)}


def cases():
    for seed, level, weeks in ((1, 40.0, 4), (2, 400.0, 4), (3, 90.0, 3)):
        hours = usage(seed, level, 7 * weeks)
        burst, silence, many = hours.copy(), hours.copy(), hours.copy()
        burst[-1] *= 5
        silence[-12:] = 0
        many[-15:] *= 3
        for name, values in (("usual", hours), ("burst", burst), ("silence", silence), ("many", many)):
            yield f"level {level:g}, {weeks} weeks, {name}", values


def samples():
    numbers = np.random.default_rng(7)
    yield "normal", numbers.normal(size=100)
    yield "two outliers", np.concatenate([numbers.normal(10, 2, 60), [30.0, -20.0]])
    yield "outliers that hide each other", np.concatenate([numbers.normal(0, 1, 80), [8.0, 8.1, 8.2, 8.3]])
    yield "heavy tails", numbers.standard_t(2, 120)


if __name__ == "__main__":
    vectors.write("seasonal_esd", [{"name": name, "hours": values.tolist(), **judge(values)} for name, values in cases()])
    tested = [{"name": name, **rosner(values)} for name, values in samples()]
    vectors.write("seasonal_esd", [{key: value for key, value in case.items() if key != "left"} for case in tested], "rosner")
