#!/usr/bin/env python3
"""From nothing to found anomalies: `make demo`.

200 made-up customers get 35 days of usage, with known anomalies in it. The usage ends an hour before the current one. One
event, the same that the schedule sends, makes the deployed function check that hour. The items in DynamoDB are then
compared with the planted anomalies. Every anomaly that the check can find must be found, and nothing else. Each opens an
incident, and people must be notified of each critical one, except of a weekly job that runs for the third time. The API
must list the same anomalies and incidents, and give the same verdict on demand. At last the current hour is checked, which
has no event: that must be one page about all customers.

A second run in the same hour finds the same and stores and publishes nothing, because an hour is recorded once.

With `--live` (`make demo LIVE=1`) usage goes on afterwards, hour by hour, until somebody presses Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_stack import (  # noqa: E402  (the path must be set first)
    CloudError, LocalStack, count, heading, rfc3339, run_example, say, shown,
)
from demo import api, comparison, data_stop, findings, incidents, live, usage, weekly_job  # noqa: E402
from files import read_json  # noqa: E402
from settings import DEFAULT_STACK  # noqa: E402


def demo(options: argparse.Namespace) -> None:
    stack = LocalStack(DEFAULT_STACK)
    # The hour after the usage must be over, too.
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    labels_file = stack.settings.directory / "demo" / "planted.json"
    labels = read_json(labels_file)
    if options.live and live.is_under_way(stack, labels):
        heading(f"The usage that was planted up to {labels['end']} goes on")
        return live.go_on(stack, parsed(labels["end"]))
    api.set_prices(stack)

    heading(f"1. Usage of {usage.CUSTOMERS} customers in ClickHouse, {usage.DAYS} days up to {rfc3339(end)}")
    labels = prepare(stack, end, labels_file)

    job = weekly_job.label_of(labels["planted"])
    heading(f"2. A weekly job of {job['customer_id']}: the runs of the last two weeks")
    weekly_job.run_earlier(stack, job)

    heading(f"3. One invocation of the deployed Lambda {stack.function}")
    event = {"time": rfc3339(end), "detail": {}}
    say(f"event:      {json.dumps(event)}")
    summary = stack.invoke(event)
    say("\n".join(summary_lines(summary)))

    heading(f"4. What is stored in DynamoDB ({stack.table}) beside what was planted ({shown(labels_file)})")
    found = findings.stored(stack, end)
    result = comparison.compare(labels["planted"], found)
    say(f"{comparison.tables(result)}\n\n{comparison.score(result)}")

    heading("5. The incidents, and the alerts on them")
    opened = incidents.belonging_to(found, findings.stored_incidents(stack, usage.CUSTOMER_IDS))
    say("\n".join(incident_lines(found, opened)))
    say("\n".join(incidents.most_expensive(opened)))
    show_alert(stack, summary, end)
    require_success(result, summary, found, labels_file)
    incidents.require_told(found, opened, findings.digests(stack, end))

    heading("6. The weekly job, for the third time")
    say("\n".join(weekly_job.lines(job, found, opened)))

    heading(f"7. What the API says ({stack.env['API_HOST']})")
    api.show(stack, found, opened, end)

    heading("8. The next hour, in which no event came")
    data_stop.show(stack, end)

    heading("9. What to try next")
    say("\n".join(next_steps(stack, end, options.live)))

    if options.live:
        heading("10. Usage goes on")
        live.go_on(stack, end)


def prepare(stack: LocalStack, end: datetime, labels_file: Path) -> Dict[str, object]:
    """Makes sure that ClickHouse holds the usage of this hour, and nothing else. Returns the planted anomalies."""
    labels, present = read_json(labels_file), usage.stored(stack)
    if usage.is_of_hour(present, labels, end):
        stack.meterflow("migrate")
        say(f"The usage of this hour is there already ({count(present.events, 'event')}) and is kept.")
        return labels
    # First of all, so that nothing is done to a database that is not the demo's.
    usage.clear(stack, present)
    stack.meterflow("migrate")
    customers = usage.CUSTOMER_IDS | {data_stop.ALL_CUSTOMERS}
    findings.forget(stack, findings.left_behind(stack, [end, data_stop.hour_after(end)], customers))
    return usage.seed(stack, end, labels_file)


def summary_lines(summary: Dict[str, object]) -> List[str]:
    """The function's answer for a person."""
    window, undetermined = summary["window"], summary["undetermined"]
    reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(undetermined.items()))
    became = ", ".join(f"{number} {state}" for state, number in sorted(summary["incidents"].items()))
    anomalies = count(summary["anomalies_found"], "anomaly", "anomalies")
    lines = [
        f"checked:    {count(summary['checked'], 'series', 'series')} of {count(summary['customers'], 'customer')} "
        f"in {summary['duration_ms'] / 1000:.1f} s",
        f"window:     {window['start']} to {window['end']}, judged by its last 1, 3, 6 and 24 hours",
        f"found:      {anomalies}, {summary['critical']} of them critical",
        f"stored:     {summary['recorded']} now, {summary['already_recorded']} by an earlier run of this hour",
        f"incidents:  {became or 'none changed its state'}",
        f"published:  {count(summary['alerts_published'], 'alert')}",
        f"not judged: {count(sum(undetermined.values()), 'series', 'series')}{f' ({reasons})' if reasons else ''}",
    ]
    if summary["anomalies_found"] and summary["already_recorded"] == summary["anomalies_found"]:
        lines.append("This hour was checked before: nothing is stored a second time, and nobody is alerted twice.")
    return lines


def incident_lines(found: List[Dict[str, object]], opened: List[Dict[str, object]]) -> List[str]:
    """The incidents of the anomalies, and their pages."""
    told, states = incidents.told_of(opened), Counter(str(item["alert_state"]) for item in found)
    none = ["a warning or a first use", "an incident that people know", "one that recurs"]
    none += ["one that the digest tells of"] if told.by_digest else []
    first_uses = sum(incidents.is_first_use(item) for item in found)
    but = f", but {count(first_uses, 'first use')} of a metric," if first_uses else ""
    lines = [
        f"Each anomaly{but} belongs to an incident: {incidents.tally(opened)}.",
        "An anomaly of the next hours joins its incident and pages nobody. The incident is over when the hours that showed it",
        "are calm again.",
        "",
        f"alert_state of the anomalies: {', '.join(f'{state} {number}' for state, number in sorted(states.items()))}",
        f"(an incident pages once; none is {', '.join(none[:-1])} or {none[-1]})",
    ]
    if told.by_digest:
        lines.append(f"{told.singly} got an alert of their own, as many as one run sends; a digest tells of the other "
                     f"{told.by_digest}.")
    return lines


def show_alert(stack: LocalStack, summary: Dict[str, object], end: datetime) -> None:
    queue = stack.env["ALERTS_QUEUE_URL"].rsplit("/", 1)[-1]
    if not summary["alerts_published"]:
        say(f"This run published none, so that no new message is in the queue {queue}.")
        return
    envelope = findings.receive_alert(stack, end)
    if envelope is None:
        raise CloudError(f"The function published {count(summary['alerts_published'], 'alert')}, but none of them arrived "
                         f"in the queue {queue} within {findings.DELIVERY_SECONDS} s. "
                         f"See {shown(stack.settings.logs / 'aws.log')}")
    say(f"One of the {summary['alerts_published']} messages, as the subscribed queue {queue} received it:\n")
    say(findings.alert_text(envelope))


def require_success(
    result: comparison.Comparison, summary: Dict[str, object], found: List[Dict[str, object]], labels_file: Path
) -> None:
    """The demo fails unless the run stored its findings, and found the planted anomalies and nothing else."""
    if summary["anomalies_found"] != len(found):
        raise CloudError(f"The run found {summary['anomalies_found']} anomalies, but {len(found)} of this hour are in the "
                         "table. Were some stored by an earlier run, on other usage or by another version? "
                         f"Delete {shown(labels_file)} and run `make demo` again: it starts anew then.")
    if not result.is_perfect:
        raise CloudError(f"The result is not what was planted: {len(result.missed)} missed, {len(result.unplanted)} not "
                         f"planted, {len(result.different)} found as something else, {len(result.matched)} found. "
                         "The tables above name them.")
    say(f"\nAll {len(result.matched)} anomalies that the check can find were found, and nothing else was.")


def parsed(text: str) -> datetime:
    """A time as the labels have it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def next_steps(stack: LocalStack, end: datetime, goes_on: bool) -> List[str]:
    """Commands that work as they stand, in a shell in the project's folder."""
    curl = 'curl -H "Host: $API_HOST" -H "Authorization: Bearer $API_TOKEN_ADMIN"'
    return [
        "make demo            again: the same anomalies, nothing stored or published twice",
        "make demo LIVE=1     the same, and then usage goes on hour by hour, so nothing falls silent",
        "make demo-flights    the same on real data: a blizzard, seen in the flights that left New York",
        f"make invoke-dry-run TIME={rfc3339(end)}    what a run of any hour would find",
        "make status          what runs, and where its logs are",
        "make down            end the local cloud (make purge: and delete its data)",
        "",
        "The schedule goes on checking every hour. " + (
            "The next step brings the usage that it judges." if goes_on
            else f"The made-up usage ends at {rfc3339(end)}, so the stop of the data goes on."),
        "",
        "The dashboard, in a browser. It shows what was planted:",
        f"  {stack.env['DASHBOARD_URL']}",
        "  user {0}, password {1}".format(*stack.env["DASHBOARD_OPERATOR"].split(":", 1)),
        "",
        "The API, with the addresses and tokens of the local cloud; docs/api.md has every route. What was found, what is open,",
        "one check, and how the runs are doing:",
        f"  set -a; . {shown(stack.env_file)}; set +a",
        f'  {curl} "$API_URL/v1/anomalies?limit=3"',
        f'  {curl} "$API_URL/v1/incidents?state=open&severity=critical&limit=3"',
        f'  {curl} "$API_URL/v1/anomalies/check?customer_id=$API_CUSTOMER_ID&metric=api_calls"',
        f'  {curl} "$API_URL/v1/status"',
        "",
        "Any AWS client works with the same variables, such as the AWS CLI, where it is installed:",
        f"  aws dynamodb query --table-name {stack.table} --index-name metric-severity-index --key-condition-expression"
        " 'metric = :m' \\",
        "    --expression-attribute-values '{\":m\": {\"S\": \"bandwidth\"}}'",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--live", action="store_true", help="let usage go on afterwards, until Ctrl-C")
    sys.exit(run_example(demo, parser.parse_args(), "demo"))
