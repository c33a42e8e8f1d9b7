"""What is planted in the fleet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Iterable, List, Tuple

from executions import fleet
from executions.fleet import Execution
from watching.found import Announcement, Expected


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
