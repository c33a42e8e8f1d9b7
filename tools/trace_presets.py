#!/usr/bin/env python3
"""Writes the presets of traces in other tables from the preset `traces_otel` (`make docs`), or compares them with --check.

The rules are the same, and so is what counts. Only the columns differ, so nobody keeps three catalogs in step by hand.
"""

import pathlib
import re
import sys

PRESETS = pathlib.Path(__file__).resolve().parents[1] / "shared" / "catalog" / "presets"
ORIGIN = "traces_otel"

SCHEMA = "#:schema ../../../docs/catalog.schema.json\n"
MADE = "# Made by tools/trace_presets.py from traces_otel.toml. Change that file, then run `make docs`.\n#\n"
FIRST_LINE = "# Traces, in the table otel_traces of the OpenTelemetry collector's ClickHouse exporter, with attributes in maps.\n"

# Columns that have another name in the tables of SigNoz.
COLUMNS_OF_SIGNOZ = {
    "ServiceName": "`resource_string_service$$name`",
    "SpanAttributes": "attributes_string",
    "ResourceAttributes": "resources_string",
    "SpanKind": "kind_string",
    "SpanName": "name",
    "StatusCode": "status_code_string",
    "Timestamp": "timestamp",
    "Duration": "duration_nano",
    "SpanId": "span_id",
    "TraceId": "toString(trace_id)",
}
# SigNoz keeps the status of an answer as a column, whatever the instrumentation calls the attribute.
REFUSED = re.compile(r"SpanAttributes\['http\.response\.status_code'\] IN \('401', '403'\)\s+"
                     r"OR SpanAttributes\['http\.status_code'\] IN \('401', '403'\)")


def json_layout(text: str) -> str:
    """For a collector with `json: true`: attributes are paths of JSON columns. A path may have any type, or none."""
    text = retitled(text, "# Traces, in the table otel_traces of the OpenTelemetry collector's ClickHouse exporter with `json: true`.\n")
    return re.sub(r"(SpanAttributes|ResourceAttributes)\['([^']+)'\]", r"ifNull(toString(\1.`\2`), '')", text)


def signoz(text: str) -> str:
    text = retitled(text, "# Traces, in the table of spans of SigNoz.\n")
    text, refusals = REFUSED.subn("response_status_code IN ('401', '403')", text)
    if refusals != 3:
        raise SystemExit(f"{ORIGIN}.toml says {refusals} times what a refused request is, in the words that this program replaces. It must be 3.")
    text = text.replace('table = "otel_traces"', 'table = "signoz_traces.signoz_index_v3"')
    names = "|".join(COLUMNS_OF_SIGNOZ)
    columns = re.compile(rf"\b({names})\b")
    lines = (line if line.startswith("#") else columns.sub(lambda found: COLUMNS_OF_SIGNOZ[found[0]], line) for line in text.split("\n"))
    return "\n".join(lines)


def retitled(text: str, title: str) -> str:
    start = SCHEMA + FIRST_LINE
    if not text.startswith(start):
        raise SystemExit(f"{ORIGIN}.toml does not start with the lines that this program replaces:\n{start}")
    return SCHEMA + MADE + title + text.removeprefix(start)


MADE_FROM_ORIGIN = {"traces_otel_json": json_layout, "traces_signoz": signoz}


def main() -> int:
    origin = (PRESETS / f"{ORIGIN}.toml").read_text(encoding="utf-8")
    for name, made in MADE_FROM_ORIGIN.items():
        target, text = PRESETS / f"{name}.toml", made(origin)
        if "--check" not in sys.argv[1:]:
            target.write_text(text, encoding="utf-8")
        elif not target.is_file() or target.read_text(encoding="utf-8") != text:
            print(f"Error: {target} is out of date. Run: make docs", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
