"""Announces finished events on the bus, and waits for what comes of them: the alert in the queue of the topic, the items."""

from __future__ import annotations

import json
import time
from typing import Dict, List, Optional

from local_stack import CloudError, LocalStack, aws_session, shown
from watching.found import Announcement, Expected, Key

# From the event to its alert, in seconds.
TARGET_SECONDS = 2.0
# The longest wait for one. The first event starts the function.
PATIENCE_SECONDS = 60
# Between two looks.
PAUSE_SECONDS = 0.05


class Bus:
    """The bus that takes finished events, and the queue that is subscribed to the topic of alerts."""

    def __init__(self, stack: LocalStack):
        session = aws_session(stack)
        self._events, self._queue = session.client("events"), session.client("sqs")
        self._url = stack.env["ALERTS_QUEUE_URL"]
        # When the first alert came, by what it is about.
        self._came: Dict[Key, float] = {}

    def clear(self) -> None:
        """Takes out what earlier runs left."""
        while self._receive():
            pass
        self._came.clear()

    def announce(self, announcement: Announcement) -> float:
        """Puts the event on the bus, as the system does that runs the executions. Returns when, by time.monotonic."""
        began = time.monotonic()
        answer = self._events.put_events(Entries=[entry(announcement)])
        if answer["FailedEntryCount"]:
            raise CloudError(f"The bus did not take the event about {announcement.id}: {answer['Entries']}")
        return began

    def wait_for(self, expected: Expected) -> Optional[float]:
        """When the alert about this came, by the clock of time.monotonic."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while expected.key not in self._came and time.monotonic() < deadline:
            messages = self._receive()
            for message in messages:
                key = about(message)
                if key:
                    self._came.setdefault(key, time.monotonic())
            if not messages:
                time.sleep(PAUSE_SECONDS)
        return self._came.get(expected.key)

    def _receive(self) -> List[str]:
        messages = self._queue.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._queue.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]


def about(envelope: str) -> Optional[Key]:
    """What the message of an incident that opened is about. None for any other message."""
    try:
        body = json.loads(json.loads(envelope)["Message"])
        return (body["customer_id"], body["entity"], body["metric"]) if body["event"] == "opened" else None
    except (KeyError, TypeError, ValueError):
        return None


def entry(announcement: Announcement) -> Dict[str, str]:
    detail = {"source": announcement.source, "id": announcement.id}
    return {"Source": "com.example.workflows", "DetailType": "Execution Completed", "Detail": json.dumps(detail)}


def items(stack: LocalStack) -> List[Dict[str, object]]:
    """All items of the stack's table, which is the example's own and small."""
    table, page, query = aws_session(stack).resource("dynamodb").Table(stack.table), [], {}
    while True:
        answer = table.scan(**query)
        page += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return page
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def anomalies(stack: LocalStack) -> List[Dict[str, object]]:
    return [item for item in items(stack) if str(item["sk"]).startswith("ANOMALY#")]


def forget(stack: LocalStack) -> None:
    """Empties the table: an incident of an earlier run would take in the new anomalies, and tell nobody."""
    with aws_session(stack).resource("dynamodb").Table(stack.table).batch_writer() as writer:
        for item in items(stack):
            writer.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


def missing(stack: LocalStack, announcement: Announcement) -> CloudError:
    return CloudError(f"No alert came about {announcement.what}, {announcement.id}, within {PATIENCE_SECONDS} s. "
                      f"See {shown(stack.settings.logs / 'aws.log')}")
