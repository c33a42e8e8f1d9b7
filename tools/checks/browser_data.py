#!/usr/bin/env python3
"""Usage and runs for the browser tests, on the stack that is deployed for them: 200 customers with planted anomalies, judged by the
deployed detector in the last hours of their usage. `make demo` shows the same customers.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from local_stack import CloudError, LocalStack, rfc3339, run_example, say  # noqa: E402  (the path must be set first)
from cloud_of_tests import PAGES  # noqa: E402

CUSTOMERS, DAYS, SEED = 200, 35, 42
# The newest window and two before, so that incidents have a course.
HOURS = 3


def prepare(_: argparse.Namespace) -> None:
    stack = LocalStack(PAGES)
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    stack.meterflow("migrate")
    stack.meterflow("seed", "--customers", str(CUSTOMERS), "--days", str(DAYS), "--seed", str(SEED), "--end", rfc3339(end))
    found = 0
    for hour in range(HOURS - 1, -1, -1):
        summary = stack.invoke({"time": rfc3339(end - timedelta(hours=hour)), "detail": {}})
        found += summary["anomalies_found"]
    if not found:
        raise CloudError("The runs found no anomaly, so the pages would be empty.")
    say(f"{found} anomalies in {HOURS} hours up to {rfc3339(end)}")


if __name__ == "__main__":
    sys.exit(run_example(prepare, argparse.Namespace(), "up"))
