"""The place of the stack whose dashboard is tested in a browser: the cloud of the tests, with a Slack channel of its own.

Its pages go to a receiver in the browser tests, and have buttons. The tests of alerting have another receiver, because both run
at the same time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict

import ports

# The customers whose alerts go to the receiver. A test takes the first one without an incident, so it can run again and again.
PAGED = [f"paged-{number}" for number in range(1, 25)]


def of_pages(root: Path, place: Dict[str, str]) -> Dict[str, str]:
    """The variables of the cloud of the tests, for the stack of the browser tests."""
    (receiver,) = ports.free(1)
    text = (root / "tests" / "channels.json").read_text(encoding="utf-8").replace("TEST_RECEIVER_PORT", str(receiver))
    known = json.loads(text)
    channels = {
        "secrets": known["secrets"],
        "channels": {"slack": {**known["channels"]["slack"], "signing_secret_arn": "secret:slack_signing"}},
        "routes": [{"customers": PAGED, "channels": ["slack"]}],
    }
    return {**place, "TEST_CHANNELS": json.dumps(channels), "DASHBOARD_RECEIVER_PORT": str(receiver)}
