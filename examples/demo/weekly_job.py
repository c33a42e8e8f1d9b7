"""A job that runs each week. Its first two times page. From the third time on it is stored as recurring and pages nobody."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Dict, List

from demo import findings
from demo.comparison import key_of
from local_stack import CloudError, LocalStack, count, rfc3339, say

Record = Dict[str, object]

# By then an incident of one hour must be over.
HOURS_UNTIL_OVER = 8


def label_of(planted: List[Record]) -> Record:
    """The planted job: an anomaly that happened before."""
    for label in planted:
        if label["findable"] and label.get("earlier"):
            return label
    raise CloudError("No weekly job was planted. Was the usage made by another version of `meterflow seed`?")


def run_earlier(stack: LocalStack, label: Record) -> None:
    """Runs the detector for the hours in which the job ran before, and for the hours after them until the incident is over."""
    customer, metric = key_of(label)
    known = {incident["opened_at"] for incident in incidents_of(stack, label)}
    for text in label["earlier"]:
        time = datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        if findings.milliseconds(time) in known:
            say(f"{text}: an earlier demo ran this hour.")
            continue
        over = first = None
        for hours in range(HOURS_UNTIL_OVER + 1):
            event = {"time": rfc3339(time + timedelta(hours=hours)), "detail": {"customer_ids": [customer]}}
            summary = stack.invoke(event)
            first = first or summary
            if summary["incidents"].get("resolved"):
                over = event["time"]
                break
        if not first["anomalies_found"] or not first["alerts_published"] or over is None:
            raise CloudError(f"The job of {customer} at {text} was not paged, or did not end: the run found "
                             f"{count(first['anomalies_found'], 'anomaly', 'anomalies')} and published "
                             f"{count(first['alerts_published'], 'alert')}.")
        say(f"{text}: {metric} of {customer} rose, and people were paged. The run of {over} found it over.")


def incidents_of(stack: LocalStack, label: Record) -> List[Record]:
    """The incidents of the job's metric."""
    customer, metric = key_of(label)
    return [
        incident for incident in findings.stored_incidents(stack, {customer})
        if incident["metric"] == metric and incident["direction"] == label["direction"]
    ]


def lines(label: Record, found: List[Record], incidents: List[Record]) -> List[str]:
    """What the run found of the job. The demo fails unless it was found, counted and paged to nobody."""
    key, earlier = key_of(label), len(label["earlier"])
    item = next((item for item in found if key_of(item) == key), None)
    if item is None:
        raise CloudError(f"The run did not find the job of {' '.join(key)}.")
    incident = next((incident for incident in incidents if incident["incident_id"] == item.get("incident_id")), {})
    if int(item.get("recurring", 0)) != earlier or int(incident.get("recurring", 0)) != earlier:
        raise CloudError(f"The job of {' '.join(key)} ran {earlier} times before, but it is stored as one that recurs "
                         f"{item.get('recurring', 0)} times.")
    if item["alert_state"] != "none" or "last_page" in incident:
        raise CloudError(f"The job of {' '.join(key)} recurs, and people were paged about it nevertheless.")
    return [
        str(item["description"]),
        f"severity {item['severity']}, recurring {item['recurring']}, alert_state {item['alert_state']}: the incident is "
        f"{incident['state']}, and nobody was paged.",
    ]
