"""The issuer of the local cloud's tokens: a key of its own, and documents that the emulated API gateway reads.

The gateway checks a token as on AWS: it reads the issuer's documents over HTTP, takes the key that the token names and
verifies signature, issuer, audience, times and scopes. The documents lie in a bucket of the emulator's own S3, so no
further process is needed. The emulator remembers them for two hours by their address; the key's id is a part of that
address, so tokens of a new key are never checked against the documents of the one before.

The key survives `down`, as the data do, and goes with `down --purge`. It protects nothing but this cloud.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

import aws
import tools
from console import CloudError
from settings import Settings

PROGRAM = Path(__file__).with_name("issuer_calls.py")
BUCKET = "local-cloud-issuer"
AUDIENCE = "meterflow"
# A cloud that is used at all is started more often than that, and every start makes new tokens.
TOKEN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Token:
    """What a token says of its bearer."""

    subject: str
    scopes: Sequence[str] = ()
    customer_id: Optional[str] = None
    audience: str = AUDIENCE
    seconds: int = TOKEN_SECONDS


def publish(settings: Settings) -> str:
    """The address of the issuer, with its key made and its documents in place."""
    described = _call(settings, "describe", key_file=str(settings.issuer_key), base_url=_base_url(settings))
    aws.call(settings, "publish_documents", bucket=BUCKET, documents=described["documents"])
    return described["issuer"]


def sign(settings: Settings, tokens: Sequence[Token]) -> List[str]:
    if not settings.issuer_key.is_file():
        raise CloudError(f"There is no key to sign tokens with, {settings.issuer_key}. Run: make up")
    now = int(time.time())
    return _call(settings, "sign", key_file=str(settings.issuer_key), base_url=_base_url(settings),
                 tokens=[_claims(token, now) for token in tokens])


def _claims(token: Token, now: int) -> dict:
    claims = {"sub": token.subject, "aud": token.audience, "iat": now, "exp": now + token.seconds}
    if token.scopes:
        claims["scope"] = " ".join(token.scopes)
    if token.customer_id is not None:
        claims["customer_id"] = token.customer_id
    return claims


def _base_url(settings: Settings) -> str:
    return f"{settings.aws_url}/{BUCKET}"


def _call(settings: Settings, operation: str, **arguments):
    result = tools.run_program(settings, PROGRAM, operation, arguments, os.environ)
    if result.returncode:
        raise CloudError(f"The issuer of tokens could not {operation}: {result.stderr.strip()[-1500:]}")
    return json.loads(result.stdout)
