"""What must be found, and whether it was: no more and no less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

Record = Dict[str, object]
# Customer, entity, metric.
Key = Tuple[str, str, str]


@dataclass(frozen=True)
class Expected:
    """An anomaly that must be found. Without an id it is one of many executions, which the hourly run finds."""

    customer: str
    entity: str
    metric: str
    kind: str
    execution_id: Optional[str] = None

    @property
    def key(self) -> Key:
        return self.customer, self.entity, self.metric


@dataclass(frozen=True)
class Announcement:
    """A finished event to put on the bus, and the anomaly that it must lead to."""

    what: str
    source: str
    id: str
    leads_to: Optional[Expected]


@dataclass(frozen=True)
class Comparison:
    missed: List[Expected]
    # Anomalies that nobody planted.
    unplanted: List[Record]
    # Those of another type, or that name another execution.
    different: List[str]

    @property
    def is_perfect(self) -> bool:
        return not (self.missed or self.unplanted or self.different)


def compare(wanted: Sequence[Expected], found: Sequence[Record]) -> Comparison:
    by_key = {one.key: one for one in wanted}
    keys = {key_of(item) for item in found}
    different = []
    for one in wanted:
        for item in (item for item in found if key_of(item) == one.key):
            if item["type"] != one.kind:
                different.append(f"{' '.join(one.key)} is of type {item['type']}, not {one.kind}")
        ids = {execution_of(item) for item in found if key_of(item) == one.key} - {None}
        if one.key in keys and ids != {one.execution_id} - {None}:
            different.append(f"{' '.join(one.key)} names {', '.join(sorted(ids)) or 'no execution'}, "
                             f"not {one.execution_id or 'none, as it is of many'}")
    return Comparison([one for one in wanted if one.key not in keys],
                      [item for item in found if key_of(item) not in by_key], different)


def key_of(item: Record) -> Key:
    return str(item["customer_id"]), str(item.get("entity", "")), str(item["metric"])


def execution_of(item: Record) -> Optional[str]:
    """The execution that an anomaly is about. That of an hour is about none."""
    return (item.get("ids") or {}).get("execution_id")


def rows(found: Sequence[Record]) -> List[List[str]]:
    """The table of what was found, by workspace and workflow."""
    return [
        [str(item["customer_id"]), str(item.get("entity", "")), str(item["type"]), str(item["severity"]),
         execution_of(item) or "", str(item["description"])]
        for item in sorted(found, key=lambda item: (key_of(item), execution_of(item) or ""))
    ]
