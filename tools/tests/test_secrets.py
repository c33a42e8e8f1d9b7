import io
import json
import tempfile
import unittest
import unittest.mock
from contextlib import redirect_stdout
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

    def test_the_passwords_of_a_cloud_are_secrets_too(self):
        with tempfile.TemporaryDirectory() as folder:
            cloud = Path(folder)
            self.assertEqual(secrets.passwords(cloud), {})
            (cloud / "issuer").mkdir()
            (cloud / "issuer" / "users.json").write_text('{"operator": {"scopes": ["read"], "password": "Zk30dWqx71XaB9ef"}}', encoding="utf-8")
            (cloud / "clickhouse-users.json").write_text('{"reader": "pQ7wE2rT9yU4"}', encoding="utf-8")
            known = secrets.parts(secrets.passwords(cloud))
        self.assertEqual(secrets.found("DASHBOARD_OPERATOR=operator:Zk30dWqx71XaB9ef", known), {"password of operator"})
        self.assertEqual(secrets.found("reader:pQ7wE2rT9yU4", known), {"reader"})
        self.assertEqual(secrets.found("operator: signed in", known), set())

    def test_a_folder_that_is_no_cloud_is_told(self):
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()) as said:
            self.assertEqual(secrets.main(["--cloud", folder, str(secrets.ROOT / "README.md")]), 1)
        self.assertIn("is no cloud of the tests", said.getvalue())

    def test_a_leak_into_the_logs_of_a_cloud_is_told_with_its_place(self):
        with tempfile.TemporaryDirectory() as folder:
            logs = Path(folder) / "without-stack" / "logs"
            logs.mkdir(parents=True)
            (Path(folder) / "clickhouse-users.json").write_text('{"reader": "pQ7wE2rT9yU4"}', encoding="utf-8")
            for text, code in (("a quiet night", 0), ("password pQ7wE2rT9yU4", 1)):
                (logs / "aws.log").write_text(text, encoding="utf-8")
                with redirect_stdout(io.StringIO()) as said:
                    self.assertEqual(secrets.main(["--cloud", folder]), code)
            self.assertIn(f"{logs / 'aws.log'} holds a part of the secret reader in {Path(folder).name}\n", said.getvalue())

    def test_each_page_of_tables_and_items_is_read(self):
        asked = []

        def answer(what):
            if isinstance(what, str):
                return b'{"messages": {}}'
            operation, body = what.get_header("X-amz-target").partition(".")[2], json.loads(what.data)
            asked.append((operation, body))
            if operation == "ListTables":
                more = {} if "ExclusiveStartTableName" in body else {"LastEvaluatedTableName": "one"}
                return json.dumps({"TableNames": ["two" if body else "one"], **more}).encode()
            more = {"LastEvaluatedKey": {"pk": {"S": "1"}}} if body == {"TableName": "one"} else {}
            return json.dumps({"Items": [{"text": {"S": "LastEvaluatedKey"}}], **more}).encode()

        with unittest.mock.patch.object(secrets, "fetched", answer):
            places = [place for place, _ in secrets.items_and_messages("http://a")]
        self.assertEqual(places, ["table one of http://a"] * 2 + ["table two of http://a"])
        self.assertEqual(asked, [
            ("ListTables", {}), ("Scan", {"TableName": "one"}), ("Scan", {"TableName": "one", "ExclusiveStartKey": {"pk": {"S": "1"}}}),
            ("ListTables", {"ExclusiveStartTableName": "one"}), ("Scan", {"TableName": "two"})])

    def test_each_message_of_each_queue_is_read(self):
        held = {"messages": {"1": {"eu": {"http://a/1/first": [{"Body": "aB3dE5fG7hJ9"}, {"Body": "x"}], "http://a/1/second": []}},
                             "2": {"us": {"http://a/2/third": [{"Body": "", "MessageAttributes": {"key": "T4K2Q9ZX71"}}]}}}}
        found = {place: secrets.found(text, self.known) for place, text in secrets.queues(held, "http://a")}
        self.assertEqual(found, {"queue first of http://a": {"password"}, "queue second of http://a": set(),
                                 "queue third of http://a": {"slack"}})

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
