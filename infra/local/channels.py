"""The notifier's channels in the local cloud. LOCAL_CHANNELS is the path of a JSON file, or the JSON itself:

    {"secrets": {"hook": "https://hooks.slack.com/services/…"},
     "channels": {"slack": {"type": "slack", "webhook_url_secret_arn": "secret:hook"}},
     "routes": [{"severities": ["critical"], "channels": ["slack"]}],
     "link": "http://127.0.0.1:3000/incidents/{incident_id}"}

Channels, routes and link are what infra/variables_notifications.tf calls notification_*. The secrets are put into the emulator, and
`secret:NAME` in a channel becomes the ARN of one.
"""

from __future__ import annotations

import json
from typing import Dict

import aws
from console import CloudError
from settings import Settings

PARTS = {"secrets": dict, "channels": dict, "routes": list, "link": str}
REFERENCE = "secret:"


def variables(settings: Settings, name_prefix: str) -> Dict[str, object]:
    """The variables of the stack for these channels. The secrets exist afterwards."""
    parts = _read(settings)
    arns = {
        name: aws.call(settings, "put_secret", name=f"{name_prefix}/channels/{name}", text=text)
        for name, text in parts.get("secrets", {}).items()
    }
    return {
        # Receivers of a developer and of the tests listen on this machine.
        "allow_loopback_channels": True,
        "notification_channels": {
            name: {key: _resolved(value, arns) for key, value in channel.items()}
            for name, channel in parts.get("channels", {}).items()
        },
        "notification_routes": parts.get("routes", []),
        "notification_link": parts.get("link"),
    }


def require_valid(settings: Settings) -> None:
    """Refuses channels that cannot be read, and secrets that are named but not given."""
    parts = _read(settings)
    for channel in parts.get("channels", {}).values():
        for value in channel.values():
            _resolved(value, dict.fromkeys(parts.get("secrets", {}), ""))


def _resolved(value, arns: Dict[str, str]):
    if not isinstance(value, str) or not value.startswith(REFERENCE):
        return value
    name = value[len(REFERENCE):]
    if name not in arns:
        raise CloudError(f"A channel of the local cloud names the secret {name!r}, but secrets holds "
                         f"{', '.join(sorted(arns)) or 'none'}.")
    return arns[name]


def _read(settings: Settings) -> Dict[str, object]:
    given = settings.channels.strip()
    if not given:
        return {}
    source = f"{settings.kind.prefix}_CHANNELS"
    if not given.startswith("{"):
        file = settings.root / given
        source = f"{file} ({source})"
        try:
            given = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CloudError(f"{source} cannot be read: {error}") from None
    try:
        parts = json.loads(given)
    except ValueError as error:
        raise CloudError(f"{source} is not JSON: {error}") from None
    _require(isinstance(parts, dict), source, f"it must be an object with {', '.join(PARTS)}")
    for name, value in parts.items():
        _require(name in PARTS, source, f"it has {name!r}, but only {', '.join(PARTS)} are known")
        _require(isinstance(value, PARTS[name]), source, f"{name} must be a {PARTS[name].__name__}")
    _require(all(isinstance(text, str) for text in parts.get("secrets", {}).values()), source, "secrets must be texts")
    _require(all(isinstance(channel, dict) for channel in parts.get("channels", {}).values()), source, "channels must be objects")
    return parts


def _require(holds: bool, source: str, rule: str) -> None:
    if not holds:
        raise CloudError(f"{source} is wrong: {rule}.")
