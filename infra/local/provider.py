"""A Terraform provider that keeps running while Terraform starts and ends many times.

Terraform starts its provider three times for each test. The AWS provider takes half a second of a processor for each
start. `-debug`, which all providers of HashiCorp's SDK have, serves all calls from one process.
"""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping

from console import CloudError
from files import tail

START_SECONDS = 60
ADDRESS = re.compile(r"TF_REATTACH_PROVIDERS='(.+)'")


@contextmanager
def running(data: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Runs the AWS provider that `terraform init` put into `data`; gives the value of TF_REATTACH_PROVIDERS."""
    binary = next(iter(sorted(data.glob("providers/*/hashicorp/aws/*/*/terraform-provider-aws*"))), None)
    if binary is None:
        raise CloudError(f"`terraform init` has put no AWS provider into {data}.")
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        process = subprocess.Popen([str(binary), "-debug"], env=dict(environ), stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT)
        try:
            yield _address(process, Path(log.name))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found.group(1)
        time.sleep(0.1)
    raise CloudError(f"The Terraform provider did not start. What it said:\n{tail(log)}")
