#!/usr/bin/env python3
"""Draws docs/slack-message.svg, the picture of a Slack message, from docs/slack-message.json. `make docs` does both.

    slack_message.py            draws the picture
    slack_message.py --check    compares the picture, and fails if it is out of date

The JSON is the notifier's message (`cargo run -p notifier --example slack_message`). So the picture shows what
readers of the channel see, as near to Slack's layout as an SVG without its fonts can be. It draws the blocks that
the notifier writes, and refuses any other.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List

DOCS = Path(__file__).resolve().parents[1] / "docs"
SOURCE = DOCS / "slack-message.json"
TARGET = DOCS / "slack-message.svg"

APP = "MeterFlow"

WIDTH, PADDING = 800, 24
AVATAR = 40
# Where the message begins, beside the avatar.
LEFT = PADDING + AVATAR + 12
# Of the texts of a message, and between two blocks.
INNER, GAP = WIDTH - LEFT - PADDING, 12
COLUMN_GAP = 16

STYLE = """
  text { font: 15px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1d1c1d; }
  .header { font-size: 18px; font-weight: 700; }
  .name, .bold { font-weight: 700; }
  .badge { font-size: 10px; font-weight: 600; fill: #616061; }
  .context { font-size: 13px; fill: #616061; }
  .link { fill: #1264a3; }
  .code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; fill: #c01343; }
  .card { fill: #ffffff; stroke: #dddddd; }
  .box { fill: #ececec; }
  .avatar { fill: #0969da; }
  .curve { fill: none; stroke: #ffffff; stroke-width: 3; stroke-linejoin: round; stroke-linecap: round; }
  @media (prefers-color-scheme: dark) {
    text { fill: #d1d2d3; }
    .badge, .context { fill: #ababad; }
    .link { fill: #1d9bd1; }
    .code { fill: #e8912d; }
    .card { fill: #1a1d21; stroke: #3c3f44; }
    .box { fill: #35373b; }
  }
"""

# Widths of characters in ems, by kind; a little more than those of the fonts above, which differ by reader.
WIDTHS = [(frozenset(" ijl.,:;'|!I"), 0.29), (frozenset("()[]{}frt-/"), 0.37), (frozenset("mwMW@%…"), 0.95)]
LETTER, CAPITAL, MONOSPACE = 0.57, 0.7, 0.62

MARKUP = re.compile(r"<(?P<address>[^|<>]+)(?:\|(?P<label>[^<>]*))?>|\*(?P<bold>[^*\n]+)\*|`(?P<code>[^`\n]+)`")

Json = Dict[str, object]


class MessageError(Exception):
    """The message is missing or cannot be drawn. The text says what to do."""


@dataclass(frozen=True)
class Run:
    """A piece of text in one style: none, bold, code or link."""

    text: str
    style: str = ""

    def width(self, size: float) -> float:
        if self.style == "code":
            return len(self.text) * MONOSPACE * 13
        return sum(map(_width_of, self.text)) * size * (1.06 if self.style == "bold" else 1)


Line = List[Run]


@dataclass
class Drawing:
    """What is drawn so far, and how far down it reaches."""

    parts: List[str]
    y: float

    def text(self, lines: List[Line], x: float, size: float, leading: float, kind: str = "") -> float:
        """Draws lines below `y` and returns where they end; `y` stays."""
        at = self.y
        for line in lines:
            at += leading
            spans = "".join(_span(run) for run in line)
            name = f' class="{kind}"' if kind else ""
            self.parts.append(f'<text{name} x="{x:g}" y="{at - (leading - size * 0.72) / 2:.1f}">{spans}</text>')
        return at


def svg(message: Json) -> str:
    drawing = Drawing([], PADDING + 22)
    for block in message["blocks"]:
        _draw(block, drawing)
        drawing.y += GAP
    height = round(drawing.y - GAP + PADDING)
    top, middle = PADDING, PADDING + AVATAR / 2
    x = PADDING + AVATAR / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title description">',
        '<title id="title">A critical anomaly as the notifier shows it in Slack</title>',
        f'<desc id="description">{html.escape(_plainly(message), quote=False)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<rect class="avatar" x="{PADDING}" y="{top}" width="{AVATAR}" height="{AVATAR}" rx="6"/>',
        # A level, and a spike in it.
        f'<polyline class="curve" points="{x - 13:g},{middle + 8:g} {x - 5:g},{middle + 8:g} {x + 1:g},{middle - 11:g} '
        f'{x + 6:g},{middle + 8:g} {x + 13:g},{middle + 8:g}"/>',
        f'<text class="name" x="{LEFT}" y="{top + 13}">{APP}</text>',
        f'<rect class="box" x="{LEFT + 84}" y="{top + 1}" width="30" height="15" rx="3"/>',
        f'<text class="badge" x="{LEFT + 99}" y="{top + 12}" text-anchor="middle">APP</text>',
        *drawing.parts,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _draw(block: Json, drawing: Drawing) -> None:
    kind = block["type"]
    if kind == "header":
        lines = wrapped(lines_of(block["text"]), INNER, 18 * 1.06)
        drawing.y = drawing.text(lines, LEFT, 18, 24, "header")
    elif kind == "section" and "text" in block:
        drawing.y = drawing.text(wrapped(lines_of(block["text"]), INNER, 15), LEFT, 15, 22)
    elif kind == "section" and "fields" in block:
        _draw_fields(block["fields"], drawing)
    elif kind == "context":
        for element in block["elements"]:
            drawing.y = drawing.text(wrapped(lines_of(element), INNER, 13), LEFT, 13, 19, "context")
    else:
        raise MessageError(f"{SOURCE.name} has a block {kind!r} that {Path(__file__).name} cannot draw. Teach it to.")


def _draw_fields(fields: List[Json], drawing: Drawing) -> None:
    """Two columns, as Slack has them: the fields go from left to right, and then down."""
    column = (INNER - COLUMN_GAP) / 2
    for first in range(0, len(fields), 2):
        ends = [
            drawing.text(wrapped(lines_of(field), column, 15), LEFT + place * (column + COLUMN_GAP), 15, 22)
            for place, field in enumerate(fields[first:first + 2])
        ]
        drawing.y = max(ends) + (6 if first + 2 < len(fields) else 0)


def lines_of(text: Json) -> List[Line]:
    """The lines of a text object, before they are wrapped."""
    if text["type"] == "plain_text":
        return [[Run(line)] for line in text["text"].split("\n")]
    if text["type"] == "mrkdwn":
        return [list(runs_of(line)) for line in text["text"].split("\n")]
    raise MessageError(f"{SOURCE.name} has a text of the type {text['type']!r}, which Slack does not know.")


def runs_of(line: str) -> Iterator[Run]:
    """A line of Slack's markup in its styles."""
    end = 0
    for found in MARKUP.finditer(line):
        if found.start() > end:
            yield Run(html.unescape(line[end:found.start()]))
        end = found.end()
        for style, text in (("bold", found["bold"]), ("code", found["code"]), ("link", found["label"] or found["address"])):
            if text:
                yield Run(html.unescape(text), style)
    if end < len(line):
        yield Run(html.unescape(line[end:]))


def wrapped(lines: List[Line], width: float, size: float) -> List[Line]:
    """The lines broken between words, so that each fits; a word that is too long for any is broken within."""
    return [part for line in lines for part in _wrapped(line, width, size)]


def _wrapped(line: Line, width: float, size: float) -> Iterator[Line]:
    current: Line = []
    used = 0.0
    for word in _words(line, width, size):
        if current and used + Run(word.text.rstrip(), word.style).width(size) > width:
            yield _joined(current)
            current, used = [], 0.0
        current.append(word)
        used += word.width(size)
    yield _joined(current)


def _words(line: Line, width: float, size: float) -> Iterator[Run]:
    for run in line:
        for text in re.findall(r"\s*\S+\s*|\s+", run.text):
            while Run(text.rstrip(), run.style).width(size) > width:
                fitting = (end for end in range(len(text) - 1, 1, -1) if Run(text[:end], run.style).width(size) <= width)
                end = next(fitting, 1)
                yield Run(text[:end], run.style)
                text = text[end:]
            if text:
                yield Run(text, run.style)


def _joined(words: Line) -> Line:
    """Neighbours of one style as one run, without space at the end of the line."""
    runs: Line = []
    for word in words:
        if runs and runs[-1].style == word.style:
            runs[-1] = Run(runs[-1].text + word.text, word.style)
        else:
            runs.append(word)
    return [*runs[:-1], Run(runs[-1].text.rstrip(), runs[-1].style)] if runs else []


def _span(run: Run) -> str:
    text = html.escape(run.text, quote=False)
    return f'<tspan class="{run.style}">{text}</tspan>' if run.style else text


def _width_of(character: str) -> float:
    for characters, width in WIDTHS:
        if character in characters:
            return width
    if ord(character) > 0x2e80:
        return 1.0
    return CAPITAL if character.isupper() else LETTER


def _plainly(message: Json) -> str:
    """Everything that the message says, for those who cannot see the picture."""
    texts = []
    for block in message["blocks"]:
        for text in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
            texts += ["".join(run.text for run in line) for line in (lines_of(text) if text else [])]
    return " / ".join(texts)


def load(file: Path) -> Json:
    try:
        message = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MessageError(f"There is no {file}. Run: make docs") from None
    except ValueError as error:
        raise MessageError(f"{file} is not JSON ({error}). Run: make docs") from None
    if not isinstance(message, dict) or not message.get("blocks"):
        raise MessageError(f"{file} is no message of Slack with blocks. Run: make docs")
    return message


def check(picture: str, file: Path) -> None:
    if not file.is_file() or file.read_text(encoding="utf-8") != picture:
        raise MessageError(f"{file} is not the picture of {SOURCE.name}. Run: make docs")


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare docs/slack-message.svg")
    options = parser.parse_args(arguments)
    try:
        picture = svg(load(SOURCE))
        if options.check:
            check(picture, TARGET)
        else:
            TARGET.write_text(picture, encoding="utf-8")
    except MessageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
