"""The generated fleet: twelve workflows of three workspaces, as SQL that fills the tables of the preset `executions`.

A workflow starts in slots that are counted back from the end: slot 0 is the newest. What happens in a slot depends on the
seed, the workflow and the number of the slot alone, so each run of the example makes the same fleet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Iterator, List, Tuple

from watching.generated import DAYS, JITTER, NIGHT_ENDS, PREFIX, RHYTHM, array, row, share, time


@dataclass(frozen=True)
class Node:
    key: str
    kind: str
    # The usual duration.
    ms: int


@dataclass(frozen=True)
class Workflow:
    workspace: str
    name: str
    every_minutes: int
    # Of the last node, in a run.
    records: int
    nodes: Tuple[Node, ...]
    failures: float = 0.02
    rests: bool = False
    # The newest slots without a run: the planted executions take their place.
    left_out: int = 0
    # Slots that fail at the last node, where no other slot of the last hour fails.
    failing_slots: Tuple[int, ...] = ()

    @property
    def usual_ms(self) -> int:
        return sum(node.ms for node in self.nodes)


def _nodes(*parts: Tuple[str, str, int]) -> Tuple[Node, ...]:
    return tuple(Node(*part) for part in parts)


WORKFLOWS = (
    Workflow("acme", "order-sync", 10, 900, _nodes(
        ("fetch-orders", "http", 12_000), ("map-fields", "transform", 6_000), ("load-warehouse", "sql", 20_000)), left_out=1),
    Workflow("acme", "customer-import", 15, 350, _nodes(
        ("read-crm", "http", 9_000), ("deduplicate", "transform", 4_000), ("write-customers", "sql", 11_000)), rests=True),
    Workflow("acme", "stock-levels", 5, 120, _nodes(
        ("read-stock", "sql", 5_000), ("compare", "transform", 2_500), ("publish", "queue", 3_500))),
    Workflow("acme", "nightly-report", 30, 60, _nodes(
        ("query", "sql", 48_000), ("render", "transform", 15_000), ("store", "s3", 4_000), ("send", "email", 3_000))),
    Workflow("globex", "catalog-import", 10, 1_400, _nodes(
        ("download", "sftp", 16_000), ("filter", "transform", 5_000), ("write-catalog", "sql", 14_000)), left_out=1),
    Workflow("globex", "payments", 1, 40, _nodes(
        ("read-queue", "queue", 2_500), ("check-fraud", "http", 6_000), ("post-ledger", "sql", 4_000),
        ("charge-card", "http", 9_000)),
        failing_slots=(57, 48, 40, 34, 28, 23, 19, 16, 13, 10, 7, 4, 2, 0)),
    Workflow("globex", "price-update", 20, 500, _nodes(
        ("read-feed", "http", 21_000), ("convert", "transform", 7_000), ("write-prices", "sql", 9_000)), rests=True),
    Workflow("globex", "returns", 15, 80, _nodes(
        ("read-mails", "imap", 8_000), ("classify", "model", 13_000), ("open-tickets", "http", 6_000))),
    Workflow("initech", "invoice-export", 10, 220, _nodes(
        ("select-invoices", "sql", 7_000), ("render-pdf", "transform", 18_000), ("upload", "sftp", 10_000)),
        failures=0.005, left_out=3),
    Workflow("initech", "timesheets", 30, 150, _nodes(
        ("read-calendar", "http", 14_000), ("sum-hours", "transform", 3_000), ("write-hours", "sql", 6_000))),
    Workflow("initech", "log-archive", 5, 2_600, _nodes(
        ("list-files", "s3", 4_000), ("compress", "transform", 25_000), ("move", "s3", 12_000)), rests=True),
    Workflow("initech", "lead-scoring", 20, 300, _nodes(
        ("read-leads", "sql", 6_000), ("score", "model", 30_000), ("write-scores", "sql", 5_000), ("notify", "http", 2_000)),
        failures=0.03),
)


def by_name(name: str) -> Workflow:
    return next(workflow for workflow in WORKFLOWS if workflow.name == name)


@dataclass(frozen=True)
class Execution:
    """An execution with a known id, and the node that made it what it is."""

    id: str
    workflow: Workflow
    finished_at: datetime
    durations_ms: Tuple[int, ...]
    output_records: Tuple[int, ...]
    # The number of the node that failed, from 0. The nodes behind it did not run.
    failed_node: int = -1

    @property
    def status(self) -> str:
        return "failed" if self.failed_node >= 0 else "completed"

    @property
    def duration_ms(self) -> int:
        return sum(self.durations_ms)

    def node_id(self, number: int) -> str:
        return f"{self.id}-{self.workflow.nodes[number].key}"


def usual(workflow: Workflow, identifier: str, finished_at: datetime) -> Execution:
    """An execution as it always is."""
    nodes = workflow.nodes
    return Execution(identifier, workflow, finished_at, tuple(node.ms for node in nodes), (workflow.records,) * len(nodes))


def failed(workflow: Workflow, identifier: str, finished_at: datetime, number: int) -> Execution:
    """An execution that ends at its node of this number, from 0."""
    durations = tuple(node.ms for node in workflow.nodes[:number + 1])
    return Execution(identifier, workflow, finished_at, durations, (workflow.records,) * number + (0,), number)


def statements(end: datetime) -> Iterator[str]:
    """The SQL that inserts the fleet up to the end. {database} stands for the database, as in LocalStack.query."""
    for workflow in WORKFLOWS:
        runs = _runs(workflow, int(end.timestamp()))
        yield f"""
            INSERT INTO {{database}}.executions (id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms, output_records,
                estimated_cost_usd, error_message)
            SELECT id, '{workflow.workspace}', '{workflow.name}', if(failed_node > 0, 'failed', 'completed'), started,
                started + toIntervalMillisecond(arraySum(durations)), arraySum(durations),
                if(failed_node > 0, 0, records), arraySum(durations) / 1e7,
                if(failed_node > 0, concat({array(node.key for node in workflow.nodes)}[failed_node], ': timeout'), '')
            FROM ({runs})"""
        yield f"""
            INSERT INTO {{database}}.execution_nodes (id, execution_id, workspace_id, workflow_id, node_key, node_type, sequence, status,
                started_at, finished_at, duration_ms, output_records, error_message)
            SELECT concat(id, '-', node_key), id, '{workflow.workspace}', '{workflow.name}', node_key, node_type, place,
                if(place = failed_node, 'failed', 'completed'),
                started + toIntervalMillisecond(ends - duration), started + toIntervalMillisecond(ends), duration,
                if(place = failed_node, 0, records), if(place = failed_node, 'timeout', '')
            FROM (SELECT *, arrayCumSum(durations) AS all_ends FROM ({runs}))
            ARRAY JOIN durations AS duration, all_ends AS ends, arrayEnumerate(durations) AS place,
                arraySlice({array(node.key for node in workflow.nodes)}, 1, length(durations)) AS node_key,
                arraySlice({array(node.kind for node in workflow.nodes)}, 1, length(durations)) AS node_type"""


def insertions(execution: Execution) -> List[str]:
    """The SQL that inserts one execution, and its nodes."""
    workflow, finished = execution.workflow, int(execution.finished_at.timestamp() * 1000)
    started = finished - execution.duration_ms
    error = f"{workflow.nodes[execution.failed_node].key}: connection refused" if execution.failed_node >= 0 else ""
    records = 0 if error else execution.output_records[-1]
    rows, begins = [], started
    for number, duration in enumerate(execution.durations_ms):
        node, is_bad = workflow.nodes[number], number == execution.failed_node
        rows.append(row(
            execution.node_id(number), execution.id, workflow.workspace, workflow.name, node.key, node.kind, number + 1,
            "failed" if is_bad else "completed", time(begins), time(begins + duration), duration,
            execution.output_records[number], "connection refused" if is_bad else ""))
        begins += duration
    whole = row(execution.id, workflow.workspace, workflow.name, execution.status, time(started), time(finished),
                 execution.duration_ms, records, error)
    # The row is announced by its id, so it comes last: nothing of the execution is missing then.
    return [
        "INSERT INTO {database}.execution_nodes (id, execution_id, workspace_id, workflow_id, node_key, node_type, sequence, "
        f"status, started_at, finished_at, duration_ms, output_records, error_message) VALUES {', '.join(rows)}",
        "INSERT INTO {database}.executions (id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms, "
        f"output_records, error_message) VALUES {whole}",
    ]


def _runs(workflow: Workflow, end: int) -> str:
    """A query of the runs: their ids, starts, durations of the nodes that ran, records, and the node that failed (from 1) or 0."""
    seconds = workflow.every_minutes * 60
    nodes = len(workflow.nodes)
    slots = DAYS * 24 * 60 // workflow.every_minutes
    chance = share(workflow.name, "'fails'")
    # Where failures are planted, no others are.
    planted, hour = ", ".join(map(str, workflow.failing_slots)), 60 // workflow.every_minutes
    failed_node = f"if({chance} < {workflow.failures}, toUInt8(1 + floor({nodes} * {share(workflow.name, repr('where'))})), 0)"
    if planted:
        failed_node = f"multiIf(number IN ({planted}), {nodes}, number < {hour}, 0, {failed_node})"
    jitter = f"{1 - JITTER} + {2 * JITTER} * {share(workflow.name, 'place')}"
    return f"""
        SELECT concat('{PREFIX}{workflow.name}-', toString(number)) AS id, {failed_node} AS failed_node,
            toDateTime64({end} - (number + 1) * {seconds}, 3, 'UTC')
                + toIntervalMillisecond(toUInt64(8000 * {share(workflow.name, repr('starts'))})) AS started,
            1 + {RHYTHM} * sin(2 * pi() * (toHour(started) - 9) / 24) AS rhythm,
            arrayMap((ms, place) -> toUInt64(ms * rhythm * ({jitter})),
                arraySlice({array(node.ms for node in workflow.nodes)}, 1, if(failed_node > 0, failed_node, {nodes})),
                range(if(failed_node > 0, failed_node, {nodes}))) AS durations,
            toUInt64({workflow.records} * (0.85 + 0.3 * {share(workflow.name, repr('records'))})) AS records
        FROM numbers({slots})
        WHERE number >= {workflow.left_out}{f" AND NOT (toHour(started) < {NIGHT_ENDS} AND number % 2)" if workflow.rests else ""}"""
