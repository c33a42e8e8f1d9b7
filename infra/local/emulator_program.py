"""The program of the AWS emulator: ministack, in less processor time. It takes the same permission and the same alias twice. emulator.py starts it."""

import copy
import functools
import gc
import marshal
import runpy
import types

import hypercorn.asyncio
import uvicorn
import uvloop
from ministack.services import dynamodb, lambda_svc

from emulator_pages import Pages

# Functions of one text, which the emulator asks again and again about the same texts: the numbers of an item at each read of the
# item, and the expressions of each call. They took a seventh of its time.
ASKED_AGAIN = ("_condition_syntax_error", "_ddb_canonicalize_number", "_number_error", "_number_size_bytes")
ANSWERS = 16_384

# As the emulator's own server has it: an idle connection stays for so long, and an open one has so long at the end.
IDLE_SECONDS = 75
LAST_SECONDS = 3

# The status of an answer about what exists already.
CONFLICT = 409


def main() -> None:
    for name in ASKED_AGAIN:
        setattr(dynamodb, name, remembering(getattr(dynamodb, name)))
    # They took another fifth of its time: copies of items before and after each change, and the words of expressions.
    dynamodb.copy = types.SimpleNamespace(deepcopy=deep_copy)
    dynamodb._tokenize = remembering_a_list(dynamodb._tokenize)
    Pages(dynamodb).install()
    lambda_svc._add_permission = repeatable(lambda_svc._add_permission, lambda_svc._functions)
    lambda_svc._create_alias = repeatable_alias(lambda_svc._create_alias, lambda_svc._functions)
    # With it the emulator needs a quarter less processor time than with Python's own.
    uvloop.install()
    # The server that the emulator starts reads and writes HTTP in Python. This one has a parser in C.
    hypercorn.asyncio.serve = serve
    # The emulator keeps almost all that it makes, so Python looks for garbage a hundred times less often than by default: that
    # search took a fifth of its time.
    gc.set_threshold(70_000, 50, 50)
    runpy.run_module("ministack", run_name="__main__")


async def serve(app, config) -> None:
    """Takes the place of the emulator's own server, whose configuration has the address."""
    host, port = config.bind[0].rsplit(":", 1)
    # The emulator writes both headers itself.
    server = uvicorn.Config(app, host=host, port=int(port), http="httptools", log_level="warning", access_log=False,
                            server_header=False, date_header=False, proxy_headers=False, timeout_keep_alive=IDLE_SECONDS,
                            timeout_graceful_shutdown=LAST_SECONDS)
    await uvicorn.Server(server).serve()


def remembering(function):
    """The function with its last answers at hand. What is not a text goes to the function itself."""
    known = functools.lru_cache(ANSWERS)(function)

    @functools.wraps(function)
    def answer(text, *rest):
        return known(text, *rest) if type(text) is str else function(text, *rest)

    return answer


def remembering_a_list(function):
    """The same for a function that makes a list, which the caller may change."""
    known = remembering(lambda text: tuple(function(text)))

    @functools.wraps(function)
    def answer(text):
        return list(known(text))

    return answer


def deep_copy(value):
    """A deep copy of an item. Python's own program for it takes six times as long, and is for what is not plain data."""
    try:
        return marshal.loads(marshal.dumps(value))
    except ValueError:
        return copy.deepcopy(value)


def repeatable(add_permission, functions):
    """Adds a permission, also one that is there already, word for word.

    AWS refuses the second one, and so does the emulator. But Terraform asks again where an answer was lost, and takes that
    refusal for a passing one: it goes on asking for five minutes and then fails.
    """

    @functools.wraps(add_permission)
    def answer(name, statement, *rest):
        first = add_permission(name, statement, *rest)
        if first[0] != CONFLICT:
            return first
        policy = functions[name]["policy"]
        there = policy["Statement"]
        policy["Statement"] = [known for known in there if known["Sid"] != statement["StatementId"]]
        again = add_permission(name, statement, *rest)
        is_known = policy["Statement"][-1] in there
        policy["Statement"] = there
        return again if is_known else first

    return answer


def repeatable_alias(create_alias, functions):
    """Makes an alias, also one that is there already and says the same. AWS and the emulator refuse the second one, and Terraform fails."""

    @functools.wraps(create_alias)
    def answer(name, alias):
        first = create_alias(name, alias)
        if first[0] != CONFLICT:
            return first
        aliases = functions[name]["aliases"]
        there = aliases.pop(alias["Name"])
        again = create_alias(name, alias)
        made = aliases[alias["Name"]]
        if {**made, "RevisionId": None} == {**there, "RevisionId": None}:
            return again
        aliases[alias["Name"]] = there
        return first

    return answer


if __name__ == "__main__":
    main()
