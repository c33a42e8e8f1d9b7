"""The issuer as the gateway and a browser meet it: the real provider, with its documents, its login page and its tokens."""

import base64
import hashlib
import http.cookiejar
import json
import re
import secrets
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import jwt

import issuer
import issuer_calls
import ports
import processes
import settings
import tools
from console import CloudError

PAGE = "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4/"
SCOPE = "openid profile anomalies:read anomalies:write anomalies:admin"


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = settings.load({"LOCAL_ISSUER_PORT": str(ports.free(1)[0])}, Path(folder.name))
        patch = mock.patch.object(tools, "venv_python", return_value=Path(sys.executable))
        patch.start()
        self.addCleanup(patch.stop)

    def sign(self, *tokens):
        return issuer.sign(self.settings, tokens)


class Key(InAFolder):
    def test_nobody_else_can_read_key_and_passwords(self):
        issuer.url(self.settings)
        issuer.passwords(self.settings)
        for file in (self.settings.issuer_key, self.settings.issuer_users):
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_they_stay_and_with_them_the_address(self):
        first = issuer.url(self.settings), issuer.passwords(self.settings)
        self.assertEqual((issuer.url(self.settings), issuer.passwords(self.settings)), first)
        self.assertEqual(len(set(first[1].values())), 3)

    def test_a_new_key_has_a_new_address(self):
        # The gateway remembers by the address what it has read.
        first = issuer.url(self.settings)
        self.settings.issuer_key.unlink()
        self.assertNotEqual(issuer.url(self.settings), first)

    def test_without_one_nothing_is_signed(self):
        with self.assertRaisesRegex(CloudError, "no key to sign tokens.*make up"):
            self.sign(issuer.Token("a"))
        self.assertFalse(self.settings.issuer_key.exists())

    def test_a_damaged_one_is_named_with_what_to_do(self):
        self.settings.issuer_key.parent.mkdir(parents=True)
        self.settings.issuer_key.write_text("half a k")
        for attempt in (lambda: issuer.url(self.settings), lambda: self.sign(issuer.Token("a"))):
            with self.assertRaisesRegex(CloudError, "private-key.pem is not a private key. Delete it and run: make up"):
                attempt()


class Program(unittest.TestCase):
    def test_it_answers_in_json(self):
        with tempfile.TemporaryDirectory() as folder:
            arguments = json.dumps({"key_file": f"{folder}/key.pem", "base_url": "http://host"})
            answer = subprocess.run([sys.executable, issuer_calls.__file__, "describe", arguments], stdout=subprocess.PIPE)
        described = json.loads(answer.stdout)
        self.assertEqual(described["issuer"], f"http://host/{described['key_id']}")


class Running(unittest.TestCase):
    """One provider for all tests of the class."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.settings = settings.load({"LOCAL_ISSUER_PORT": str(ports.free(1)[0])}, Path(folder.name))
        for patch in (mock.patch.object(tools, "venv_python", return_value=Path(sys.executable)),
                      # The packages are those of this checkout, and the folder of the test has no page.
                      mock.patch.object(issuer.node, "require_installed")):
            patch.start()
            cls.addClassCleanup(patch.stop)
        with redirect_stdout(StringIO()):
            issuer.ensure_running(cls.settings)
        cls.addClassCleanup(lambda: processes.kill(processes.find(issuer.NAME, cls.settings.pids), cls.settings.pids))
        cls.url, cls.passwords = issuer.url(cls.settings), issuer.passwords(cls.settings)
        cls.documents = json.loads(Browser().get(f"{cls.url}/.well-known/openid-configuration")[2])

    def verified(self, token, **options):
        """The claims, checked by the way that the gateway goes: issuer, its configuration, its keys, the named one."""
        url = jwt.decode(token, options={"verify_signature": False})["iss"]
        self.assertEqual(url, self.url)
        keys = jwt.PyJWKSet.from_dict(json.loads(Browser().get(self.documents["jwks_uri"])[2]))
        key = keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(token, key, algorithms=["RS256"], issuer=url, audience="meterflow", **options)


class Browser:
    """Keeps cookies and follows no redirect by itself."""

    def __init__(self):
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None

        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay, cookies)

    def get(self, url, form=None, **headers):
        """Status, headers and text of the answer."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            answer = self._opener.open(urllib.request.Request(url, data, headers))
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read().decode()


class SignedTokens(Running):
    def sign(self, *tokens):
        return issuer.sign(self.settings, tokens)

    def test_a_token_is_verified_by_the_published_key(self):
        claims = self.verified(*self.sign(issuer.Token("local-reader", ["anomalies:read", "anomalies:write"], "cust_0001")))
        issued = claims.pop("iat")
        self.assertEqual(claims, {
            "iss": self.url, "sub": "local-reader", "aud": "meterflow", "exp": issued + 30 * 24 * 3600,
            "scope": "anomalies:read anomalies:write", "customer_id": "cust_0001",
        })

    def test_without_scopes_and_customer_there_are_no_such_claims(self):
        self.assertFalse({"scope", "customer_id"} & set(self.verified(*self.sign(issuer.Token("a")))))

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
        with tempfile.TemporaryDirectory() as folder:
            key = f"{folder}/key.pem"
            issuer_calls.describe(key, "http://host")
            other, = issuer_calls.sign(key, "http://host", [{"sub": "a"}])
        with self.assertRaises(jwt.InvalidSignatureError):
            self.verified(".".join([*token.split(".")[:2], other.split(".")[2]]))

    def test_nothing_private_is_published(self):
        keys = json.loads(Browser().get(self.documents["jwks_uri"])[2])["keys"]
        self.assertLessEqual({name for key in keys for name in key}, {"kty", "n", "e", "kid", "use", "alg", "key_ops"})


class SigningIn(Running):
    def ask(self, browser, page=PAGE, scope=SCOPE, proof=True):
        """The answer to a request to sign in, and the secret behind its proof."""
        secret = secrets.token_urlsafe(40)
        digest = base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).rstrip(b"=").decode()
        query = {"client_id": issuer.CLIENT, "redirect_uri": page, "response_type": "code", "scope": scope, "state": "s"}
        if proof:
            query.update(code_challenge=digest, code_challenge_method="S256")
        return browser.get(f"{self.documents['authorization_endpoint']}?{urllib.parse.urlencode(query)}"), secret

    def log_in(self, browser, user, password):
        """The answer to the form of the login page, and the secret behind the proof."""
        (status, headers, _), secret = self.ask(browser)
        self.assertEqual(status, 303)
        login = urllib.parse.urljoin(self.url, headers["location"])
        self.assertIn("Sign in to MeterFlow", browser.get(login)[2])
        return browser.get(login, {"user": user, "password": password}), secret

    def tokens(self, user, browser=None):
        browser = browser or Browser()
        (status, headers, _), secret = self.log_in(browser, user, self.passwords[user])
        self.assertEqual(status, 303)
        _, headers, _ = browser.get(headers["location"])
        self.assertTrue(headers["location"].startswith(PAGE), headers["location"])
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)["code"][0]
        return self.exchange(grant_type="authorization_code", code=code, redirect_uri=PAGE, code_verifier=secret)

    def exchange(self, **form):
        status, headers, text = Browser().get(self.documents["token_endpoint"], {"client_id": issuer.CLIENT, **form},
                                              origin="http://127.0.0.1:4566")
        self.assertEqual(headers["access-control-allow-origin"], "http://127.0.0.1:4566")
        return {"status": status, **json.loads(text)}

    def test_each_user_gets_a_token_with_the_own_rights_and_no_others(self):
        for user, scope, customer in (
            ("operator", "anomalies:read anomalies:write anomalies:admin", None),
            ("reader", "anomalies:read anomalies:admin", None),
            ("customer", "anomalies:read anomalies:write", "cust_0001"),
        ):
            claims = self.verified(self.tokens(user)["access_token"])
            self.assertEqual((claims["sub"], claims["scope"], claims.get("customer_id")), (user, scope, customer))
            self.assertLessEqual(claims["exp"] - claims["iat"], 3600)

    def test_a_wrong_password_an_unknown_user_and_none_get_nothing(self):
        for user, password in (("operator", "wrong"), ("operator", self.passwords["reader"]), ("nobody", ""), ("nobody", "x")):
            (status, headers, text), _ = self.log_in(Browser(), user, password)
            self.assertEqual((status, headers["location"]), (401, None), user)
            self.assertIn("The user name or the password is wrong.", text)

    def test_a_name_cannot_write_into_the_page(self):
        (_, headers, text), _ = self.log_in(Browser(), "\"><script>alert(1)</script>", "x")
        self.assertNotIn("<script", text)
        self.assertIn("default-src 'none'", headers["content-security-policy"])

    def test_a_token_is_renewed_and_the_old_right_to_it_is_used_up(self):
        first = self.tokens("operator")
        second = self.exchange(grant_type="refresh_token", refresh_token=first["refresh_token"])
        self.assertNotEqual(second["access_token"], first["access_token"])
        self.assertEqual(self.verified(second["access_token"])["sub"], "operator")
        self.assertEqual(self.exchange(grant_type="refresh_token", refresh_token=first["refresh_token"])["error"], "invalid_grant")

    def test_who_is_signed_in_is_not_asked_again_and_who_signed_out_is(self):
        browser = Browser()
        tokens = self.tokens("operator", browser)
        (_, headers, _), _ = self.ask(browser)
        self.assertTrue(headers["location"].startswith(PAGE), headers["location"])

        query = urllib.parse.urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": PAGE})
        _, _, page = browser.get(f"{self.documents['end_session_endpoint']}?{query}")
        form = {name: re.search(f'name="{name}" value="([^"]+)"', page).group(1) for name in ("xsrf", "logout")}
        _, headers, _ = browser.get(re.search('action="([^"]+)"', page).group(1), form)
        self.assertEqual(headers["location"], PAGE)
        (_, headers, _), _ = self.ask(browser)
        self.assertIn("/interaction/", headers["location"])
        self.assertEqual(self.exchange(grant_type="refresh_token", refresh_token=tokens["refresh_token"])["error"], "invalid_grant")

    def test_a_code_without_its_secret_is_worth_nothing(self):
        browser = Browser()
        (_, headers, _), _ = self.log_in(browser, "operator", self.passwords["operator"])
        _, headers, _ = browser.get(headers["location"])
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)["code"][0]
        answer = self.exchange(grant_type="authorization_code", code=code, redirect_uri=PAGE, code_verifier="x" * 43)
        self.assertEqual((answer["status"], answer["error"]), (400, "invalid_grant"))
        (_, headers, _), _ = self.ask(Browser(), proof=False)
        self.assertIn("error=invalid_request", headers["location"])

    def test_people_are_sent_back_to_this_machine_only(self):
        for page in ("http://evil.example.com/", "http://127.0.0.1.example.com/", "https://127.0.0.1/", "javascript:alert(1)"):
            (status, headers, text), _ = self.ask(Browser(), page=page)
            self.assertEqual((status, headers["location"]), (400, None), page)
            self.assertIn("invalid_redirect_uri", text)
        (status, _, _), _ = self.ask(Browser(), page="http://a1b2c3d4.execute-api.localhost:4566/$default/")
        self.assertEqual(status, 303)

    def test_the_page_of_a_stranger_may_not_read_tokens(self):
        for origin in ("http://evil.example.com", "null"):
            _, headers, _ = Browser().get(self.documents["token_endpoint"], {"client_id": issuer.CLIENT}, origin=origin)
            self.assertIsNone(headers["access-control-allow-origin"], origin)


class Life(Running):
    def test_it_runs_once_and_its_log_has_no_password(self):
        record = processes.find(issuer.NAME, self.settings.pids)
        with redirect_stdout(StringIO()) as output:
            issuer.ensure_running(self.settings)
        self.assertIn("runs at", output.getvalue())
        self.assertEqual(processes.find(issuer.NAME, self.settings.pids), record)
        log = Path(record.log).read_text()
        self.assertFalse([password for password in self.passwords.values() if password in log])

    def test_other_addresses_of_its_port_have_nothing(self):
        for path in ("/", "/.well-known/openid-configuration", "/0123456789abcdef/.well-known/openid-configuration"):
            self.assertEqual(Browser().get(f"{self.settings.issuer_url}{path}")[0], 404, path)
