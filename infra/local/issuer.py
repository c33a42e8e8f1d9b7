"""The issuer of the local cloud's tokens: a key of its own, and documents that the emulated API gateway reads.

The gateway checks a token as on AWS: it reads the issuer's documents over HTTP, takes the key that the token names,
and verifies signature, issuer, audience, times and scopes. The documents are in the emulator's S3, so no further
process runs. The emulator remembers documents for two hours by their address. The key's id is part of the address,
so tokens of a new key are never checked against old documents.

The key survives `down`, as the data do, and is deleted by `down --purge`. It protects only this cloud.
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
