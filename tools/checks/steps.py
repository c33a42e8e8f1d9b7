"""All steps of the checks.

All of them share one compilation: Clippy's driver replaces the compiler for the workspace's own crates. It lints and
makes code in one go. So the 400 crates from elsewhere are compiled once, for programs, tests, examples and lints
together. For that, every call of Cargo must name the same packages, because they decide the features of
dependencies.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import places
from step import Format, Step

# The tests that need the deployed stack. The others need only the engines.
DEPLOYED = "test(/^(alerting|deployed|finished::|permissions|gateway(_buttons|_dashboard|_events|_fuzz|_walk)?::|gateway_ids::the_gateway_)/)"
# The longest ways through the checks end with these steps.
LONGEST = ("browser", "browser-reading")
# The files of browser tests that change nothing. They run beside those that do.
READING = ("entities", "rights", "robust", "sign-in")
# Errors without backtraces, also where RUST_BACKTRACE is set: tests make thousands of errors. A panic still has its backtrace.
NO_BACKTRACES = {"RUST_LIB_BACKTRACE": "0"}
PYTHON_PARTS = ("infra/local", "examples", "tools")


def all_steps(root: Path) -> Dict[str, Step]:
    cloud = [sys.executable, "infra/local/cloud.py"]
    tools = root / ".local" / "tools" / "venv" / "bin"
    reports = root / ".local" / "checks" / "reports"
    cargo = {"CARGO_TARGET_DIR": str(root / "target"), "CARGO_TERM_COLOR": "never"}
    # Without line numbers for backtraces, which cost a sixth of the time of compiling. A panic names its line all the same.
    compiler = {**cargo, **linting_compiler(root), **NO_BACKTRACES, "CARGO_PROFILE_DEV_DEBUG": "0"}
    of_tests = [sys.executable, "infra/local/cloud_of_tests.py"]
    place, of_pages = ({**part, **NO_BACKTRACES} for part in places.choose(root))
    everything = ["cargo", "build", "--workspace", "--all-targets"]

    def tests(profile: str, which: str, under=()) -> List[str]:
        return [*under, str(tools / "cargo-nextest"), "nextest", "run", "--workspace", "--profile", profile, "-E", which]

    def junit(profile: str) -> Path:
        return root / "target" / "nextest" / profile / "junit.xml"

    def in_browser(name: str, files: List[str]) -> Step:
        report = reports / f"{name}.xml"
        node = ["node", "--test", "--test-concurrency=1", "--test-reporter=spec", "--test-reporter-destination=stdout",
                "--test-reporter=junit", f"--test-reporter-destination={report}"]
        return Step(name, [*of_tests, "run-on-pages", *node, *files], ("data", "chromium"), of_pages, report=report)

    changing, reading = browser_tests(root)

    listed = [
        Step("programs", ["cargo", "build", "--workspace", "--bins", "--examples"], (), compiler, is_preparation=True),
        Step("tests", everything, ("programs",), compiler, is_preparation=True),
        Step("setup", [*cloud, "setup"], is_preparation=True),
        Step("lint", [sys.executable, "tools/checks/lint.py", *everything], ("tests",), compiler),
        Step("terraform", [*cloud, "check-terraform", "--report", str(reports / "terraform.json")],
             report=reports / "terraform.json", format=Format.TERRAFORM, is_patient=True),
        Step("format", ["cargo", "fmt", "--all", "--check"], (), cargo),
        Step("purity", [sys.executable, "tools/checks/purity.py"], (), cargo),
        Step("licences", [str(tools / "cargo-deny"), "--log-level", "error", "check", "--hide-inclusion-graph", "licenses",
                          "bans", "sources"], ("setup",), cargo),
        # It and a Python test read the crates of all platforms, which the step before fetches.
        Step("advisories", [str(tools / "python"), "tools/advisories/stored.py", "check"], ("licences",), cargo),
        # With the oldest syntax that the launcher supports, which is that of the Python that runs this.
        Step("syntax", [sys.executable, "-m", "compileall", "-q", *PYTHON_PARTS]),
        Step("python", [str(tools / "python"), "-m", "pytest", "-q", f"--junitxml={reports / 'python.xml'}"], ("licences",),
             report=reports / "python.xml", is_patient=True),
        Step("docs", [str(tools / "python"), "tools/docs.py", "--check"], ("setup", "programs"), cargo),
        # With a check of the types.
        Step("page", [*cloud, "dashboard"], ("setup",)),
        Step("dashboard", ["npm", "test", "--prefix", "dashboard", "--", "--reporter=default", "--reporter=junit",
                           f"--outputFile.junit={reports / 'dashboard.xml'}"], ("setup",), report=reports / "dashboard.xml"),
        Step("package", [*cloud, "package"], ("programs", "page"), is_preparation=True),
        Step("engines", [*of_tests, "engines"], ("setup",), place, is_preparation=True),
        Step("stack", [*of_tests, "stack"], ("engines", "package"), place, is_preparation=True),
        Step("unit", tests("unit", "not package(e2e)"), ("setup", "tests"), compiler, report=junit("unit"),
             is_patient=True),
        Step("e2e", tests("e2e", f"package(e2e) and not ({DEPLOYED})", [*of_tests, "run-without-stack"]), ("tests", "engines"),
             {**compiler, **place}, report=junit("e2e")),
        Step("deployed", tests("deployed", f"package(e2e) and ({DEPLOYED})", [*of_tests, "run"]), ("tests", "stack"),
             {**compiler, **place}, report=junit("deployed")),
        Step("alarms", [*of_tests, "run", str(tools / "python"), "-m", "pytest", "-q", f"--junitxml={reports / 'alarms.xml'}",
                        "tests/deployed"], ("stack",), place, report=reports / "alarms.xml"),
        Step("engines-of-pages", [*of_tests, "engines"], ("setup",), of_pages, is_preparation=True),
        Step("pages", [*of_tests, "stack-of-pages"], ("engines-of-pages", "package"), of_pages, is_preparation=True),
        Step("data", [*of_tests, "run-on-pages", str(tools / "python"), "tools/checks/browser_data.py"], ("pages",), of_pages,
             is_preparation=True),
        # Two browsers that start at once must not unpack the same program.
        Step("chromium", ["node", "dashboard/tests/support/unpack.js"], ("setup",), is_preparation=True),
        in_browser("browser", changing),
        in_browser("browser-reading", reading),
        # What the tests of faults left behind: their outputs, the logs of the functions, items and messages.
        Step("secrets", [*of_tests, "run-without-stack", str(tools / "python"), "tools/checks/secrets_of_tests.py",
                         *places.searched(place, of_pages), str(reports.parent), "target/nextest"],
             ("unit", "e2e", "deployed", "alarms", *LONGEST), place),
        Step("end", [*of_tests, "end"], (), place, is_preparation=True, ends="engines"),
        Step("end-of-pages", [*of_tests, "end"], (), of_pages, is_preparation=True, ends="engines-of-pages"),
    ]
    known = {step.name: step for step in listed}
    urgent = {step.name for step in with_needs(known, [*LONGEST])}
    return {name: dataclasses.replace(step, is_urgent=name in urgent) for name, step in known.items()}


def browser_tests(root: Path) -> Tuple[List[str], List[str]]:
    """The files of the tests that change something, and of those that do not. One by one: versions of Node.js read a folder in
    different ways.
    """
    files = {file.name.partition(".")[0]: str(file.relative_to(root)) for file in sorted((root / "dashboard" / "tests").glob("*.test.js"))}
    return [file for name, file in files.items() if name not in READING], [files[name] for name in READING]


def with_needs(known: Dict[str, Step], names: List[str]) -> List[Step]:
    """The named steps and all that they need, in the order of the whole list."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no step {', '.join(unknown)}. The steps are {', '.join(known)}.")
    chosen = set()
    waiting = list(names)
    while waiting:
        step = known[waiting.pop()]
        if step.name not in chosen:
            chosen.add(step.name)
            waiting.extend(step.needs)
    return [step for step in known.values() if step.name in chosen or step.ends in chosen]


def linting_compiler(root: Path) -> Dict[str, str]:
    """The variable by which Cargo compiles this workspace's own crates with Clippy's driver."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], cwd=root, stdout=subprocess.PIPE, text=True).stdout.strip()
    beside = Path(sysroot) / "bin" / "clippy-driver"
    driver = str(beside) if sysroot and beside.exists() else shutil.which("clippy-driver")
    if driver is None:
        raise SystemExit("There is no clippy-driver beside rustc. Run: rustup component add clippy")
    return {"RUSTC_WORKSPACE_WRAPPER": driver}
