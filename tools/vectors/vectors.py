"""Writes the recorded vectors of a detector beside its tests."""

import json
from pathlib import Path

DETECTORS = Path(__file__).resolve().parents[2] / "shared" / "detection" / "src" / "detectors"


def write(detector: str, cases: object, name: str = "vectors") -> None:
    path = DETECTORS / detector / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cases, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")
