"""Compares the API's answers with the run: the same anomalies and incidents, the same verdict on demand, and only a
token's own data.
"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from datetime import datetime
from typing import Dict, List, Tuple
from urllib.parse import quote, urlencode

from demo.findings import milliseconds
from local_stack import CloudError, LocalStack, count, say, shown, table

Record = Dict[str, object]

# What a call and a millisecond of computing cost, in USD. Like the customers, they are made up.
PRICES = {"api_calls": {"price": 0.0004}, "compute_time": {"price": 0.00002}}

# Few enough that the demo's anomalies fill more than one page.
PAGE = 20
SHOWN = 5

# Figures of a stored anomaly that a check of the same window must also give, by their names in the check.
FIGURES = {
    "current_value": ("current_value",),
    "baseline_mean": ("baseline", "mean"),
    "baseline_stddev": ("baseline", "stddev"),
    "z_score": ("z_score",),
    "expected_low": ("expected_low",),
    "expected_high": ("expected_high",),
}
WORDS = ("severity", "direction")


class Api:
    """The stack's API as a client with one of the local tokens sees it."""

    def __init__(self, stack: LocalStack, token: str):
        self._url = stack.env["API_URL"]
        self._headers = {"Host": stack.env["API_HOST"], "Authorization": f"Bearer {stack.env[token]}"}
        self._log = shown(stack.settings.logs / "aws.log")
        # The address is this machine's, whatever proxy the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **query: object) -> Tuple[int, Record]:
        """Status and document of an answer, be it a problem."""
        address = f"{self._url}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            with self._opener.open(urllib.request.Request(address, headers=self._headers), timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)
        except (OSError, ValueError) as error:
            raise CloudError(f"GET {path} had no answer: {error}\nIts log is in {self._log}") from None

    def expect(self, path: str, **query: object) -> Record:
        status, answer = self.get(path, **query)
        if status != 200:
            raise CloudError(f"GET {path} answered {status}: {answer.get('detail') or answer.get('message')}\n"
                             f"Its log is in {self._log}")
        return answer

    def put(self, path: str, document: Record, version: int) -> None:
        """Replaces a document that has this version."""
        headers = {**self._headers, "Content-Type": "application/json", "If-Match": f'"{version}"'}
        request = urllib.request.Request(f"{self._url}{path}", json.dumps(document).encode(), headers, method="PUT")
        try:
            with self._opener.open(request, timeout=30):
                pass
        except OSError as error:
            raise CloudError(f"PUT {path} failed: {error}\nIts log is in {self._log}") from None

    def listed(self, kind: str, **query: object) -> Tuple[List[Record], int]:
        """All anomalies, or incidents, of a filter, and the number of list pages."""
        found, pages, cursor = [], 0, {}
        while True:
            page = self.expect(f"/v1/{kind}", limit=PAGE, **query, **cursor)
            found += page[kind]
            pages += 1
            if page["next_cursor"] is None:
                return found, pages
            cursor = {"cursor": page["next_cursor"]}


def set_prices(stack: LocalStack) -> None:
    """Prices of two metrics, so that incidents tell what they cost.

    The planted anomalies fit the thresholds of the catalog. With other thresholds the demo would fail for no visible reason.
    """
    operator = Api(stack, "API_TOKEN_ADMIN")
    policy = operator.expect("/v1/config")
    if any(set(change) - {"price"} for change in policy["config"]["metrics"].values()):
        raise CloudError("A policy changes the thresholds of the check for all customers, so that it finds something else "
                         "than was planted. Take it back, then run `make demo` again:\n"
                         f"  set -a; . {shown(stack.env_file)}; set +a\n"
                         '  curl -X PUT -H "Host: $API_HOST" -H "Authorization: Bearer $API_TOKEN_ADMIN" '
                         f"-H 'If-Match: \"{policy['version']}\"' -d '{{}}' \"$API_URL/v1/config\"")
    if policy["config"]["metrics"] != PRICES:
        operator.put("/v1/config", {**policy["config"], "metrics": PRICES}, policy["version"])


def show(stack: LocalStack, found: List[Record], opened: List[Record], end: datetime) -> None:
    """Asks for the stored anomalies and their incidents, and fails if the API says anything else."""
    operator = Api(stack, "API_TOKEN_ADMIN")
    detected_at = milliseconds(end)
    hour = {"from": detected_at, "to": detected_at + 1}
    listed, pages = operator.listed("anomalies", **hour)
    require_same("anomalies", listed, found)
    say(f"GET /v1/anomalies lists the same {count(len(listed), 'anomaly', 'anomalies')}, on {count(pages, 'page')}. "
        f"The first {min(SHOWN, len(listed))}:\n")
    say(listing(listed[:SHOWN]))
    incidents = incidents_of(operator, detected_at)
    require_same("incidents", incidents, opened)
    say(f"\nGET /v1/incidents lists the same {count(len(incidents), 'incident')}.")

    critical = next((anomaly for anomaly in listed if anomaly["severity"] == "critical"), None)
    if critical is None:
        raise CloudError("The API lists no critical anomaly, though some were planted.")
    check = check_again(operator, critical)
    require_equal(check, critical)
    say(f"\nGET /v1/anomalies/check judges {critical['customer_id']} {critical['metric']} anew, by the same figures:\n"
        f"{check['description']}")

    customer = stack.env["API_CUSTOMER_ID"]
    bound = Api(stack, "API_TOKEN_CUSTOMER")
    own, _ = bound.listed("anomalies", **hour)
    require_same("anomalies", own, of_customer(found, customer))
    own_incidents = incidents_of(bound, detected_at)
    require_same("incidents", own_incidents, of_customer(opened, customer))
    say(f"\nThe token of {customer} shows only what is its own: {count(len(own), 'anomaly', 'anomalies')}, "
        f"{count(len(own_incidents), 'incident')}.")
    if critical["customer_id"] != customer:
        status, _ = bound.get(f"/v1/anomalies/{quote(str(critical['anomaly_id']), safe='')}")
        if status != 404:
            raise CloudError(f"The token of {customer} got {status} for an anomaly of {critical['customer_id']}, "
                             "and it must be 404.")
        say(f"For it the anomaly of {critical['customer_id']} does not exist: 404.")


def check_again(api: Api, anomaly: Record) -> Record:
    window = anomaly["window"]
    return api.expect("/v1/anomalies/check", customer_id=anomaly["customer_id"], metric=anomaly["metric"],
                      current_end=window["end"])


def incidents_of(api: Api, detected_at: int) -> List[Record]:
    """The incidents with an anomaly in this window. The schedule's next run may have changed them since."""
    listed, _ = api.listed("incidents", **{"from": detected_at})
    return [incident for incident in listed if incident["opened_at"] <= detected_at <= incident["last_seen"]]


def of_customer(records: List[Record], customer: str) -> List[Record]:
    return [record for record in records if record["customer_id"] == customer]


def require_same(kind: str, listed: List[Record], stored: List[Record]) -> None:
    """By their ids, each of them once."""
    name = {"anomalies": "anomaly_id", "incidents": "incident_id"}[kind]
    ids = sorted(str(record[name]) for record in listed)
    expected = sorted(str(record[name]) for record in stored)
    if ids != expected:
        missing, foreign = sorted(set(expected) - set(ids)), sorted(set(ids) - set(expected))
        raise CloudError(f"The API lists {len(ids)} {kind} of this hour, and it must be {len(expected)}. "
                         f"Missing: {', '.join(missing) or 'none'}. Not expected: {', '.join(foreign) or 'none'}.")


def require_equal(check: Record, anomaly: Record) -> None:
    problems = [f"{word} {check[word]}, stored {anomaly[word]}" for word in WORDS if check[word] != anomaly[word]]
    if check["period"] != anomaly["window"]:
        problems.append(f"period {check['period']}, stored {anomaly['window']}")
    for name, path in FIGURES.items():
        value: object = check
        for step in path:
            value = value[step]
        # Sums of the same numbers may differ in their last digit.
        if value is None or not math.isclose(value, anomaly[name], rel_tol=1e-9):
            problems.append(f"{name} {value}, stored {anomaly[name]}")
    if problems:
        raise CloudError(f"The check of {anomaly['customer_id']} {anomaly['metric']} came to something else than the run: "
                         f"{'; '.join(problems)}. Was a policy changed since?")


def listing(anomalies: List[Record]) -> str:
    return table(["customer", "metric", "severity", "direction", "state", "z", "description"], [
        [*(str(anomaly[name]) for name in ("customer_id", "metric", "severity", "direction", "state")),
         f"{anomaly['z_score']:.1f}", str(anomaly["description"])]
        for anomaly in anomalies
    ], numeric=["z"])
