"""The commands of the runbooks: `meterflow` has each subcommand and option, the AWS CLI each operation and option, and make each target.

The source of the program says which options there are, so no build is needed. The models of botocore say it for the AWS CLI.
"""

import re
import shlex
import unittest
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs/runbook.md", ROOT / "docs/operations.md", *sorted((ROOT / "docs/runbooks").glob("*.md"))]
CLI = ROOT / "cli/src"

# Commands of the AWS CLI that are no operations of a service, with their options.
CUSTOM = {
    ("logs", "tail"): {"since", "follow", "format", "filter-pattern"},
    ("s3", "ls"): {"recursive"},
    ("s3", "rm"): {"recursive"},
}
GLOBAL = {"query", "output", "region", "profile", "cli-binary-format", "no-paginate"}


def commands(text: str, program: str):
    """The words of each call of a program: in blocks of shell, and in the code of a sentence."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`\n]+)`", prose):
        yield from calls(code, program)
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        yield from calls(block.replace("\\\n", " "), program)


def calls(shell: str, program: str):
    """The words after the program's name, of each call in a text of shell."""
    lexer = shlex.shlex(shell.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.commenters = ""
    words, found, open_call = [], [], None
    for token in lexer:
        for inner in re.findall(r"\$\((.*)\)", token, re.DOTALL):
            found += calls(inner, program)
        if re.fullmatch(r"[();<>|&]+|#", token):
            open_call = None
        elif open_call is not None:
            open_call.append(token)
        elif token == program and (not words or re.fullmatch(r"[();|&$]+|do|then|.*=\$", words[-1])):
            open_call = []
            found.append(open_call)
        words.append(token)
    return found


def options(words):
    return [word[2:].split("=")[0] for word in words if word.startswith("--")]


class Program:
    """The subcommands and options of `meterflow`, as its source declares them."""

    def __init__(self, folder: Path = CLI):
        text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.rs")))
        self.structs = {}
        for name, body in re.findall(r"^(?:pub(?:\(\w+\))? )?struct (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            # A file with arguments may use a name that another file uses, too.
            self.structs.setdefault(name, set()).update(self.flags(body))
        self.commands = {("schema",): set()}
        for variant, struct in self.variants(text, "Command"):
            self.commands[(variant,)] = self.structs[struct]
        for variant, struct in self.variants(text, "AlertsCommand"):
            self.commands[("alerts", variant)] = self.structs[struct]
        for variant, struct in self.variants(text, "FailuresCommand"):
            self.commands[("failures", variant)] = self.structs[struct] | self.structs["Stack"]
        del self.commands[("alerts",)], self.commands[("failures",)]
        self.everywhere = self.structs["Connection"] | {"verbose", "help"}

    @staticmethod
    def flags(body: str):
        for arguments, field in re.findall(r"#\[arg\((.*?)\)\]\n\s+(?:pub(?:\(\w+\))? )?(\w+):", body, re.DOTALL):
            if found := re.search(r'\blong(?: = "([\w-]+)")?', arguments):
                yield found.group(1) or field.replace("_", "-")

    @staticmethod
    def variants(text: str, enum: str):
        body = re.search(rf"^enum {enum} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL).group(1)
        return [(variant.lower(), struct) for variant, struct in re.findall(r"^    (\w+)\((?:\w+::)?(\w+)\),", body, re.MULTILINE)]

    def faults(self, words):
        command = next((name for name in self.commands if tuple(words[:len(name)]) == name), None)
        if command is None:
            return [f"there is no `meterflow {' '.join(words)}`"]
        known = self.commands[command] | self.everywhere
        return [f"`meterflow {' '.join(command)}` has no --{option}" for option in options(words) if option not in known]


class Aws:
    """The operations and options of the AWS CLI."""

    def __init__(self):
        self.session = botocore.session.get_session()

    def faults(self, words):
        if len(words) < 2:
            return [f"`aws {' '.join(words)}` names no operation"]
        service, operation, *rest = words
        if (known := CUSTOM.get((service, operation))) is None:
            known = self.known(service, operation, rest)
        if known is None:
            return [f"there is no `aws {service} {operation}`"]
        return [f"`aws {service} {operation}` has no --{option}" for option in options(rest) if option not in known | GLOBAL]

    def known(self, service, operation, rest):
        if service not in self.session.get_available_services():
            return None
        model = self.session.get_service_model(service)
        if operation == "wait":
            waiters = self.session.get_waiter_model(service)
            operations = {xform_name(name, "-"): waiters.get_waiter(name).operation for name in waiters.waiter_names}
            name = operations.get(rest[0] if rest else None)
        else:
            name = {xform_name(name, "-"): name for name in model.operation_names}.get(operation)
        if name is None:
            return None
        found = set()
        for member, shape in (model.operation_model(name).input_shape.members if model.operation_model(name).input_shape else {}).items():
            option = xform_name(member, "-")
            found |= {option, f"no-{option}"} if shape.type_name == "boolean" else {option}
        return found


class Commands(unittest.TestCase):
    def of(self, program):
        for page in PAGES:
            for words in commands(page.read_text(encoding="utf-8"), program):
                yield page.name, words

    def test_meterflow_has_each_subcommand_and_option(self):
        program = Program()
        found = [(page, words) for page, words in self.of("meterflow") if words]
        self.assertGreater(len(found), 30)
        self.assertEqual([f"{page}: {fault}" for page, words in found for fault in program.faults(words)], [])

    def test_the_aws_cli_has_each_operation_and_option(self):
        aws, found = Aws(), list(self.of("aws"))
        self.assertGreater(len(found), 50)
        self.assertEqual([f"{page}: {fault}" for page, words in found for fault in aws.faults(words)], [])

    def test_make_has_each_target(self):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = {target for line in re.findall(r"^([a-z][^\t\n:=]*):(?!=)", makefile, re.MULTILINE) for target in line.split()}
        found = [(page, words[0]) for page, words in self.of("make") if words]
        self.assertIn(("upgrade.md", "deploy"), found)
        self.assertEqual([f"{page}: make {target}" for page, target in found if target not in targets and not target.startswith("invoke-")], [])


class Readers(unittest.TestCase):
    """What the tests above look at, and what they refuse."""

    def test_calls_are_found_wherever_they_stand(self):
        block = (
            "```sh\nq=$(aws sqs get-queue-url --queue-name a)\nx \"$(aws s3 ls b)\" | jq 'aws c' | while read -r k; do aws d \\\n"
            "  --e; done   # aws f\n```\n"
        )
        text = f"Run `meterflow migrate --dry-run`.\n\n{block}"
        self.assertEqual(list(commands(text, "meterflow")), [["migrate", "--dry-run"]])
        self.assertEqual(list(commands(text, "aws")), [["sqs", "get-queue-url", "--queue-name", "a"], ["s3", "ls", "b"], ["d", "--e"]])

    def test_the_program_is_known_by_its_source(self):
        program = Program()
        self.assertLessEqual({("migrate",), ("doctor",), ("failures", "redrive"), ("alerts", "test"), ("uninstall",)}, set(program.commands))
        self.assertLessEqual({"dry-run", "yes", "rebuild", "keep-days", "sort"}, program.commands[("migrate",)])
        self.assertLessEqual({"clickhouse-url", "catalog", "database"}, program.everywhere)

    def test_what_there_is_not_is_refused(self):
        program, aws = Program(), Aws()
        for words in (["forget", "cust_0042", "--all"], ["alerts", "list"], ["migrate", "--replica", "a"], ["doctor", "--dry-run"]):
            self.assertEqual(len(program.faults(words)), 1, words)
        refused = (
            ["sqs", "redrive"], ["nothing", "at-all"], ["sqs", "get-queue-url", "--queue", "a"], ["dynamodb", "wait", "table-gone"],
            ["logs", "tail", "a", "--last", "1h"],
        )
        for words in refused:
            self.assertEqual(len(aws.faults(words)), 1, words)
        self.assertEqual(aws.faults(["dynamodb", "update-table", "--table-name", "a", "--no-deletion-protection-enabled"]), [])


if __name__ == "__main__":
    unittest.main()
