-- The users of the functions, within limits. Run it as an administrator, with the name of your database for `metering`
-- and passwords of your own, and put names and passwords into secrets: `clickhouse_secret_arn` for the one, and
-- `detector_clickhouse_secret_arn` for the other.
-- `readonly = 2` lets a query set limits of its own, such as how long it may take, and forbids every change.
-- The limit on queries at a time counts the detector's two and those of the API's requests together. A check takes a
-- fraction of a second, so that 32 are more than the gateway's default throttling lets through; who raises that one
-- raises this one, or the detector's queries are refused in a rush (it tries three times).

CREATE SETTINGS PROFILE IF NOT EXISTS meterflow_reader
SETTINGS readonly = 2, max_memory_usage = '4G', max_execution_time = 280, max_concurrent_queries_for_user = 32;

CREATE USER IF NOT EXISTS meterflow IDENTIFIED WITH sha256_password BY 'change me' SETTINGS PROFILE meterflow_reader;

GRANT SELECT ON metering.usage_hourly TO meterflow;

-- The rollup knows full hours only. For a period that starts or ends within an hour the API reads the events themselves,
-- so it needs each table that the catalog names. A stack without the API does not need this.
GRANT SELECT ON metering.events TO meterflow;

-- The detector's own user, who besides may add to two tables that hold nothing but what is computed from the rollup.
-- Without it, and with the user above for both, runs read a month of hours each time: the same results, which take longer.

CREATE SETTINGS PROFILE IF NOT EXISTS meterflow_detector
SETTINGS max_memory_usage = '4G', max_execution_time = 280, max_concurrent_queries_for_user = 16;

CREATE USER IF NOT EXISTS meterflow_detector IDENTIFIED WITH sha256_password BY 'change me too'
SETTINGS PROFILE meterflow_detector;

GRANT SELECT ON metering.usage_hourly TO meterflow_detector;
GRANT SELECT ON metering.usage_arrivals TO meterflow_detector;
GRANT SELECT, INSERT ON metering.usage_baselines TO meterflow_detector;
GRANT SELECT, INSERT ON metering.usage_baseline_builds TO meterflow_detector;
