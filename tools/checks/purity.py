"""Fails if a crate has a forbidden dependency: the crates of decisions are pure, and the notifier has no ClickHouse."""

from __future__ import annotations

import subprocess
import sys

# Crates, and the beginnings of names that none of their dependencies may have.
RULES = {
    ("detection", "catalog", "backtest"): ("tokio", "aws", "clickhouse", "reqwest"),
    ("notifier",): ("clickhouse", "warehouse"),
}


def main() -> int:
    broken = [f"{crate} depends on {name}" for crates, banned in RULES.items() for crate in crates
              for name in dependencies(crate) if name.startswith(banned)]
    print("\n".join(broken))
    return 1 if broken else 0


def dependencies(crate: str):
    tree = subprocess.run(["cargo", "tree", "-p", crate, "-e", "normal", "--prefix", "none", "--format", "{lib}"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted(set(tree.split()))


if __name__ == "__main__":
    sys.exit(main())
