#!/usr/bin/env python3
"""The local cloud of MeterFlow: a real ClickHouse engine and an AWS emulator, with the Terraform of production on it.

The targets of the Makefile (`make setup`, `make up`, …) call it; see `cloud.py --help` for all commands, and
settings.py for the variables that move ports and folders.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict, Optional

import aws
import clickhouse
import dashboard
import emulator
import invocation
import issuer
import node
import overview
import package
import preflight
import processes
import settings as configuration
import stack as stacks
import terraform_check
import tools
from console import CloudError, Step, say
from files import make_folder, tail
from settings import API, DEFAULT_STACK, DETECTOR, NOTIFIER, Settings
from stack import Stack

# The code of a program that Ctrl-C ended.
INTERRUPTED = 128 + signal.SIGINT


def main(arguments=None, kind: configuration.Kind = configuration.LOCAL) -> int:
    options = _parser().parse_args(arguments)
    return guarded(lambda: options.command(configuration.load(kind=kind), options))


def guarded(command: Callable[[], Optional[int]]) -> int:
    """Runs a command and shows its errors to a person."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # Ends like Ctrl-C: Terraform saves its state, and a cloud of the tests is deleted.
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        return command() or 0
    except CloudError as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output, such as `head`, has left. Python would complain again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        # A file that this user may not use, or a full disk. The user can act on both, so no traceback is shown.
        print(f"\nError: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to go on.", file=sys.stderr)
        return INTERRUPTED


def ready(settings: Settings, options) -> None:
    """Finds problems that `make up` would meet after minutes of fetching and compiling."""
    if options.built_in_catalog:
        preflight.require_built_in_catalog(settings)
    preflight.up(settings)


def ready_for_aws(settings: Settings, options) -> None:
    preflight.deploy(settings, Path(options.vars), options.arch)


def setup(settings: Settings, options) -> None:
    tools.setup(settings)
    node.install(settings)


def build_dashboard(settings: Settings, options) -> None:
    dashboard.build(settings)


def make_packages(settings: Settings, options) -> None:
    beside = {API: dashboard.entries(dashboard.build(settings))}
    for program in (DETECTOR, API, NOTIFIER):
        package.make(settings.program(program), settings.package(program), settings.build == "release", beside.get(program, []))
        say(f"Lambda package: {settings.package(program)}")


def add_dashboard(settings: Settings, options) -> None:
    package.add(Path(options.package), dashboard.entries(dashboard.build(settings)))
    say(f"Lambda package with the dashboard: {options.package}")


def up(settings: Settings, options) -> None:
    tools.require_set_up(settings)
    node.require_installed(settings)
    packages = _packages(settings, options)
    for file in packages.values():
        package.require_runnable(file)
    with _exclusive(settings):
        preflight.up(settings)
        configuration.remember(settings)
        clickhouse.ensure_running(settings)
        issuer.ensure_running(settings)
        emulator.ensure_running(settings)
        stacks.deploy(settings, Stack(DEFAULT_STACK, settings.database, catalog_file=settings.catalog, **packages))
        _migrate(settings)
    say(f"The local cloud is up. Its addresses and tokens are in {settings.env_file(DEFAULT_STACK)}")
    page = stacks.dashboard_url(settings, stacks.deployed(settings, DEFAULT_STACK)["outputs"])
    if page:
        say(f"The dashboard: {page}")
        # The output of the tests is a log that stays.
        if settings.kind == configuration.LOCAL:
            say(f"Sign in as operator with the password {issuer.passwords(settings)['operator']}")


def _migrate(settings: Settings) -> None:
    """Makes the tables and views, so that usage can be inserted as soon as the cloud is up."""
    program = settings.program("meterflow")
    if not settings.clickhouse.started_here:
        catalog = f" --catalog {settings.catalog}" if settings.catalog else ""
        say(f"Your own ClickHouse is not changed. To make the tables and views there: {program} migrate{catalog}")
        return
    if not program.is_file():
        raise CloudError(f"There is no {program}. Run: make build")
    environ = _client_environ(settings, DEFAULT_STACK)
    of = f" of {settings.catalog}" if settings.catalog else ""
    with Step(f"Tables and views{of}, meterflow migrate") as step:
        result = subprocess.run([str(program), "migrate"], env=environ, capture_output=True, text=True)
        if result.returncode:
            agree = f" (set -a; . {settings.env_file(DEFAULT_STACK)}; {program} migrate --yes)" if "--yes" in result.stderr else ""
            raise CloudError(f"{result.stderr.strip()}\nThe stack is deployed, but the rollup is not that of its catalog. "
                             f"{f'To agree:{agree}. ' if agree else ''}When the cause is gone, run `make up` again.")
        step.result = "are there"


def deploy(settings: Settings, options) -> None:
    tools.require_set_up(settings)
    _require_running(settings)
    preflight.require_own_clickhouse(settings)
    with _exclusive(settings):
        issuer.ensure_running(settings)
        stacks.deploy(settings, Stack(
            name_prefix=options.name_prefix,
            database=options.database or settings.database,
            catalog_file=_absolute(options.catalog_file) if options.catalog_file else None,
            variables=dict(options.var),
            **_packages(settings, options),
        ))
    say(f"Its addresses and tokens are in {settings.env_file(options.name_prefix)}")


def down(settings: Settings, options) -> None:
    with _exclusive(settings):
        for name, title in ((emulator.NAME, "AWS emulator"), (issuer.NAME, "Issuer of tokens"), (clickhouse.NAME, "ClickHouse")):
            record = processes.find(name, settings.pids)
            with Step(title) as step:
                if record is None:
                    step.result = "does not run"
                else:
                    processes.stop(record, settings.pids)
                    step.result = "stopped"
        if options.purge:
            _purge(settings, keep_logs=False)
            say(f"All data of the local cloud in {settings.directory} were deleted.")


def status(settings: Settings, options) -> int:
    preflight.require_agreement(settings)
    return overview.show(settings)


def run(settings: Settings, options) -> int:
    """Runs a program with the environment of a stack; with --temporary in a cloud made for it alone."""
    if options.temporary:
        return _run_in_temporary_cloud(options)
    return _run_program(settings, options)


def invoke(settings: Settings, options) -> int:
    event = invocation.read(settings, options.event, options.time)
    _require_running(settings)
    return invocation.invoke(settings, options.name_prefix, event)


def token(settings: Settings, options) -> None:
    made = issuer.Token(options.subject, options.scope, options.customer, options.audience, options.expires)
    say(issuer.sign(settings, [made])[0])


def check_terraform(settings: Settings, options) -> None:
    tools.require_programs(["terraform"])
    terraform_check.check(settings, Path(options.report) if options.report else None)


def _run_in_temporary_cloud(options) -> int:
    settings = configuration.load(kind=configuration.TEST)
    if settings.directory == configuration.load().directory:
        raise CloudError("The cloud of the tests is deleted afterwards, so it needs a folder of its own: "
                         f"TEST_CLOUD_DIR must not be {settings.directory}.")
    code = 0
    with _exclusive(settings, settings.directory / "test-lock"):
        tear_down(settings)
        try:
            options.detector_package = options.api_package = options.notifier_package = None
            up(settings, options)
            code = _run_program(settings, options)
        finally:
            if code not in (0, INTERRUPTED):
                log = settings.logs / "aws.log"
                say(f"\nThat failed. The end of the emulator's log, {log}:\n{tail(log)}\n")
            tear_down(settings)
    return code


def _run_program(settings: Settings, options) -> int:
    env_file = settings.env_file(options.name_prefix)
    if not env_file.is_file():
        raise CloudError(f"There is no {env_file}. Run: make up")
    environ = _client_environ(settings, options.name_prefix)
    # A program that calls cloud.py, for example to deploy a second stack, means the cloud that it runs in.
    environ.update(configuration.as_environment(settings))
    environ.update(clickhouse.for_own_engines(settings))
    if options.as_detector:
        function = stacks.deployed(settings, options.name_prefix)["outputs"]["detector_function_name"]
        environ.pop("CATALOG_PATH", None)  # The function has the catalog from Parameter Store, or the built-in one.
        environ.update(aws.call(settings, "function_environment", function=function))
    program = options.program[1:] if options.program[:1] == ["--"] else options.program
    if not program:
        raise CloudError("Which program? Usage: cloud.py run -- PROGRAM ARGUMENTS")
    try:
        return _wait_for(subprocess.Popen(program, env=environ, cwd=settings.root))
    except OSError as error:
        raise CloudError(f"{program[0]} cannot be run: {error.strerror}.") from None


def _wait_for(program: subprocess.Popen) -> int:
    """Returns the program's code. Ctrl-C reaches the program, too, which ends in its own way. So this one goes on waiting."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = program.wait()
    except BaseException:
        program.kill()
        program.wait()
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _client_environ(settings: Settings, name_prefix: str) -> Dict[str, str]:
    """The environment of a program that uses a stack, without the user's own servers, accounts and catalogs."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CLICKHOUSE_", "CATALOG_"))}
    environ = emulator.client_environment(settings, inherited)
    environ.update(stacks.parse_env(settings.env_file(name_prefix).read_text(encoding="utf-8")))
    return environ


def tear_down(settings: Settings) -> None:
    """Ends the cloud's processes and deletes its data. The logs stay."""
    for name in (emulator.NAME, issuer.NAME, clickhouse.NAME):
        record = processes.find(name, settings.pids)
        if record:
            processes.kill(record, settings.pids)
    _purge(settings, keep_logs=True)


def _purge(settings: Settings, keep_logs: bool) -> None:
    # By name, and never the whole directory: it also holds the tools, and perhaps other clouds.
    clickhouse.delete_data(settings)
    for name in ("clickhouse-config", "aws", "terraform", "issuer", "pids") + (() if keep_logs else ("logs", "terraform-check")):
        shutil.rmtree(settings.directory / name, ignore_errors=True)
    for file in [settings.directory / "env", settings.directory / "clickhouse-users.json", *settings.directory.glob("*.env")]:
        file.unlink(missing_ok=True)
    configuration.forget(settings)


def _require_running(settings: Settings) -> None:
    preflight.require_agreement(settings)
    if not overview.is_own(settings, emulator.NAME, emulator.is_healthy(settings)):
        raise CloudError(f"The local cloud is not up: nothing answers at {settings.aws_url}. Run: make up")


def _packages(settings: Settings, options) -> Dict[str, Path]:
    def package_of(program, given):
        return _absolute(given) if given else settings.package(program)

    return {
        "detector_package": package_of(DETECTOR, options.detector_package),
        "api_package": package_of(API, options.api_package),
        "notifier_package": package_of(NOTIFIER, options.notifier_package),
    }


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(path))


def _variable(text: str):
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@contextmanager
def _exclusive(settings: Settings, path: Optional[Path] = None):
    """One change to a cloud at a time, and one run of the tests."""
    make_folder(settings.directory, f"{settings.kind.prefix}_CLOUD_DIR")
    with (path or settings.directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command is using this local cloud; waiting for it to end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloud.py", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, summary):
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=function)
        return added

    def stack_option(added):
        added.add_argument("--name-prefix", default=DEFAULT_STACK, help=f"name of the stack (default {DEFAULT_STACK})")

    added = command("ready", ready, "check everything that `up` needs: ports, folder, catalog, channels")
    added.add_argument("--built-in-catalog", action="store_true", help="and for a catalog in the place of the built-in one")
    added = command("ready-for-aws", ready_for_aws, "check everything that `make plan` and `make deploy` need")
    added.add_argument("--vars", required=True, metavar="FILE", help="variables of the stack (tfvars)")
    added.add_argument("--arch", required=True, help="processor of the functions: arm64 or x86_64")

    command("setup", setup, "check the machine and fetch the pinned tools")
    def package_options(added):
        added.add_argument("--detector-package", metavar="ZIP", help="Lambda package of the detector (default: the built one)")
        added.add_argument("--api-package", metavar="ZIP", help="Lambda package of the API (default: the built one)")
        added.add_argument("--notifier-package", metavar="ZIP", help="Lambda package of the notifier (default: the built one)")

    command("package", make_packages, "make the Lambda packages of the programs that Cargo built, and of the dashboard")
    command("dashboard", build_dashboard, "build the dashboard, if its sources have changed")
    added = command("add-dashboard", add_dashboard, "put the dashboard into a Lambda package that cargo-lambda made")
    added.add_argument("package", metavar="ZIP", help="the package of the API")
    package_options(command("up", up, "start the engines and deploy the stack"))
    command("down", down, "end what `up` started").add_argument("--purge", action="store_true", help="delete all data")
    command("status", status, "show what runs")
    added = command("check-terraform", check_terraform, "check format, validity and tests of infra/")
    added.add_argument("--report", metavar="FILE", help="where to write what `terraform test -json` tells")

    added = command("deploy", deploy, "deploy a stack into the running cloud, also a second one")
    stack_option(added)
    added.add_argument("--database", help="ClickHouse database of the stack")
    added.add_argument("--catalog-file", help="catalog of metrics (default: the built-in one)")
    package_options(added)
    added.add_argument("--var", action="append", default=[], type=_variable, metavar="NAME=VALUE",
                       help="another variable of infra/variables*.tf, as JSON or plain text")

    added = command("run", run, "run a program with the environment of a stack")
    stack_option(added)
    added.add_argument("--temporary", action="store_true", help="in a new cloud of the tests, which is deleted afterwards")
    added.add_argument("--as-detector", action="store_true", help="also with the environment of the detector function")
    added.add_argument("program", nargs=argparse.REMAINDER, help="-- and the program with its arguments")

    added = command("invoke", invoke, "invoke a deployed function with an event from events/")
    stack_option(added)
    added.add_argument("--time", help="the hour at which the detector's window closes (RFC 3339), instead of the event's own")
    added.add_argument("event", help="NAME of events/detector-NAME.json or events/NAME.json; api-NAME goes to the API, "
                                     "notifier-NAME to the notifier")

    added = command("token", token, "print a token for the API, signed by the issuer of this cloud")
    added.add_argument("--scope", action="extend", nargs="+", default=[], metavar="S", help="scopes, such as anomalies:read")
    added.add_argument("--customer", metavar="ID", help="the only customer that its bearer may see (claim customer_id)")
    added.add_argument("--subject", default="local", metavar="NAME", help="who bears it (claim sub, default local)")
    added.add_argument("--expires", type=int, default=issuer.TOKEN_SECONDS, metavar="SECONDS",
                       help="how long it is valid (default 30 days); a negative number makes one that has expired")
    added.add_argument("--audience", default=issuer.AUDIENCE, metavar="A", help=f"claim aud (default {issuer.AUDIENCE})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
