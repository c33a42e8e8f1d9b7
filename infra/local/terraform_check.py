"""Checks that infra/ is formatted and valid, and that its tests pass. The examples with Terraform must be valid, too."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Mapping, Optional

import provider
import tools
from console import CloudError, say
from settings import Settings
from terraform import Terraform, own_environment

# The provider's schema is a hundred megabytes. To look through it for garbage takes half of the time, so Terraform looks only when it
# holds this much memory. To get more memory from the system takes longer than to collect garbage.
MEMORY_LIMIT = "1500MiB"

EXAMPLES = [Path("examples") / name for name in ("cognito", "suspend_key")]


def check(settings: Settings, report: Optional[Path] = None) -> None:
    """Fails with the first fault. The report gets the output of `terraform test -json`, line by line."""
    check_format(settings)
    if tools.is_opentofu():
        raise CloudError("The tests in infra/tests need Terraform: OpenTofu does not know the mocks in a file of their own. "
                         "Install Terraform, or name it: TERRAFORM=terraform")
    work = Terraform(settings, settings.directory / "terraform-check", with_tests=True)
    work.stage()
    work.init(["-backend=false"])
    environ = work.environment()
    environ.setdefault("GOGC", "off")
    environ.setdefault("GOMEMLIMIT", MEMORY_LIMIT)
    with provider.running(Path(environ["TF_DATA_DIR"]), environ) as address:
        environ["TF_REATTACH_PROVIDERS"] = address
        _validate(work, environ)
        for example in EXAMPLES:
            _validate_example(settings, example, environ)
        _test(work, environ, report)


def check_format(settings: Settings) -> None:
    """`terraform fmt` on infra/ itself, and on the examples."""
    command = [tools.terraform_program(), "fmt", "-check", "-diff", "-recursive", str(settings.root / "infra"),
               *(str(settings.root / example) for example in EXAMPLES)]
    if subprocess.run(command, env=own_environment(os.environ)).returncode:
        raise CloudError("The Terraform files above are not formatted. Run: make fmt")


def _validate_example(settings: Settings, example: Path, environ: Mapping[str, str]) -> None:
    """By the provider that runs already. Each example has a folder of its own beside that of infra/."""
    work = Terraform(settings, settings.directory / "terraform-check" / example.name, source=settings.root / example)
    work.stage()
    work.init(["-backend=false"])
    _validate(work, {**environ, "TF_DATA_DIR": work.environment()["TF_DATA_DIR"]})


def _validate(work: Terraform, environ: Mapping[str, str]) -> None:
    if subprocess.run([tools.terraform_program(), f"-chdir={work.root}", "validate", "-no-color"], env=environ).returncode:
        raise CloudError("`terraform validate` failed; see above.")


def _test(work: Terraform, environ: Mapping[str, str], report: Optional[Path]) -> None:
    with ExitStack() as stack:
        file = stack.enter_context(report.open("w", encoding="utf-8")) if report else None
        process = subprocess.Popen([tools.terraform_program(), f"-chdir={work.root}", "test", "-json"], env=environ,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if file:
                file.write(line)
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
