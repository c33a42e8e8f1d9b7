import io
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import aws
import emulator
import files
import issuer
import settings
import stack
from console import CloudError
from terraform import Terraform


def cloud(folder, **environ):
    return settings.load({"LOCAL_CLOUD_DIR": str(folder), **environ}, Path(folder))


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class EnvFile(InAFolder):
    def write(self, name="meterflow", outputs=None, variables=None, **environ):
        where = cloud(self.folder, **environ)
        known = {"inbox_url": "http://127.0.0.1:4566/0/inbox", "outputs": outputs or {}}
        stack.write_env_file(where, stack.Stack(name, "usage", Path("d.zip"), Path("a.zip"), Path("n.zip")), known, {
            "api_jwt_audience": ["meterflow"], **(variables or {}),
        })
        return where.env_file(name)

    def write_with_api(self, **variables):
        """The file, and the tokens that it holds: instead of being signed they are numbered."""
        signed = []

        def sign(_, tokens):
            signed.extend(tokens)
            return [f"token.{number}.x-_" for number in range(len(tokens))]

        known = {user: f"of-{user}" for user in issuer.USERS}
        with mock.patch.object(issuer, "sign", sign), mock.patch.object(issuer, "passwords", return_value=known):
            file = self.write(outputs={"api_id": "a1b2c3d4"}, variables=variables)
        return file, signed

    def test_it_holds_the_addresses_of_the_cloud(self):
        self.assertEqual(self.write().read_text(), (
            "CLICKHOUSE_URL=http://127.0.0.1:8123\n"
            "CLICKHOUSE_DATABASE=usage\n"
            "AWS_ENDPOINT_URL=http://127.0.0.1:4566\n"
            "AWS_REGION=us-east-1\n"
            "AWS_DEFAULT_REGION=us-east-1\n"
            "AWS_ACCESS_KEY_ID=test\n"
            "AWS_SECRET_ACCESS_KEY=test\n"
            "ALERTS_QUEUE_URL=http://127.0.0.1:4566/0/inbox\n"
        ))

    def test_it_holds_address_and_tokens_of_the_api_each_explained(self):
        file, _ = self.write_with_api()
        text = file.read_text()
        lines = text.splitlines()
        for name, value in (
            ("API_URL", "http://127.0.0.1:4566"),
            ("API_HOST", "a1b2c3d4.execute-api.localhost:4566"),
            ("API_CUSTOMER_ID", "cust_0001"),
            ("API_TOKEN_ADMIN", "token.0.x-_"),
            ("API_TOKEN_READER", "token.1.x-_"),
            ("API_TOKEN_CUSTOMER", "token.2.x-_"),
            ("DASHBOARD_URL", "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4/"),
            ("DASHBOARD_OPERATOR", "operator:of-operator"),
            ("DASHBOARD_READER", "reader:of-reader"),
            ("DASHBOARD_CUSTOMER", "customer:of-customer"),
        ):
            self.assertEqual(stack.parse_env(text)[name], value)
            self.assertTrue(lines[lines.index(f"{name}={value}") - 1].startswith("# "), name)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_a_shell_and_the_reader_find_the_same_in_it(self):
        file, _ = self.write_with_api()
        show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
        answer = subprocess.run(["sh", "-ec", f"set -a; . {file}; set +a; {show}"], stdout=subprocess.PIPE, text=True)
        exported = json.loads(answer.stdout)
        for name, value in stack.parse_env(file.read_text()).items():
            self.assertEqual(exported[name], value)

    def test_only_the_admin_is_not_bound_to_a_customer(self):
        _, signed = self.write_with_api()
        self.assertEqual([(token.subject, list(token.scopes), token.customer_id) for token in signed], [
            ("local-admin", ["anomalies:read", "anomalies:write", "anomalies:admin"], None),
            ("local-reader", ["anomalies:read"], "cust_0001"),
            ("local-customer", ["anomalies:read", "anomalies:write"], "cust_0001"),
        ])

    def test_the_tokens_follow_the_scopes_and_the_audience_of_the_stack(self):
        scopes = {"read": "anomalies/read", "write": "anomalies/write", "admin": "anomalies/admin"}
        _, signed = self.write_with_api(api_scopes=scopes, api_jwt_audience=["billing"])
        self.assertEqual([list(token.scopes) for token in signed][1:], [["anomalies/read"], ["anomalies/read", "anomalies/write"]])
        self.assertEqual({token.audience for token in signed}, {"billing"})

    def test_a_password_reaches_shell_and_reader_unchanged_and_nobody_else(self):
        password = "it's $HOME `x` \"y\" #z\\"
        file = self.write(CLICKHOUSE_URL="https://host:8443", CLICKHOUSE_USER="u", CLICKHOUSE_PASSWORD=password)
        self.assertEqual(stack.parse_env(file.read_text())["CLICKHOUSE_PASSWORD"], password)
        shell = subprocess.run(["sh", "-c", f'. {file}; printf %s "$CLICKHOUSE_PASSWORD"'], stdout=subprocess.PIPE, text=True)
        self.assertEqual(shell.stdout, password)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_a_line_break_is_refused(self):
        with self.assertRaisesRegex(CloudError, "CLICKHOUSE_PASSWORD holds a line break"):
            self.write(CLICKHOUSE_URL="https://host:8443", CLICKHOUSE_PASSWORD="a\nb")

    def test_a_second_stack_leaves_the_first_ones_file_alone(self):
        first = self.write()
        before = first.read_text()
        self.assertNotEqual(self.write("flights"), first)
        self.assertEqual(first.read_text(), before)

    def test_a_failed_write_leaves_the_old_file_and_no_rest(self):
        file = self.folder / "env"
        files.write_atomically(file, "old")
        with mock.patch("files.os.replace", side_effect=OSError("disk full")), self.assertRaises(OSError):
            files.write_atomically(file, "new")
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["env"])
        self.assertEqual(file.read_text(), "old")


class Generation(InAFolder):
    """Terraform states are trusted exactly as long as the emulator is the one that they describe."""

    def setUp(self):
        super().setUp()
        self.settings = cloud(self.folder)
        self.emulator = {"generation": None, "resets": 0}
        self.enterContext(mock.patch.object(aws, "call", self.call))
        self.enterContext(mock.patch.object(emulator, "reset", self.reset))
        self.enterContext(mock.patch("sys.stdout", io.StringIO()))
        self.state = self.settings.stack_directory("meterflow") / "terraform.tfstate"

    def enterContext(self, context):  # Python has it from 3.11 on.
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def call(self, _, operation, **arguments):
        if operation == "write_generation":
            self.emulator["generation"] = arguments["generation"]
        return self.emulator["generation"]

    def reset(self, _):
        self.emulator["resets"] += 1

    def deployed_once(self):
        stack.agree_on_generation(self.settings)
        stack._advance_generation(self.settings)
        files.write_json(self.state, {})
        files.write_json(self.state.with_name("deployed.json"), {})
        self.emulator["resets"] = 0

    def test_states_of_the_same_emulator_are_kept(self):
        self.deployed_once()
        stack.agree_on_generation(self.settings)
        self.assertTrue(self.state.exists())
        self.assertEqual(self.emulator["resets"], 0)

    def test_an_emulator_that_forgot_everything_drops_the_states(self):
        self.deployed_once()
        self.emulator["generation"] = None
        stack.agree_on_generation(self.settings)
        self.assertFalse(self.state.exists())
        self.assertEqual(stack.names(self.settings), [])

    def test_an_emulator_that_forgot_the_last_deployment_starts_empty_too(self):
        self.deployed_once()
        saved = self.emulator["generation"]
        stack._advance_generation(self.settings)
        self.emulator["generation"] = saved
        stack.agree_on_generation(self.settings)
        self.assertEqual((self.state.exists(), self.emulator["resets"]), (False, 1))

    def test_a_terraform_that_was_killed_at_work_drops_the_states(self):
        self.deployed_once()
        self.state.with_name("unfinished").touch()
        stack.agree_on_generation(self.settings)
        self.assertEqual((self.state.exists(), self.emulator["resets"]), (False, 1))
        self.assertFalse(Terraform(self.settings, self.state.parent).was_killed)


class Fingerprint(InAFolder):
    def test_it_changes_with_packages_configuration_catalog_and_variables(self):
        made = {}
        names = ("main.tf", "detector.zip", "api.zip", "notifier.zip", "catalog.toml")
        for name in names:
            (self.folder / name).write_text(name)
            made[name] = self.folder / name

        def fingerprint(**variables):
            described = stack.Stack("meterflow", "usage", made["detector.zip"], made["api.zip"], made["notifier.zip"], made["catalog.toml"])
            return stack._fingerprint([made["main.tf"]], described, variables)

        first = fingerprint(a=1)
        self.assertEqual(first, fingerprint(a=1))
        seen = {first, fingerprint(a=2)}
        for name in names:
            made[name].write_text("changed")
            seen.add(fingerprint(a=1))
        self.assertEqual(len(seen), 7)

    def test_it_changes_with_each_file_of_a_list(self):
        made = [self.folder / name for name in ("package.zip", "usage.toml", "executions.toml")]
        for file in made:
            file.write_text("first")

        def fingerprint():
            described = stack.Stack("meterflow", "usage", made[0], made[0], made[0])
            return stack._fingerprint([], described, {"catalog_files": [str(file) for file in made[1:]]})

        first = fingerprint()
        made[2].write_text("changed")
        self.assertNotEqual(fingerprint(), first)


class Parts(InAFolder):
    """What must be there for a deployed stack to count as complete."""

    def asked_for(self, outputs):
        known = {"inbox_url": "inbox", "outputs": {
            "detector_function_name": "detector", "anomalies_table_name": "t", "alert_topic_arn": "a", **outputs,
        }}
        with mock.patch.object(aws, "call", return_value=True) as call:
            self.assertTrue(stack._is_complete(cloud(self.folder), known))
        return call.call_args[1]

    def test_the_notifier_is_one_of_them(self):
        self.assertEqual(self.asked_for({"notifier_function_name": "notifier"})["functions"], ["detector", "notifier"])

    def test_the_api_is_one_of_them(self):
        asked = self.asked_for({"api_function_name": "api", "api_id": "a1b2c3d4"})
        self.assertEqual((asked["functions"], asked["api_id"]), (["detector", "api"], "a1b2c3d4"))

    def test_a_stack_without_an_api_is_complete_without_it(self):
        asked = self.asked_for({})
        self.assertEqual((asked["functions"], asked["api_id"]), (["detector"], None))


class Variables(InAFolder):
    """What the deployed stack is told."""

    def variables(self, own=None, database="usage", **environ):
        described = stack.Stack("second", database, Path("d.zip"), Path("a.zip"), Path("n.zip"), variables=own or {})
        with mock.patch.object(aws, "call", side_effect=lambda _, operation, name, text: f"arn:{name}={text}"):
            return stack._variables(cloud(self.folder, **environ), described, "http://issuer")

    def test_it_has_the_three_packages(self):
        made = self.variables()
        self.assertEqual([made[f"{name}_package"] for name in ("detector", "api", "notifier")], ["d.zip", "a.zip", "n.zip"])

    def test_it_has_the_channels_of_the_cloud_unless_it_names_its_own(self):
        given = {"LOCAL_CHANNELS": '{"secrets": {"s": "x"}, "channels": {"hook": {"signing_secret_arn": "secret:s"}}}'}
        self.assertEqual(self.variables(**given)["notification_channels"], {"hook": {"signing_secret_arn": "arn:second/channels/s=x"}})
        self.assertEqual(self.variables({"notification_channels": {}}, **given)["notification_channels"], {})

    def test_the_credentials_of_an_own_clickhouse_become_a_secret(self):
        made = self.variables(CLICKHOUSE_URL="https://host:8443", CLICKHOUSE_PASSWORD="p")
        self.assertEqual(made["clickhouse_secret_arn"], 'arn:second/clickhouse={"username": "default", "password": "p"}')
        self.assertNotIn("detector_clickhouse_secret_arn", made)

    def test_the_functions_have_users_of_their_own_in_the_engine_started_here(self):
        made = self.variables(database="meterflow")
        users = {name: json.loads(made[name].partition("=")[2])["username"]
                 for name in ("clickhouse_secret_arn", "detector_clickhouse_secret_arn")}
        self.assertEqual(users, {"clickhouse_secret_arn": "meterflow_api", "detector_clickhouse_secret_arn": "meterflow_detector"})
        self.assertIs(made["clickhouse_allow_plaintext"], True)

    def test_the_users_may_read_one_database_so_a_stack_on_another_one_does_without(self):
        made = self.variables(database="flights")
        self.assertNotIn("clickhouse_secret_arn", made)
        self.assertIs(made["clickhouse_allow_plaintext"], False)

    def test_plain_http_is_allowed_to_functions_and_tools_where_it_is_allowed_to_the_cloud(self):
        given = {"CLICKHOUSE_URL": "http://127.0.0.1:8124", "CLICKHOUSE_PASSWORD": "p"}
        self.assertIs(self.variables(**given)["clickhouse_allow_plaintext"], True)
        self.assertIs(self.variables()["clickhouse_allow_plaintext"], False)
        where = cloud(self.folder, **given)
        described = stack.Stack("second", "usage", Path("d.zip"), Path("a.zip"), Path("n.zip"))
        stack.write_env_file(where, described, {"inbox_url": "u", "outputs": {}}, {})
        written = stack.parse_env(where.env_file("second").read_text())
        self.assertEqual(written["CLICKHOUSE_ALLOW_PLAINTEXT"], "true")
