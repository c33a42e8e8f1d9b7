"""What is planted in the traffic, and how the preset sees it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Dict, List

from console import CloudError
from local_stack import LocalStack, aws_session, count
from traces import load
from watching import found
from watching.found import Expected

SOURCES = ("traces", "trace_refusals", "trace_clients", "trace_principals")
OF_MINUTES = ("traces", "trace_refusals")
# The preset judges so much later, because spans arrive after their end.
DELAY = timedelta(minutes=2)

# Refused requests of one client in five minutes, and ids that somebody walks through.
REFUSED, STEPS = 15, 250
# The resource of the spans names no namespace.
TENANT = "default"
TOLD_SECONDS = 20


def expected(service: str) -> List[Expected]:
    return [
        Expected(TENANT, f"{service} / GET /v1/sources/{{source}}/entities", "trace_latency", "high_latency"),
        Expected(TENANT, f"{service} / GET /v1/sources/{{source}}/entities/{{path}}/baselines", "trace_error_rate", "high_error_rate"),
        Expected(TENANT, load.GUESSER.address, "refused_logins", "unusual_access_pattern"),
        Expected(TENANT, load.THIEF.address, "client_paths", "unusual_access_pattern"),
        Expected(TENANT, load.digest(load.OPERATOR.subject), "new_client", "unusual_access_pattern"),
    ]


def require_told(stack: LocalStack, anomalies: List[Dict[str, object]]) -> str:
    """The subscribed queue must hold an alert for each critical anomaly."""
    wanted = {found.key_of(item) for item in anomalies if item["severity"] == "critical"}
    queue, told = aws_session(stack).client("sqs"), set()
    deadline = time.monotonic() + TOLD_SECONDS
    while not wanted <= told and time.monotonic() < deadline:
        answer = queue.receive_message(QueueUrl=stack.env["ALERTS_QUEUE_URL"], MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            told |= keys(json.loads(json.loads(message["Body"])["Message"]))
    missing = [" ".join(key) for key in sorted(wanted - told)]
    if missing:
        raise CloudError(f"No alert came within {TOLD_SECONDS} s about {'; '.join(missing)}.")
    return f"The subscribed queue holds an alert about each of the {count(len(wanted), 'critical anomaly', 'critical anomalies')}."


def keys(body: Dict[str, object]) -> set:
    """What an alert is about."""
    return {(str(body.get("customer_id")), str(body.get("entity", "")), str(body.get("metric")))}
