"""Requests to the deployed API, and when they were made.

The emulated gateway knows one address for all clients. So each request goes to the function of the API as an event of a gateway,
with the address and the claims of its client.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Dict, Iterator, List

from console import CloudError
from local_stack import LocalStack, aws_session

# Requests of one operation in five minutes.
USUAL = 40

READ, WRITE, ADMIN = "anomalies:read", "anomalies:write", "anomalies:admin"


@dataclass(frozen=True)
class Client:
    address: str
    subject: str
    scopes: str


OPERATOR = Client("192.0.2.10", "operator", f"{READ} {WRITE} {ADMIN}")
# Somebody who may read what belongs to one customer, and tries to change the settings of all.
GUESSER = Client("203.0.113.7", "guesser", READ)
# The operator's token, in the hands of somebody else.
THIEF = Client("198.51.100.9", OPERATOR.subject, OPERATOR.scopes)


@dataclass(frozen=True)
class Block:
    """A time in which requests were made, in seconds of Unix time."""

    began: float
    ended: float
    requests: int


@dataclass(frozen=True)
class Asked:
    client: Client
    method: str
    path: str
    status: int


class Api:
    """The API's function of a stack."""

    def __init__(self, stack: LocalStack):
        self._function = stack.function.removesuffix("-detection") + "-api"
        self._lambda = aws_session(stack).client("lambda")

    @property
    def service(self) -> str:
        """The name of the service in the spans."""
        return self._function

    def make(self, asked: List[Asked]) -> Block:
        """Makes the requests one after the other. Each must be answered as expected."""
        began = time.time()
        for one in asked:
            answer = self._lambda.invoke(FunctionName=self._function, Qualifier="live", Payload=json.dumps(event(one)))
            status = json.load(answer["Payload"]).get("statusCode")
            if status != one.status:
                raise CloudError(f"{one.method} {one.path} was answered with {status}, and {one.status} is right.")
        return Block(began, time.time(), len(asked))


def interleaved(*operations: List[Asked]) -> List[Asked]:
    """The requests of several operations in turn."""
    return [asked for turn in zip(*operations) for asked in turn]


def incidents(number: int = USUAL) -> List[Asked]:
    return [Asked(OPERATOR, "GET", "/v1/incidents", 200)] * number


def entities(number: int = USUAL, status: int = 200) -> List[Asked]:
    """Questions to ClickHouse."""
    return [Asked(OPERATOR, "GET", "/v1/sources/traces/entities", status)] * number


def baselines(number: int = USUAL, status: int = 200) -> List[Asked]:
    """Questions to ClickHouse as well, about an operation that there is not."""
    path = "/v1/sources/traces/entities/nowhere%2Fnothing/baselines?customer_id=default"
    return [Asked(OPERATOR, "GET", path, status)] * number


def refused(number: int) -> List[Asked]:
    return [Asked(GUESSER, "PUT", "/v1/config", 403)] * number


def walk(number: int) -> Iterator[Asked]:
    """A walk through ids of incidents. None of them exists."""
    return (Asked(THIEF, "GET", f"/v1/incidents/{1_795_266_000_000 + step}.trace_latency.spike.YQ", 404) for step in range(number))


def event(asked: Asked) -> Dict[str, object]:
    """The request as API Gateway passes it to a function."""
    client, (path, _, query) = asked.client, asked.path.partition("?")
    claims = {"sub": client.subject, "scope": client.scopes, "exp": "4102444800", "iss": "https://issuer.example.com",
              "aud": "meterflow"}
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {"accept": "application/json", "host": "api.example.com"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "$default", "requestId": "demo", "routeKey": "$default",
            "domainName": "api.example.com", "domainPrefix": "api", "time": "21/Nov/2026:13:30:00 +0000", "timeEpoch": 1795267800000,
            "authorizer": {"jwt": {"claims": claims, "scopes": client.scopes.split()}},
            "http": {"method": asked.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": client.address,
                     "userAgent": "demo"},
        },
        "body": "{}" if asked.method == "PUT" else None, "isBase64Encoded": False,
    }


def digest(subject: str) -> str:
    """How the spans name the subject of a token."""
    return hashlib.sha256(subject.encode()).hexdigest()[:8]
