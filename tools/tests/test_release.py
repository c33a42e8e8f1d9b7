"""The files of a release: the same source gives the same bytes, and each file is what it says."""

import dataclasses
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import time
import unittest
import zipfile
from pathlib import Path

import archives
import compare
import compilation
import join
import package
import parts
import source
import sums
from console import CloudError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = source.Source(Path("/some/where"), "0.2.0", "4e1f0c2a9b7d" + "0" * 28, 1_790_000_000, False)
FILES = [("top/meterflow", 0o755, b"program"), ("top/LICENSE", 0o644, b"licence"), ("top/man/man1/meterflow.1", 0o644, b".TH")]


class Folder(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)


class Archives(Folder):
    def written(self, place: str, files=FILES, at=SOURCE.time) -> bytes:
        archives.write_tar(self.folder / place / "meterflow.tar.gz", files, at)
        return (self.folder / place / "meterflow.tar.gz").read_bytes()

    def test_the_same_files_give_the_same_bytes_at_another_time_place_and_in_another_order(self):
        first = self.written("a")
        # The time in the head of a gzip counts seconds.
        time.sleep(1.1)
        self.assertEqual(first, self.written("elsewhere/and/deeper", FILES[::-1]))
        self.assertNotEqual(first, self.written("b", FILES[1:]))
        self.assertNotEqual(first, self.written("b", at=SOURCE.time + 1))

    def test_an_archive_has_the_files_with_their_modes_and_nobodys_name(self):
        with tarfile.open(fileobj=io.BytesIO(self.written("a"))) as archive:
            found = [(file.name, file.mode, archive.extractfile(file).read()) for file in archive]
            self.assertEqual(found, sorted(FILES))
            owners = {(file.uid, file.gid, file.uname, file.gname, file.mtime) for file in archive.getmembers()}
        self.assertEqual(owners, {(0, 0, "", "", SOURCE.time)})

    def test_packages_of_functions_are_the_same_at_another_time_and_place(self):
        def written(place, program=b"program"):
            package.write(self.folder / place / "anomaly-api-arm64.zip", program, [("dashboard/index.html", b"<html>")])
            return (self.folder / place / "anomaly-api-arm64.zip").read_bytes()
        first = written("a")
        # A zip file counts in steps of two seconds.
        time.sleep(2.1)
        self.assertEqual(first, written("elsewhere/and/deeper"))
        self.assertNotEqual(first, written("a", b"another"))
        with zipfile.ZipFile(io.BytesIO(first)) as archive:
            self.assertEqual([(each.filename, each.external_attr >> 16, each.date_time[0]) for each in archive.infolist()],
                             [("bootstrap", 0o755, 1980), ("dashboard/index.html", 0o644, 1980)])


class Comparison(Folder):
    def setUp(self):
        super().setUp()
        for place in "first", "second":
            archives.write_tar(self.folder / place / "meterflow.tar.gz", FILES, SOURCE.time)
            package.write(self.folder / place / "api.zip", b"program", [])
        self.builds = self.folder / "first", self.folder / "second"

    def test_equal_builds_have_no_differences(self):
        self.assertEqual(compare.differences(*self.builds), [])

    def test_the_file_that_differs_is_named_with_its_archive(self):
        archives.write_tar(self.builds[1] / "meterflow.tar.gz", [("top/meterflow", 0o755, b"other"), *FILES[1:]], SOURCE.time)
        package.write(self.builds[1] / "api.zip", b"program", [], level=0)
        (self.builds[0] / "more.json").write_text("{}")
        self.assertEqual(compare.differences(*self.builds), [
            "api.zip differs in its packing alone",
            "meterflow.tar.gz differs in top/meterflow",
            f"more.json is only in {self.builds[0]}",
        ])


class Sums(Folder):
    def setUp(self):
        super().setUp()
        for name, content in ("meterflow-0.2.0-linux-arm64.tar.gz", b"one"), ("anomaly-api-x86_64.zip", b"two"):
            (self.folder / name).write_bytes(content)
        sums.write(self.folder)

    def test_they_have_the_form_of_sha256sum(self):
        text = (self.folder / "SHA256SUMS").read_text()
        checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout.count(": OK")), (0, 2), checked.stderr)
        self.assertEqual(text.splitlines()[0],
                         "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  anomaly-api-x86_64.zip")
        self.assertEqual(sums.faults(self.folder), [])

    def test_each_kind_of_fault_is_seen(self):
        (self.folder / "anomaly-api-x86_64.zip").write_bytes(b"changed")
        (self.folder / "meterflow-0.2.0-linux-arm64.tar.gz").unlink()
        (self.folder / "more").write_bytes(b"")
        self.assertEqual(sums.faults(self.folder), [
            "meterflow-0.2.0-linux-arm64.tar.gz is missing",
            "more is not listed",
            "anomaly-api-x86_64.zip has another checksum",
        ])

    def test_a_line_of_another_form_is_refused(self):
        (self.folder / "SHA256SUMS").write_text("abc  anomaly-api-x86_64.zip\n")
        with self.assertRaises(ValueError):
            sums.read(self.folder)


class Joined(Folder):
    def setUp(self):
        super().setUp()
        for place, names in {"linux": ["a.zip", "all.json"], "macos": ["b.tar.gz", "all.json"]}.items():
            (self.folder / place).mkdir()
            for name in names:
                (self.folder / place / name).write_text(name)
            sums.write(self.folder / place)
        self.builds = [self.folder / "linux", self.folder / "macos"]

    def test_a_release_has_the_files_of_all_builds_and_their_sums(self):
        join.join(self.builds, self.folder / "release")
        self.assertEqual(list(sums.read(self.folder / "release")), ["a.zip", "all.json", "b.tar.gz"])
        self.assertEqual(sums.faults(self.folder / "release"), [])

    def test_two_builds_with_different_files_of_one_name_are_refused(self):
        (self.builds[1] / "all.json").write_text("other")
        sums.write(self.builds[1])
        with self.assertRaisesRegex(ValueError, "all.json of .*macos is not that of another build"):
            join.join(self.builds, self.folder / "release")

    def test_a_file_that_changed_on_the_way_is_refused(self):
        (self.builds[0] / "a.zip").write_text("changed")
        with self.assertRaisesRegex(ValueError, "a.zip has another checksum"):
            join.join(self.builds, self.folder / "release")


class Parts(Folder):
    def obstacle(self, name, system):
        return parts.obstacle(parts.PARTS[name], system, self.folder)

    def test_a_release_has_six_packages_and_four_programs(self):
        files = [name for part in parts.PARTS.values() for name in part.files("0.2.0")]
        self.assertEqual(sorted(files), [
            "anomaly-api-arm64.zip", "anomaly-api-x86_64.zip",
            "anomaly-detection-arm64.zip", "anomaly-detection-x86_64.zip",
            "anomaly-notifier-arm64.zip", "anomaly-notifier-x86_64.zip",
            "meterflow-0.2.0-linux-arm64.tar.gz", "meterflow-0.2.0-linux-x86_64.tar.gz",
            "meterflow-0.2.0-macos-arm64.tar.gz", "meterflow-0.2.0-macos-x86_64.tar.gz",
        ])

    def test_a_part_is_left_out_for_a_reason(self):
        self.assertIn("rustup target add aarch64-unknown-linux-gnu", self.obstacle("linux-arm64", "Linux"))
        self.assertIn("Apple's SDK", self.obstacle("macos-arm64", "Linux"))
        self.assertIn("on Linux", self.obstacle("linux-arm64", "Darwin"))
        for target in ("aarch64-unknown-linux-gnu", "aarch64-apple-darwin"):
            (self.folder / target / "lib").mkdir(parents=True)
        self.assertIsNone(self.obstacle("linux-arm64", "Linux"))
        self.assertIsNone(self.obstacle("macos-arm64", "Darwin"))
        self.assertIsNotNone(self.obstacle("linux-x86_64", "Linux"))

    def test_an_unknown_part_is_refused(self):
        with self.assertRaisesRegex(ValueError, "linux-arm.*linux-arm64"):
            parts.choose(["linux-arm"])


class Module(unittest.TestCase):
    STACK = ROOT / "infra" / "modules" / "stack"

    def test_the_module_looks_for_the_names_that_a_release_has(self):
        text = (self.STACK / "release.tf").read_text()
        form = re.search(r'/\$\{var\.release\}/([^"]+)"', text).group(1)
        programs = re.search(r"for function, program in \{(.*?)\} :", text).group(1)
        named = {form.replace("${program}", program).replace("${var.architecture}", architecture)
                 for program in re.findall(r'"([^"]+)"', programs) for architecture in ("arm64", "x86_64")}
        built = {name for part in parts.PARTS.values() if part.is_of_functions for name in part.files("0.2.0")}
        self.assertEqual(named, built)

    def test_each_function_has_its_package_from_there(self):
        found = [value for file in self.STACK.glob("*.tf")
                 for value in re.findall(r"^  package += (.+)$", file.read_text(), re.MULTILINE)]
        self.assertEqual(sorted(found), ["local.packages.api", *["local.packages.detector"] * 3, "local.packages.notifier"])


class Compilation(Folder):
    TOOLS, TARGET = Path("/tools/bin"), Path("/some/where/target")

    def environment(self, name="functions-arm64", **environ):
        folders = compilation.known_folders(SOURCE.root, self.TARGET, {"HOME": "/home/me"})
        return compilation.environment(parts.PARTS[name], SOURCE, self.TOOLS, self.TARGET, folders, environ)

    def test_programs_know_their_commit_and_the_time_of_the_commit(self):
        environment = self.environment()
        self.assertEqual((environment["METERFLOW_COMMIT"], environment["SOURCE_DATE_EPOCH"]), ("4e1f0c2a9b7d", "1790000000"))
        changed = dataclasses.replace(SOURCE, is_changed=True)
        self.assertEqual(changed.shown_commit, "4e1f0c2a9b7d.changed")

    def test_flags_of_the_user_change_nothing(self):
        own = {"RUSTFLAGS": "-C target-cpu=native", "CFLAGS": "-march=native", "CARGO_PROFILE_RELEASE_LTO": "off",
               "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS": "-g", "CFLAGS_aarch64_unknown_linux_gnu": "-g"}
        self.assertEqual(self.environment(PATH="/bin", **own), self.environment(PATH="/bin"))
        self.assertEqual(self.environment(HTTPS_PROXY="http://proxy")["HTTPS_PROXY"], "http://proxy")

    def test_the_linker_and_the_library_are_pinned_on_linux(self):
        def command(name):
            return " ".join(compilation.command(parts.PARTS[name], self.TOOLS, self.TARGET, {}))
        self.assertIn("--target aarch64-unknown-linux-gnu.2.34 ", command("functions-arm64"))
        self.assertIn("-p detector -p api -p notifier", command("functions-x86_64"))
        self.assertIn("--target x86_64-unknown-linux-gnu.2.17 ", command("linux-x86_64"))
        # Only the functions know their processor.
        self.assertIn("--disable-optimizations", command("linux-arm64"))
        self.assertNotIn("--disable-optimizations", command("functions-arm64"))
        for name in parts.PARTS:
            self.assertIn("--locked", command(name))

    def test_no_program_may_name_a_folder_of_the_build(self):
        folders = {"/home/me/.cargo": "/cargo"}
        compilation.require_no_folder(b"at /cargo/registry/src/a.rs", Path("bootstrap"), folders)
        with self.assertRaisesRegex(CloudError, "bootstrap names /home/me/.cargo"):
            compilation.require_no_folder(b"at /home/me/.cargo/registry/src/a.rs", Path("bootstrap"), folders)

    def test_a_program_is_the_same_in_two_folders(self):
        """With the flags of a release, and not without them."""
        def compiled(place, with_flags):
            folder = self.folder / place
            (folder / "target").mkdir(parents=True, exist_ok=True)
            (folder / "main.rs").write_text('fn main() { assert!(std::env::args().len() < 9, "{}", file!()); }')
            folders = compilation.known_folders(folder, folder / "target", os.environ)
            flags = compilation.rust_flags(folders) if with_flags else []
            subprocess.run(["rustc", "-O", "-C", "strip=symbols", *flags, "-o", folder / "main", folder / "main.rs"], check=True)
            content = (folder / "main").read_bytes()
            if with_flags:
                compilation.require_no_folder(content, folder / "main", {str(self.folder): ""})
            return content
        self.assertEqual(compiled("a", True), compiled("elsewhere/and/deeper", True))
        self.assertNotEqual(compiled("a", False), compiled("elsewhere/and/deeper", False))


class Sources(Folder):
    def setUp(self):
        super().setUp()
        (self.folder / "Cargo.toml").write_text('[workspace.package]\nversion = "0.2.0"\n')
        (self.folder / "CHANGELOG.md").write_text("## [0.2.0] - 2026-12-01\n")
        self.git("init", "--quiet")
        self.git("add", ".")
        self.commit("One")

    def commit(self, message):
        # Git wants a name, and takes an address without a letter.
        self.git("-c", "user.name=test", "-c", "user.email=", "commit", "--quiet", "--all", "--message", message)

    def git(self, *arguments):
        # A hook or a signature of the user's own has no place here.
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_DATE": "2026-11-21T13:00:00Z"}
        subprocess.run(["git", "-C", str(self.folder), *arguments], env=environ, check=True)

    def test_version_commit_and_time_are_those_of_the_checkout(self):
        made_from = source.read(self.folder)
        self.assertEqual((made_from.version, made_from.time, made_from.is_changed), ("0.2.0", 1795266000, False))
        self.assertRegex(made_from.shown_commit, "^[0-9a-f]{12}$")
        source.require_release(made_from, "v0.2.0")

    def test_the_notes_of_a_release_are_its_section_of_the_changelog(self):
        text = "# Changelog\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- One\n\n## [0.1.0] - 2026-11-01\n\n- Zero\n"
        (self.folder / "CHANGELOG.md").write_text(text)
        self.assertEqual(source.changes(self.folder, "0.2.0"), "### Added\n\n- One")
        self.assertEqual(source.changes(self.folder, "0.1.0"), "- Zero")

    def test_a_release_needs_its_own_tag_a_commit_and_a_section_of_the_changelog(self):
        with self.assertRaisesRegex(CloudError, "must be v0.2.0"):
            source.require_release(source.read(self.folder), "v0.3.0")
        (self.folder / "CHANGELOG.md").write_text("## [Unreleased]\n")
        with self.assertRaisesRegex(CloudError, "Files differ from the commit"):
            source.require_release(source.read(self.folder), "v0.2.0")
        self.commit("Two")
        with self.assertRaisesRegex(CloudError, r"no section \[0.2.0\]"):
            source.require_release(source.read(self.folder), "v0.2.0")

    def test_the_version_of_this_checkout_is_that_of_cargo(self):
        known = json.loads(subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT,
                                          stdout=subprocess.PIPE, check=True).stdout)["packages"]
        self.assertEqual({package["version"] for package in known}, {source.version(ROOT)})


if __name__ == "__main__":
    unittest.main()
