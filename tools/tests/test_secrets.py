import tempfile
import unittest
from pathlib import Path

import issuer
import secrets_of_tests as secrets


class Secrets(unittest.TestCase):
    known = secrets.parts({"slack": "http://127.0.0.1:1/services/T4K2Q9ZX71/h7Gq2LxVt9PzKc4R", "password": "aB3dE5fG7hJ9"})

    def test_a_part_betrays_a_secret_wherever_it_is(self):
        for text, expected in [
            ("POST /services/T4K2Q9ZX71/… failed", {"slack"}),
            ("error: xLxVt9PzKc", {"slack"}),
            ('{"a": "%2Fh7Gq2LxV", "b": "dE5fG7hJ"}', {"slack", "password"}),
            ("POST /services/ failed at http://127.0.0.1:1, dE5fG7h", set()),
            ("", set()),
        ]:
            self.assertEqual(secrets.found(text, self.known), expected, text)

    def test_all_files_are_read(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "logs").mkdir()
            (Path(folder) / "logs" / "a.log").write_text("a", encoding="utf-8")
            (Path(folder) / "b.xml").write_bytes(b"\xff b")
            found = dict(secrets.texts([Path(folder), Path(folder) / "missing"]))
            self.assertEqual([Path(path).name for path in found], ["b.xml", "a.log"])

    def test_the_command_of_a_log_is_no_leak(self):
        self.assertEqual(secrets.without_command("$ SECRET=aB3dE5fG7hJ9 run\nit failed\n"), "it failed\n")
        self.assertEqual(secrets.without_command("it failed\n$ more\n"), "it failed\n$ more\n")

    def test_each_part_is_found_at_each_end_of_a_text(self):
        known = secrets.parts({"hex": "7f3a9c51e8d24b06a1f5c3927be6408d", "one": "aaaa1111", "twice": "ab1ab1ab1ab1ab1"})
        for part, name in known.items():
            for text in (part, f"7f3a{part}", f"{part}408d", f"7f3a9c5 {part} 1aaa"):
                self.assertEqual(secrets.found(text, known), {name}, text)
            self.assertEqual(secrets.found(f"7f3a9c5.{part[:7]}.{part[1:]}", known), set(), part)

    def test_the_passwords_of_people_are_secrets_too(self):
        with tempfile.TemporaryDirectory() as folder:
            users = Path(folder) / "users.json"
            self.assertEqual(secrets.passwords_of_people(users), {})
            users.write_text('{"operator": {"scopes": ["read"], "password": "Zk30dWqx71XaB9ef"}}', encoding="utf-8")
            known = secrets.parts(secrets.passwords_of_people(users))
        self.assertEqual(secrets.found("DASHBOARD_OPERATOR=operator:Zk30dWqx71XaB9ef", known), {"password of operator"})
        self.assertEqual(secrets.found("operator: signed in", known), set())

    def test_a_password_of_a_person_can_always_be_found(self):
        # The passwords of the issuer have signs at which a word ends, and a word without a digit betrays nothing.
        for password in (issuer.password() for _ in range(200)):
            self.assertEqual(secrets.found(f"a {password} b", secrets.parts({"one": password})), {"one"})

    def test_each_secret_of_the_tests_can_be_found(self):
        planted = secrets.planted(secrets.ROOT / "tests" / "channels.json")
        self.assertEqual(set(secrets.parts(planted).values()), {"slack", "slack_bot", "slack_signing", "pagerduty", "telegram", "telegram_webhook", "webhook"})
        for name, secret in planted.items():
            self.assertEqual(secrets.found(f"a {secret} b", secrets.parts(planted)), {name})


if __name__ == "__main__":
    unittest.main()
