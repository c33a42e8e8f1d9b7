"""The incidents of a run's anomalies, and how people were notified of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List

from demo.comparison import key_of
from local_stack import CloudError, count

Record = Dict[str, object]


@dataclass(frozen=True)
class Told:
    """How people were notified of incidents."""

    # By an alert of its own.
    singly: int
    # By the digest.
    by_digest: int


def belonging_to(found: List[Record], incidents: List[Record]) -> List[Record]:
    """Those of the incidents that these anomalies name."""
    named = {item.get("incident_id") for item in found}
    return [incident for incident in incidents if incident["incident_id"] in named]


def is_first_use(item: Record) -> bool:
    """Whether it is a warning of a metric's first use, which belongs to no incident and pages nobody."""
    return item.get("type") == "new_usage"


def recurs(item: Record) -> bool:
    """Whether it repeats earlier incidents. Nobody is paged about it."""
    return "recurring" in item


def told_of(incidents: List[Record]) -> Told:
    singly = [bool(incident["last_page"]["single"]) for incident in incidents if "last_page" in incident]
    return Told(singly.count(True), singly.count(False))


def tally(incidents: List[Record]) -> str:
    """How many, by state and severity: "29 critical and 6 warning are open"."""
    by_state: Dict[str, Counter] = {}
    for incident in incidents:
        by_state.setdefault(str(incident["state"]), Counter())[str(incident["severity"])] += 1
    return "; ".join(
        f"{' and '.join(f'{number} {severity}' for severity, number in sorted(severities.items()))} "
        f"{'is' if sum(severities.values()) == 1 else 'are'} {state}"
        for state, severities in sorted(by_state.items())
    )


def most_expensive(incidents: List[Record]) -> List[str]:
    """The three incidents of the highest cost a month, or of the most usage that is missing. Others have no price."""
    priced = [incident for incident in incidents if "cost" in incident]
    priced.sort(key=lambda incident: -abs(float(incident["cost"]["a_month"])))
    lines = ["", "The most expensive, by the prices that the demo set (docs/money.md):"] if priced else []
    for incident in priced[:3]:
        so_far, a_month = (float(incident["cost"][name]) for name in ("so_far", "a_month"))
        verb = "misses" if so_far < 0 else "costs"
        lines.append(f"  {incident['customer_id']} {incident['metric']} {incident['direction']}: {verb} {abs(so_far):,.2f} "
                     f"{incident['cost']['currency']} so far, {abs(a_month):,.0f} a month at this rate")
    return lines


def require_told(found: List[Record], incidents: List[Record], digests: List[Record]) -> None:
    """The demo fails unless each anomaly but a first use has its incident, and people were notified once of each critical one
    that does not recur.
    """
    by_id = {incident["incident_id"]: incident for incident in incidents}
    problems = []
    for item in found:
        incident, name = by_id.get(item.get("incident_id")), " ".join(key_of(item))
        if is_first_use(item):
            if item.get("incident_id") is not None:
                problems.append(f"the first use {name} belongs to an incident")
        elif incident is None:
            problems.append(f"the anomaly {name} belongs to no incident")
        elif item["severity"] == "critical" and "mute_reason" not in item and not recurs(item) and "last_page" not in incident:
            problems.append(f"nobody was notified of the critical incident {name}")
    told = told_of(incidents)
    alerting = sum(item["alert_state"] != "none" for item in found)
    if alerting != told.singly:
        problems.append(f"{count(alerting, 'anomaly', 'anomalies')} with an alert, but {count(told.singly, 'incident')} "
                        "that were paged singly")
    if told.by_digest and told.by_digest not in [digest["held_back"] for digest in digests]:
        problems.append(f"{count(told.by_digest, 'incident')} left to a digest, but none tells of so many")
    if problems:
        raise CloudError("The incidents are not what they must be:\n" + "\n".join(f"  {problem}" for problem in problems))
