"""Recorded vectors of the isolation forest: shared/detection/src/detectors/isolation_forest/vectors.json.

The scores are means over forests of scikit-learn with 20 seeds, so that little of their randomness is left. Recorded
with Python 3.11 and these versions:

    pip install numpy==2.4.6 scikit-learn==1.9.1 && python tools/vectors/isolation_forest.py
"""

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.metrics import roc_auc_score

import vectors

TREES, SAMPLE, FORESTS = 100, 256, 20
COUNTS = (1, 2, 3, 4, 10, 100, 256, 1000)


def data(numbers):
    """Usual rows of five features with groups and a dependence, a constant feature, and odd rows of two kinds."""
    usual = numbers.normal(0, 1, (400, 6))
    usual[:100, 0] += 6
    usual[:, 1] = 0.8 * usual[:, 0] + 0.3 * usual[:, 1]
    usual[:, 2] = numbers.integers(0, 24, 400)
    usual[:, 5] = 3
    odd = np.concatenate([usual[:8] + [0, 0, 0, 7, 0, 0], numbers.normal(0, 4, (12, 6))])
    odd[:, 5] = 3
    return np.float32(usual).round(3), np.float32(odd).round(3)


def main() -> None:
    usual, odd = data(np.random.default_rng(3))
    tried = np.concatenate([usual[::10], odd])
    forests = [IsolationForest(n_estimators=TREES, max_samples=SAMPLE, random_state=seed).fit(usual) for seed in range(FORESTS)]
    scores = np.array([-forest.score_samples(tried) for forest in forests])
    truth = np.arange(len(tried)) >= len(usual[::10])
    lengths = _average_path_length(np.array(COUNTS))
    vectors.write("isolation_forest", {
        "rows": [[round(float(number), 3) for number in row] for row in usual],
        "tried": [[round(float(number), 3) for number in row] for row in tried],
        "odd": len(odd),
        "scores": scores.mean(axis=0).tolist(),
        "spreads": scores.std(axis=0, ddof=1).tolist(),
        "auc": float(np.mean([roc_auc_score(truth, score) for score in scores])),
        "path_lengths": [[count, float(length)] for count, length in zip(COUNTS, lengths)],
    })


if __name__ == "__main__":
    main()
