import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import clickhouse
import settings


class Data(unittest.TestCase):
    def setUp(self):
        self.root, self.memory = (Path(self.enterContext(tempfile.TemporaryDirectory())) for _ in range(2))
        self.enterContext(mock.patch.object(clickhouse, "IN_MEMORY", self.memory))
        self.enterContext(mock.patch.object(clickhouse, "LEAST_FREE_BYTES", 0))

    def folder(self, kind=settings.TEST, **environ):
        return clickhouse.data_folder(settings.load(environ, self.root, kind))

    def test_only_data_of_tests_are_in_memory(self):
        self.assertEqual(self.folder().parent, self.memory)
        self.assertEqual(self.folder(TEST_BUILD="release"), self.root / ".local" / "test" / "clickhouse")
        self.assertEqual(self.folder(settings.LOCAL), self.root / ".local" / "clickhouse")

    def test_each_cloud_has_its_own(self):
        self.assertEqual(self.folder(), self.folder())
        self.assertNotEqual(self.folder(), self.folder(TEST_CLOUD_DIR="other"))

    def test_without_room_in_memory_the_data_are_on_the_disk(self):
        on_disk = self.root / ".local" / "test" / "clickhouse"
        with mock.patch.object(clickhouse, "LEAST_FREE_BYTES", 1 << 62):
            self.assertEqual(self.folder(), on_disk)
        with mock.patch.object(clickhouse, "IN_MEMORY", self.memory / "none"):
            self.assertEqual(self.folder(), on_disk)

    def test_data_are_deleted_wherever_they_are(self):
        of_tests = settings.load({}, self.root, settings.TEST)
        on_disk = of_tests.directory / "clickhouse"
        kept = self.memory / "of-others"
        of_own_engines = Path(clickhouse.for_own_engines(of_tests)["CLICKHOUSE_ENGINE_FOLDER"])
        self.assertEqual(of_own_engines.parent, self.memory)
        for folder in (self.folder(), on_disk, of_own_engines, kept):
            os.makedirs(folder / "data")
        clickhouse.delete_data(of_tests)
        self.assertEqual([folder.exists() for folder in (self.folder(), on_disk, of_own_engines, kept)], [False, False, False, True])


if __name__ == "__main__":
    unittest.main()
