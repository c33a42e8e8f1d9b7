"""The traces of a run: items in DynamoDB, and messages in a queue of the alert topic."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Container, Dict, Iterable, Iterator, List, Optional

from local_stack import LocalStack, aws_session, rfc3339

Record = Dict[str, object]

# The metrics of the built-in catalog.
METRICS = ("api_calls", "bandwidth", "storage_peak", "compute_time")
# Parts of the index of incidents.
INCIDENT_SHARDS = 16
# The note of the hours that runs have judged, for all customers.
JUDGED = {"pk": "STATUS", "sk": "JUDGED"}
# Time for the delivery of an alert from the topic to the queue.
DELIVERY_SECONDS = 20


def stored(stack: LocalStack, end: datetime) -> List[Record]:
    """The anomalies of the window that closes at `end`, read by the index on metrics: no scan of the table."""
    from boto3.dynamodb.conditions import Key

    table = _table(stack)
    return [
        item for metric in METRICS
        for item in _query(table, IndexName="metric-severity-index",
                           KeyConditionExpression=Key("metric").eq(metric) & Key("detected_at").eq(milliseconds(end)))
    ]


def stored_incidents(stack: LocalStack, customers: Container[str]) -> List[Record]:
    """The incidents of these customers, open and closed ones, read by the index that the runs find them by."""
    from boto3.dynamodb.conditions import Key

    table = _table(stack)
    return [
        item for shard in range(INCIDENT_SHARDS)
        for item in _query(table, IndexName="incidents-index", KeyConditionExpression=Key("incident_shard").eq(str(shard)))
        if item["customer_id"] in customers
    ]


def digests(stack: LocalStack, end: datetime) -> List[Record]:
    """The digests of the window."""
    from boto3.dynamodb.conditions import Key

    condition = Key("pk").eq("DIGEST") & Key("sk").begins_with(f"DIGEST#{milliseconds(end)}#")
    return list(_query(_table(stack), KeyConditionExpression=condition))


def left_behind(stack: LocalStack, ends: Iterable[datetime], customers: Container[str]) -> List[Record]:
    """Items of earlier demos that new usage must not meet.

    These are all incidents of the customers: the new anomalies would join them, and models would leave their hours out.
    The notices and anomalies of customers with incidents belong to them, too, and the anomalies and digests of the windows
    that close at `ends`, which came from other usage. So does the note of the hours that are judged.
    """
    from boto3.dynamodb.conditions import Key

    table, incidents = _table(stack), stored_incidents(stack, customers)
    of_customers = [
        item for pk in sorted({str(incident["pk"]) for incident in incidents}) for prefix in ("NOTICE#", "ANOMALY#")
        for item in _query(table, KeyConditionExpression=Key("pk").eq(pk) & Key("sk").begins_with(prefix))
    ]
    of_hours = [item for end in ends for item in (*stored(stack, end), *digests(stack, end))]
    # An anomaly of the hour may be one of a customer with incidents. A batch must not name it twice.
    items = {(item["pk"], item["sk"]): item for item in (*incidents, *of_customers, *of_hours, JUDGED)}
    return list(items.values())


def forget(stack: LocalStack, items: List[Record]) -> None:
    with _table(stack).batch_writer() as writer:
        for item in items:
            writer.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


def receive_alert(stack: LocalStack, end: datetime) -> Optional[Record]:
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


def is_of_window(envelope: Record, end: datetime) -> bool:
    try:
        body = json.loads(str(envelope["Message"]))
        return body["detected_at"] == rfc3339(end) and body["event"] == "opened"
    except (KeyError, TypeError, ValueError):
        return False  # Somebody else published it; it is not ours to understand.


def alert_text(envelope: Record) -> str:
    """The message as a subscriber sees it: subject, attributes to filter by, and the body."""
    attributes = envelope.get("MessageAttributes") or {}
    filters = ", ".join(f"{name}={attribute['Value']}" for name, attribute in sorted(attributes.items()))
    body = json.dumps(json.loads(str(envelope["Message"])), indent=2, ensure_ascii=False)
    return f"Subject:    {envelope.get('Subject')}\nAttributes: {filters}\n{body}"


def milliseconds(time: datetime) -> int:
    """A time as the table and the API have it."""
    return int(time.timestamp() * 1000)


def _table(stack: LocalStack):
    return aws_session(stack).resource("dynamodb").Table(stack.table)


def _query(table, **query: object) -> Iterator[Record]:
    """All items of a query, page by page."""
    while True:
        page = table.query(**query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
