"""Recorded vectors of recurrence rules: shared/detection/src/policy/recurrence/vectors.json.

The occurrences are those of python-dateutil, in local time without a zone, and its zones bring them to UTC. Recorded with
Python 3.11 and python-dateutil 2.9.0:

    pip install python-dateutil==2.9.0.post0 && python tools/vectors/recurrence.py
"""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

from dateutil import rrule, tz

TARGET = Path(__file__).resolve().parents[2] / "shared/detection/src/policy/recurrence/vectors.json"
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def text_of(random_: random.Random) -> str:
    frequency = random_.choice(["DAILY", "WEEKLY", "MONTHLY", "MONTHLY"])
    parts = [f"FREQ={frequency}"]
    if random_.random() < 0.5:
        days = random_.sample(WEEKDAYS, random_.randint(1, 3))
        if frequency == "MONTHLY" and random_.random() < 0.6:
            days = [f"{random_.choice([1, 2, 3, 4, 5, -1, -2])}{day}" for day in days]
        parts.append("BYDAY=" + ",".join(days))
    if frequency != "WEEKLY" and random_.random() < 0.4:
        parts.append("BYMONTHDAY=" + ",".join(str(random_.choice([1, 2, 15, 28, 30, 31, -1, -2, -31])) for _ in range(2)))
    if random_.random() < 0.6:
        parts.append("BYHOUR=" + ",".join(str(hour) for hour in sorted(random_.sample(range(24), random_.randint(1, 3)))))
    return ";".join(parts)


def utc_of(local: datetime, zone) -> datetime:
    """The instant of a local time: of a repeated one the first pass, and a skipped one is later by the gap."""
    return tz.resolve_imaginary(local.replace(tzinfo=zone)).astimezone(tz.UTC)


def rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def case(seed: int) -> dict:
    random_ = random.Random(seed)
    name = random_.choice(ZONES)
    zone = tz.gettz(name)
    text = text_of(random_)
    first = datetime(2026, random_.randint(1, 12), random_.randint(1, 28), random_.randint(0, 23), random_.choice([0, 30]))
    start = utc_of(first, zone)
    first = start.astimezone(zone).replace(tzinfo=None)
    period = start + timedelta(hours=random_.randint(-300, 6000))
    end = period + timedelta(hours=random_.randint(1, 1500))
    until = None
    if random_.random() < 0.3:
        until = period + timedelta(hours=random_.randint(0, 2000))
        text += until.strftime(";UNTIL=%Y%m%dT%H%M%SZ")
    locals_ = rrule.rrulestr(text.split(";UNTIL")[0], dtstart=first)
    starts = set()
    for local in locals_.xafter(first - timedelta(seconds=1), inc=True):
        if local > (end + timedelta(days=3)).replace(tzinfo=None):
            break
        at = utc_of(local, zone)
        if max(period, start) <= at < end and (until is None or at <= until):
            starts.add(at)
    return {"rule": text, "zone": name, "first": rfc3339(start), "from": rfc3339(period), "to": rfc3339(end),
            "starts": [rfc3339(at) for at in sorted(starts)]}


if __name__ == "__main__":
    cases = [case(seed) for seed in range(400)]
    TARGET.write_text(json.dumps(cases, separators=(",", ":")).replace('},{"rule"', '},\n{"rule"') + "\n", encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")
