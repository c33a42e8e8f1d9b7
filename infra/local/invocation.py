"""Invokes a deployed function with an event from events/, and shows its answer.

The file name of an event names the function: events/api-NAME.json, events/notifier-NAME.json,
events/detector-NAME.json. events/execution_completed.json goes to the function for finished events.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, Optional

import aws
import stack as stacks
from console import CloudError, say
from settings import Settings


# The output with the function's name, by the start of the event's file name.
RECIPIENTS = {"api": "api_function_name", "notifier": "notifier_function_name", "execution_completed": "checks_function_name"}
DETECTOR = "detector_function_name"

RFC3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")


@dataclass(frozen=True)
class Event:
    file: Path
    # The output of the stack that names the function.
    recipient: str
    payload: Dict[str, object]


def read(settings: Settings, name: str, time: Optional[str]) -> Event:
    """The event of this name, with another time where one is given."""
    file = event_file(settings, name)
    recipient = RECIPIENTS.get(file.stem.partition("-")[0], DETECTOR)
    return Event(file, recipient, _payload(file, recipient, time))


def invoke(settings: Settings, name_prefix: str, event: Event) -> int:
    outputs = stacks.deployed(settings, name_prefix)["outputs"]
    function = _function(outputs, event.recipient, name_prefix)
    result = aws.call(settings, "invoke", function=function, payload=event.payload)
    if result["error"] is not None:
        return _show_failure(settings, function, result)
    code = show_http_answer(result["answer"]) if event.recipient == RECIPIENTS["api"] else _show_answer(result["answer"])
    if event.recipient == RECIPIENTS["notifier"]:
        _warn_if_nobody_is_told(outputs.get("recipients"), name_prefix, is_digest="time" in event.payload)
    return code


def event_file(settings: Settings, name: str) -> Path:
    folder = settings.root / "events"
    candidates = [folder / f"detector-{name}.json", folder / f"{name}.json"]
    for file in candidates:
        if file.is_file():
            return file
    known = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
    raise CloudError(f"There is no event {candidates[0]} and no {candidates[1]}. Known events: {known}.")


def show_http_answer(answer: Dict[str, object]) -> int:
    """Prints the answer that a client of the API would get. As with `curl --fail`, a refused request ends with an
    error.
    """
    body = answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode(errors="replace")
    try:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        pass  # An empty body, or a text.
    say(f"status {answer['statusCode']}")
    if body:
        say(body)
    return 0 if answer["statusCode"] < 400 else 1


def _function(outputs: Dict[str, object], recipient: str, name_prefix: str) -> str:
    name = outputs.get(recipient)
    if name is None:
        without = {RECIPIENTS["api"]: "an API", RECIPIENTS["execution_completed"]: "sources: see infra/variables_sources.tf"}.get(
            recipient, "it: it is older than this function")
        raise CloudError(f"The stack {name_prefix} was deployed without {without}.")
    return name


def _payload(file: Path, recipient: str, time: Optional[str]) -> Dict[str, object]:
    try:
        payload = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CloudError(f"{file} is not JSON: {error}") from None
    if time:
        _require_time(time, is_run=recipient == DETECTOR and not _is_dry_run(payload))
    if time and recipient == RECIPIENTS["execution_completed"]:
        raise CloudError(f"A time chooses the window of a run of the detector, but {file.name} names one event, which has "
                         "its time in its table. Leave it out.")
    if time and recipient == RECIPIENTS["api"]:
        raise CloudError(f"A time chooses the window of a run of the detector, but {file.name} is a request to the API. "
                         "Leave it out, or change the request's own parameters.")
    if time and recipient == RECIPIENTS["notifier"] and "time" not in payload:
        raise CloudError(f"A time chooses the day of a digest, but {file.name} is another event. Leave it out.")
    return {**payload, "time": time} if time else payload


def _is_dry_run(payload) -> bool:
    detail = payload.get("detail") if isinstance(payload, dict) else None
    return isinstance(detail, dict) and detail.get("dry_run") is True


def _require_time(text: str, is_run: bool) -> None:
    """Refuses a text that is no time, and a window that is not over. In such a window missing usage looks like a drop.
    """
    example = "Write it like TIME=2026-11-21T13:00:00Z (RFC 3339, without blanks)."
    if not RFC3339.match(text):
        raise CloudError(f"TIME is {text!r}, which is no time. {example}")
    try:
        moment = datetime.fromisoformat(re.sub(r"(?<=\d)[Zz]$", "+00:00", re.sub(r"\.\d+", "", text.upper())))
    except ValueError as error:
        raise CloudError(f"TIME is {text!r}, which is no time: {error}. {example}") from None
    if is_run and moment > datetime.now(timezone.utc):
        raise CloudError(f"TIME is {text}, which is in the future: that window is not over, and its missing usage would be taken for "
                         "a drop.\nTake an hour that is past, or look at it without storing anything: make invoke-dry-run "
                         f"TIME={text}")


def _show_answer(answer) -> int:
    say(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _warn_if_nobody_is_told(recipients: Optional[Dict[str, list]], name_prefix: str, is_digest: bool) -> None:
    """Without this, the answer would look as if somebody had got the message."""
    if recipients is None:
        return  # The stack is older than this output.
    if is_digest and not recipients["ops_emails"]:
        print(f"\nNobody was notified: the digest goes to ops_emails, and the stack {name_prefix} has none. "
              "Its topic has the message all the same.", file=sys.stderr)
    if not is_digest and not recipients["channels"]:
        print(f"\nNobody was notified: the stack {name_prefix} has no channel. Name some in a file, see "
              "infra/local/channels.py, and run: LOCAL_CHANNELS=channels.json make up", file=sys.stderr)


def _show_failure(settings: Settings, function: str, result) -> int:
    answer = result["answer"] if isinstance(result["answer"], dict) else {"errorMessage": result["answer"]}
    print(f"{function} failed: {answer.get('errorType', result['error'])}", file=sys.stderr)
    print(answer.get("errorMessage", json.dumps(answer)), file=sys.stderr)
    print(f"\nThe end of its log (all of it is in {settings.logs / 'aws.log'}):\n{result['log']}", file=sys.stderr)
    return 1
