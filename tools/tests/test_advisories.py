"""The stored advisories are those of the crates that are checked, and a crate with an advisory fails the check."""

import io
import json
import lzma
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

import archives
import stored

ADVISORY = """```toml
[advisory]
id = "RUSTSEC-2026-9999"
package = "tokio"
date = "2026-11-01"
keywords = ["made-up"]

[versions]
patched = [">= 99.0.0"]
```

# A made-up advisory

It is about each version of tokio that there is.
"""


class Stored(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = Path(place.name)

    def check(self, more=()):
        """The check with more advisories than are stored."""
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(stored.STORED.read_bytes()))) as archive:
            files = [(file.name, 0o644, archive.extractfile(file).read()) for file in archive]
        changed = self.place / "changed.tar.xz"
        changed.write_bytes(lzma.compress(archives.tar([*files, *more], 0), preset=0))
        program = (f"import sys; from pathlib import Path; sys.path[:0] = [{str(stored.HERE)!r}]; import stored; "
                   f"sys.exit(stored.check(stored=Path({str(changed)!r}), place=Path({str(self.place / 'db')!r})))")
        return subprocess.run([str(stored.DENY.with_name("python")), "-c", program], capture_output=True, text=True)

    def test_a_crate_with_an_advisory_fails_the_check_and_is_named(self):
        result = self.check([("crates/tokio/RUSTSEC-2026-9999.md", 0o644, ADVISORY.encode())])
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("RUSTSEC-2026-9999", result.stderr + result.stdout)

    def test_the_store_says_where_it_comes_from(self):
        origin = json.loads(stored.ORIGIN.read_text())
        self.assertRegex(origin["commit"], "^[0-9a-f]{40}$")
        self.assertRegex(origin["day"], r"^20\d\d-\d\d-\d\d$")

    def test_advisories_and_their_licences_are_stored_and_nothing_else(self):
        clone = self.place / "clone"
        for name in "crates/tokio/RUSTSEC-2026-9999.md", "LICENSE.txt", "LICENSES/CC0-1.0.txt", "rust/std/CVE.md", "README.md":
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_text(name)
        stored.git(clone.parent, "init", "--quiet", str(clone))
        stored.git(clone, "add", ".")
        stored.git(clone, "-c", "user.name=test", "-c", "user.email=", "commit", "--quiet", "--message", "One")
        stored.store(clone, self.place / "a.tar.xz", self.place / "a.json")
        with tarfile.open(self.place / "a.tar.xz") as archive:
            self.assertEqual(archive.getnames(), ["LICENSE.txt", "LICENSES/CC0-1.0.txt", "crates/tokio/RUSTSEC-2026-9999.md"])


if __name__ == "__main__":
    unittest.main()
