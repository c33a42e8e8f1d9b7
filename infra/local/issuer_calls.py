"""The work of the tokens' issuer that needs cryptography and PyJWT. It runs in the tools' own Python environment, as a
program, and issuer.py starts it:

    issuer_calls.py OPERATION JSON-ARGUMENTS        prints the JSON answer
"""

import hashlib
import json
import sys
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from files import write_atomically

ALGORITHM = "RS256"


def describe(key_file, base_url):
    """The id of the key, and the issuer's address, which ends with that id. Makes a missing key."""
    path = Path(key_file)
    if not path.exists():
        _make_key(path)
    key_id = _key_id(_load_key(path).public_key())
    return {"issuer": f"{base_url}/{key_id}", "key_id": key_id}


def sign(key_file, base_url, tokens):
    key = _load_key(Path(key_file))
    key_id = _key_id(key.public_key())
    return [
        jwt.encode({"iss": f"{base_url}/{key_id}", **claims}, key, algorithm=ALGORITHM, headers={"kid": key_id})
        for claims in tokens
    ]


def _make_key(path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    write_atomically(path, text, mode=0o600)


def _load_key(path):
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        sys.exit(f"{path} is not a private key. Delete it and run: make up")


def _key_id(public_key):
    """The id follows from the key, so another key has another id and another address."""
    encoded = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()[:16]


OPERATIONS = {call.__name__: call for call in (describe, sign)}

if __name__ == "__main__":
    print(json.dumps(OPERATIONS[sys.argv[1]](**json.loads(sys.argv[2]))))
