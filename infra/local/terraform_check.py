"""Checks that infra/ is formatted and valid, and that its tests pass. The examples with Terraform must be valid, too."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Mapping, Optional, TextIO

import provider
import tools
from console import CloudError, say
from settings import Settings
from terraform import Terraform, own_environment

# The folders with tests, and those that must only be valid. The first one's tests plan the examples in infra/examples.
# The last one has the variables of the stack and nothing else. A plan of the stack takes twenty times as long.
STACK = Path("infra") / "modules" / "stack"
TESTED = [Path("infra"), STACK, STACK / "tests" / "variables"]
EXAMPLES = [Path("examples") / name for name in ("cognito", "suspend_key")]


def check(settings: Settings, report: Optional[Path] = None) -> None:
    """Fails with the first fault. The report gets the output of `terraform test -json`, line by line."""
    check_format(settings)
    if tools.is_opentofu():
        raise CloudError("The tests of infra/ need Terraform: OpenTofu does not know the mocks in a file of their own. "
                         "Install Terraform, or name it: TERRAFORM=terraform")
    with ExitStack() as stack:
        file = stack.enter_context(report.open("w", encoding="utf-8")) if report else None
        environ: Dict[str, str] = {}
        for folder in (*TESTED, *EXAMPLES):
            work = _staged(settings, folder)
            if not environ:
                environ = work.environment()
                environ["TF_REATTACH_PROVIDERS"] = stack.enter_context(provider.running(Path(environ["TF_DATA_DIR"]), environ))
            own = {**environ, "TF_DATA_DIR": work.environment()["TF_DATA_DIR"]}
            # Each test validates its configuration, too.
            if folder in TESTED:
                _test(work, own, file)
            else:
                _validate(work, own)


def check_format(settings: Settings) -> None:
    """`terraform fmt` on infra/ itself, and on the examples."""
    command = [tools.terraform_program(), "fmt", "-check", "-diff", "-recursive", str(settings.root / "infra"),
               *(str(settings.root / example) for example in EXAMPLES)]
    if subprocess.run(command, env=own_environment(os.environ)).returncode:
        raise CloudError("The Terraform files above are not formatted. Run: make fmt")


def _staged(settings: Settings, folder: Path) -> Terraform:
    """The folder with its modules and the provider, in a working folder of its own."""
    directory = settings.directory / "terraform-check" / folder.name
    work = Terraform(settings, directory, with_tests=folder in TESTED, source=settings.root / folder)
    work.stage()
    # The example with Cognito uses examples/cognito.
    link = directory / "examples"
    link.unlink(missing_ok=True)
    link.symlink_to(settings.root / "examples")
    work.init(["-backend=false"])
    return work


def _validate(work: Terraform, environ: Mapping[str, str]) -> None:
    if subprocess.run([tools.terraform_program(), f"-chdir={work.root}", "validate", "-no-color"], env=environ).returncode:
        raise CloudError("`terraform validate` failed; see above.")


def _test(work: Terraform, environ: Mapping[str, str], report: Optional[TextIO]) -> None:
    process = subprocess.Popen([tools.terraform_program(), f"-chdir={work.root}", "test", "-json"], env=environ,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if report:
            report.write(line)
        text = told(json.loads(line))
        if text:
            say(text)
    if process.wait():
        raise CloudError("`terraform test` failed; see above.")


def told(event: Dict[str, object]) -> str:
    """The text of one line of `terraform test -json` for a person. Empty for a line without news."""
    diagnostic = event.get("diagnostic")
    if diagnostic:
        place = diagnostic.get("range", {})
        where = f" ({place['filename']}, line {place['start']['line']})" if place else ""
        return f"{diagnostic['severity']}: {diagnostic['summary']}{where}\n{diagnostic.get('detail', '')}".rstrip()
    run = event.get("test_run", {})
    if event.get("type") == "test_run" and run.get("progress", "complete") == "complete":
        return f"{event['@message'].strip()}"
    return event["@message"] if event.get("type") == "test_summary" else ""
