"""Invoking a deployed function with an event from events/, and showing its answer.

The name of an event's file tells whose it is: events/api-NAME.json goes to the API function, events/detector-NAME.json
to the detector.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Dict, Optional

import aws
import stack as stacks
from console import CloudError, say
from settings import Settings


def invoke(settings: Settings, name_prefix: str, event: str, time: Optional[str]) -> int:
    file = event_file(settings, event)
    is_for_api = file.name.startswith("api-")
    function = _function(stacks.deployed(settings, name_prefix)["outputs"], is_for_api, name_prefix)
    result = aws.call(settings, "invoke", function=function, payload=_payload(file, is_for_api, time))
    if result["error"] is not None:
        return _show_failure(settings, function, result)
    return show_http_answer(result["answer"]) if is_for_api else _show_summary(result["answer"])


def event_file(settings: Settings, name: str) -> Path:
    folder = settings.root / "events"
    candidates = [folder / f"detector-{name}.json", folder / f"{name}.json"]
    for file in candidates:
        if file.is_file():
            return file
    known = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
    raise CloudError(f"There is no event {candidates[0]} and no {candidates[1]}. Known events: {known}.")


def show_http_answer(answer: Dict[str, object]) -> int:
    """Prints what a client of the API would get. As with `curl --fail`, a refused request ends with an error."""
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


def _function(outputs: Dict[str, object], is_for_api: bool, name_prefix: str) -> str:
    name = outputs.get("api_function_name" if is_for_api else "detector_function_name")
    if name is None:
        raise CloudError(f"The stack {name_prefix} was deployed without an API.")
    return name


def _payload(file: Path, is_for_api: bool, time: Optional[str]) -> Dict[str, object]:
    try:
        payload = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CloudError(f"{file} is not JSON: {error}") from None
    if time and is_for_api:
        raise CloudError(f"A time chooses the window of a run of the detector, but {file.name} is a request to the API. "
                         "Leave it out, or change the request's own parameters.")
    return {**payload, "time": time} if time else payload


def _show_summary(answer) -> int:
    say(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _show_failure(settings: Settings, function: str, result) -> int:
    answer = result["answer"] if isinstance(result["answer"], dict) else {"errorMessage": result["answer"]}
    print(f"{function} failed: {answer.get('errorType', result['error'])}", file=sys.stderr)
    print(answer.get("errorMessage", json.dumps(answer)), file=sys.stderr)
    print(f"\nThe end of its log (all of it is in {settings.logs / 'aws.log'}):\n{result['log']}", file=sys.stderr)
    return 1
