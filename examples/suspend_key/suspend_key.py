"""Suspends the API key of a customer after people have confirmed that it leaked.

A function of AWS Lambda behind a rule of EventBridge, see README.md. It changes nothing until DRY_RUN is `false`.

`KEYS`: JSON, the id of each customer's API key in API Gateway: {"cust_0042": "a1b2c3d4e5"}.
`METRICS`: the metrics whose spikes tell of a leak, separated by commas.
`DRY_RUN`: anything but `false` only says what would be done.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Dict, FrozenSet, Mapping, Optional

# The event of the feedback `confirmed`.
CONFIRMED = "Anomaly Confirmed"


@dataclass(frozen=True)
class Settings:
    keys: Mapping[str, str]
    metrics: FrozenSet[str]
    is_dry_run: bool

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        keys = json.loads(environ["KEYS"])
        if not isinstance(keys, dict) or not all(isinstance(key, str) and key for key in keys.values()):
            raise ValueError('KEYS must be a JSON object of customers and ids of keys, such as {"cust_0042": "a1b2c3d4e5"}')
        metrics = frozenset(name.strip() for name in environ["METRICS"].split(",") if name.strip())
        return cls(keys, metrics, environ.get("DRY_RUN", "true").strip().lower() != "false")


def key_of(event: Mapping, settings: Settings) -> Optional[str]:
    """The key to suspend, or None: not each event is about a leak, and the rule of the bus may be wider than meant."""
    detail = event.get("detail") or {}
    is_leak = (
        event.get("source") == "meterflow"
        and event.get("detail-type") == CONFIRMED
        and detail.get("event") == "confirmed"
        and detail.get("severity") == "critical"
        and detail.get("direction") == "spike"
        and detail.get("metric") in settings.metrics
    )
    return settings.keys.get(detail.get("customer_id")) if is_leak else None


def suspend(event: Mapping, settings: Settings, gateway) -> Dict[str, object]:
    """Suspends the key of the event. A second time changes nothing. Nobody but a person enables the key again."""
    key = key_of(event, settings)
    if key is None:
        return {"suspended": False, "reason": "the event is not about a confirmed leak of a known key"}
    incident = event["detail"].get("incident_id", "unknown")
    said = {"key": key, "incident_id": incident, "customer_id": event["detail"]["customer_id"]}
    if not gateway.get_api_key(apiKey=key)["enabled"]:
        return {**said, "suspended": False, "reason": "the key is suspended already"}
    if settings.is_dry_run:
        return {**said, "suspended": False, "reason": "this is a dry run: the key would be suspended"}
    gateway.update_api_key(apiKey=key, patchOperations=[
        {"op": "replace", "path": "/enabled", "value": "false"},
        {"op": "replace", "path": "/description", "value": f"suspended because of the incident {incident}"[:255]},
    ])
    return {**said, "suspended": True, "reason": "people confirmed the leak"}


def handler(event, _context):
    """Called by Lambda."""
    import boto3  # A part of Lambda's runtime for Python.

    done = suspend(event, Settings.of(os.environ), boto3.client("apigateway"))
    print(json.dumps(done))
    return done
