"""What a run leaves behind: items in DynamoDB, and messages in the queue that is subscribed to the alert topic."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Dict, List, Optional

from local_stack import LocalStack, aws_session, rfc3339

# The metrics of the built-in catalog.
METRICS = ("api_calls", "bandwidth", "storage_peak", "compute_time")
# What the delivery of an alert from the topic to the queue may take.
DELIVERY_SECONDS = 20


def stored(stack: LocalStack, end: datetime) -> List[Dict[str, object]]:
    """The anomalies of the window that closes at `end`, read by the index on metrics: no scan of the table."""
    from boto3.dynamodb.conditions import Key

    anomalies = aws_session(stack).resource("dynamodb").Table(stack.table)
    found = []
    for metric in METRICS:
        query = {
            "IndexName": "metric-severity-index",
            "KeyConditionExpression": Key("metric").eq(metric) & Key("detected_at").eq(int(end.timestamp() * 1000)),
        }
        while True:
            page = anomalies.query(**query)
            found.extend(page["Items"])
            if "LastEvaluatedKey" not in page:
                break
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return found


def forget(stack: LocalStack, items: List[Dict[str, object]]) -> None:
    with aws_session(stack).resource("dynamodb").Table(stack.table).batch_writer() as writer:
        for item in items:
            writer.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


def receive_alert(stack: LocalStack, end: datetime) -> Optional[Dict[str, object]]:
    """The envelope of the first message on this window. All messages stay in the queue."""
    queue = aws_session(stack).client("sqs")
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        # Hidden for as long as the search may take, a message of another hour is not read twice.
        answer = queue.receive_message(QueueUrl=stack.env["ALERTS_QUEUE_URL"], MaxNumberOfMessages=10,
                                       WaitTimeSeconds=1, VisibilityTimeout=DELIVERY_SECONDS)
        for message in answer.get("Messages", []):
            envelope = json.loads(message["Body"])
            if is_of_window(envelope, end):
                return envelope
    return None


def is_of_window(envelope: Dict[str, object], end: datetime) -> bool:
    try:
        body = json.loads(str(envelope["Message"]))
        return body["detected_at"] == rfc3339(end) and body["event"] == "opened"
    except (KeyError, TypeError, ValueError):
        return False  # Somebody else published it; it is not ours to understand.


def alert_text(envelope: Dict[str, object]) -> str:
    """The message as a subscriber sees it: subject, attributes to filter by, and the body."""
    attributes = envelope.get("MessageAttributes") or {}
    filters = ", ".join(f"{name}={attribute['Value']}" for name, attribute in sorted(attributes.items()))
    body = json.dumps(json.loads(str(envelope["Message"])), indent=2, ensure_ascii=False)
    return f"Subject:    {envelope.get('Subject')}\nAttributes: {filters}\n{body}"
