"""What is planted in the fleet: faults that an operator wants to know of, and changes that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Sequence, Set, Tuple

from machines import fleet
from watching.found import Record

DAY = 24 * 60
# The runs judge so many minutes, one after the other.
RUNS = 10


@dataclass(frozen=True)
class Fault:
    what: str
    namespace: str
    machine: str
    # It begins so many minutes before the newest one.
    began: int
    # Which metrics may be told. Of several that move together the run tells the one that stands out most.
    metrics: FrozenSet[str]
    direction: str


@dataclass(frozen=True)
class Planted:
    """A fault of a machine of the fleet. The values are SQL of `usual` and `minute`."""

    what: str
    machine: str
    began: int
    direction: str
    values: Mapping[str, str]

    @property
    def fault(self) -> Fault:
        return Fault(self.what, fleet.namespace_of(self.machine), self.machine, self.began, frozenset(self.values), self.direction)


FAULTS = (
    Planted("a busy processor", "shop-2", 4, "spike", {"machine_cpu": "97"}),
    Planted("a memory leak", "bank-1", 8, "spike", {"machine_memory": "least(98, usual + 4 * (9 - minute))"}),
    Planted("a loss of packets", "games-3", 3, "spike", {"machine_packet_loss": "12"}),
    Planted("an exploding latency", "media-2", 2, "spike", {"machine_latency": "usual * 15"}),
    Planted("a network that falls silent", "maps-1", 5, "drop", {"machine_bandwidth": "0"}),
    Planted("a network that drops to a fifth", "mail-3", 1, "drop", {"machine_bandwidth": "usual / 5"}),
    Planted("jitter", "search-1", 6, "spike", {"machine_jitter": "usual * 20"}),
    Planted("errors of the network", "travel-2", 7, "spike", {"machine_error_rate": "30"}),
    Planted("a flood: processor and network together", "health-3", 3, "spike",
            {"machine_cpu": "usual + 45", "machine_bandwidth": "usual * 6"}),
)


def backup(minute_of_day: int) -> str:
    """A backup that sends six times the usual for twenty minutes: now, and on each of the days before at about this time."""
    begins = [day * DAY + offset for day, offset in enumerate((minute_of_day, 35, -20, 50, -40, 15))]
    between = " OR ".join(f"minute BETWEEN {begin - 20} AND {begin}" for begin in begins)
    return f"if({between}, usual * 6, NULL)"


# No faults: a backup that came on days before, and a machine that is always busy.
DECOYS: Dict[Tuple[str, str], str] = {
    ("school-2", "machine_bandwidth"): backup(5),
    ("cargo-1", "machine_cpu"): "least(97, usual * 0.1 + 90)",
}


def changes() -> Dict[Tuple[str, str], str]:
    """What the samples of the fleet are where they are not usual."""
    faults = {(one.machine, metric): f"if(minute <= {one.began}, {value}, NULL)"
              for one in FAULTS for metric, value in one.values.items()}
    return {**faults, **DECOYS}


@dataclass(frozen=True)
class Comparison:
    found: List[Tuple[Fault, List[Record]]]
    missed: List[Fault]
    # Anomalies that nobody planted.
    unplanted: List[Record]


def compare(faults: Sequence[Fault], anomalies: Sequence[Record]) -> Comparison:
    """Which of the faults were found, by the stored anomalies."""
    by_fault = [(fault, [item for item in anomalies if is_of(fault, item)]) for fault in faults]
    return Comparison(
        [(fault, items) for fault, items in by_fault if items],
        [fault for fault, items in by_fault if not items],
        [item for item in anomalies if not any(is_of(fault, item) for fault in faults)],
    )


def is_of(fault: Fault, item: Record) -> bool:
    return ((str(item["customer_id"]), str(item.get("entity", "")), str(item["direction"]))
            == (fault.namespace, fault.machine, fault.direction) and str(item["metric"]) in fault.metrics)


def untold(found: Sequence[Tuple[Fault, List[Record]]], told: Set[Tuple[str, str, str]]) -> List[Fault]:
    """The faults about which no alert came, although a warning or critical anomaly was stored. Infos are stored nowhere."""
    return [fault for fault, items in found
            if not any((str(item["customer_id"]), str(item.get("entity", "")), str(item["metric"])) in told for item in items)]
