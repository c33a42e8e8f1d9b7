"""A catalog of the user's own, checked before `meterflow` is compiled. `meterflow` checks the rest."""

from __future__ import annotations

import base64
import gzip
import importlib
import os
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from console import CloudError

# The most that Parameter Store takes, in bytes. Terraform compresses what is larger.
LARGEST = 8192
# The catalogs that are built into the functions. A file names them in `presets`.
BUILT_IN = Path(__file__).resolve().parents[2] / "shared" / "catalog"
# Python's own library has TOML since 3.11. Before that, pip brings a reader.
PARSERS = ("tomllib", "tomli", "pip._vendor.tomli")
TAKE_BACK = "Name another one with `make up CATALOG=my.toml`, or take the built-in one with `make up CATALOG=`."


def require_valid(file: Optional[Path]) -> None:
    """Refuses a catalog that is missing, too large or no list of metrics in TOML."""
    if file is not None:
        _content(file)


def require_accepted(file: Optional[Path], program: Path) -> None:
    """Refuses a catalog that `meterflow check` refuses, if that program was built before."""
    if file is None or not program.is_file():
        return
    # Without a server it checks the entries alone. Tables and columns are checked when the server is up.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CLICKHOUSE_", "CATALOG_"))}
    result = subprocess.run([str(program), "check", str(file)], env=environ, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # Another code comes from a program that is older than this command.
    if result.returncode == 1:
        raise CloudError(f"{result.stderr.strip()}\n{TAKE_BACK}\n(That is what {program} says. If your sources are newer, run: "
                         "make build)")


def tables(file: Optional[Path]) -> List[str]:
    """The tables that hold the events of a catalog's metrics, each perhaps with its database."""
    metrics, known = _content(file) if file is not None else ([], {})
    of_sources = {name: source.get("table") for name, source in known.items()}
    return sorted({str(of_sources.get(str(metric.get("source", ""))) or metric.get("table", "events")) for metric in metrics})


def sources(file: Optional[Path]) -> Dict[str, str]:
    """The sources with entities, by name, each with the table of its events. Such a source has a schedule of its own."""
    _, known = _content(file) if file is not None else ([], {})
    return {name: str(source.get("table", "events")) for name, source in sorted(known.items()) if "entity" in source}


def with_texts(file: Optional[Path]) -> List[str]:
    """The names of the sources of which a metric looks for new texts. Such a source has a table of texts."""
    metrics, known = _content(file) if file is not None else ([], {})
    return sorted({str(metric.get("source")) for metric in metrics if metric.get("aggregate") == "novel"} & set(known))


def with_minutes(file: Optional[Path]) -> List[str]:
    """The names of the sources with windows shorter than an hour. Such a source has a rollup of minutes."""
    _, known = _content(file) if file is not None else ([], {})
    return sorted(name for name, source in known.items() if source.get("window") in ("5m", "1m"))


def polled(file: Optional[Path]) -> List[str]:
    """The names of the sources whose hours are replaced by runs."""
    _, known = _content(file) if file is not None else ([], {})
    return sorted(name for name, source in known.items() if source.get("feed") == "poll")


def with_samples(file: Optional[Path]) -> List[str]:
    """The names of the sources of which a metric has the rule `unseen_shape`. Their runs keep samples."""
    metrics, known = _content(file) if file is not None else ([], {})
    rules = [(str(metric.get("source")), metric.get("rule")) for metric in metrics]
    kinds = {(source, rule.get("type")) for source, of in rules if isinstance(of, list) for rule in of if isinstance(rule, dict)}
    return sorted({source for source, kind in kinds if kind == "unseen_shape"} & set(known))


def _content(file: Path) -> Tuple[List[Dict[str, object]], Dict[str, Dict[str, object]]]:
    """The entries of the metrics, and those of the sources by name. Nothing where no library reads TOML."""
    try:
        content = file.read_bytes()
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise CloudError(f"There is no catalog {file}.\n{TAKE_BACK}") from None
    except OSError as error:
        raise CloudError(f"The catalog {file} cannot be read: {error.strerror}.\n{TAKE_BACK}") from None
    except UnicodeDecodeError as error:
        raise CloudError(f"The catalog {file} is no text in UTF-8 (byte {error.start}).\n{TAKE_BACK}") from None
    compressed = base64.b64encode(gzip.compress(content)) if len(content) > LARGEST else content
    if len(compressed) > LARGEST:
        raise CloudError(f"The catalog {file} has {len(content)} bytes, and {len(compressed)} compressed, but the functions get "
                         f"{LARGEST} at most (Parameter Store). Shorten it.")
    parser = _parser()
    if parser is None:
        return [], {}
    try:
        entries = parser.loads(text)
    except ValueError as error:
        raise CloudError(f"The catalog {file} is not TOML: {error}.\n{TAKE_BACK}") from None
    metrics, sources = entries.get("metric", []), entries.get("source", [])
    presets = entries.get("presets", [])
    if not isinstance(presets, list) or not all(str(name).isidentifier() and preset_file(name).is_file() for name in presets):
        raise CloudError(f"The catalog {file} names a preset that there is not: presets = {presets}. docs/presets.md lists them.")
    if not isinstance(metrics, list) or not (metrics or presets) or not all(isinstance(metric, dict) for metric in metrics):
        raise CloudError(f"The catalog {file} has no [[metric]] in it. shared/catalog/catalog.toml shows what one looks like.")
    # `meterflow` refuses a source that is none.
    named = [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
    known = {str(source.get("name")): source for source in named}
    for name in presets:
        of_preset, sources_of_preset = _content(preset_file(name))
        metrics, known = [*of_preset, *metrics], {**sources_of_preset, **known}
    return metrics, known


def preset_file(name: str) -> Path:
    """The file of a preset, which is there if the preset is."""
    return BUILT_IN / "catalog.toml" if name == "usage" else BUILT_IN / "presets" / f"{name}.toml"


def _parser():
    for name in PARSERS:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
