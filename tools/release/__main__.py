"""Builds a release, joins its parts and compares two builds. docs/releases.md shows the whole way.

    make release               everything that this machine can build, into target/release-files/VERSION
    make release ONLY=…        these parts, and a failure if one of them cannot be built
    make check-release         builds the commit twice, at two places, and compares the bytes
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "infra" / "local")]

import compare  # noqa: E402  (the path must be set first)
import join  # noqa: E402
import parts  # noqa: E402
import source  # noqa: E402
import sums  # noqa: E402
from console import CloudError, say  # noqa: E402


def build(options) -> None:
    made_from = source.read(options.root.resolve())
    tag = source.tag_of(os.environ)
    if tag:
        source.require_release(made_from, tag)
    chosen, left_out = parts.choose(options.only)
    for name, reason in left_out.items():
        say(f"Left out: {name}: {reason}")
    if left_out and options.only:
        raise CloudError("This machine cannot build all parts that ONLY names; see above.")
    if not chosen:
        raise CloudError("This machine can build no part of a release; see above.")
    # The other commands run without the packages that this one needs.
    import assembly

    folder = assembly.build(made_from, chosen, options.target.resolve())
    say(f"{folder} holds {', '.join(part.name for part in chosen)} of {made_from.version} ({made_from.shown_commit}).")
    if left_out:
        say(f"It does not hold {', '.join(left_out)}; see above for the reasons.")


def check_sums(options) -> None:
    require_none(sums.faults(options.folder), f"{options.folder} is not as its {sums.NAME} says")


def join_builds(options) -> None:
    join.join(options.builds, options.folder)


def print_notes(options) -> None:
    say(source.changes(ROOT, source.version(ROOT)))


def compare_builds(options) -> None:
    require_none(compare.differences(options.first, options.second), "two builds of one commit differ")
    say(f"Both builds have the same bytes: {len(sums.names(options.first))} files.")


def build_twice(options) -> None:
    import twice

    twice.build(source.read(ROOT), options.only)


def require_none(faults, what: str) -> None:
    if faults:
        raise CloudError("\n".join([f"{what}:", *faults]))


def main(arguments=None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (CloudError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/release", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, summary):
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=function)
        return added

    def only(added):
        added.add_argument("--only", nargs="*", default=[], metavar="PART", help=f"of {', '.join(parts.PARTS)}")

    added = command("build", build, "build the parts that this machine can build")
    only(added)
    added.add_argument("--root", type=Path, default=ROOT, help="the checkout that is built (default: this one)")
    added.add_argument("--target", type=Path, default=ROOT / "target", help="where everything is built (default: target)")
    only(command("twice", build_twice, "build the commit at two places, and compare the bytes"))
    added = command("compare", compare_builds, "compare two builds")
    added.add_argument("first", type=Path)
    added.add_argument("second", type=Path)
    added = command("join", join_builds, "put the files of several builds into one folder")
    added.add_argument("builds", type=Path, nargs="+", metavar="BUILD")
    added.add_argument("folder", type=Path)
    command("notes", print_notes, "print what the changelog tells of this version")
    command("check-sums", check_sums, f"compare a folder with its {sums.NAME}").add_argument("folder", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
