"""Compares the planted anomalies with the found ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Tuple

from local_stack import table

Record = Dict[str, object]


@dataclass(frozen=True)
class Comparison:
    """Labels of the seed and items of the table, matched by customer and metric."""

    matched: List[Tuple[Record, Record]]
    missed: List[Record]
    unplanted: List[Record]
    # Matched anomalies that were found with another direction or severity than planted.
    different: List[Tuple[Record, Record]]
    not_findable: List[Record]

    @property
    def is_perfect(self) -> bool:
        return bool(self.matched) and not (self.missed or self.unplanted or self.different)


def compare(planted: List[Record], found: List[Record]) -> Comparison:
    findable = {key_of(label): label for label in planted if label["findable"]}
    items = {key_of(item): item for item in found}
    matched = [(label, items[key]) for key, label in sorted(findable.items()) if key in items]
    return Comparison(
        matched=matched,
        missed=[label for key, label in sorted(findable.items()) if key not in items],
        unplanted=[item for key, item in sorted(items.items()) if key not in findable],
        different=[
            (label, item) for label, item in matched
            if any(name in label and label[name] != item[name] for name in ("direction", "severity"))
            or (label["kind"] == "shape") != (item.get("type") == "shape_change")
        ],
        not_findable=sorted((label for label in planted if not label["findable"]), key=key_of),
    )


def key_of(record: Record) -> Tuple[str, str]:
    return str(record["customer_id"]), str(record["metric"])


def tables(comparison: Comparison) -> str:
    rows = [_found(label["kind"], item) for label, item in comparison.matched]
    rows += [_found("NOT PLANTED", item) for item in comparison.unplanted]
    rows += [
        [*key_of(label), label["kind"], "NOT FOUND", label["direction"], "", "", label["why"]] for label in comparison.missed
    ]
    headings = ["customer", "metric", "planted", "found as", "direction", "window", "z", "description"]
    parts = [table(headings, rows, numeric=["window", "z"])]
    if comparison.not_findable:
        parts.append("Planted as well, but not for the check to find:")
        parts.append(table(["customer", "metric", "planted", "why it is not found"],
                           [[*key_of(label), label["kind"], label["why"]] for label in comparison.not_findable]))
    return "\n\n".join(parts)


def score(comparison: Comparison) -> str:
    different = "".join(
        f"\n  {' '.join(key_of(label))}: planted {label['direction']}, {label.get('severity', 'of any severity')}; "
        f"found {item['direction']}, {item['severity']}"
        for label, item in comparison.different
    )
    return "\n".join([
        f"planted, and found:             {len(comparison.matched)}",
        f"planted, findable, but missed:  {len(comparison.missed)}",
        f"found, but not planted:         {len(comparison.unplanted)}",
        f"found, but as something else:   {len(comparison.different)}{different}",
        f"planted, rightly not found:     {len(comparison.not_findable)}",
    ])


def _found(kind: str, item: Record) -> List[str]:
    z_score = f"{float(item['z_score']):.1f}"
    hours = f"{(int(item['window_end']) - int(item['window_start'])) // 3_600_000} h"
    return [*key_of(item), kind, item["severity"], item["direction"], hours, z_score, item["description"]]
