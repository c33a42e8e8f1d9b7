import contextlib
import hashlib
import io
import os
import socket
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import catalogs
import preflight
import processes
import settings
import tools
from console import CloudError

CATALOG = '[[metric]]\nname = "documents"\ntable = "billing.conversions"\n'


def free_ports(count):
    """Ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    numbers = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return numbers


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        names = ("LOCAL_AWS_PORT", "LOCAL_CLICKHOUSE_HTTP_PORT", "LOCAL_CLICKHOUSE_TCP_PORT", "LOCAL_ISSUER_PORT")
        self.ports = dict(zip(names, map(str, free_ports(4))))

    def load(self, **environ):
        return settings.load({**self.ports, **environ}, self.root)

    def refusal(self, **environ):
        with self.assertRaises(CloudError) as raised:
            preflight.up(self.load(**environ))
        return str(raised.exception)

    @contextlib.contextmanager
    def running(self):
        with mock.patch.object(processes, "find", return_value=object()):
            yield


class Up(InAFolder):
    def test_nothing_is_in_the_way_of_a_first_start(self):
        preflight.up(self.load())

    def test_a_port_that_is_taken(self):
        for name, port in self.ports.items():
            with self.subTest(name), socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("127.0.0.1", int(port)))
                server.listen()
                self.assertRegex(self.refusal(), rf"Port {port} on 127.0.0.1 is taken(.|\n)*{name}=")
                with self.running():
                    preflight.up(self.load())

    def test_a_folder_that_cannot_be_made(self):
        (self.root / "file").touch()
        message = self.refusal(LOCAL_CLOUD_DIR="file/cloud")
        self.assertEqual(message, f"The folder {self.root}/file/cloud cannot be made: Not a directory. "
                                  "Set LOCAL_CLOUD_DIR to a folder of yours.")

    def test_a_folder_that_cannot_be_written_to(self):
        with mock.patch.object(os, "access", return_value=False):
            self.assertRegex(self.refusal(), "The folder .*/.local cannot be written to. Set LOCAL_CLOUD_DIR")

    def test_channels_that_cannot_be_read(self):
        self.assertIn("channels.json (LOCAL_CHANNELS) cannot be read", self.refusal(LOCAL_CHANNELS="channels.json"))
        self.assertIn("names the secret 'hook'", self.refusal(
            LOCAL_CHANNELS='{"channels": {"slack": {"webhook_url_secret_arn": "secret:hook"}}}'))


class Catalog(InAFolder):
    def catalog(self, content):
        (self.root / "my.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.refusal(LOCAL_CATALOG="my.toml")

    def test_a_good_one_is_taken(self):
        (self.root / "my.toml").write_text(CATALOG)
        preflight.up(self.load(LOCAL_CATALOG="my.toml"))

    def test_one_that_is_missing_or_a_folder(self):
        self.assertEqual(self.refusal(LOCAL_CATALOG="my.toml").splitlines()[0], f"There is no catalog {self.root}/my.toml.")
        (self.root / "my.toml").mkdir()
        self.assertIn("my.toml cannot be read: Is a directory", self.refusal(LOCAL_CATALOG="my.toml"))

    def test_each_refusal_names_the_way_out(self):
        self.assertIn("take the built-in one with `make up CATALOG=`", self.refusal(LOCAL_CATALOG="my.toml"))

    def test_one_that_is_no_text_or_no_toml(self):
        self.assertIn("is no text in UTF-8 (byte 1)", self.catalog(b"a\xff"))
        if catalogs._parser():
            self.assertRegex(self.catalog("[[metric]]\nname = \n"), "my.toml is not TOML: .*line 2")

    def test_one_without_metrics(self):
        if catalogs._parser():
            for content in ("", "metric = 3", 'metric = ["a"]', "[metric]\n", "[[metrics]]\n"):
                with self.subTest(content):
                    self.assertIn("has no [[metric]] in it", self.catalog(content))

    def test_one_that_the_functions_would_not_get(self):
        noise = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(400))
        self.assertRegex(self.catalog(f"{CATALOG}# {noise}"),
                         r"has 25662 bytes, and \d+ compressed, but the functions get 8192 at most")

    def test_an_older_python_has_a_reader_in_pip(self):
        file = self.root / "my.toml"
        file.write_text("= nonsense")
        with mock.patch.object(catalogs, "PARSERS", ("no_such_module", "pip._vendor.tomli")):
            with self.assertRaisesRegex(CloudError, "is not TOML"):
                catalogs.require_valid(file)
        with mock.patch.object(catalogs, "PARSERS", ("no_such_module",)):
            catalogs.require_valid(file)

    def test_what_a_program_of_an_earlier_build_refuses(self):
        (self.root / "my.toml").write_text(CATALOG)
        program = self.load().program("meterflow")
        program.parent.mkdir(parents=True)

        def answers(code, server="no server"):
            program.write_text(f'#!/bin/sh\n[ "$1 $2" = "check {self.root}/my.toml" ] || exit 3\n'
                               f'echo "meterflow: documents lacks a unit, ${{CLICKHOUSE_URL-{server}}}" >&2\nexit {code}\n')
            program.chmod(0o755)

        answers(1)
        with mock.patch.dict(os.environ, {"CLICKHOUSE_URL": "https://production:8443"}):
            message = self.refusal(LOCAL_CATALOG="my.toml")
        self.assertIn("lacks a unit, no server\nName another one", message)
        self.assertIn("make build", message)
        for code in (0, 2):
            answers(code)
            preflight.up(self.load(LOCAL_CATALOG="my.toml"))
        answers(1)
        preflight.up(self.load())

    def test_the_demo_wants_the_built_in_one(self):
        preflight.require_built_in_catalog(self.load())
        with self.assertRaisesRegex(CloudError, "has the catalog .*my.toml(.|\n)*make up CATALOG="):
            preflight.require_built_in_catalog(self.load(LOCAL_CATALOG="my.toml"))


class RunningCloud(InAFolder):
    def test_other_ports_than_it_has_are_refused_by_name(self):
        settings.remember(self.load())
        for name, port in self.ports.items():
            with self.subTest(name), self.running():
                message = self.refusal(**{name: "4999"})
                self.assertIn(f"runs with {name}={port}, but {name}=4999 is set now", message)
                self.assertIn("make down", message)

    def test_one_that_is_down_moves(self):
        settings.remember(self.load())
        preflight.require_agreement(self.load(LOCAL_AWS_PORT="4999"))

    def test_the_users_own_clickhouse_is_not_exchanged_without_a_word(self):
        settings.remember(self.load(CLICKHOUSE_URL="https://host:8443"))
        self.assertIn("started with your ClickHouse at https://host:8443", self.refusal())
        preflight.up(self.load(CLICKHOUSE_URL="https://host:8443"))
        preflight.up(self.load(CLICKHOUSE_URL=""))


class Deploy(InAFolder):
    """`make plan` and `make deploy`, with a program in the place of Terraform."""

    def setUp(self):
        super().setUp()
        self.variables = self.root / "my.tfvars"
        self.variables.touch()
        self.calls = self.root / "calls"

    def deploy(self, fails="none", architecture="arm64", variables=None):
        program = self.root / "terraform"
        program.write_text(f'#!/bin/sh\necho "$@" >> {self.calls}\n[ "$1" = version ] && echo "Terraform v1.9.0"\n'
                           f'[ "$2" = {fails} ] && echo "Error: that is wrong" && exit 1\nexit 0\n')
        program.chmod(0o755)
        tools._version_of.cache_clear()
        self.addCleanup(tools._version_of.cache_clear)
        with mock.patch.dict(os.environ, {"TERRAFORM": str(program)}), contextlib.redirect_stdout(io.StringIO()):
            preflight.deploy(self.load(), variables or self.variables, architecture)

    def test_it_plans_before_there_is_a_function(self):
        self.deploy()
        _, init, plan = self.calls.read_text().splitlines()
        self.assertTrue(init.startswith(f"-chdir={self.root}/infra init "))
        for part in ("plan", f"-var-file={self.variables}", "-var=architecture=arm64", f"-var=api_package={self.root}/infra/versions.tf"):
            self.assertIn(part, plan.split())

    def test_missing_variables_are_told_before_anything_runs(self):
        with self.assertRaisesRegex(CloudError, "There is no none.tfvars(.|\n)*cp infra/example.tfvars none.tfvars(.|\n)*VARS="):
            self.deploy(variables=Path("none.tfvars"))
        self.assertFalse(self.calls.exists())

    def test_another_processor_is_refused(self):
        with self.assertRaisesRegex(CloudError, "ARCH is 'arm', but Lambda has arm64 and x86_64"):
            self.deploy(architecture="arm")

    def test_a_failure_of_terraform_is_shown(self):
        for command in ("init", "plan"):
            with self.subTest(command), self.assertRaisesRegex(CloudError, f"{command}` failed, so nothing was built:\nError: that is wrong"):
                self.deploy(fails=command)
