import hashlib
import json
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest import mock

import catalogs
import clickhouse
import clickhouse_users
import settings
from console import CloudError

INFRA = Path(__file__).resolve().parents[2]


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.sql = self.root / "infra" / "clickhouse" / "users.sql"
        self.sql.parent.mkdir(parents=True)
        self.sql.write_text((INFRA / "clickhouse" / "users.sql").read_text())

    def load(self, **environ):
        return settings.load(environ, self.root)

    def users(self, **environ):
        config, _ = clickhouse_users.write(self.load(**environ))
        return ElementTree.parse(ElementTree.parse(config).findtext("users_config")).getroot()

    def grants(self, user, **environ):
        return [query.text for query in self.users(**environ).findall(f"users/{user}/grants/query")]


class FromTheFile(InAFolder):
    """The users of production, as the engine reads them."""

    def test_the_api_may_read_and_nothing_else_within_its_limits(self):
        self.assertEqual(self.grants("meterflow_api"), [
            "GRANT SELECT ON `meterflow`.`events`", "GRANT SELECT ON `meterflow`.`usage_hourly`",
        ])
        users = self.users()
        self.assertEqual(users.findtext("users/meterflow_api/profile"), "meterflow_api")
        profile = users.find("profiles/meterflow_api")
        self.assertEqual({setting.tag: setting.text for setting in profile if setting.tag != "constraints"}, {
            "readonly": "2", "max_execution_time": "20", "max_memory_usage": "2000000000",
            "max_memory_usage_for_user": "6000000000", "max_threads": "2", "max_concurrent_queries_for_user": "32",
        })
        # A minimum, since 0 means no limit.
        limits = {limit.tag: (limit.findtext("min"), limit.findtext("max")) for limit in profile.find("constraints")}
        self.assertEqual(limits, {
            "max_execution_time": ("1", "30"), "max_memory_usage": ("1", "2000000000"),
            "max_memory_usage_for_user": ("1", "6000000000"), "max_threads": ("1", "2"),
            "max_concurrent_queries_for_user": ("1", "32"),
        })

    def test_the_detector_may_add_to_models_and_to_nothing_else(self):
        self.assertEqual(self.grants("meterflow_detector", CLICKHOUSE_DATABASE="metering"), [
            "GRANT SELECT ON `metering`.`usage_hourly`", "GRANT SELECT ON `system`.`clusters`",
            "GRANT SELECT ON `system`.`replicas`",
            "GRANT SELECT, INSERT ON `metering`.`usage_model_fits`", "GRANT SELECT, INSERT ON `metering`.`usage_models`",
        ])

    def test_the_api_may_read_each_table_of_a_catalog(self):
        (self.root / "my.toml").write_text('[[metric]]\ntable = "billing.conver`sions"\n[[metric]]\ntable = "own"\n')
        self.assertEqual(self.grants("meterflow_api", LOCAL_CATALOG="my.toml")[:2], [
            "GRANT SELECT ON `billing`.`conver\\`sions`", "GRANT SELECT ON `meterflow`.`events`",
        ])
        self.assertIn("GRANT SELECT ON `meterflow`.`own`", self.grants("meterflow_api", LOCAL_CATALOG="my.toml"))

    def test_a_metric_has_the_table_of_its_source(self):
        file = self.root / "my.toml"
        file.write_text('[[source]]\nname = "lago"\ntable = "lago.events_raw"\n[[metric]]\nsource = "lago"\n'
                        '[[metric]]\nsource = "lago"\n[[metric]]\nname = "own"\n')
        self.assertEqual(catalogs.tables(file), ["events", "lago.events_raw"])
        file.write_text("source = [3, {name = [1]}]\n[[metric]]\nsource = [2]\n")
        self.assertEqual(catalogs.tables(file), ["events"])

    def test_a_source_with_entities_has_tables_of_its_own(self):
        (self.root / "my.toml").write_text('[[source]]\nname = "jobs"\ntable = "work.jobs"\nentity = "job"\n[[metric]]\nsource = "jobs"\n')
        own = [grant for grant in self.grants("meterflow_detector", LOCAL_CATALOG="my.toml") if "jobs" in grant]
        self.assertEqual(own, [
            "GRANT SELECT ON `meterflow`.`jobs_hourly`", "GRANT SELECT ON `work`.`jobs`",
            "GRANT SELECT, INSERT ON `meterflow`.`jobs_model_fits`", "GRANT SELECT, INSERT ON `meterflow`.`jobs_models`",
        ])
        self.assertEqual(self.grants("meterflow_api", LOCAL_CATALOG="my.toml"), [
            "GRANT SELECT ON `meterflow`.`events`", "GRANT SELECT ON `meterflow`.`jobs_hourly`",
            "GRANT SELECT ON `meterflow`.`usage_hourly`", "GRANT SELECT ON `work`.`jobs`",
        ])

    def test_a_source_that_looks_for_new_texts_has_a_table_of_them(self):
        (self.root / "my.toml").write_text('[[source]]\nname = "jobs"\nentity = "job"\n[[metric]]\nsource = "jobs"\naggregate = "novel"\n')
        for user in ("meterflow_api", "meterflow_detector"):
            self.assertIn("GRANT SELECT ON `meterflow`.`jobs_seen`", self.grants(user, LOCAL_CATALOG="my.toml"))

    def test_both_users_read_the_minutes_of_a_source_with_short_windows(self):
        (self.root / "my.toml").write_text('[[source]]\nname = "jobs"\nentity = "job"\nwindow = "1m"\n[[metric]]\nsource = "jobs"\n')
        for user in ("meterflow_api", "meterflow_detector"):
            self.assertIn("GRANT SELECT ON `meterflow`.`jobs_minute`", self.grants(user, LOCAL_CATALOG="my.toml"))

    def test_runs_replace_the_hours_of_a_polled_source(self):
        (self.root / "my.toml").write_text('[[source]]\nname = "jobs"\nentity = "job"\nfeed = "poll"\n[[metric]]\nsource = "jobs"\n')
        right = "GRANT INSERT ON `meterflow`.`jobs_hourly`"
        self.assertIn(right, self.grants("meterflow_detector", LOCAL_CATALOG="my.toml"))
        self.assertNotIn(right, self.grants("meterflow_api", LOCAL_CATALOG="my.toml"))

    def test_runs_keep_the_samples_of_a_source_that_looks_for_unseen_shapes(self):
        rule = '[[metric.rule]]\ntype = "unseen_shape"\n'
        (self.root / "my.toml").write_text(f'[[source]]\nname = "jobs"\nentity = "job"\n[[metric]]\nsource = "jobs"\n{rule}')
        right = "GRANT SELECT, INSERT ON `meterflow`.`jobs_samples`"
        self.assertIn(right, self.grants("meterflow_detector", LOCAL_CATALOG="my.toml"))
        self.assertNotIn(right, self.grants("meterflow_api", LOCAL_CATALOG="my.toml"))

    def test_everybody_else_on_this_machine_may_do_all(self):
        default = self.users().find("users/default")
        self.assertEqual((default.findtext("password"), default.find("grants")), ("", None))
        self.assertEqual([address.text for address in default.findall("networks/ip")], ["127.0.0.1", "::1"])

    def test_only_the_engine_of_debug_tests_rests_between_its_questions(self):
        def engine(kind, **environ):
            config, _ = clickhouse_users.write(settings.load(environ, self.root, kind))
            return {element.tag: element.text for element in ElementTree.parse(config).getroot()}

        rests = engine(settings.TEST)
        self.assertEqual(rests["background_processing_pool_thread_sleep_seconds_if_nothing_to_do"], "1")
        for kind, environ in ((settings.LOCAL, {}), (settings.TEST, {"TEST_BUILD": "release"})):
            self.assertEqual(list(engine(kind, **environ)), ["users_config"], kind)

    def test_engines_that_tests_start_themselves_have_the_settings_of_this_one(self):
        def environment(kind, **environ):
            of = clickhouse.for_own_engines(settings.load(environ, self.root, kind))
            return json.loads(of["CLICKHOUSE_ENGINE_SETTINGS"])

        of_tests = environment(settings.TEST)
        profile = {"compile_expressions": "0", "max_threads": "1"}
        self.assertEqual(of_tests["profile"], {**of_tests["profile"], **profile})
        self.assertEqual(of_tests["engine"]["asynchronous_metrics_update_period_s"], "3600")
        # What is measured in release builds is measured with the settings of production.
        self.assertEqual(environment(settings.TEST, TEST_BUILD="release"), {"engine": {}, "profile": {}})

    def test_what_it_does_not_understand_is_refused_by_name(self):
        for statement in ("GRANT SELECT ON other.table TO meterflow_api", "GRANT SELECT ON events TO meterflow_api", "CREATE ROLE r",
                          "CREATE SETTINGS PROFILE IF NOT EXISTS p SETTINGS max_threads = '4G'"):
            self.sql.write_text((INFRA / "clickhouse" / "users.sql").read_text() + statement + ";")
            with self.subTest(statement), self.assertRaisesRegex(CloudError, "users.sql has something that .* not understand"):
                self.users()


class Passwords(InAFolder):
    def test_each_user_has_one_and_it_stays(self):
        first = clickhouse_users.credentials(self.load())
        self.assertEqual(first, clickhouse_users.credentials(self.load()))
        self.assertEqual({user["username"] for user in first.values()}, {"meterflow_api", "meterflow_detector"})
        self.assertNotEqual(first["meterflow_api"]["password"], first["meterflow_detector"]["password"])
        self.assertEqual((self.load().directory / "clickhouse-users.json").stat().st_mode & 0o777, 0o600)

    def test_the_engine_gets_its_hash(self):
        password = clickhouse_users.credentials(self.load())["meterflow_api"]["password"]
        expected = hashlib.sha256(password.encode()).hexdigest()
        self.assertEqual(self.users().findtext("users/meterflow_api/password_sha256_hex"), expected)


class Changes(InAFolder):
    def test_only_another_content_needs_a_new_start(self):
        self.assertTrue(clickhouse_users.write(self.load())[1])
        self.assertFalse(clickhouse_users.write(self.load())[1])
        self.assertTrue(clickhouse_users.write(self.load(CLICKHOUSE_DATABASE="other"))[1])

    def test_a_running_engine_is_started_anew(self):
        engine = {"running": True, "starts": 0}

        def start(*_):
            engine["starts"] += 1
            return object()

        with mock.patch.object(clickhouse.processes, "find", side_effect=lambda *_: object() if engine["running"] else None), \
             mock.patch.object(clickhouse.processes, "stop"), mock.patch.object(clickhouse, "_start", start), \
             mock.patch.object(clickhouse, "_wait_until_it_answers"), mock.patch.object(clickhouse, "ping", return_value=True), \
             mock.patch("sys.stdout"):
            for expected in (1, 1):
                clickhouse.ensure_running(self.load())
                self.assertEqual(engine["starts"], expected)
