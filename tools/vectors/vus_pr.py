#!/usr/bin/env python3
"""Writes bench/fleet/src/vus.json: figures of VUS-PR by the public implementation of its authors.

Needs: pip install vus==0.0.6 numpy. The file `vus/utils/metrics.py` of the package is loaded alone, since the rest of the
package needs a deep-learning library.
"""

import importlib.metadata
import json
import sys
import types
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parents[2] / "bench" / "fleet" / "src" / "vus.json"
VERSION = "0.0.6"


def implementation():
    distribution = importlib.metadata.distribution("vus")
    assert distribution.version == VERSION, distribution.version
    source = Path(distribution.locate_file("vus/utils/metrics.py")).read_text(encoding="utf-8")
    # Packages that only other functions of the file use.
    for name in ("pandas", "tqdm", "sklearn", "sklearn.metrics"):
        sys.modules.setdefault(name, types.SimpleNamespace(tqdm=None, metrics=None))
    module = types.ModuleType("vus_metrics")
    exec(compile(source, "metrics.py", "exec"), module.__dict__)
    return module.metricor()


def cases(random):
    for number, (hours, events, longest) in enumerate([
        (300, [(50, 60)], 0),
        (300, [(50, 60)], 12),
        (400, [(0, 4), (100, 100), (390, 399)], 24),
        (400, [(100, 110), (115, 120), (300, 330)], 24),
        (600, [(10, 12), (200, 260), (500, 501)], 48),
        (120, [(30, 40)], 24),
        (1000, [(400, 401), (403, 410), (900, 920)], 7),
        (250, [(249, 249)], 10),
    ]):
        labels = np.zeros(hours, dtype=int)
        for first, last in events:
            labels[first:last + 1] = 1
        scores = np.round(random.normal(size=hours) + 2.0 * np.roll(labels, number % 3) * random.random(hours), 3)
        # Ties, as of a rule that mostly says nothing.
        if number % 2:
            scores = np.maximum(scores, 0.5)
        yield f"case {number}", labels, scores, longest


def main():
    metric = implementation()
    out = []
    for name, labels, scores, longest in cases(np.random.default_rng(14)):
        *_, figure = metric.RangeAUC_volume_opt(labels, scores, longest)
        out.append({"name": name, "longest": longest, "vus_pr": float(figure),
                    "labels": labels.tolist(), "scores": scores.tolist()})
    source = f"vus {VERSION} on PyPI, RangeAUC_volume_opt, numpy {np.__version__}; tools/vectors/vus_pr.py"
    TARGET.write_text(json.dumps({"source": source, "cases": out}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
