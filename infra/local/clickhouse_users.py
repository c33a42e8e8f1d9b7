"""The users of the functions in the ClickHouse that is started here, made from infra/clickhouse/users.sql.

The engine reads users from a file when it starts, and has no CREATE USER. So the statements of that file become XML:
the same profiles, limits and grants as in production, with passwords of this cloud. The same actions are forbidden.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple
from xml.sax.saxutils import escape

import catalogs
from console import CloudError
from files import read_json, write_atomically, write_private_json
from settings import Settings

# The names of the users, and of the database in the file.
API_USER = "meterflow_api"
DETECTOR_USER = "meterflow_detector"
DATABASE = "metering"

PROFILE = re.compile(r"CREATE SETTINGS PROFILE IF NOT EXISTS (\w+) SETTINGS (.+)")
SETTING = re.compile(r"(\w+) = (\d+)(?: MIN (\d+) MAX (\d+))?")
USER = re.compile(r"CREATE USER IF NOT EXISTS (\w+) IDENTIFIED WITH sha256_password BY '[^']*' SETTINGS PROFILE (\w+)")
GRANT = re.compile(rf"GRANT ([A-Z, ]+) ON (?={DATABASE}\.|system\.)(?:{DATABASE}\.)?((?:system\.)?\w+) TO (\w+)")

# Tests ask thousands of small queries. To make machine code of a query, or threads for it, takes longer than the query. The
# bench, which takes release builds, measures with the settings of production.
FOR_TESTS = {
    "compile_expressions": 0, "compile_aggregate_expressions": 0, "compile_sort_description": 0, "max_threads": 1,
    # As bad as a user's profile may be. Our own queries must not leave out shards.
    "skip_unavailable_shards": 1,
}
# Tests make thousands of small tables. Ten times a second the engine asks each of them whether there is something to do. A pool
# of its default size falls behind, and then goes on asking. That took a sixth of a processor. A mutation that finds nothing to do
# at first waits for the next question, so that comes within seconds.
ENGINE_OF_TESTS = {
    "background_processing_pool_thread_sleep_seconds_if_nothing_to_do": 1,
    "background_processing_pool_task_sleep_seconds_when_no_work_max": 5,
    "background_move_processing_pool_thread_sleep_seconds_if_nothing_to_do": 10,
    "background_streaming_processing_pool_thread_sleep_seconds_if_nothing_to_do": 10,
    "background_schedule_pool_size": 32,
    "background_schedule_pool_max_parallel_tasks_per_type_ratio": 1,
    # The files of dropped tables go at once. By default they stay for eight minutes, and all of them would be deleted at the end.
    "database_atomic_delay_before_drop_table_sec": 1,
    # These metrics walk through all tables each second, and nobody reads them.
    "asynchronous_metrics_update_period_s": 3600,
}

Setting = Tuple[str, str, Optional[str], Optional[str]]


@dataclass(frozen=True)
class Users:
    # For each profile its settings: name, value, and the least and the most that a query may set.
    profiles: Dict[str, List[Setting]] = field(default_factory=dict)
    # The profile of each user.
    users: Dict[str, str] = field(default_factory=dict)
    # Rights, table and user.
    grants: List[Tuple[str, str, str]] = field(default_factory=list)


def credentials(settings: Settings) -> Dict[str, Dict[str, str]]:
    """Name and password of each user, as a secret has them."""
    file = settings.directory / "clickhouse-users.json"
    known = read_json(file)
    if not isinstance(known, dict) or set(known) != {API_USER, DETECTOR_USER}:
        known = {user: secrets.token_urlsafe(24) for user in (API_USER, DETECTOR_USER)}
        write_private_json(file, known)
    return {user: {"username": user, "password": password} for user, password in known.items()}


def write(settings: Settings) -> Tuple[Path, bool]:
    """The engine's configuration file, and whether its content has changed."""
    folder = settings.directory / "clickhouse-config"
    text = xml(_parsed(settings.root / "infra" / "clickhouse" / "users.sql"), settings)
    users, config = folder / "users.xml", folder / "config.xml"
    of_tests = "".join(f"<{name}>{value}</{name}>" for name, value in for_tests(settings)["engine"].items())
    of_engine = f"<clickhouse><users_config>{escape(str(users))}</users_config>{of_tests}</clickhouse>\n"
    wanted = {users: text, config: of_engine}
    changed = any(not file.is_file() or file.read_text(encoding="utf-8") != content for file, content in wanted.items())
    if changed:
        for file, content in wanted.items():
            write_atomically(file, content, mode=0o600)
    return config, changed


def for_tests(settings: Settings) -> Dict[str, Dict[str, str]]:
    """What an engine of tests has beside the settings of production: of the engine itself, and of a user's profile."""
    parts = {"engine": ENGINE_OF_TESTS, "profile": FOR_TESTS} if settings.is_of_tests else {"engine": {}, "profile": {}}
    return {part: {name: str(value) for name, value in values.items()} for part, values in parts.items()}


def xml(made: Users, settings: Settings) -> str:
    passwords = credentials(settings)
    profiles = "".join(f"<{name}>{_settings(values)}</{name}>" for name, values in made.profiles.items())
    users = "".join(
        f"<{name}><password_sha256_hex>{hashlib.sha256(passwords[name]['password'].encode()).hexdigest()}</password_sha256_hex>"
        f"<networks><ip>127.0.0.1</ip></networks><profile>{profile}</profile>"
        f"<grants>{''.join(f'<query>{escape(grant)}</query>' for grant in _grants(made, name, settings))}</grants></{name}>"
        for name, profile in made.users.items()
    )
    default = "".join(f"<{name}>{value}</{name}>" for name, value in for_tests(settings)["profile"].items())
    return (
        f"<clickhouse>\n<profiles><default>{default}</default>{profiles}</profiles>\n<quotas><default/></quotas>\n"
        # Every program on this machine may do everything except make users, as without this file.
        "<users><default><password/><networks><ip>127.0.0.1</ip><ip>::1</ip></networks><profile>default</profile>"
        f"<quota>default</quota></default>{users}</users>\n</clickhouse>\n"
    )


def _parsed(file: Path) -> Users:
    text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8"))
    made = Users()
    for statement in filter(None, (" ".join(part.split()) for part in text.split(";"))):
        profile, user, grant = PROFILE.fullmatch(statement), USER.fullmatch(statement), GRANT.fullmatch(statement)
        if profile:
            parts = profile.group(2).split(", ")
            matches = [SETTING.fullmatch(part) for part in parts]
            _require(all(matches), file, statement)
            made.profiles[profile.group(1)] = [match.groups() for match in matches]
        elif user:
            made.users[user.group(1)] = user.group(2)
        else:
            _require(grant is not None, file, statement)
            made.grants.append(grant.groups())
    _require(set(made.users) == {API_USER, DETECTOR_USER}, file, f"the users {', '.join(made.users)}")
    return made


def _require(holds: bool, file: Path, what: str) -> None:
    if not holds:
        raise CloudError(f"{file} has something that infra/local/clickhouse_users.py does not understand: {what}")


def _grants(made: Users, user: str, settings: Settings) -> List[str]:
    # "Each table that your catalog names" is for the API. Both users read the events of the sources with entities.
    sources = catalogs.sources(settings.catalog)
    tables = catalogs.tables(settings.catalog) if user == API_USER else sorted(sources.values())
    rights = [(rights, table) for rights, table, to in made.grants if to == user]
    # The tables that are computed have the name of the source in the place of `usage`.
    rights += [(right, table.replace("usage", source, 1)) for source in sources for right, table in rights if table.startswith("usage_")]
    rights += [("SELECT", f"{source}_seen") for source in catalogs.with_texts(settings.catalog)]
    rights += [("SELECT", f"{source}_minute") for source in catalogs.with_minutes(settings.catalog)]
    if user == DETECTOR_USER:
        rights += [("INSERT", f"{source}_hourly") for source in catalogs.polled(settings.catalog)]
        rights += [("SELECT, INSERT", f"{source}_samples") for source in catalogs.with_samples(settings.catalog)]
    rights += [("SELECT", table) for table in tables]
    return sorted({f"GRANT {right} ON {_in_database(table, settings.database)}" for right, table in rights})


def _in_database(table: str, database: str) -> str:
    # A table of a catalog, or of the server itself, may name its database.
    named, _, name = table.rpartition(".")
    return f"{_quoted(named or database)}.{_quoted(name)}"


def _settings(values: List[Setting]) -> str:
    limits = "".join(f"<{name}><min>{least}</min><max>{most}</max></{name}>" for name, _, least, most in values if most)
    return "".join(f"<{name}>{value}</{name}>" for name, value, *_ in values) + (f"<constraints>{limits}</constraints>" if limits else "")


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
