"""The AWS emulator (ministack): DynamoDB, SNS, SQS, EventBridge, Lambda and others on one port of this machine.

Its state is in memory. It writes the state to a folder when it is asked to end, and reads it at the next start. So
data survive `down` and `up`. A crash or a power cut loses the changes since the last start. stack.py notices that.

It runs published versions without two settings that Lambda has for them: the reserved concurrency of the function, and the queue of
failed asynchronous events.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from pathlib import Path
from typing import Dict, Mapping

import ports
import processes
import tools
from console import CloudError, Step
from files import tail
from settings import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Settings

NAME = "aws"
START_SECONDS = 60

PROGRAM = Path(__file__).with_name("emulator_program.py")


def ensure_running(settings: Settings) -> None:
    with Step("AWS emulator") as step:
        record = processes.find(NAME, settings.pids)
        if record is None:
            require_port(settings)
            command = [str(tools.venv_python(settings)), str(PROGRAM)]
            record = processes.start(NAME, command, _environment(settings), settings.logs / "aws.log", settings.pids)
            _wait_until_it_answers(settings, record)
            step.result = f"started at {settings.aws_url}"
        elif is_healthy(settings):
            step.result = f"runs at {settings.aws_url}"
        else:
            raise CloudError(f"The AWS emulator (process {record.pid}) runs, but does not answer at {settings.aws_url}.\n"
                             f"Was it started with another port? Run: make down, then make up. Its log: {record.log}")


def require_port(settings: Settings) -> None:
    ports.require_free(settings.aws_port, "the AWS emulator", f"{settings.kind.prefix}_AWS_PORT",
                       "LocalStack or another ministack")


def is_healthy(settings: Settings) -> bool:
    try:
        with _opener().open(f"{settings.aws_url}/_ministack/health", timeout=3) as answer:
            return "services" in json.load(answer)
    except (OSError, ValueError):
        return False


def reset(settings: Settings) -> None:
    request = urllib.request.Request(f"{settings.aws_url}/_ministack/reset", method="POST", data=b"")
    with _opener().open(request, timeout=60) as answer:
        answer.read()


def client_environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> Dict[str, str]:
    """The environment of a program that uses the emulator and can never reach the user's AWS account.

    It has no AWS variable of the user's shell, and no profiles or credentials files.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
    no_proxy = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost"]))
    return {
        **kept,
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _environment(settings: Settings) -> Dict[str, str]:
    """The emulator's own environment, made from nothing: the functions that it runs inherit all of it."""
    home = settings.directory / "aws"
    for folder in ("state", "tmp"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(settings.aws_port),
        # The emulator reads the documents of the issuer from itself, never through a proxy of the system.
        "NO_PROXY": "127.0.0.1,localhost",
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "state"),
        "S3_DATA_DIR": str(home / "s3"),
        # These two would open ports of their own, which a second cloud on the machine could not have as well.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def _wait_until_it_answers(settings: Settings, record: processes.Record) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_healthy(settings):
            return
        if not processes.is_running(record):
            break
        time.sleep(0.1)
    ended = not processes.is_running(record)
    what = "ended while it started" if ended else f"did not answer within {START_SECONDS} s"
    raise CloudError(f"The AWS emulator {what}. The end of its log, {record.log}:\n{tail(Path(record.log))}")


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
