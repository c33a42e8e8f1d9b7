"""What is planted in the fleet, and whether it was found: no more and no less."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from executions import fleet
from executions.fleet import Execution

Record = Dict[str, object]
# Workspace, workflow or node, metric.
Key = Tuple[str, str, str]


@dataclass(frozen=True)
class Expected:
    """An anomaly that must be found. Without an id it is one of many executions, which the hourly run finds."""

    workspace: str
    entity: str
    metric: str
    kind: str
    execution_id: Optional[str] = None

    @property
    def key(self) -> Key:
        return self.workspace, self.entity, self.metric


@dataclass(frozen=True)
class Announcement:
    """A finished event to put on the bus, and the anomaly that it must lead to."""

    what: str
    source: str
    id: str
    leads_to: Optional[Expected]


@dataclass(frozen=True)
class Planted:
    execution: Execution
    announcements: Tuple[Announcement, ...]


def executions(end: datetime) -> List[Planted]:
    """The planted executions, all finished in the last half hour before the end, in the order of their ends."""
    return sorted((_slow(end), _without_output(end), *_failures(end)), key=lambda planted: planted.execution.finished_at)


def expected(planted: Iterable[Planted]) -> List[Expected]:
    single = [told.leads_to for one in planted for told in one.announcements if told.leads_to]
    creeping, refused = fleet.by_name("payments"), fleet.by_name("invoice-export")
    return [
        *single,
        # Its three failures have an error that it never had.
        Expected(refused.workspace, refused.name, "execution_new_error", "new_error_type"),
        Expected(creeping.workspace, creeping.name, "execution_error_rate", "error_rate_increase"),
        Expected(creeping.workspace, _node(creeping, -1), "node_error_rate", "error_rate_increase"),
    ]


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


def _slow(end: datetime) -> Planted:
    workflow, identifier = fleet.by_name("order-sync"), f"{fleet.PREFIX}slow"
    usual = fleet.usual(workflow, identifier, end - timedelta(minutes=28))
    slow = replace(usual, durations_ms=(*usual.durations_ms[:-1], 9 * usual.durations_ms[-1]))
    last = len(workflow.nodes) - 1
    return Planted(slow, (
        Announcement("a slow execution", "executions", identifier, Expected(
            workflow.workspace, workflow.name, "execution_duration", "duration_spike", identifier)),
        Announcement("its slow node", "execution_nodes", slow.node_id(last), Expected(
            workflow.workspace, _node(workflow, last), "node_duration", "duration_spike", identifier)),
    ))


def _without_output(end: datetime) -> Planted:
    """It succeeds, and writes nothing: its filter lets nothing pass."""
    workflow, identifier = fleet.by_name("catalog-import"), f"{fleet.PREFIX}empty"
    usual = fleet.usual(workflow, identifier, end - timedelta(minutes=3))
    empty = replace(usual, output_records=(workflow.records, 0, 0))
    return Planted(empty, (Announcement("an execution without output", "executions", identifier, Expected(
        workflow.workspace, workflow.name, "execution_output", "output_size_drop", identifier)),))


def _failures(end: datetime) -> List[Planted]:
    workflow = fleet.by_name("invoice-export")
    # Each ten minutes, as the workflow always runs.
    made = [
        fleet.failed(workflow, f"{fleet.PREFIX}failed-{number}", end - timedelta(minutes=32 - 10 * number), len(workflow.nodes) - 1)
        for number in (1, 2, 3)
    ]
    third = Expected(workflow.workspace, workflow.name, "execution_failures_in_a_row", "consecutive_failures", made[-1].id)
    return [
        Planted(execution, (Announcement(f"failure {number} of 3 in a row", "executions", execution.id,
                                         third if number == 3 else None),))
        for number, execution in enumerate(made, 1)
    ]


def _node(workflow: fleet.Workflow, number: int) -> str:
    return f"{workflow.name} / {workflow.nodes[number].key}"
