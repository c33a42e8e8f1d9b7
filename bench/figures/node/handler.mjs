// The detector's job in its plainest form: one query for all usage, a z-score against 30 days, one item and one message
// for each anomaly. It takes the detector's environment variables and finds what the detector finds; what it leaves out
// are incidents, policies, the outbox and all repair.

import { ConditionalCheckFailedException, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { createClient } from "@clickhouse/client";

const DAY = 86_400;

// The built-in catalog: the column of the rollup, whether a window without events is zero, and the least change.
const METRICS = {
  api_calls: { column: "events", zero: true, minChange: 100 },
  bandwidth: { column: "total", zero: true, minChange: 1_000_000 },
  storage_peak: { column: "peak", zero: false, minChange: 1 },
  compute_time: { column: "total", zero: true, minChange: 60_000 },
};

const setting = (name, standard) => Number(process.env[name] || standard);
const baselineDays = setting("BASELINE_DAYS", 30);
const minSamples = setting("MIN_SAMPLES", 7);
const threshold = setting("THRESHOLD", 3);
const criticalThreshold = setting("CRITICAL_THRESHOLD", 5);
const minRelativeChange = setting("MIN_RELATIVE_CHANGE", 0.1);
const minRelativeSpread = setting("MIN_RELATIVE_SPREAD", 0.04);
const windowDelay = setting("WINDOW_DELAY_SECONDS", 0);
const retentionDays = setting("RETENTION_DAYS", 90);

const required = (name) => {
  if (!process.env[name]) throw new Error(`the environment variable ${name} is not set`);
  return process.env[name];
};
const TableName = required("ANOMALIES_TABLE");
const TopicArn = required("ALERT_TOPIC_ARN");

// Clients are made once, at cold start.
const dynamodb = new DynamoDBClient({});
const sns = new SNSClient({});
const clickhouse = createClient({
  url: required("CLICKHOUSE_URL"),
  database: process.env.CLICKHOUSE_DATABASE || "meterflow",
  username: process.env.CLICKHOUSE_USER || "default",
  password: process.env.CLICKHOUSE_PASSWORD || "",
});

export const handler = async (event) => {
  const end = Math.floor((Date.parse(event.time) / 1_000 - windowDelay) / 3_600) * 3_600;
  let checked = 0;
  const anomalies = [];
  for (const [customer, usage] of await readUsage(end)) {
    for (const [metric, rules] of Object.entries(METRICS)) {
      checked += 1;
      const found = check(usage.windows[metric] ?? [], usage.oldest, rules);
      if (found) anomalies.push({ customer, metric, end, ...found });
    }
  }
  await Promise.all(anomalies.map(record));
  return { checked, anomalies_found: anomalies.length };
};

/** Each customer's values by metric and age in days; age 0 is the window that closes at `end`. */
async function readUsage(end) {
  const result = await clickhouse.query({
    query: `
      SELECT customer_id, metric, intDiv({end:Int64} - toUnixTimestamp(hour) - 1, ${DAY}) AS age,
        toFloat64(sum(events)) AS events, sum(total) AS total, max(peak) AS peak
      FROM usage_hourly
      WHERE hour >= toDateTime({start:Int64}, 'UTC') AND hour < toDateTime({end:Int64}, 'UTC')
      GROUP BY customer_id, metric, age`,
    query_params: { start: end - (baselineDays + 1) * DAY, end },
    format: "JSONEachRow",
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const customers = new Map();
  for await (const rows of result.stream()) {
    for (const row of rows) {
      const { customer_id, metric, age, ...values } = row.json();
      let usage = customers.get(customer_id);
      if (!usage) customers.set(customer_id, (usage = { oldest: 0, windows: {} }));
      usage.oldest = Math.max(usage.oldest, age);
      if (metric in METRICS) (usage.windows[metric] ??= [])[age] = values[METRICS[metric].column];
    }
  }
  return customers;
}

/** An anomaly, or nothing. A new customer is compared with the windows after that of its first event. */
function check(windows, oldest, { zero, minChange }) {
  const value = (age) => windows[age] ?? (zero ? 0 : undefined);
  const current = value(0);
  const counted = oldest === baselineDays ? oldest : oldest - 1;
  const baseline = [];
  for (let age = 1; age <= counted; age += 1) {
    if (value(age) !== undefined) baseline.push(value(age));
  }
  if (current === undefined || baseline.length < minSamples) return undefined;
  const mean = baseline.reduce((sum, v) => sum + v, 0) / baseline.length;
  const stddev = Math.sqrt(baseline.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (baseline.length - 1));
  const change = Math.abs(current - mean);
  if (change < minChange || change < minRelativeChange * mean) return undefined;
  const spread = Math.max(stddev, minRelativeSpread * mean);
  const constant = spread <= 1e-9 * mean;
  const z = constant ? 100 * Math.sign(current - mean) : (current - mean) / spread;
  if (Math.abs(z) < threshold) return undefined;
  const critical = constant ? change >= mean && change >= 10 * minChange : Math.abs(z) >= criticalThreshold;
  return { current, mean, stddev, z, samples: baseline.length, severity: critical ? "critical" : "warning" };
}

/** Stores an anomaly and pages if it is critical. One that is stored already was told of before. */
async function record({ customer, metric, end, current, mean, stddev, z, samples, severity }) {
  const text = (S) => ({ S });
  const number = (N) => ({ N: String(N) });
  const Item = {
    pk: text(`CUSTOMER#${customer}`),
    sk: text(`ANOMALY#${end * 1_000}#${metric}`),
    type: text("usage_anomaly"),
    customer_id: text(customer),
    metric: text(metric),
    detected_at: number(Date.now()),
    window_start: number((end - DAY) * 1_000),
    window_end: number(end * 1_000),
    current_value: number(current),
    baseline_mean: number(mean),
    baseline_stddev: number(stddev),
    z_score: number(z),
    sample_count: number(samples),
    severity: text(severity),
    ttl: number(end + retentionDays * DAY),
  };
  try {
    await dynamodb.send(new PutItemCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)" }));
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return;
    throw error;
  }
  if (severity !== "critical") return;
  const Message = JSON.stringify({ customer, metric, current, mean, z, severity, window_end: end });
  await sns.send(new PublishCommand({ TopicArn, Subject: `${metric} of ${customer}`.slice(0, 99), Message }));
}
