"""Where the local cloud lives and how it is reached. All of it comes from the environment, with defaults.

LOCAL_CLOUD_DIR             folder of data, logs and state (default .local, relative to the project)
LOCAL_AWS_PORT              port of the AWS emulator (4566)
LOCAL_CLICKHOUSE_HTTP_PORT  port of ClickHouse's HTTP interface (8123)
LOCAL_CLICKHOUSE_TCP_PORT   port of ClickHouse's native interface (9000)
LOCAL_ISSUER_PORT           port of the issuer of tokens, where people sign in to the dashboard (4567)
LOCAL_BUILD                 which build of the programs is deployed: debug (default) or release
LOCAL_CHANNELS              channels of the notifier (see channels.py); none without it
LOCAL_CATALOG               catalog of metrics, a TOML file; CATALOG_PATH is taken, too (the built-in one)
CLICKHOUSE_URL              a ClickHouse of your own, with CLICKHOUSE_USER and CLICKHOUSE_PASSWORD; none is started then
CLICKHOUSE_ALLOW_PLAINTEXT  true lets that server be reached by plain http beyond this machine, also with a password
CLICKHOUSE_DATABASE         the database of the stack (meterflow)

`up` remembers what it was started with (see memory.py), so that each variable has to be set only once.

The cloud that the tests make for themselves has the settings of LOCAL_ under names that start with TEST_ (defaults
.local/test, any free ports), and always a ClickHouse of its own.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple
from urllib.parse import urlsplit

import memory
import ports
from console import CloudError

DEFAULT_STACK = "meterflow"
# The programs that are deployed as functions.
DETECTOR = "anomaly-detection"
API = "anomaly-api"
NOTIFIER = "anomaly-notifier"
REGION = "us-east-1"
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"
# Networks of this machine, and private networks without a route to the internet (RFC 1918, RFC 4193).
LOOPBACK = ("127.0.0.0/8", "::1/128")
PRIVATE = LOOPBACK + ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


@dataclass(frozen=True)
class ClickHouseServer:
    """A ClickHouse and how the stack and the tools reach it."""

    url: str
    user: Optional[str] = None
    password: Optional[str] = None
    started_here: bool = True
    # Whether functions and tools may use plain http to any address, also with a password.
    allow_plaintext: bool = False


@dataclass(frozen=True)
class Kind:
    """The difference between the user's cloud and the cloud of the tests: names of settings, and their defaults."""

    prefix: str
    directory: str
    # Of the emulator, of ClickHouse's HTTP and native interfaces, and of the issuer; any free ones without them.
    ports: Optional[Tuple[int, int, int, int]] = None


LOCAL = Kind("LOCAL", ".local", (4566, 8123, 9000, 4567))
# Any free ports, so that several checkouts can be tested at the same time.
TEST = Kind("TEST", ".local/test")


@dataclass(frozen=True)
class Settings:
    kind: Kind
    root: Path
    directory: Path
    aws_port: int
    clickhouse_http_port: int
    clickhouse_tcp_port: int
    issuer_port: int
    clickhouse: ClickHouseServer
    database: str
    # As given: a path, or JSON.
    channels: str = ""
    # A catalog of metrics instead of the built-in one.
    catalog: Optional[Path] = None
    # The user's own ClickHouse of the last start, if no variable names one now.
    forgotten_clickhouse: Optional[str] = None
    # The folder of target/ with the programs that are deployed.
    build: str = "debug"

    @property
    def tools(self) -> Path:
        # The tools are shared by all clouds of a checkout: they are large and do not depend on a cloud's settings.
        return self.root / ".local" / "tools"

    @property
    def is_of_tests(self) -> bool:
        """Whether tests use the cloud. The bench takes release builds, and measures what production has."""
        return self.kind == TEST and self.build == "debug"

    @property
    def aws_url(self) -> str:
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def pids(self) -> Path:
        return self.directory / "pids"

    @property
    def issuer_url(self) -> str:
        """Where the issuer answers. The address of the issuer itself ends with the id of its key."""
        return f"http://127.0.0.1:{self.issuer_port}"

    @property
    def issuer_key(self) -> Path:
        return self.directory / "issuer" / "private-key.pem"

    @property
    def issuer_users(self) -> Path:
        """The users who may sign in to the dashboard, with their passwords."""
        return self.directory / "issuer" / "users.json"

    def program(self, name: str) -> Path:
        """A program as Cargo built it for this machine."""
        return self.root / "target" / self.build / name

    def package(self, program: str) -> Path:
        """The Lambda package of a program."""
        return self.root / "target" / "lambda" / program / "bootstrap.zip"

    def stack_directory(self, stack: str) -> Path:
        return self.directory / "terraform" / stack

    def env_file(self, stack: str) -> Path:
        return self.directory / ("env" if stack == DEFAULT_STACK else f"{stack}.env")


def load(environ: Mapping[str, str] = os.environ, root: Optional[Path] = None, kind: Kind = LOCAL) -> Settings:
    root = root or Path(__file__).resolve().parents[2]
    named = environ.get(f"{kind.prefix}_CLOUD_DIR")
    directory = root / (named or kind.directory)
    forgotten = None
    if kind == TEST:
        # The data of tests must not go to a server of the user, and the user's metrics are not the tests' metrics.
        environ = {name: value for name, value in environ.items() if not name.startswith(("CLICKHOUSE_", "CATALOG_"))}
    else:
        directory = directory if named else memory.place(directory)
        remembered = memory.recall(directory)
        server = remembered.pop("CLICKHOUSE_URL", None)
        forgotten = None if "CLICKHOUSE_URL" in environ else server
        if "CATALOG_PATH" in environ:
            remembered["LOCAL_CATALOG"] = environ["CATALOG_PATH"]
        environ = {**remembered, **environ}
    names = [f"{kind.prefix}_{name}" for name in ("AWS_PORT", "CLICKHOUSE_HTTP_PORT", "CLICKHOUSE_TCP_PORT", "ISSUER_PORT")]
    chosen = {name: _port(environ, name, default) for name, default in zip(names, kind.ports or ports.free(4))}
    if len(set(chosen.values())) < len(chosen):
        listing = ", ".join(f"{name}={port}" for name, port in chosen.items())
        raise CloudError(f"Each part of the local cloud needs a port of its own, but two are the same: {listing}.")
    aws_port, http_port, tcp_port, issuer_port = chosen.values()
    return Settings(
        kind=kind,
        root=root,
        directory=directory,
        aws_port=aws_port,
        clickhouse_http_port=http_port,
        clickhouse_tcp_port=tcp_port,
        issuer_port=issuer_port,
        clickhouse=_clickhouse(environ, http_port),
        database=environ.get("CLICKHOUSE_DATABASE") or DEFAULT_STACK,
        channels=environ.get(f"{kind.prefix}_CHANNELS") or "",
        catalog=root / environ[f"{kind.prefix}_CATALOG"] if environ.get(f"{kind.prefix}_CATALOG") else None,
        forgotten_clickhouse=forgotten,
        build=_build(environ, f"{kind.prefix}_BUILD"),
    )


def as_environment(settings: Settings) -> Dict[str, str]:
    """The variables by which another call of cloud.py finds this cloud."""
    return {"LOCAL_CLOUD_DIR": str(settings.directory), **_variables(settings)}


def as_test_environment(settings: Settings) -> Dict[str, str]:
    """The variables by which another call of cloud_of_tests.py finds this cloud of the tests."""
    return {name.replace("LOCAL", "TEST", 1): value for name, value in as_environment(settings).items()}


def remember(settings: Settings) -> None:
    """Lets later calls of cloud.py find this cloud without any variable."""
    if settings.kind != LOCAL:
        return
    variables = {**_variables(settings), "CLICKHOUSE_DATABASE": settings.database}
    if not settings.clickhouse.started_here:
        variables["CLICKHOUSE_URL"] = settings.clickhouse.url
    memory.remember(settings.root / LOCAL.directory, settings.directory, variables)


def forget(settings: Settings) -> None:
    memory.forget(settings.root / LOCAL.directory, settings.directory)


# Variables that cannot change while a cloud runs.
PORTS = ("LOCAL_AWS_PORT", "LOCAL_CLICKHOUSE_HTTP_PORT", "LOCAL_CLICKHOUSE_TCP_PORT", "LOCAL_ISSUER_PORT")


def _variables(settings: Settings) -> Dict[str, str]:
    return {
        "LOCAL_AWS_PORT": str(settings.aws_port),
        "LOCAL_CLICKHOUSE_HTTP_PORT": str(settings.clickhouse_http_port),
        "LOCAL_CLICKHOUSE_TCP_PORT": str(settings.clickhouse_tcp_port),
        "LOCAL_ISSUER_PORT": str(settings.issuer_port),
        "LOCAL_CHANNELS": settings.channels,
        "LOCAL_CATALOG": str(settings.catalog or ""),
        "LOCAL_BUILD": settings.build,
    }


def _build(environ: Mapping[str, str], name: str) -> str:
    build = environ.get(name) or "debug"
    if build not in ("debug", "release"):
        raise CloudError(f"{name} must be debug or release, but it is {build!r}.")
    return build


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CloudError(f"{name} must be a port from 1 to 65535, but it is {text!r}.")
    return int(text)


def _clickhouse(environ: Mapping[str, str], http_port: int) -> ClickHouseServer:
    launched = f"http://127.0.0.1:{http_port}"
    url = (environ.get("CLICKHOUSE_URL") or "").rstrip("/")
    if not url:
        return ClickHouseServer(launched)
    if set(url) & set(";,"):
        raise CloudError(f"CLICKHOUSE_URL is the list {url!r}, but the local cloud uses one server. Name one of its addresses.")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CloudError(f"CLICKHOUSE_URL must be an http or https address, but it is {url!r}.")
    # A shell that has loaded the env file has this cloud's own address. That is no server of the user.
    if parts.hostname in ("127.0.0.1", "localhost") and parts.port == http_port:
        return ClickHouseServer(launched)
    user, password = environ.get("CLICKHOUSE_USER") or None, environ.get("CLICKHOUSE_PASSWORD") or None
    allowed = environ.get("CLICKHOUSE_ALLOW_PLAINTEXT") or "false"
    if allowed not in ("true", "false"):
        raise CloudError(f"CLICKHOUSE_ALLOW_PLAINTEXT must be true or false, but it is {allowed!r}.")
    allow_plaintext = allowed == "true" or (parts.scheme == "http" and _is_in(parts.hostname, LOOPBACK))
    if parts.scheme == "http" and not allow_plaintext:
        _require_harmless_plaintext(url, parts.hostname, has_password=bool(user or password))
    return ClickHouseServer(url, user, password, started_here=False, allow_plaintext=allow_plaintext)


def _require_harmless_plaintext(url: str, host: str, has_password: bool) -> None:
    """The rule of clickhouse_url in infra/modules/stack/variables.tf, before anything is built."""
    allow = "If the network on the way is yours, set CLICKHOUSE_ALLOW_PLAINTEXT=true."
    if not _is_in(host, PRIVATE):
        raise CloudError(f"CLICKHOUSE_URL is {url}, but plain http is for loopback and private IP addresses only: everybody on "
                         f"the way could read and change usage.\nUse https. {allow}")
    if has_password:
        raise CloudError(f"CLICKHOUSE_URL is {url}, and CLICKHOUSE_USER or CLICKHOUSE_PASSWORD is set: plain http would send "
                         f"the password unencrypted.\nUse https. {allow}")


def _is_in(host: str, networks: Tuple[str, ...]) -> bool:
    if host == "localhost":
        return "127.0.0.0/8" in networks
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False  # A name, which does not tell where it leads to.
    return any(address in ipaddress.ip_network(network) for network in networks)
