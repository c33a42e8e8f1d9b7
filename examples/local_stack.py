"""Shared parts of the examples: a stack in the running local cloud, and a program's beginning and end.

The launcher in infra/local knows where the cloud is, which stacks it has, and how to report a failure. The examples
use its modules, so each of these questions has one answer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "infra" / "local"))

import aws  # noqa: E402  (the path must be set first)
import clickhouse  # noqa: E402
import settings as configuration  # noqa: E402
import stack as stacks  # noqa: E402
from console import CloudError, say  # noqa: E402


class LocalStack:
    """A deployed stack: its function, its table, its database, and the variables by which clients reach them."""

    def __init__(self, name: str, catalog: Optional[Path] = None):
        self.settings = configuration.load()
        known = stacks.deployed(self.settings, name)
        self.name = name
        self.function = known["outputs"]["detector_function_name"]
        # It runs for sources with entities. None in a stack without such sources.
        self.sources_function = known["outputs"].get("sources_function_name")
        self.table = known["outputs"]["anomalies_table_name"]
        self.database = known["database"]
        self.env_file = self.settings.env_file(name)
        self.env = stacks.parse_env(self.env_file.read_text(encoding="utf-8"))
        self._catalog = catalog

    @property
    def owns_clickhouse(self) -> bool:
        """Whether the local cloud started the server, so that nobody else keeps data in it."""
        return self.settings.clickhouse.started_here

    def invoke(self, event: Dict[str, object], function: Optional[str] = None) -> Dict[str, object]:
        """Runs the deployed function once and returns its summary: the detector, unless another one is named."""
        function = function or self.function
        result = aws.call(self.settings, "invoke", function=function, payload=event)
        if result["error"] is None:
            return result["answer"]
        answer = result["answer"] if isinstance(result["answer"], dict) else {}
        reason = answer.get("errorMessage") or result["answer"] or result["error"]
        raise CloudError(f"The function {function} failed: {reason}\n"
                         f"Its log is in {shown(self.settings.logs / 'aws.log')}")

    def meterflow(self, *arguments: str) -> None:
        """Runs the command line program on the stack's database. What it prints is part of the example."""
        program = self.settings.program("meterflow")
        if not program.is_file():
            raise CloudError(f"There is no {shown(program)}. Run: make build")
        environ = {**os.environ, **self.env}
        # Without a catalog the program takes the built-in one, as the deployed function does.
        environ["CATALOG_PATH"] = str(self._catalog or "")
        code = subprocess.run([str(program), *arguments], env=environ).returncode
        if code:
            raise CloudError(f"`meterflow {arguments[0]}` on the database {self.database} ended with code {code}; "
                             "its own message is above.")

    def has_table(self, name: str) -> bool:
        return self.query(f"EXISTS TABLE {{{name}}}") == "1"

    def query(self, sql: str) -> str:
        """Runs SQL in which {events} and {usage_hourly} stand for the stack's tables."""
        return clickhouse.query(self.settings.clickhouse, sql.format(
            database=_quoted(self.database),
            events=f"{_quoted(self.database)}.events",
            usage_hourly=f"{_quoted(self.database)}.usage_hourly",
        )).strip()


def aws_session(stack: LocalStack):
    """A boto3 session. The environment of `cloud.py run` lets it reach the local cloud and nothing else."""
    import boto3  # The tests of the examples run without it.

    return boto3.Session(region_name=stack.env["AWS_REGION"])


def run_example(example: Callable[[argparse.Namespace], None], options: argparse.Namespace, target: str) -> int:
    """Runs an example and returns its exit code. Failures that a user can act on are shown in words, with the elapsed
    time.
    """
    began = time.monotonic()
    if not os.environ.get("AWS_ENDPOINT_URL"):
        print(f"Error: this example runs in the local cloud. Start it with: make {target}", file=sys.stderr)
        return 1
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        print(f"Error: boto3 is missing in {sys.executable}. Start the example with: make {target}", file=sys.stderr)
        return 1
    try:
        example(options)
    except CloudError as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"\nError: the AWS emulator did not answer as expected: {error}\nIs it up? Look with: make status",
              file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output, such as `head`, has seen enough. Python would complain once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print(f"\nInterrupted. Run `make {target}` again to go on.", file=sys.stderr)
        return 130
    say(f"\nDone in {time.monotonic() - began:.1f} s.")
    return 0


def heading(text: str) -> None:
    say(f"\n{text}\n{'-' * len(text)}")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()) -> str:
    """Lines of text in columns, those of the `numeric` headings set to the right."""
    cells = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if name in numeric else cell.ljust(width)
            for cell, width, name in zip(row, widths, headings)
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 anomaly", "1,204 anomalies"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rfc3339(time: datetime) -> str:
    """A time in UTC as the events, the summaries and the alerts write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(path: Path) -> str:
    """A path as the user, who is in the project's folder, would write it."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if ROOT in path.parents else str(path)


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
