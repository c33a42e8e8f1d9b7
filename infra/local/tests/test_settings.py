import tempfile
import unittest
from pathlib import Path

import settings
from console import CloudError

ROOT = Path("/project")


def load(kind=settings.LOCAL, **environ):
    return settings.load(environ, ROOT, kind)


class Defaults(unittest.TestCase):
    def test_an_empty_environment_gives_the_documented_places(self):
        cloud = load()
        self.assertEqual(cloud.directory, ROOT / ".local")
        self.assertEqual(cloud.aws_url, "http://127.0.0.1:4566")
        self.assertEqual(cloud.clickhouse, settings.ClickHouseServer("http://127.0.0.1:8123"))
        self.assertEqual((cloud.clickhouse_tcp_port, cloud.issuer_port, cloud.database), (9000, 4567, "meterflow"))

    def test_an_empty_variable_is_as_good_as_none(self):
        self.assertEqual(load(LOCAL_AWS_PORT="", LOCAL_CLOUD_DIR="", CLICKHOUSE_URL=""), load())

    def test_the_tools_are_shared_by_all_clouds(self):
        self.assertEqual(load(LOCAL_CLOUD_DIR="/elsewhere").tools, load().tools)

    def test_a_relative_folder_belongs_to_the_project_and_an_absolute_one_stays(self):
        self.assertEqual(load(LOCAL_CLOUD_DIR=".local/other").directory, ROOT / ".local/other")
        self.assertEqual(load(LOCAL_CLOUD_DIR="/elsewhere").directory, Path("/elsewhere"))

    def test_the_programs_and_packages_are_where_cargo_and_the_launcher_put_them(self):
        self.assertEqual(load().program("anomaly-api"), ROOT / "target/debug/anomaly-api")
        self.assertEqual(load(LOCAL_BUILD="release").program("anomaly-api"), ROOT / "target/release/anomaly-api")
        with self.assertRaisesRegex(CloudError, "LOCAL_BUILD must be debug or release, but it is 'fast'"):
            load(LOCAL_BUILD="fast")
        self.assertEqual(load().package("anomaly-api"), ROOT / "target/lambda/anomaly-api/bootstrap.zip")

    def test_the_key_of_the_tokens_belongs_to_the_cloud(self):
        self.assertEqual(load(LOCAL_CLOUD_DIR="/elsewhere").issuer_key, Path("/elsewhere/issuer/private-key.pem"))

    def test_only_the_first_stack_has_the_plain_env_file(self):
        self.assertEqual(load().env_file("meterflow"), ROOT / ".local/env")
        self.assertEqual(load().env_file("flights"), ROOT / ".local/flights.env")

    def test_another_call_finds_the_same_cloud(self):
        cloud = load(LOCAL_CLOUD_DIR="x", LOCAL_AWS_PORT="1", LOCAL_CLICKHOUSE_HTTP_PORT="2", LOCAL_CLICKHOUSE_TCP_PORT="3",
                     LOCAL_CHANNELS="channels.json", LOCAL_CATALOG="my.toml")
        self.assertEqual(load(**settings.as_environment(cloud)), cloud)


class Remembered(unittest.TestCase):
    """A second shell, without the variables that the cloud was started with."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def load(self, kind=settings.LOCAL, **environ):
        return settings.load(environ, self.root, kind)

    STARTED = {"LOCAL_AWS_PORT": "4600", "LOCAL_CLICKHOUSE_HTTP_PORT": "8200", "LOCAL_CLICKHOUSE_TCP_PORT": "9200",
               "LOCAL_CHANNELS": "channels.json", "LOCAL_CATALOG": "my.toml", "CLICKHOUSE_DATABASE": "usage"}

    def test_it_finds_ports_channels_catalog_and_database_again(self):
        started = self.load(**self.STARTED)
        settings.remember(started)
        self.assertEqual(self.load(), started)

    def test_it_finds_the_folder_again(self):
        started = self.load(LOCAL_CLOUD_DIR=".local/second", **self.STARTED)
        settings.remember(started)
        self.assertEqual(self.load(), started)
        default = self.load(LOCAL_CLOUD_DIR=".local")
        self.assertEqual((default.directory, default.aws_port), (self.root / ".local", 4566))

    def test_the_cloud_that_was_started_last_counts(self):
        settings.remember(self.load(LOCAL_CLOUD_DIR="elsewhere", LOCAL_AWS_PORT="4600"))
        settings.remember(self.load(LOCAL_CLOUD_DIR=".local", LOCAL_AWS_PORT="4700"))
        self.assertEqual((self.load().directory, self.load().aws_port), (self.root / ".local", 4700))
        self.assertEqual(self.load(LOCAL_CLOUD_DIR="elsewhere").aws_port, 4600)

    def test_a_variable_goes_before_what_is_remembered_also_an_empty_one(self):
        settings.remember(self.load(**self.STARTED))
        self.assertEqual(self.load(LOCAL_AWS_PORT="4800").aws_port, 4800)
        self.assertEqual(self.load(LOCAL_AWS_PORT="").aws_port, 4566)
        self.assertIsNone(self.load(LOCAL_CATALOG="").catalog)
        self.assertEqual(self.load(CATALOG_PATH="/other.toml").catalog, Path("/other.toml"))
        self.assertEqual(self.load(LOCAL_CATALOG="this.toml", CATALOG_PATH="/other.toml").catalog, self.root / "this.toml")

    def test_a_purge_forgets_it(self):
        for place in (".local", "elsewhere"):
            started = self.load(LOCAL_CLOUD_DIR=place, **self.STARTED)
            settings.remember(started)
            settings.forget(started)
            self.assertEqual(self.load(), settings.load({}, self.root))
            self.assertEqual(self.load().aws_port, 4566)

    def test_a_folder_that_was_deleted_is_forgotten(self):
        started = self.load(LOCAL_CLOUD_DIR="elsewhere", LOCAL_AWS_PORT="4600")
        settings.remember(started)
        (started.directory / "cloud.json").unlink()
        self.assertEqual(self.load().directory, self.root / ".local")

    def test_channels_may_hold_secrets_so_nobody_else_reads_it(self):
        settings.remember(self.load(LOCAL_CHANNELS='{"secrets": {"a": "b"}}'))
        self.assertEqual((self.root / ".local" / "cloud.json").stat().st_mode & 0o777, 0o600)

    def test_the_users_own_clickhouse_is_remembered_and_never_used_unasked(self):
        settings.remember(self.load(CLICKHOUSE_URL="https://host:8443", CLICKHOUSE_PASSWORD="p"))
        self.assertNotIn('"p"', (self.root / ".local" / "cloud.json").read_text())
        unnamed = self.load()
        self.assertEqual((unnamed.clickhouse.started_here, unnamed.forgotten_clickhouse), (True, "https://host:8443"))
        for url in ("https://host:8443", ""):
            self.assertIsNone(self.load(CLICKHOUSE_URL=url).forgotten_clickhouse)

    def test_the_cloud_of_the_tests_neither_remembers_nor_recalls(self):
        settings.remember(self.load(**self.STARTED))
        tests = self.load(settings.TEST, CATALOG_PATH="my.toml", TEST_AWS_PORT="5000")
        self.assertEqual((tests.aws_port, tests.catalog, tests.database), (5000, None, "meterflow"))
        settings.remember(tests)
        self.assertNotIn(self.load(settings.TEST).aws_port, (4600, 5000))
        self.assertEqual(self.load().aws_port, 4600)


class CloudOfTheTests(unittest.TestCase):
    def test_it_is_apart_from_the_users_cloud(self):
        cloud = load(settings.TEST, LOCAL_AWS_PORT="5000", LOCAL_CLOUD_DIR="mine")
        self.assertEqual(cloud.directory, ROOT / ".local/test")
        ports = {cloud.aws_port, cloud.clickhouse_http_port, cloud.clickhouse_tcp_port, cloud.issuer_port}
        self.assertEqual((len(ports), ports & {5000, 4566, 8123, 9000, 4567}), (4, set()))

    def test_another_call_finds_it_again(self):
        cloud = load(settings.TEST, TEST_CHANNELS="{}")
        self.assertEqual(load(settings.TEST, **settings.as_test_environment(cloud)), cloud)

    def test_it_has_no_channels_of_the_users_but_its_own(self):
        cloud = load(settings.TEST, LOCAL_CHANNELS="mine.json")
        self.assertEqual(settings.as_environment(cloud)["LOCAL_CHANNELS"], "")
        self.assertEqual(load(settings.TEST, TEST_CHANNELS="{}").channels, "{}")

    def test_its_own_variables_move_it(self):
        self.assertEqual(load(settings.TEST, TEST_AWS_PORT="5000").aws_port, 5000)

    def test_it_never_uses_the_users_clickhouse(self):
        cloud = load(settings.TEST, CLICKHOUSE_URL="https://production:8443", CLICKHOUSE_DATABASE="prod")
        self.assertTrue(cloud.clickhouse.started_here)
        self.assertEqual(cloud.database, "meterflow")


class Refusals(unittest.TestCase):
    def test_a_port_that_is_none(self):
        for value in ("http", "0", "65536", "-1", "4566.0"):
            with self.subTest(value), self.assertRaisesRegex(CloudError, f"LOCAL_AWS_PORT must be a port.*'{value}'"):
                load(LOCAL_AWS_PORT=value)

    def test_two_parts_on_one_port(self):
        with self.assertRaisesRegex(CloudError, "LOCAL_AWS_PORT=8123, LOCAL_CLICKHOUSE_HTTP_PORT=8123"):
            load(LOCAL_AWS_PORT="8123")

    def test_an_address_that_is_none(self):
        for url in ("clickhouse:8123", "tcp://host:9000", "http://"):
            with self.subTest(url), self.assertRaisesRegex(CloudError, "CLICKHOUSE_URL must be an http or https address"):
                load(CLICKHOUSE_URL=url)

    def test_a_list_of_addresses(self):
        with self.assertRaisesRegex(CloudError, "CLICKHOUSE_URL is the list .*the local cloud uses one server"):
            load(CLICKHOUSE_URL="https://a:8443;https://b:8443")


class OwnClickHouse(unittest.TestCase):
    def test_it_is_honoured_with_user_password_and_database(self):
        cloud = load(CLICKHOUSE_URL="https://host:8443/", CLICKHOUSE_USER="u", CLICKHOUSE_PASSWORD="p", CLICKHOUSE_DATABASE="d")
        self.assertEqual(cloud.clickhouse, settings.ClickHouseServer("https://host:8443", "u", "p", started_here=False))
        self.assertEqual(cloud.database, "d")

    def test_the_address_of_this_cloud_itself_is_not_a_server_of_the_users(self):
        # A shell that has loaded .local/env carries it.
        for host in ("127.0.0.1", "localhost"):
            self.assertTrue(load(CLICKHOUSE_URL=f"http://{host}:8123").clickhouse.started_here)
        self.assertFalse(load(CLICKHOUSE_URL="http://127.0.0.1:8124").clickhouse.started_here)

    def test_plain_http_is_refused_beyond_private_addresses(self):
        for host in ("clickhouse.internal", "8.8.8.8", "172.32.0.1", "10.0.0.1.example.com", "169.254.169.254"):
            with self.subTest(host), self.assertRaisesRegex(CloudError, f"http://{host}:8123.*loopback and private"):
                load(CLICKHOUSE_URL=f"http://{host}:8123")

    def test_plain_http_is_taken_to_private_addresses_without_a_password(self):
        for host in ("10.0.0.1", "172.31.255.1", "192.168.1.2", "[fd00::1]"):
            with self.subTest(host):
                self.assertFalse(load(CLICKHOUSE_URL=f"http://{host}:8123").clickhouse.allow_plaintext)
                for secret in ("CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD"):
                    with self.assertRaisesRegex(CloudError, "would send the password unencrypted"):
                        load(CLICKHOUSE_URL=f"http://{host}:8123", **{secret: "x"})

    def test_a_password_stays_on_this_machine(self):
        for host in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]"):
            with self.subTest(host):
                self.assertTrue(load(CLICKHOUSE_URL=f"http://{host}:8124", CLICKHOUSE_PASSWORD="p").clickhouse.allow_plaintext)

    def test_plain_http_can_be_allowed(self):
        allowed = load(CLICKHOUSE_URL="http://host:8123", CLICKHOUSE_PASSWORD="p", CLICKHOUSE_ALLOW_PLAINTEXT="true")
        self.assertTrue(allowed.clickhouse.allow_plaintext)
        with self.assertRaisesRegex(CloudError, "CLICKHOUSE_ALLOW_PLAINTEXT must be true or false, but it is 'yes'"):
            load(CLICKHOUSE_URL="http://host:8123", CLICKHOUSE_ALLOW_PLAINTEXT="yes")

    def test_https_needs_no_leave(self):
        self.assertFalse(load(CLICKHOUSE_URL="https://host:8443", CLICKHOUSE_PASSWORD="p").clickhouse.allow_plaintext)

    def test_a_password_without_an_address_is_not_for_the_engine_started_here(self):
        self.assertIsNone(load(CLICKHOUSE_PASSWORD="p").clickhouse.password)
