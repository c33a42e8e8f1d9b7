#!/usr/bin/env python3
"""Writes docs/api.md, the description of the API for readers, from docs/openapi.json. `make docs` does both.

    api_docs.py            writes docs/api.md
    api_docs.py --check    compares docs/api.md, and fails if it is out of date

Own code, because Widdershins, the known renderer to Markdown, reads no OpenAPI 3.1 and writes for the site generator Slate.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple
from urllib.parse import quote, urlencode

DOCS = Path(__file__).resolve().parents[1] / "docs"
SOURCE = DOCS / "openapi.json"
TARGET = DOCS / "api.md"

HEAD = """\
<!-- Made from docs/openapi.json by `make docs`. Change the texts in functions/api/src, not here. -->

# {title}

{description}

**The examples** are for the local cloud, after `make demo` and `set -a; . .local/env; set +a`. On AWS `$API_URL` is the
output `api_endpoint`. Use a token of your issuer, and leave the `Host` header out. Replace the ids in the examples by your
own. The emulator of the local cloud answers `/health` itself. The API's own answer is at `/$default/health` there.
"""

Json = Dict[str, object]


class DocumentError(Exception):
    """The document is missing or cannot be described. The message says what to do."""


class Document:
    """An OpenAPI document, with its references resolved where they are needed."""

    def __init__(self, content: Json):
        self._content = content
        self.info: Json = content["info"]
        self.tags: List[Json] = content["tags"]
        self.schemas: Json = content["components"]["schemas"]

    def routes(self, tag: Optional[str] = None) -> Iterator[Tuple[str, str, Json]]:
        """Method, path and operation, those of one tag or of all tags in their order."""
        if tag is None:
            for known in self.tags:
                yield from self.routes(known["name"])
            return
        for path, operations in self._content["paths"].items():
            for method, operation in operations.items():
                if operation["tags"] == [tag]:
                    yield method.upper(), path, operation

    def resolved(self, schema: Json) -> Tuple[Optional[str], Json]:
        """The schema's name, if it has one, and what it says, with the parts of a composed one in one object."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return name, self.resolved(self.schemas[name])[1]
        if "allOf" not in schema:
            return None, schema
        whole: Json = {"type": "object", "properties": {}, "required": []}
        # What is written last is the object itself; what it takes from others comes after its own fields.
        for part in reversed(schema["allOf"]):
            found = self.resolved(part)[1]
            whole["properties"].update(found["properties"])
            whole["required"].extend(found.get("required", []))
        return None, {**whole, "description": schema.get("description", "")}

    def shapes(self) -> List[str]:
        """The objects that requests and answers are made of, in the order in which a reader meets them."""
        met: List[str] = []
        for _, _, operation in self.routes():
            for schema in (body_of(operation), answer_of(operation)[1], problem_of(operation)):
                self._meet(schema, met)
        # The shape of every problem is told once, with the problems.
        return [name for name in met if name != "Problem"]

    def _meet(self, schema: Optional[Json], met: List[str]) -> None:
        if not schema:
            return
        name, found = self.resolved(schema)
        if name and "properties" in found:
            if name in met:
                return
            met.append(name)
        for child in self._children(found):
            self._meet(child, met)

    @staticmethod
    def _children(schema: Json) -> Iterator[Json]:
        yield from schema.get("oneOf", [])
        yield from schema.get("properties", {}).values()
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                yield schema[name]

    def sent_shapes(self) -> List[str]:
        """Those that a client sends, where an absent field means something else than one that is null."""
        sent: List[str] = []
        for _, _, operation in self.routes():
            self._meet(body_of(operation), sent)
        return sent


def body_of(operation: Json) -> Optional[Json]:
    return operation["requestBody"]["content"]["application/json"]["schema"] if "requestBody" in operation else None


def answer_of(operation: Json) -> Tuple[str, Optional[Json]]:
    """The status of the answer that is no problem, and its schema."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            return status, response.get("content", {}).get("application/json", {}).get("schema")
    raise DocumentError(f"the operation {operation.get('operationId')} has no answer but problems")


def problem_of(operation: Json) -> Optional[Json]:
    for response in operation["responses"].values():
        if "application/problem+json" in response.get("content", {}):
            return response["content"]["application/problem+json"]["schema"]
    return None


def scope_of(operation: Json) -> Optional[str]:
    requirements = operation.get("security") or [{}]
    return next((scope for scopes in requirements[0].values() for scope in scopes), None)


def markdown(document: Document) -> str:
    info = document.info
    parts = [HEAD.format(title=info["title"], description=prose(info["description"]))]
    parts.append("## Routes\n\n" + table(["route", "scope", "what"], [
        [f"[`{method} {path}`](#{anchor(f'{method} {path}')})", f"`{scope_of(operation)}`" if scope_of(operation) else "open",
         operation["summary"]]
        for method, path, operation in document.routes()
    ]))
    for tag in document.tags:
        parts.append(f"## {tag['description']}")
        parts.extend(section(document, *route) for route in document.routes(tag["name"]))
    parts.append(problems(document))
    parts.append("## Shapes\n\nA field with `or null` is present and null if it has no value, unless its text says that it is absent.")
    sent = document.sent_shapes()
    parts.extend(shape(document, name, name in sent) for name in document.shapes())
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def section(document: Document, method: str, path: str, operation: Json) -> str:
    scope = scope_of(operation)
    access = f"Scope `{scope}`." if scope else "Open to all."
    lines = [f"### {method} {path}", prose(f"**{operation['summary']}.** {operation.get('description', '')}\n\n{access}")]
    if operation.get("parameters"):
        lines.append(table(["parameter", "in", "type", "what"], [
            [f"`{parameter['name']}`", parameter["in"], requirement(document, parameter),
             capitalized(parameter.get("description", ""))]
            for parameter in operation["parameters"]
        ]))
    body = body_of(operation)
    if body:
        optional = "" if operation["requestBody"].get("required") else ", or none"
        lines.append(f"Body: {type_of(document, body)}{optional}.")
    lines.append(f"```sh\n{curl(document, method, path, operation)}\n```")
    lines.append(answers(document, operation))
    return "\n\n".join(lines)


def requirement(document: Document, parameter: Json) -> str:
    text = type_of(document, parameter["schema"], sent=True)
    return f"{text}, required" if parameter.get("required") and parameter["in"] != "path" else text


def answers(document: Document, operation: Json) -> str:
    status, schema = answer_of(operation)
    response = operation["responses"][status]
    text = f"Answer {status}: {type_of(document, schema)}. {response['description']}"
    for name, header in response.get("headers", {}).items():
        text += f" Header `{name}`: {header['description']}."
    refusals = [code for code in operation["responses"] if not code.startswith("2")]
    return prose(text + (f" Problems: {', '.join(refusals)}." if refusals else ""))


def problems(document: Document) -> str:
    described: Dict[str, str] = {}
    for _, _, operation in document.routes():
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                described.setdefault(status, response["description"])
    return "\n\n".join([
        "## Problems",
        table(["status", "what"], [[status, text] for status, text in sorted(described.items())]),
        fields(document, "Problem", sent=False),
    ])


def shape(document: Document, name: str, sent: bool) -> str:
    description = document.resolved(document.schemas[name])[1].get("description", "")
    return "\n\n".join(part for part in [f"### {name}", prose(description), fields(document, name, sent)] if part)


def fields(document: Document, name: str, sent: bool) -> str:
    schema = document.resolved(document.schemas[name])[1]
    required = schema.get("required", [])
    # The required ones stand in the order of the code, which is one of meaning.
    names = [*required, *(field for field in schema["properties"] if field not in required)]
    rows = []
    for field in names:
        found = schema["properties"][field]
        text = type_of(document, found, sent)
        rows.append([f"`{field}`", f"{text}, required" if sent and field in required else text,
                     description_of(document, found)])
    return table(["field", "type", "what"], rows)


def description_of(document: Document, schema: Json) -> str:
    """What a field says of itself, else what the kind of value that it holds says of itself."""
    if "description" in schema:
        return schema["description"]
    for part in schema.get("oneOf", [schema]):
        name, found = document.resolved(part)
        own = part.get("description") or (found.get("description") if name and "properties" not in found else None)
        if own:
            return own
    return ""


def type_of(document: Document, schema: Optional[Json], sent: bool = False) -> str:
    if not schema:
        return "nothing"
    name, found = document.resolved(schema)
    if "oneOf" in found:
        alternatives = [part for part in found["oneOf"] if part.get("type") != "null"]
        text = " or ".join(type_of(document, part, sent) for part in alternatives)
        return text if sent or len(alternatives) == len(found["oneOf"]) else f"{text} or null"
    if "enum" in found:
        return " or ".join(f"`{word}`" for word in found["enum"])
    if name and "properties" in found:
        return f"[{name}](#{anchor(name)})"
    types = found["type"] if isinstance(found["type"], list) else [found["type"]]
    kind = next(kind for kind in types if kind != "null")
    text = {"array": list_of, "object": object_of}.get(kind, lambda *_: kind)(document, found, sent)
    text += limits(found)
    return text if sent or "null" not in types else f"{text} or null"


def list_of(document: Document, schema: Json, sent: bool) -> str:
    return f"list of {type_of(document, schema['items'], sent)}"


def object_of(document: Document, schema: Json, sent: bool) -> str:
    values = schema.get("additionalProperties")
    return f"object of {type_of(document, values, sent)} by name" if isinstance(values, dict) else "object"


def limits(schema: Json) -> str:
    """What a value must keep to, without what its type says already."""
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if high is not None:
        return f" from {low:g} to {high:g}" if low is not None else f" above {above:g}, at most {high:g}"
    if low is not None and "number" in schema["type"]:
        return f" of at least {low:g}"
    for shortest, longest, unit in (("minLength", "maxLength", "characters"), ("minItems", "maxItems", "items")):
        if longest in schema:
            least = f"{schema[shortest]} to" if shortest in schema else "at most"
            return f", {least} {schema[longest]:,} {unit}"
        if shortest in schema:
            return f", at least {schema[shortest]}"
    return " (RFC 3339)" if schema.get("format") == "date-time" else ""


def curl(document: Document, method: str, path: str, operation: Json) -> str:
    """A call made of the examples that the document has for parameters and fields."""
    given = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", []):
        if "example" in parameter:
            given[parameter["in"]][parameter["name"]] = str(parameter["example"])
        elif parameter.get("required"):
            raise DocumentError(f"the parameter {parameter['name']} of {method} {path} needs an example")
    for name, value in given["path"].items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    address = f"$API_URL{path}" + (f"?{urlencode(given['query'], safe='~:')}" if given["query"] else "")
    words = ["curl"] if method == "GET" else ["curl -X", method]
    words.append('-H "Host: $API_HOST"')
    if scope_of(operation):
        words.append('-H "Authorization: Bearer $API_TOKEN_ADMIN"')
    lines = [" ".join(words)]
    body = body_of(operation)
    headers = {**given["header"], **({"Content-Type": "application/json"} if body else {})}
    if headers:
        lines.append(" ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()))
    if body:
        lines.append(f"-d {shlex.quote(json.dumps(example_of(document, body), ensure_ascii=False))}")
    return " \\\n  ".join([*lines, f'"{address}"'])


def example_of(document: Document, schema: Json) -> object:
    """A value made of the examples in a schema. A field without one is left out."""
    if "example" in schema:
        return schema["example"]
    _, found = document.resolved(schema)
    if found.get("type") == "array":
        return [example_of(document, found["items"])]
    made = {name: example_of(document, field) for name, field in found.get("properties", {}).items()}
    return {name: value for name, value in made.items() if value not in (None, {}, [None])} or None


def table(headings: List[str], rows: List[List[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def prose(text: str) -> str:
    """Paragraphs, each in lines of one length."""
    paragraphs = (one_line(paragraph) for paragraph in text.split("\n\n"))
    return "\n\n".join(textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)
                       for paragraph in paragraphs)


def one_line(text: str) -> str:
    return " ".join(text.split())


def capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def anchor(heading: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def load(file: Path) -> Document:
    try:
        return Document(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DocumentError(f"There is no {file}. Run: make docs") from None
    except (ValueError, KeyError) as error:
        raise DocumentError(f"{file} is not an OpenAPI document with tags and schemas ({error}). Run: make docs") from None


def check(text: str, file: Path) -> None:
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        raise DocumentError(f"{file} is not what {SOURCE.name} says. Run: make docs")


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare docs/api.md")
    options = parser.parse_args(arguments)
    try:
        text = markdown(load(SOURCE))
        if options.check:
            check(text, TARGET)
        else:
            TARGET.write_text(text, encoding="utf-8")
    except DocumentError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
