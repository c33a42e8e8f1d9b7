import json
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import jwt

import aws
import issuer
import issuer_calls
import settings
import tools
from console import CloudError


class InAFolder(unittest.TestCase):
    """The issuer itself, with the emulator left out: its documents are kept instead of published."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = settings.load({"LOCAL_AWS_PORT": "5000"}, Path(folder.name))
        self.documents = {}
        for patch in (
            mock.patch.object(tools, "venv_python", return_value=Path(sys.executable)),
            mock.patch.object(aws, "call", lambda _, operation, bucket, documents: self.documents.update(documents)),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def published(self, address):
        """What a reader finds at an address of the bucket."""
        base = f"http://127.0.0.1:5000/{issuer.BUCKET}/"
        self.assertTrue(address.startswith(base), address)
        return self.documents[address[len(base):]]

    def verified(self, token, **options):
        """The claims, checked by the way that the gateway goes: issuer, its configuration, its keys, the named one."""
        url = jwt.decode(token, options={"verify_signature": False})["iss"]
        configuration = self.published(f"{url}/.well-known/openid-configuration")
        self.assertEqual(configuration["issuer"], url)
        keys = jwt.PyJWKSet.from_dict(self.published(configuration["jwks_uri"]))
        key = keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(token, key, algorithms=["RS256"], issuer=url, audience="meterflow", **options)

    def sign(self, *tokens):
        return issuer.sign(self.settings, tokens)


class Tokens(InAFolder):
    def setUp(self):
        super().setUp()
        self.url = issuer.publish(self.settings)

    def test_a_token_is_verified_by_the_published_key(self):
        before = int(time.time())
        claims = self.verified(*self.sign(issuer.Token("local-reader", ["anomalies:read", "anomalies:write"], "cust_0001")))
        issued = claims.pop("iat")
        self.assertTrue(before <= issued <= time.time())
        self.assertEqual(claims, {
            "iss": self.url, "sub": "local-reader", "aud": "meterflow", "exp": issued + 30 * 24 * 3600,
            "scope": "anomalies:read anomalies:write", "customer_id": "cust_0001",
        })

    def test_without_scopes_and_customer_there_are_no_such_claims(self):
        claims = self.verified(*self.sign(issuer.Token("a")))
        self.assertFalse({"scope", "customer_id"} & set(claims))

    def test_an_empty_customer_is_a_claim_all_the_same(self):
        # Left out, it would be a token for all customers.
        self.assertEqual(self.verified(*self.sign(issuer.Token("a", customer_id="")))["customer_id"], "")

    def test_a_token_can_have_expired_or_be_for_somebody_else(self):
        expired, foreign = self.sign(issuer.Token("a", seconds=-1), issuer.Token("a", audience="other"))
        with self.assertRaises(jwt.ExpiredSignatureError):
            self.verified(expired)
        with self.assertRaises(jwt.InvalidAudienceError):
            self.verified(foreign)

    def test_a_token_of_another_key_is_not_verified(self):
        token, = self.sign(issuer.Token("a"))
        self.settings.issuer_key.unlink()
        issuer.publish(self.settings)
        other, = self.sign(issuer.Token("a"))
        forged = ".".join([*token.split(".")[:2], other.split(".")[2]])
        with self.assertRaises(jwt.InvalidSignatureError):
            self.verified(forged)


class Key(InAFolder):
    def test_nobody_else_can_read_it(self):
        issuer.publish(self.settings)
        self.assertEqual(self.settings.issuer_key.stat().st_mode & 0o777, 0o600)

    def test_nothing_private_is_published(self):
        issuer.publish(self.settings)
        members = {name for document in self.documents.values() for key in document.get("keys", []) for name in key}
        self.assertEqual(members, {"kty", "n", "e", "kid", "use", "alg", "key_ops"})

    def test_it_stays_and_with_it_the_address(self):
        self.assertEqual(issuer.publish(self.settings), issuer.publish(self.settings))

    def test_a_new_key_has_a_new_address(self):
        # The gateway remembers by the address what it has read.
        first = issuer.publish(self.settings)
        self.settings.issuer_key.unlink()
        second = issuer.publish(self.settings)
        self.assertNotEqual(first, second)
        self.assertEqual(len(self.documents), 4)

    def test_without_one_nothing_is_signed(self):
        with self.assertRaisesRegex(CloudError, "no key to sign tokens.*make up"):
            self.sign(issuer.Token("a"))
        self.assertFalse(self.settings.issuer_key.exists())

    def test_a_damaged_one_is_named_with_what_to_do(self):
        self.settings.issuer_key.parent.mkdir(parents=True)
        self.settings.issuer_key.write_text("half a k")
        for attempt in (lambda: issuer.publish(self.settings), lambda: self.sign(issuer.Token("a"))):
            with self.assertRaisesRegex(CloudError, "private-key.pem is not a private key. Delete it and run: make up"):
                attempt()


class Program(unittest.TestCase):
    def test_it_answers_in_json(self):
        with tempfile.TemporaryDirectory() as folder:
            arguments = json.dumps({"key_file": f"{folder}/key.pem", "base_url": "http://host/bucket"})
            answer = subprocess.run([sys.executable, issuer_calls.__file__, "describe", arguments], stdout=subprocess.PIPE)
        self.assertRegex(json.loads(answer.stdout)["issuer"], r"^http://host/bucket/[0-9a-f]{16}$")
