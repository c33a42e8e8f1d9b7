"""Deploys a stack into the local cloud: database, Terraform, the inbox for its alerts, and the env file with its
tokens.

A stack is named by its `name_prefix` and has a Terraform state of its own. So several stacks can exist side by side.

The emulator may forget: it keeps its state in memory and saves it only when it is asked to end. A Terraform state of
a forgotten stack would make `apply` fail in odd ways. So each deployment first writes a new generation number into
the emulator and beside the states. While the two agree, the states are valid. If they do not agree, or if Terraform
was killed at work, emulator and states are emptied together and the stack is made again.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Dict, List, Mapping, Optional

import aws
import catalogs
import channels
import clickhouse
import clickhouse_users
import emulator
import issuer
import package
from console import CloudError, Step
from files import read_json, write_atomically, write_json
from settings import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, TEST, Settings
from terraform import Terraform

# Tests invoke the detector at the same time. The emulator repeats a throttled asynchronous run after one and two minutes.
# The tests of alarms are for all alarms that a variable can switch on.
TEST_VARIABLES = {"reserved_concurrency": 8, "detailed_alarms": True}
# The outputs that name the functions.
FUNCTION_NAMES = ("detector_function_name", "api_function_name", "notifier_function_name", "checks_function_name",
                  "sources_function_name")

COMMENTS = {
    "API_URL": "The API. A client sends its requests here, with API_HOST as the Host header and a token as the bearer.",
    "API_HOST": "By this name the emulator knows which API is meant. /health it answers itself; the API's is /$default/health.",
    "API_CUSTOMER_ID": "The customer of the two tokens that are bound to one.",
    "API_TOKEN_ADMIN": "May read, write and administer, for all customers. All three tokens are valid for 30 days.",
    "API_TOKEN_READER": "May read what belongs to API_CUSTOMER_ID.",
    "API_TOKEN_CUSTOMER": "May read and write what belongs to API_CUSTOMER_ID.",
    "DASHBOARD_URL": "The dashboard, for a browser. The next three lines are users with their passwords.",
    "DASHBOARD_OPERATOR": "May read, write and administer, for all customers.",
    "DASHBOARD_READER": "Sees all customers and the settings, but cannot act on incidents.",
    "DASHBOARD_CUSTOMER": "Sees and acts on what belongs to API_CUSTOMER_ID.",
}


@dataclass(frozen=True)
class Stack:
    name_prefix: str
    database: str
    detector_package: Path
    api_package: Path
    notifier_package: Path
    catalog_file: Optional[Path] = None
    variables: Dict[str, object] = field(default_factory=dict)

    @property
    def packages(self) -> List[Path]:
        return [self.detector_package, self.api_package, self.notifier_package]

    @property
    def inbox(self) -> str:
        return f"{self.name_prefix}-alerts-inbox"


def deploy(settings: Settings, stack: Stack) -> None:
    for file in stack.packages:
        package.require_runnable(file)
    catalogs.require_valid(stack.catalog_file)
    clickhouse.ensure_database(settings.clickhouse, stack.database)
    directory = settings.stack_directory(stack.name_prefix)
    terraform = Terraform(settings, directory)
    agree_on_generation(settings)
    variables = _variables(settings, stack, issuer.url(settings))
    fingerprint = _fingerprint(terraform.stage(), stack, variables)

    known = read_json(directory / "deployed.json") or {}
    if known.get("fingerprint") == fingerprint and _is_complete(settings, known):
        with Step(f"Stack {stack.name_prefix}") as step:
            step.result = "is deployed, nothing has changed"
    else:
        known = _apply(settings, stack, terraform, variables, fingerprint)
    write_env_file(settings, stack, known, variables)


def write_env_file(settings: Settings, stack: Stack, known: Dict[str, object], variables: Dict[str, object]) -> None:
    values = {
        "CLICKHOUSE_URL": settings.clickhouse.url,
        "CLICKHOUSE_DATABASE": stack.database,
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_REGION": REGION,
        # boto3 and programs based on it read only this older name.
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "ALERTS_QUEUE_URL": known["inbox_url"],
    }
    if settings.clickhouse.user:
        values["CLICKHOUSE_USER"] = settings.clickhouse.user
    if settings.clickhouse.password:
        values["CLICKHOUSE_PASSWORD"] = settings.clickhouse.password
    if settings.clickhouse.allow_plaintext:
        values["CLICKHOUSE_ALLOW_PLAINTEXT"] = "true"
    if stack.catalog_file:
        values["CATALOG_PATH"] = str(stack.catalog_file)
    host = api_host(settings, known["outputs"])
    if host:
        values.update({"API_URL": settings.aws_url, "API_HOST": host, "API_CUSTOMER_ID": issuer.CUSTOMER})
        values.update(_api_tokens(settings, variables))
        values["DASHBOARD_URL"] = dashboard_url(settings, known["outputs"])
        for user, password in issuer.passwords(settings).items():
            values[f"DASHBOARD_{user.upper()}"] = f"{user}:{password}"
    # The file holds tokens, and perhaps the password of the user's own server. Nobody else may read it.
    write_atomically(settings.env_file(stack.name_prefix), format_env(values, COMMENTS), mode=0o600)


def api_host(settings: Settings, outputs: Dict[str, object]) -> Optional[str]:
    """The name under which the emulated gateway knows the stack's API; None when the stack has none."""
    api_id = outputs.get("api_id")
    return f"{api_id}.execute-api.localhost:{settings.aws_port}" if api_id else None


def dashboard_url(settings: Settings, outputs: Dict[str, object]) -> Optional[str]:
    """The address of the page; None when the stack has no API. It holds the API's id in its path, because not every system
    finds names that end with .localhost.
    """
    api_id = outputs.get("api_id")
    return f"{settings.aws_url}/_aws/execute-api/{api_id}/" if api_id else None


def format_env(values: Dict[str, str], comments: Mapping[str, str] = MappingProxyType({})) -> str:
    """KEY=value lines that a shell, `make` and a dotenv reader read alike, some below a comment."""
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise CloudError(f"{name} holds a line break, which an env file cannot carry.")
    return "".join(
        (f"# {comments[name]}\n" if name in comments else "") + f"{name}={_quoted(value)}\n"
        for name, value in values.items()
    )


def parse_env(text: str) -> Dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: _unquoted(value) for name, _, value in lines}


def names(settings: Settings) -> List[str]:
    return sorted(file.parent.name for file in settings.directory.glob("terraform/*/deployed.json"))


def deployed(settings: Settings, name_prefix: str) -> Dict[str, object]:
    known = read_json(settings.stack_directory(name_prefix) / "deployed.json")
    if known is None:
        raise CloudError(f"No stack {name_prefix} is deployed in {settings.directory}. Run: make up")
    return known


def _apply(settings, stack, terraform, variables, fingerprint) -> Dict[str, object]:
    with Step(f"Terraform provider for stack {stack.name_prefix}") as step:
        terraform.init()
        step.result = "ready"
    _advance_generation(settings)
    with Step(f"Stack {stack.name_prefix}: terraform apply") as step:
        outputs = terraform.apply(variables)
        aws.call(settings, "delete_old_versions", functions=_functions(outputs))
        step.result = "applied"
    with Step(f"Inbox for alerts, queue {stack.inbox}") as step:
        inbox_url = aws.call(settings, "subscribe_inbox", queue=stack.inbox, topic_arn=outputs["alert_topic_arn"])
        step.result = "subscribed"
    known = {
        "fingerprint": fingerprint,
        "inbox_url": inbox_url,
        "outputs": outputs,
        "database": stack.database,
    }
    write_json(terraform.directory / "deployed.json", known)
    return known


def _functions(outputs: Dict[str, object]) -> List[str]:
    return [outputs[name] for name in FUNCTION_NAMES if outputs.get(name)]


def _is_complete(settings: Settings, known: Dict[str, object]) -> bool:
    outputs = known["outputs"]
    return aws.call(
        settings, "verify_stack",
        functions=_functions(outputs),
        table=outputs["anomalies_table_name"], topic_arn=outputs["alert_topic_arn"], queue_url=known["inbox_url"],
        api_id=outputs.get("api_id"),
    )


def _api_tokens(settings: Settings, variables: Dict[str, object]) -> Dict[str, str]:
    scopes = {**issuer.SCOPES, **variables.get("api_scopes", {})}
    audience = variables["api_jwt_audience"][0]
    tokens = {
        "API_TOKEN_ADMIN": issuer.Token("local-admin", [scopes["read"], scopes["write"], scopes["admin"]], None, audience),
        "API_TOKEN_READER": issuer.Token("local-reader", [scopes["read"]], issuer.CUSTOMER, audience),
        "API_TOKEN_CUSTOMER": issuer.Token("local-customer", [scopes["read"], scopes["write"]], issuer.CUSTOMER, audience),
    }
    return dict(zip(tokens, issuer.sign(settings, list(tokens.values()))))


def _variables(settings: Settings, stack: Stack, issuer_url: str) -> Dict[str, object]:
    server, secrets = settings.clickhouse, _clickhouse_secrets(settings, stack)
    return {
        "name_prefix": stack.name_prefix,
        "architecture": package.host_architecture(),
        "detector_package": str(stack.detector_package),
        "api_package": str(stack.api_package),
        "notifier_package": str(stack.notifier_package),
        "api_jwt_issuer": issuer_url,
        "api_jwt_audience": [issuer.AUDIENCE],
        "dashboard": {"client_id": issuer.CLIENT},
        "clickhouse_url": server.url,
        "clickhouse_database": stack.database,
        # A password for an engine that was started here does not leave this machine.
        "clickhouse_allow_plaintext": server.allow_plaintext or (server.started_here and bool(secrets)),
        **secrets,
        "catalog_file": str(stack.catalog_file) if stack.catalog_file else None,
        "sources": {name: {} for name in catalogs.sources(stack.catalog_file)},
        "aws_endpoint_url": settings.aws_url,
        # The local stack may be deleted at any time.
        "deletion_protection": False,
        **(TEST_VARIABLES if settings.kind == TEST else {}),
        **channels.variables(settings, stack.name_prefix),
        **stack.variables,
    }


def _clickhouse_secrets(settings: Settings, stack: Stack) -> Dict[str, str]:
    """The users of the functions, by the variables of the stack that name their secrets."""
    server = settings.clickhouse
    if not server.started_here:
        if not server.user and not server.password:
            return {}
        users = {"clickhouse_secret_arn": {"username": server.user or "default", "password": server.password or ""}}
    elif (stack.database, stack.catalog_file) == (settings.database, settings.catalog):
        known = clickhouse_users.credentials(settings)
        users = {"clickhouse_secret_arn": known[clickhouse_users.API_USER],
                 "detector_clickhouse_secret_arn": known[clickhouse_users.DETECTOR_USER]}
    else:
        # The engine knows its users since its start, with the one database and the tables that they may read.
        return {}
    return {
        variable: aws.call(settings, "put_secret", name=f"{stack.name_prefix}/{variable[:-len('_secret_arn')]}", text=json.dumps(user))
        for variable, user in users.items()
    }


def _fingerprint(configuration: List[Path], stack: Stack, variables: Dict[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(variables, sort_keys=True).encode())
    # A preset is a part of the packages.
    files = [Path(part) for part in variables.get("catalog_files", []) if not part.startswith("preset:")]
    catalog = [stack.catalog_file] if stack.catalog_file else files
    inputs = [*configuration, *stack.packages, *catalog]
    for file in inputs:
        digest.update(f"\0{file}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _generation_file(settings: Settings) -> Path:
    return settings.directory / "terraform" / "generation.json"


def agree_on_generation(settings: Settings) -> None:
    stacks = [Terraform(settings, entry) for entry in settings.directory.glob("terraform/*") if entry.is_dir()]
    remembered = aws.call(settings, "read_generation")
    known = remembered is not None and remembered == read_json(_generation_file(settings))
    if known and not any(stack.was_killed for stack in stacks):
        return
    with Step("Starting from an empty AWS emulator") as step:
        emulator.reset(settings)
        forgotten = names(settings)
        for stack in stacks:
            stack.forget()
            (stack.directory / "deployed.json").unlink(missing_ok=True)
        _advance_generation(settings)
        if forgotten:
            step.result = f"done; it did not know {', '.join(forgotten)} any more (was it killed?); ClickHouse is untouched"


def _advance_generation(settings: Settings) -> None:
    generation = uuid.uuid4().hex
    aws.call(settings, "write_generation", generation=generation)
    write_json(_generation_file(settings), generation)


def _quoted(value: str) -> str:
    plain = all(character.isalnum() or character in "-_./:@%+," for character in value)
    return value if plain else "'" + value.replace("'", "'\\''") + "'"


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1].replace("'\\''", "'")
    return value
