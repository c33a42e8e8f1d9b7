import re
import tempfile
import unittest
from pathlib import Path

import catalogs

ROOT = Path(__file__).resolve().parents[3]
STACK = ROOT / "infra" / "modules" / "stack"
CATALOGS = ROOT / "shared" / "catalog"
WITH_PRESETS = STACK / "tests" / "with_presets.toml"


@unittest.skipUnless(catalogs._parser(), "no library reads TOML here")
class Sources(unittest.TestCase):
    def sources(self, text):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "my.toml"
            file.write_text(text)
            return catalogs.sources(file)

    def test_the_built_in_catalog_has_none(self):
        self.assertEqual(catalogs.sources(None), {})
        self.assertEqual(catalogs.sources(CATALOGS / "catalog.toml"), {})

    def test_those_with_entities_have_their_tables(self):
        self.assertEqual(catalogs.sources(CATALOGS / "presets" / "executions.toml"),
                         {"execution_nodes": "execution_nodes", "executions": "executions"})

    def test_a_table_that_metrics_share_is_none(self):
        shared = '[[source]]\nname = "lago"\ntable = "lago.events_raw"\n[[metric]]\nsource = "lago"\n'
        self.assertEqual(self.sources(shared), {})
        self.assertEqual(self.sources('[[source]]\nname = "jobs"\nentity = "job"\n[[metric]]\nsource = "jobs"\n'), {"jobs": "events"})


    def test_presets_bring_theirs(self):
        self.assertEqual(catalogs.sources(WITH_PRESETS),
                         {"execution_nodes": "execution_nodes", "executions": "executions"})
        tables = catalogs.tables(WITH_PRESETS)
        self.assertEqual(tables, ["events", "execution_nodes", "executions"])

    def test_a_preset_that_there_is_not_is_refused(self):
        for name in ("jobs", "../catalog"):
            with self.assertRaisesRegex(catalogs.CloudError, "names a preset that there is not"):
                self.sources(f'presets = ["{name}"]\n')


@unittest.skipUnless(catalogs._parser(), "no library reads TOML here")
class Large(unittest.TestCase):
    def test_what_terraform_compresses_may_be_larger(self):
        texts = [(CATALOGS / "catalog.toml"), *sorted((CATALOGS / "presets").glob("*.toml"))]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "all.toml"
            file.write_text("\n".join(text.read_text() for text in texts[:3]))
            self.assertGreater(file.stat().st_size, catalogs.LARGEST)
            catalogs.require_valid(file)


class Known(unittest.TestCase):
    def test_terraform_knows_all_presets(self):
        listed = re.search(r"^  known_presets = \[(.*?)\]", (STACK / "names.tf").read_text(), re.MULTILINE | re.DOTALL)
        names = {"usage", *(file.stem for file in (CATALOGS / "presets").glob("*.toml"))}
        self.assertEqual(set(re.findall(r'"([a-z0-9_]+)"', listed.group(1))), names)
