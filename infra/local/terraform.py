"""Terraform for the local cloud: the configuration in infra/ itself, applied to the emulator.

Terraform runs in a folder of its own under the cloud's directory, with links to the files in infra/. So a backend or
a terraform.tfvars in infra/ for the user's AWS account has no effect here. Two clouds never share a lock or a state,
and infra/ stays unchanged.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections import deque
from pathlib import Path
from typing import Dict, List, Mapping, Optional

import emulator
import tools
from console import CloudError
from files import tail, write_json
from settings import Settings

# Each program has a registry of its own. The folder of a mirror is named after the registry.
REGISTRIES = {False: "registry.terraform.io", True: "registry.opentofu.org"}
MIRROR_DEPTH = 4

# Time for an interrupted Terraform to finish the current resources and save its state.
INTERRUPTED_SECONDS = 60

# The provider's schema is a hundred megabytes. To look through it for garbage takes half of the time of a test, and a seventh of the
# time of a deployment. So Terraform looks only when it holds this much memory. To get more memory from the system takes longer than to
# collect garbage.
MEMORY_LIMIT = "1500MiB"

# The provider's version and its checksums on all platforms.
LOCK = ".terraform.lock.hcl"

# Folders of infra/ that are not part of the configuration. The check needs those with tests.
LEFT_OUT = ("local", "clickhouse", "grafana")
OF_TESTS = ("tests", "examples")


class Terraform:
    def __init__(self, settings: Settings, directory: Path, with_tests: bool = False, source: Optional[Path] = None):
        self.settings = settings
        self.directory = directory
        self.root = directory / "root"
        self.log = settings.logs / f"terraform-{directory.name}.log"
        self.with_tests = with_tests
        self.source = source or settings.root / "infra"

    @property
    def state(self) -> Path:
        return self.directory / "terraform.tfstate"

    def stage(self) -> List[Path]:
        """Links the configuration into the working folder and returns its files."""
        self.root.mkdir(parents=True, exist_ok=True)
        for entry in self.root.iterdir():
            if entry.is_symlink():
                entry.unlink()
        entries = [entry for entry in sorted(self.source.iterdir()) if self._belongs(entry.name)]
        for entry in entries:
            if entry.name != LOCK:
                (self.root / entry.name).symlink_to(entry)
        # `terraform init` may add to this file, and infra/ must stay unchanged.
        lock = self.settings.root / "infra" / LOCK
        if lock.is_file():
            shutil.copyfile(lock, self.root / LOCK)
        files = [file for entry in entries for file in ([entry] if entry.is_file() else sorted(entry.rglob("*")))
                 if self.with_tests or not set(OF_TESTS) & set(file.relative_to(self.source).parts)]
        if not any(file.suffix == ".tf" for file in files):
            raise CloudError(f"There is no Terraform configuration in {self.source}.")
        return [file for file in files if file.is_file()]

    def init(self, arguments: List[str] = ()) -> None:
        environ = self.environment()
        failures = []
        for mirror in _provider_sources(environ):
            source = [f"-plugin-dir={mirror}"] if mirror else []
            try:
                if mirror:
                    self._run(["init", "-input=false", *source, *arguments], environ)
                else:
                    # Terraform's own cache of plugins is not made for several at once.
                    with tools.locked(self.settings.tools):
                        self._share_downloads(environ)
                        self._run(["init", "-input=false", *arguments], environ)
                return
            except CloudError as error:
                failures.append(str(error))
        raise CloudError(
            "\n".join(failures) + f"\nTerraform needs its AWS provider, from {_registry()} or from a filesystem "
            f"mirror (a folder named {_registry()}, at most {MIRROR_DEPTH} levels deep). Check the network, and "
            "HTTPS_PROXY if there is a proxy."
        )

    def apply(self, variables: Mapping[str, object]) -> Dict[str, object]:
        """Applies the configuration and returns its outputs."""
        values = self.directory / "variables.tfvars.json"
        write_json(values, variables)
        self._run(["apply", "-input=false", "-auto-approve", "-compact-warnings", "-lock-timeout=60s",
                   f"-state={self.state}", f"-var-file={values}"], self.environment())
        return self.outputs()

    @property
    def was_killed(self) -> bool:
        """Whether a Terraform was killed before it saved its state. The state then lacks existing resources."""
        return self._unfinished.exists()

    @property
    def _unfinished(self) -> Path:
        return self.directory / "unfinished"

    def outputs(self) -> Dict[str, object]:
        answer = subprocess.run(
            [tools.terraform_program(), f"-chdir={self.root}", "output", "-json", f"-state={self.state}"],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if answer.returncode:
            raise CloudError(f"`terraform output` failed: {answer.stderr.strip()}")
        return {name: output["value"] for name, output in json.loads(answer.stdout).items()}

    def forget(self) -> None:
        """Deletes the state, because its resources are gone."""
        for file in [*self.directory.glob("terraform.tfstate*"), *self.directory.glob("unfinished")]:
            file.unlink()

    def environment(self) -> Dict[str, str]:
        environ = own_environment(emulator.client_environment(self.settings))
        environ["TF_DATA_DIR"] = str(self.directory / "data")
        environ["TF_IN_AUTOMATION"] = "1"
        environ["CHECKPOINT_DISABLE"] = "1"
        environ.setdefault("GOGC", "off")
        environ.setdefault("GOMEMLIMIT", MEMORY_LIMIT)
        return environ

    def _belongs(self, name: str) -> bool:
        if name == LOCK or (name in OF_TESTS and self.with_tests):
            return True
        return not (
            name.startswith((".", "backend", "terraform.tfstate", "terraform.tfvars"))
            or name.endswith((".auto.tfvars", ".auto.tfvars.json"))
            or name in (*LEFT_OUT, *OF_TESTS)
        )

    def _share_downloads(self, environ: Dict[str, str]) -> None:
        # The provider is some 700 MB unpacked. All stacks and clouds of a checkout share one copy of a download.
        cache = self.settings.tools / "terraform-plugins"
        cache.mkdir(parents=True, exist_ok=True)
        environ.setdefault("TF_PLUGIN_CACHE_DIR", str(cache))
        environ["TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"] = "1"

    def _run(self, arguments: List[str], environ: Mapping[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w" if arguments[0] == "init" else "a", encoding="utf-8") as log:
            log.write(f"$ terraform {' '.join(arguments)}\n")
            log.flush()
            self._unfinished.touch()
            process = subprocess.Popen(
                [tools.terraform_program(), f"-chdir={self.root}", arguments[0], "-no-color", *arguments[1:]],
                env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                # Ctrl-C reaches every program of a terminal. Terraform ends without saving its state if it gets the
                # signal twice, so it gets the signal only from here.
                start_new_session=True,
            )
            try:
                code = _wait_gracefully(process)
            finally:
                if process.returncode >= 0:
                    self._unfinished.unlink()
        if code:
            raise CloudError(f"`terraform {arguments[0]}` failed. The end of {self.log}:\n{tail(self.log, 40)}")


def _wait_gracefully(process: subprocess.Popen) -> int:
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(INTERRUPTED_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def own_environment(environ: Mapping[str, str]) -> Dict[str, str]:
    """The environment without settings for the user's own stack: variables, arguments, a workspace."""
    own = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("TF_VAR_", "TF_CLI_ARGS")) and name not in ("TF_WORKSPACE", "TF_DATA_DIR")
    }
    # Terraform warns at every call if this names a missing file.
    if not Path(own.get("TF_CLI_CONFIG_FILE", "")).is_file():
        own.pop("TF_CLI_CONFIG_FILE", None)
    return own


def _provider_sources(environ: Mapping[str, str]) -> List[Optional[Path]]:
    """Places to get the provider from, in order. None is Terraform's own way, and a path is a filesystem mirror."""
    configured = "TF_CLI_CONFIG_FILE" in environ or (Path.home() / ".terraformrc").is_file()
    if _registry_answers():
        return [None]
    mirror = find_mirror(Path("/"), _registry())
    if mirror is None:
        return [None]
    return [None, mirror] if configured else [mirror]


def _registry_answers() -> bool:
    try:
        with urllib.request.urlopen(f"https://{_registry()}/.well-known/terraform.json", timeout=8):
            return True
    except OSError:
        return False


def _registry() -> str:
    return REGISTRIES[tools.is_opentofu()]


def find_mirror(start: Path, registry: str) -> Optional[Path]:
    """The parent of a folder named after the registry with the AWS provider in it, nearest to `start` first."""
    folders = deque([(start, 1)])
    while folders:
        folder, depth = folders.popleft()
        try:
            entries = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # Not ours to read, or gone meanwhile.
        for entry in entries:
            if entry.name == registry and (Path(entry.path) / "hashicorp" / "aws").is_dir():
                return folder
            if depth < MIRROR_DEPTH and entry.path not in ("/proc", "/sys", "/dev", "/run"):
                folders.append((Path(entry.path), depth + 1))
    return None
