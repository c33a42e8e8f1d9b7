import tempfile
import unittest
from pathlib import Path

import catalogs

CATALOGS = Path(__file__).resolve().parents[3] / "shared" / "catalog"


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


class Together(unittest.TestCase):
    def test_the_built_in_metrics_and_a_preset_fit_into_a_parameter(self):
        built_in = (CATALOGS / "catalog.toml").read_bytes()
        for preset in sorted((CATALOGS / "presets").glob("*.toml")):
            with self.subTest(preset.name):
                self.assertLessEqual(len(built_in + b"\n" + preset.read_bytes()), catalogs.LARGEST)
