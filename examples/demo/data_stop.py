"""An hour without any event. The data of all customers stopped: one page, and none about a single customer."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Dict, List

from demo import findings
from local_stack import CloudError, LocalStack, count, rfc3339, say

Record = Dict[str, object]

ALL_CUSTOMERS = "*"


def hour_after(end: datetime) -> datetime:
    """The end of the hour without events."""
    return end + timedelta(hours=1)


def show(stack: LocalStack, end: datetime) -> None:
    """Runs the detector for the hour after the usage, and shows what it stored and paged."""
    event = {"time": rfc3339(hour_after(end)), "detail": {}}
    say(f"event:      {json.dumps(event)}")
    summary = stack.invoke(event)
    say("\n".join(lines(summary, findings.stored(stack, hour_after(end)))))


def lines(summary: Record, found: List[Record]) -> List[str]:
    """What the run found. The demo fails unless it is one page about all customers."""
    stops = [item for item in found if item["customer_id"] == ALL_CUSTOMERS]
    others = [item for item in found if item["customer_id"] != ALL_CUSTOMERS]
    if [item["type"] for item in stops] != ["data_stopped"]:
        raise CloudError(f"An hour without any event must be one anomaly of all customers, and it is {len(stops)}.")
    (stop,) = stops
    paged = [str(item["customer_id"]) for item in others if item["alert_state"] != "none"]
    if paged:
        raise CloudError(f"The data of all customers stopped, and single customers were paged: {', '.join(sorted(paged))}.")
    if stop["alert_state"] == "none":
        raise CloudError("The data of all customers stopped, and nobody was paged.")
    if summary["recorded"] and summary["alerts_published"] != 1:
        raise CloudError(f"A stop of the data must be one alert, and the run published {summary['alerts_published']}.")
    held = [item for item in others if "mute_reason" in item]
    if not held:
        raise CloudError("The data of all customers stopped, and no drop of a single customer was held back.")
    return [
        f"published:  {count(summary['alerts_published'], 'alert')}",
        f"the page:   {stop['description']}",
        f"type {stop['type']}, severity {stop['severity']}, customer {stop['customer_id']}, alert_state {stop['alert_state']}",
        f"held back:  {count(len(held), 'drop')} of single customers. They are stored with the reason, and page nobody:",
        f"            {held[0]['mute_reason']}",
    ]
