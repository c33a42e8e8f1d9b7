"""The list of components of a release is valid CycloneDX, and lists what is in the programs and nothing else."""

import json
import unittest
from pathlib import Path

import crates
import page_packages
import sbom
from crates import LOCKED
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from source import Source

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Source(ROOT, "0.2.0", "4e1f0c2a9b7d" + "0" * 28, 1_790_000_000, False)


class Components(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = sbom.text(SOURCE)
        cls.bom = json.loads(cls.text)
        cls.components = {component["bom-ref"]: component for component in cls.bom["components"]}
        cls.uses = {each["ref"]: each.get("dependsOn", []) for each in cls.bom["dependencies"]}

    def reached(self, start):
        seen, waiting = set(), [start]
        while waiting:
            ref = waiting.pop()
            if ref not in seen:
                seen.add(ref)
                waiting.extend(self.uses[ref])
        return seen

    def names(self, start):
        return {self.components[ref]["name"] for ref in self.reached(start) if ref in self.components}

    def test_it_is_valid(self):
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(self.text))
        self.assertIsNotNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(self.text.replace('"library"', '"book"')))

    def test_two_lists_of_a_commit_are_the_same_and_name_no_folder(self):
        self.assertEqual(self.text, sbom.text(SOURCE))
        self.assertNotIn(str(ROOT), self.text)
        self.assertEqual(self.bom["metadata"]["timestamp"], "2026-09-21T14:13:20+00:00")

    def test_each_program_has_the_crates_that_it_is_made_of(self):
        self.assertLessEqual({"tokio", "rustls", "detection", "warehouse", "clickhouse"}, self.names("anomaly-detection"))
        self.assertLessEqual({"clap_mangen", "schemars", "security-framework"}, self.names("meterflow"))
        self.assertLessEqual({"utoipa", "preact", "oidc-client-ts", "jwt-decode", "regexparam"}, self.names("anomaly-api"))
        # The notifier reads no ClickHouse (see tools/checks/purity.py).
        self.assertTrue({"clickhouse", "warehouse", "preact"}.isdisjoint(self.names("anomaly-notifier")))

    def test_what_only_tests_and_builds_need_is_not_in_it(self):
        every = {component["name"] for component in self.components.values()}
        self.assertTrue({"insta", "proptest", "e2e", "bench", "simulation", "cc", "vite", "vitest"}.isdisjoint(every), every)

    def test_all_of_it_is_a_part_of_the_release(self):
        whole = self.bom["metadata"]["component"]["bom-ref"]
        self.assertEqual(self.reached(whole) - {whole}, set(self.components))

    def test_each_package_of_others_has_its_place_its_licence_and_its_checksum(self):
        ours = {path.parent.name for path in ROOT.glob("*/*/Cargo.toml")}
        bare = {component["name"] for component in self.components.values() if not {"purl", "hashes", "licenses"} <= set(component)}
        programs = {"anomaly-detection", "anomaly-api", "anomaly-notifier", "meterflow", "dashboard"}
        self.assertEqual(bare - ours, programs)

    def test_checksums_are_those_of_the_lock_files(self):
        locked = {(name, version): digest for name, version, digest in LOCKED.findall((ROOT / "Cargo.lock").read_text())}
        tokio = next(each for each in self.components.values() if each["name"] == "tokio")
        self.assertEqual(tokio["hashes"], [{"alg": "SHA-256", "content": locked["tokio", tokio["version"]]}])
        preact = next(each for each in self.components.values() if each["name"] == "preact")
        self.assertEqual((preact["hashes"][0]["alg"], len(preact["hashes"][0]["content"])), ("SHA-512", 128))


class Crates(unittest.TestCase):
    def test_a_program_is_not_made_of_what_its_tests_use(self):
        def uses(package, *kinds):
            return {"pkg": package, "dep_kinds": [{"kind": kind} for kind in kinds]}
        asked = [uses("a", "dev"), uses("b", None), uses("c", "dev", None), uses("d", "build"), uses("elsewhere", None)]
        self.assertEqual(list(crates.normal(asked, dict.fromkeys("abcd", {}))), ["b", "c"])


class PagePackages(unittest.TestCase):
    def test_a_package_is_found_inside_the_one_that_uses_it_or_around_it(self):
        lock = dict.fromkeys(["node_modules/a", "node_modules/a/node_modules/b", "node_modules/b", "node_modules/@c/d"])
        found = [page_packages.resolve(*asked, lock) for asked in [
            ("node_modules/a", "b"), ("", "b"), ("node_modules/a/node_modules/b", "@c/d"), ("", "e")]]
        self.assertEqual(found, ["node_modules/a/node_modules/b", "node_modules/b", "node_modules/@c/d", ""])


if __name__ == "__main__":
    unittest.main()
