"""Fails if a part of a secret of the tests is in what they left behind: outputs, logs, items and messages.

The secrets are those of tests/channels.json, and the passwords of the ClickHouse users and of the people who sign in. Faults are
what leaks secrets: receivers repeat requests, and errors name addresses. So the search comes after all tests of faults.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Dict, Iterable, Iterator, Set, Tuple, Union

ROOT = Path(__file__).resolve().parents[2]

# So many characters in a row betray a secret. Shorter parts occur in any text.
LONGEST_PART = 8
# Where the emulator shows the messages of all its queues at once, those too that somebody is reading.
MESSAGES = "/_ministack/sqs/messages"
# Of an address only the path is secret.
ORIGIN = re.compile(r"^https?://[^/]*")


def main(arguments) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cloud", action="append", default=[], metavar="FOLDER", help="a cloud of the tests, with its passwords and logs")
    parser.add_argument("--emulator", action="append", default=[], metavar="URL", help="an AWS emulator, with its tables and queues")
    parser.add_argument("paths", nargs="*", help="files and folders")
    options = parser.parse_args(arguments)
    clouds = [Path(cloud) for cloud in options.cloud]
    secrets = planted(ROOT / "tests" / "channels.json")
    logs = [folder for cloud in clouds for folder in (cloud / "logs", *cloud.glob("*/logs")) if folder.is_dir()]
    for cloud in clouds:
        if not passwords(cloud) or not any(folder.is_relative_to(cloud) for folder in logs):
            print(f"{cloud} is no cloud of the tests: it has no passwords or no logs")
            return 1
        secrets.update({f"{name} in {cloud.name}": secret for name, secret in passwords(cloud).items()})
    known = parts(secrets)
    held = [*texts([*(Path(path) for path in options.paths), *logs]),
            *(one for emulator in options.emulator for one in items_and_messages(emulator))]
    leaks = {(place, name) for place, text in held for name in found(text, known)}
    for place, name in sorted(leaks):
        print(f"{place} holds a part of the secret {name}")
    print(f"{len(held)} files, tables and queues searched for {len(set(known.values()))} secrets, {len(leaks)} leaks")
    return 1 if leaks or not held else 0


def planted(channels: Path) -> Dict[str, str]:
    return json.loads(channels.read_text(encoding="utf-8"))["secrets"]


def passwords(cloud: Path) -> Dict[str, str]:
    """Those of the ClickHouse users and of the issuer's people, as far as these were made."""
    of_clickhouse, of_people = cloud / "clickhouse-users.json", cloud / "issuer" / "users.json"
    known = json.loads(of_clickhouse.read_text(encoding="utf-8")) if of_clickhouse.is_file() else {}
    people = json.loads(of_people.read_text(encoding="utf-8")) if of_people.is_file() else {}
    return {**known, **{f"password of {name}": user["password"] for name, user in people.items()}}


def parts(secrets: Dict[str, str]) -> Dict[str, str]:
    """All parts that betray a secret, each with the secret's name. Words without a digit occur in any text."""
    known = {}
    for name, secret in secrets.items():
        for word in re.split(r"[^A-Za-z0-9+]", ORIGIN.sub("", secret)):
            if any(character.isdigit() for character in word):
                for start in range(len(word) - LONGEST_PART + 1):
                    known[word[start:start + LONGEST_PART]] = name
    return known


def found(text: str, known: Dict[str, str]) -> Set[str]:
    """The names of the secrets that a text holds a part of."""
    names = set()
    for probe in probes(known):
        at = text.find(probe)
        while at >= 0:
            around = text[max(0, at - LONGEST_PART):at + LONGEST_PART]
            windows = (around[start:start + LONGEST_PART] for start in range(len(around) - LONGEST_PART + 1))
            names.update(known[window] for window in windows if window in known)
            at = text.find(probe, at + 1)
    return names


def probes(known: Dict[str, str]) -> Set[str]:
    """Few short texts of which each part holds one. To search for these and look around is many times faster."""
    chosen: Set[str] = set()
    for part in known:
        if not any(probe in part for probe in chosen):
            chosen.add(part[LONGEST_PART // 2:])
    return chosen


def texts(paths: Iterable[Path]) -> Iterator[Tuple[str, str]]:
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                yield str(file), without_command(file.read_text(encoding="utf-8", errors="replace"))


def without_command(text: str) -> str:
    """A log of the checks without its first line: the command that repeats the step, which has the secrets as variables."""
    return text.partition("\n")[2] if text.startswith("$ ") else text


def items_and_messages(emulator: str) -> Iterator[Tuple[str, str]]:
    for tables in pages(emulator, "ListTables", {}, "TableName"):
        for table in json.loads(tables)["TableNames"]:
            for items in pages(emulator, "Scan", {"TableName": table}, "Key"):
                yield f"table {table} of {emulator}", items
    yield from queues(json.loads(fetched(f"{emulator}{MESSAGES}")), emulator)


def pages(emulator: str, operation: str, asked: Dict[str, object], place: str) -> Iterator[str]:
    """All answers of DynamoDB, each as the text that it is. To make objects of hundreds of tables takes longer than to search them.

    place: the end of the names that say where the next page begins.
    """
    headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    while asked is not None:
        text = fetched(urllib.request.Request(emulator, json.dumps(asked).encode(), headers)).decode()
        yield text
        # A short name inside of an item may look the same, so the answer itself is asked.
        last = json.loads(text).get(f"LastEvaluated{place}") if f"LastEvaluated{place}" in text else None
        asked = {**asked, f"ExclusiveStart{place}": last} if last else None


def queues(held: Dict, emulator: str) -> Iterator[Tuple[str, str]]:
    """Each queue with its messages, from the emulator's answer: by account, region and address of the queue."""
    for regions in held["messages"].values():
        for of_region in regions.values():
            for queue, messages in of_region.items():
                yield f"queue {queue.rsplit('/', 1)[-1]} of {emulator}", repr(messages)


def fetched(what: Union[str, urllib.request.Request]) -> bytes:
    # A proxy of the user's environment knows nothing of servers on this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(what, timeout=60) as answer:
        return answer.read()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
