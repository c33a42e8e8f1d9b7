"""The generated fleet: 36 machines of twelve namespaces, as SQL that fills the table of the preset `machines`.

Each machine has a sample of each metric in each minute. What a sample is depends on the seed, the machine, the metric and the
number of the minute alone, so each run of the example makes the same fleet. Minutes are counted back from the end: minute 0 is
the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Iterator, Mapping

from watching.generated import PREFIX, share

DAYS = 6
MINUTES = DAYS * 24 * 60

NAMESPACES = ("shop", "bank", "games", "media", "maps", "mail", "search", "travel", "health", "school", "cargo", "energy")
MACHINES = tuple(f"{namespace}-{number}" for namespace in NAMESPACES for number in (1, 2, 3))


def namespace_of(machine: str) -> str:
    return PREFIX + machine.rpartition("-")[0]


@dataclass(frozen=True)
class Metric:
    """A metric of the preset, and how the collector writes a data point of it."""

    name: str
    written: str
    # The attributes of a data point, as SQL.
    attributes: str
    # The expression of the written value, by the value `x` in the unit of the preset.
    value: str
    # The usual level of the quietest and of the busiest machine, in that unit.
    low: float
    high: float
    # How far a sample lies from its level, and by how much the level rises by day and falls by night. As shares of the level.
    noise: float
    rhythm: float


METRICS = (
    Metric("machine_cpu", "system.cpu.utilization", "map('state', 'idle')", "1 - x / 100", 20, 45, 0.06, 0.3),
    Metric("machine_memory", "system.memory.utilization", "map('state', 'used')", "x / 100", 35, 60, 0.01, 0.03),
    Metric("machine_bandwidth", "system.network.io", "map('device', 'eth0', 'direction', 'receive')", "x", 2e6, 9e6, 0.08, 0.35),
    Metric("machine_latency", "ping.rtt.avg", "map()", "x", 8, 25, 0.06, 0.05),
    Metric("machine_jitter", "ping.rtt.stddev", "map()", "x", 0.8, 3, 0.15, 0),
    Metric("machine_packet_loss", "ping.loss.ratio", "map()", "x / 100", 0.02, 0.2, 0.3, 0),
    Metric("machine_error_rate", "system.network.errors", "map('device', 'eth0', 'direction', 'receive')", "x", 0.02, 0.2, 0.3, 0),
)


def metric(name: str) -> Metric:
    return next(one for one in METRICS if one.name == name)


# By machine and metric, what a sample is in some minutes. The expression is SQL of `usual` and `minute`, or NULL for a usual sample.
Changes = Mapping[tuple[str, str], str]


def statements(end: datetime, changes: Changes) -> Iterator[str]:
    """One statement for each metric."""
    for one in METRICS:
        of_machines = [f"machine = '{machine}', ifNull({change}, usual)"
                       for (machine, name), change in changes.items() if name == one.name]
        changed = f"multiIf({', '.join(of_machines)}, usual)" if of_machines else "usual"
        yield (
            f"{INSERT} SELECT map('service.namespace', concat('{PREFIX}', splitByChar('-', machine)[1]), 'host.name', machine), "
            f"'{one.written}', {one.attributes}, "
            f"fromUnixTimestamp64Nano(toInt64({int(end.timestamp())} - 60 * number - 30) * 1000000000), {one.value} "
            f"FROM (SELECT number, number AS minute, machine, {usual(one, end)} AS usual, {changed} AS x "
            f"FROM (SELECT number, arrayJoin({list(MACHINES)}) AS machine FROM numbers({MINUTES})))"
        )


INSERT = "INSERT INTO {database}.otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value)"


def usual(one: Metric, end: datetime) -> str:
    """The usual value of a sample, as SQL of `number` and `machine`."""
    # Of a machine, always the same.
    level = f"({one.low} + {one.high - one.low} * (cityHash64(machine, '{one.name}') % 1000 / 1000))"
    # The busiest time is at 14:00 UTC.
    hour = f"(({int(end.timestamp())} - 60 * number) % 86400 / 3600)"
    rhythm = f"(1 + {one.rhythm} * cos(2 * pi() * ({hour} - 14) / 24))"
    noise = f"(1 + {one.noise} * (2 * {share(one.name, 'machine')} - 1))"
    return f"{level} * {rhythm} * {noise}"
