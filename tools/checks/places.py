"""The places of the clouds of the tests, on free ports, as the variables by which infra/local finds them.

The browser tests have a cloud of their own. So their long way through the checks does not wait for the other tests.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Dict, List, Tuple

import ports
import settings as configuration

# The customers of the browser tests whose alerts go to the receiver. A test takes the first one without an incident, so it can run again.
PAGED = [f"paged-{number}" for number in range(1, 25)]
PORTS = ("TEST_AWS_PORT", "TEST_CLICKHOUSE_HTTP_PORT", "TEST_CLICKHOUSE_TCP_PORT", "TEST_ISSUER_PORT")


def choose(root: Path) -> Tuple[Dict[str, str], Dict[str, str]]:
    """The place of all tests but those in a browser, and the place of these."""
    number = len(PORTS)
    free = ports.free(2 * number + 3)
    receiver, without_stack, receiver_of_pages = free[2 * number:]
    tests = _place(root, {**_named(free[:number]), **os.environ})
    pages = _place(root, {**os.environ, **_named(free[number:2 * number]), "TEST_CLOUD_DIR": f"{tests['TEST_CLOUD_DIR']}-pages"})
    return (
        {**tests, "TEST_AWS_PORT_WITHOUT_STACK": str(without_stack), "TEST_RECEIVER_PORT": str(receiver),
         "TEST_CHANNELS": json.dumps(_channels(root, receiver))},
        {**pages, "DASHBOARD_RECEIVER_PORT": str(receiver_of_pages),
         "TEST_CHANNELS": json.dumps(_channels_of_pages(root, receiver_of_pages))},
    )


def searched(tests: Dict[str, str], pages: Dict[str, str]) -> List[str]:
    """Both clouds and all emulators, as arguments of secrets_of_tests.py."""
    emulators = (tests["TEST_AWS_PORT"], tests["TEST_AWS_PORT_WITHOUT_STACK"], pages["TEST_AWS_PORT"])
    return [*(argument for place in (tests, pages) for argument in ("--cloud", place["TEST_CLOUD_DIR"])),
            *(argument for port in emulators for argument in ("--emulator", f"http://127.0.0.1:{port}"))]


def _named(free: List[int]) -> Dict[str, str]:
    return {name: str(port) for name, port in zip(PORTS, free)}


def _place(root: Path, environ: Dict[str, str]) -> Dict[str, str]:
    return configuration.as_test_environment(configuration.load(environ, root=root, kind=configuration.TEST))


def _channels(root: Path, receiver: int) -> Dict[str, object]:
    return json.loads((root / "tests" / "channels.json").read_text(encoding="utf-8").replace("TEST_RECEIVER_PORT", str(receiver)))


def _channels_of_pages(root: Path, receiver: int) -> Dict[str, object]:
    """One Slack channel whose messages have buttons."""
    known = _channels(root, receiver)
    return {
        "secrets": known["secrets"],
        "channels": {"slack": {**known["channels"]["slack"], "signing_secret_arn": "secret:slack_signing"}},
        "routes": [{"customers": PAGED, "channels": ["slack"]}],
    }
