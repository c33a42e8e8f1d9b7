"""The issuer of the local cloud's tokens: a real OpenID provider (npm `oidc-provider`, in identity/) with a key and users of
its own.

People sign in to the dashboard there. The emulated gateway checks their tokens as on AWS: it reads the issuer's documents
over HTTP, takes the key that the token names, and verifies signature, issuer, audience, times and scopes. Programs and
tests get tokens without signing in: `sign` signs them with the same key, so the same documents vouch for them.

The emulator remembers documents for two hours by their address. The key's id is part of the address, so tokens of a new key
are never checked against old documents. Key and passwords survive `down`, as the data do, and are deleted by `down
--purge`. They protect only this cloud.
"""

from __future__ import annotations

import json
import os
import secrets
import string
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import node
import ports
import processes
import tools
from console import CloudError, Step
from files import read_json, tail, write_private_json
from settings import Settings

NAME = "issuer"
START_SECONDS = 30
PROGRAM = Path(__file__).with_name("issuer_calls.py")
SERVER = node.IDENTITY / "server.mjs"
AUDIENCE = "meterflow"
# The dashboard's client, as identity/server.mjs knows it.
CLIENT = "meterflow-dashboard"
# One of the customers that `meterflow seed` makes.
CUSTOMER = "cust_0001"
SCOPES = {"read": "anomalies:read", "write": "anomalies:write", "admin": "anomalies:admin"}
# Who may sign in. The reader sees all customers, which takes the scope of administrators.
USERS = {
    "operator": {"scopes": [SCOPES["read"], SCOPES["write"], SCOPES["admin"]]},
    "reader": {"scopes": [SCOPES["read"], SCOPES["admin"]]},
    "customer": {"scopes": [SCOPES["read"], SCOPES["write"]], "customer_id": CUSTOMER},
}
# Longer than the time between two starts of a used cloud. Every start makes new tokens.
TOKEN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Token:
    """The claims of a token."""

    subject: str
    scopes: Sequence[str] = ()
    customer_id: Optional[str] = None
    audience: str = AUDIENCE
    seconds: int = TOKEN_SECONDS


def ensure_running(settings: Settings) -> None:
    with Step("Issuer of tokens") as step:
        record = processes.find(NAME, settings.pids)
        if record is None:
            record = _start(settings)
            _wait_until_it_answers(settings, record)
            step.result = f"started at {settings.issuer_url}"
        elif answers(url(settings)):
            step.result = f"runs at {settings.issuer_url}"
        else:
            raise CloudError(f"The issuer of tokens (process {record.pid}) runs, but does not answer at {settings.issuer_url}.\n"
                             f"Was it started with another port? Run: make down, then make up. Its log: {record.log}")


def require_port(settings: Settings) -> None:
    ports.require_free(settings.issuer_port, "the issuer of tokens", f"{settings.kind.prefix}_ISSUER_PORT",
                       "a LocalStack with several services")


def answers(issuer: str) -> bool:
    """Whether the issuer of this address answers there. One with another key has another address."""
    try:
        with _opener().open(f"{issuer}/.well-known/openid-configuration", timeout=3) as answer:
            return json.load(answer)["issuer"] == issuer
    except (OSError, ValueError, KeyError):
        return False


def url(settings: Settings) -> str:
    """The address of the issuer, as the claim `iss` has it. Makes a missing key."""
    return _described(settings)["issuer"]


def passwords(settings: Settings) -> Dict[str, str]:
    """The passwords of all users. They are made at the first call."""
    known = read_json(settings.issuer_users) or {}
    if known.keys() != USERS.keys():
        known = {name: {**user, "password": password()} for name, user in USERS.items()}
        write_private_json(settings.issuer_users, known)
    return {name: known[name]["password"] for name in USERS}


def password() -> str:
    """95 bits in letters and digits, with a digit at least: the search for secrets in logs takes a word without one for a word."""
    while True:
        made = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
        if any(character.isdigit() for character in made):
            return made


def sign(settings: Settings, tokens: Sequence[Token]) -> List[str]:
    if not settings.issuer_key.is_file():
        raise CloudError(f"There is no key to sign tokens with, {settings.issuer_key}. Run: make up")
    now = int(time.time())
    return _call("sign", settings, key_file=str(settings.issuer_key), base_url=settings.issuer_url,
                 tokens=[_claims(token, now) for token in tokens])


def _claims(token: Token, now: int) -> dict:
    claims = {"sub": token.subject, "aud": token.audience, "iat": now, "exp": now + token.seconds}
    if token.scopes:
        claims["scope"] = " ".join(token.scopes)
    if token.customer_id is not None:
        claims["customer_id"] = token.customer_id
    return claims


def _start(settings: Settings) -> processes.Record:
    require_port(settings)
    node.require_installed(settings)
    tools.require_programs(["node"])
    key_id = _described(settings)["key_id"]
    passwords(settings)
    command = ["node", str(SERVER), str(settings.issuer_port), str(settings.issuer_key), key_id, str(settings.issuer_users)]
    # Made from nothing: options of Node.js in the user's shell are not for this server.
    environ = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    return processes.start(NAME, command, environ, settings.logs / "issuer.log", settings.pids)


def _wait_until_it_answers(settings: Settings, record: processes.Record) -> None:
    deadline, issuer = time.monotonic() + START_SECONDS, url(settings)
    while time.monotonic() < deadline:
        if answers(issuer):
            return
        if not processes.is_running(record):
            break
        time.sleep(0.1)
    ended = not processes.is_running(record)
    what = "ended while it started" if ended else f"did not answer within {START_SECONDS} s"
    raise CloudError(f"The issuer of tokens {what}. The end of its log, {record.log}:\n{tail(Path(record.log))}")


def _described(settings: Settings) -> Dict[str, str]:
    return _call("describe", settings, key_file=str(settings.issuer_key), base_url=settings.issuer_url)


def _call(operation: str, settings: Settings, **arguments):
    result = tools.run_program(settings, PROGRAM, operation, arguments, os.environ)
    if result.returncode:
        raise CloudError(f"The issuer of tokens could not {operation}: {result.stderr.strip()[-1500:]}")
    return json.loads(result.stdout)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
