"""Calls to the AWS emulator from the launcher. The launcher needs only the standard library."""

from __future__ import annotations

import json
from pathlib import Path

import emulator
import tools
from console import CloudError
from settings import Settings

PROGRAM = Path(__file__).with_name("aws_calls.py")


def call(settings: Settings, operation: str, **arguments):
    result = tools.run_program(settings, PROGRAM, operation, arguments, emulator.client_environment(settings))
    if result.returncode:
        raise CloudError(f"The AWS emulator at {settings.aws_url} did not carry out {operation.replace('_', ' ')}: "
                         f"{result.stderr.strip()[-1500:]}\nIts log: {settings.logs / 'aws.log'}")
    return json.loads(result.stdout)
