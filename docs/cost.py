#!/usr/bin/env python3
"""What detector and notifier cost on AWS a month, computed from the prices and figures below. Prints a Markdown table.

ClickHouse is not in it: the sweep is one more query an hour on a server that is there already. Change the inputs to
your region and your measurements and run it again; nothing is rounded before the end.
"""

HOURS = 730

# US East (N. Virginia), in US dollars, as listed in November 2026; free tiers are left out.
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20e-6
WRITE_UNIT = 0.625e-6  # DynamoDB on demand, one kilobyte written
READ_UNIT = 0.125e-6  # four kilobytes; half a unit where what is read may be a moment old
STORED_GB = 0.25
BACKUP_GB = 0.20  # point-in-time recovery, of the table without its indexes
SNS_PUBLISH = 0.50e-6
SNS_EMAIL = 2.00e-5
CLOUDWATCH_METRIC = 0.30  # for each hour in which it has values, its part of the month
CLOUDWATCH_ALARM = 0.10  # for each metric that an alarm looks at
LOG_GB = 0.50
SECRET = 0.40
KMS_KEY = 1.00

DETECTOR_GB, NOTIFIER_GB = 0.5, 0.25
NOTIFIER_SECONDS = 1.0
CHANNELS = 2  # Slack and PagerDuty, and one address for e-mail
SECRETS = 1 + CHANNELS

# An item of about 1.5 kB costs two units for each place that it is in. An anomaly and its incident are written in one
# transaction, which costs twice as much in the table and nothing more in the indexes. The anomaly is in the index by
# metric; the incident moves within its own index with each window, which is two writes there.
ITEM_KB = 1.5
UNITS_PER_ANOMALY = (4 + 2) + (4 + 4)
# One run that finds usage back inside, and the next, which closes the incident: it moves to another key.
UNITS_PER_END = (2 + 4) + (4 + 4 + 4)
# A page: its item has one kilobyte more, enters and leaves the index of what waits, is claimed and is marked. The notice
# of its end does the same in the table and that index alone.
UNITS_PER_PAGE = (2 + 1 + 3) + (3 + 3 + 3) + (3 + 3 + 3)
UNITS_PER_NOTICE = (4 + 2) + (2 + 2) + (2 + 2)
# A delivery is claimed, throttled and marked.
UNITS_PER_DELIVERY = 3

# An anomaly stays in the 24-hour window for 24 runs, so about one in twenty opens an incident, or pages if critical.
OPENING = 1 / 20
RETENTION_HOURS = 90 * 24
# Each run reads the incidents of its baseline's days.
BASELINE_HOURS = 30 * 24

LOG_KB_PER_RUN, LOG_KB_PER_ALERT = 6, 3
DETECTOR_METRICS = 24  # 12 totals, 4 metrics x 2 severities, and a few reasons
NOTIFIER_METRICS = 4 * (1 + CHANNELS)
# The detector has 8 alarms on one metric, one on 8 (throttling of the table and its indexes) and one on 2 (no
# customers); the notifier has 4, and one for each channel.
ALARM_METRICS = 8 + 8 + 2 + 4 + CHANNELS

# Customers: seconds of a run, anomalies an hour, critical ones among them. The seconds are measured with `make bench`
# (1,000 customers) and scaled with the number of series; anomalies are assumed, 1 series in 1,000 an hour.
SCENARIOS = {
    1_000: (0.22, 4, 1),
    10_000: (2.2, 40, 10),
    100_000: (22.0, 400, 100),
}


def monthly(seconds: float, anomalies: int, critical: int) -> dict:
    incidents, pages = anomalies * OPENING, critical * OPENING
    alerts = 2 * pages  # the page and its end
    writes = (anomalies * UNITS_PER_ANOMALY + incidents * UNITS_PER_END + pages * (UNITS_PER_PAGE + UNITS_PER_NOTICE)
              + alerts * CHANNELS * UNITS_PER_DELIVERY)
    reads = incidents * BASELINE_HOURS * ITEM_KB / 4 / 2
    stored_gb = (anomalies + incidents) * RETENTION_HOURS * ITEM_KB / 1e6
    run = seconds * DETECTOR_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST
    notification = NOTIFIER_SECONDS * NOTIFIER_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST
    metrics = DETECTOR_METRICS + NOTIFIER_METRICS * min(1, alerts)
    logs_gb = HOURS * (LOG_KB_PER_RUN + alerts * LOG_KB_PER_ALERT) / 1e6
    return {
        "Lambda": HOURS * (run + alerts * notification),
        "DynamoDB": HOURS * (writes * WRITE_UNIT + reads * READ_UNIT) + stored_gb * (2 * STORED_GB + BACKUP_GB),
        "SNS": HOURS * alerts * (SNS_PUBLISH + SNS_EMAIL),
        "CloudWatch": metrics * CLOUDWATCH_METRIC + ALARM_METRICS * CLOUDWATCH_ALARM + logs_gb * LOG_GB,
        "secrets": SECRETS * SECRET,
        "KMS": KMS_KEY,
    }


def main() -> None:
    columns = ["Lambda", "DynamoDB", "SNS", "CloudWatch", "secrets", "KMS"]
    print("| customers | a run | " + " | ".join(columns) + " | a month |")
    print("|---|---|" + "---|" * (len(columns) + 1))
    for customers, (seconds, anomalies, critical) in SCENARIOS.items():
        costs = monthly(seconds, anomalies, critical)
        cells = " | ".join(f"${costs[column]:.2f}" for column in columns)
        print(f"| {customers:,} | {seconds:g} s | {cells} | **${sum(costs.values()):.2f}** |")


if __name__ == "__main__":
    main()
