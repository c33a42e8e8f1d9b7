#!/usr/bin/env python3
"""What the detector costs on AWS a month, computed from the prices and figures below. Prints a Markdown table.

ClickHouse is not in it: the sweep is one more query an hour on a server that is there already. Change the inputs to
your region and your measurements and run it again; nothing is rounded before the end.
"""

HOURS = 730

# US East (N. Virginia), in US dollars, as listed in November 2026; free tiers are left out.
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20e-6
WRITE_UNIT = 0.625e-6  # DynamoDB on demand, one kilobyte written
STORED_GB = 0.25
SNS_PUBLISH = 0.50e-6
SNS_EMAIL = 2.00e-5
CLOUDWATCH_METRIC = 0.30
CLOUDWATCH_ALARM = 0.10
LOG_GB = 0.50
KMS_KEY = 1.00

MEMORY_GB = 0.5
# An item of about 1.5 kB costs two units in the table and two in the index by metric.
UNITS_PER_ANOMALY = 4
# While an alert waits it is in one more index, and it is claimed and marked: two updates of three places each, less
# what the sparse index no longer holds.
UNITS_PER_ALERT = 12
ITEM_KB = 1.5
RETENTION_HOURS = 90 * 24
LOG_KB_PER_RUN = 6
METRICS = 24  # 12 totals, 4 metrics x 2 severities, and a few reasons
ALARMS = 10

# Customers: seconds of a run, anomalies an hour, critical ones among them. The seconds are measured with `make bench`
# (1,000 customers) and scaled with the number of series; anomalies are assumed, 1 series in 1,000 an hour.
SCENARIOS = {
    1_000: (0.22, 4, 1),
    10_000: (2.2, 40, 10),
    100_000: (22.0, 400, 100),
}


def monthly(seconds: float, anomalies: int, critical: int) -> dict:
    writes = anomalies * UNITS_PER_ANOMALY + critical * UNITS_PER_ALERT
    stored_gb = anomalies * RETENTION_HOURS * ITEM_KB * 2 / 1e6
    return {
        "Lambda": HOURS * (seconds * MEMORY_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST),
        "DynamoDB": HOURS * writes * WRITE_UNIT + stored_gb * STORED_GB,
        "SNS": HOURS * critical * (SNS_PUBLISH + SNS_EMAIL),
        "CloudWatch": METRICS * CLOUDWATCH_METRIC + ALARMS * CLOUDWATCH_ALARM + HOURS * LOG_KB_PER_RUN * LOG_GB / 1e6,
        "KMS": KMS_KEY,
    }


def main() -> None:
    columns = ["Lambda", "DynamoDB", "SNS", "CloudWatch", "KMS"]
    print("| customers | a run | " + " | ".join(columns) + " | a month |")
    print("|---|---|" + "---|" * (len(columns) + 1))
    for customers, (seconds, anomalies, critical) in SCENARIOS.items():
        costs = monthly(seconds, anomalies, critical)
        cells = " | ".join(f"${costs[column]:.2f}" for column in columns)
        print(f"| {customers:,} | {seconds:g} s | {cells} | **${sum(costs.values()):.2f}** |")


if __name__ == "__main__":
    main()
