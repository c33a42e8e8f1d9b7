-- The ClickHouse users of the functions. Each has its own limits, so neither can take the server from the other.
-- Run this file as an administrator, with your database for `metering` and with passwords of your own. Put name and
-- password of each user into a secret: `detector_clickhouse_secret_arn` and `clickhouse_secret_arn` name the secrets.
-- The local cloud reads this file too, and runs its functions as these users.

-- The API. `readonly = 2` forbids every change and lets a query set limits of its own. No query may exceed a MAX or set
-- 0, which means no limit. The limits leave memory and processors to the detector, whatever one caller asks.
CREATE SETTINGS PROFILE IF NOT EXISTS meterflow_api
SETTINGS readonly = 2,
         max_execution_time = 20 MIN 1 MAX 30,
         max_memory_usage = 2000000000 MIN 1 MAX 2000000000,
         max_memory_usage_for_user = 6000000000 MIN 1 MAX 6000000000,
         max_threads = 2 MIN 1 MAX 2,
         max_concurrent_queries_for_user = 32 MIN 1 MAX 32;

CREATE USER IF NOT EXISTS meterflow_api IDENTIFIED WITH sha256_password BY 'change me' SETTINGS PROFILE meterflow_api;

GRANT SELECT ON metering.usage_hourly TO meterflow_api;

-- The rollup holds full hours. For a period that starts or ends within an hour, the API reads the events themselves.
-- Grant each table that your catalog names. A stack without the API does not need this.
GRANT SELECT ON metering.events TO meterflow_api;

-- The detector. A run has 300 seconds and makes two queries at a time. Each shard is a run. The user may add to the
-- tables of models, which are fitted from the rollup. A user without that right gets the same results more slowly: each run
-- then reads a month of hours.
CREATE SETTINGS PROFILE IF NOT EXISTS meterflow_detector
SETTINGS max_execution_time = 280 MIN 1 MAX 300,
         max_memory_usage = 4000000000 MIN 1 MAX 4000000000,
         max_concurrent_queries_for_user = 16 MIN 1 MAX 16;

CREATE USER IF NOT EXISTS meterflow_detector IDENTIFIED WITH sha256_password BY 'change me too'
SETTINGS PROFILE meterflow_detector;

GRANT SELECT ON metering.usage_hourly TO meterflow_detector;
GRANT SELECT, INSERT ON metering.usage_models TO meterflow_detector;
GRANT SELECT, INSERT ON metering.usage_model_fits TO meterflow_detector;

-- A run asks whether the server is behind its replicas, because everybody's usage would seem to have fallen.
GRANT SELECT ON system.replicas TO meterflow_detector;

-- With a list of all servers of a cluster, a run asks how many shards the cluster has, and reads the tables of each server:
-- grant the tables with `_local` at the end of their names as well, on all servers.
GRANT SELECT ON system.clusters TO meterflow_detector;

-- A source with entities has tables of its own, with its name in the place of `usage`. A run also reads the events
-- themselves, because rules compare single events. For the source `executions`, whose events are in the table
-- `executions`, both users need these rights. Only a source with an aggregate `novel` has a table `_seen`:
--
-- GRANT SELECT ON metering.executions_hourly TO meterflow_api;
-- GRANT SELECT ON metering.executions_seen TO meterflow_api;
-- GRANT SELECT ON metering.executions TO meterflow_api;
-- GRANT SELECT ON metering.executions_hourly TO meterflow_detector;
-- GRANT SELECT ON metering.executions_seen TO meterflow_detector;
-- GRANT SELECT, INSERT ON metering.executions_models TO meterflow_detector;
-- GRANT SELECT, INSERT ON metering.executions_model_fits TO meterflow_detector;
-- GRANT SELECT ON metering.executions TO meterflow_detector;
--
-- With `feed = "poll"` a run replaces hours of the rollup. With a `window` of minutes both users read a rollup of minutes:
--
-- GRANT INSERT ON metering.executions_hourly TO meterflow_detector;
-- GRANT SELECT ON metering.executions_minute TO meterflow_api;
-- GRANT SELECT ON metering.executions_minute TO meterflow_detector;
--
-- With a rule `unseen_shape` runs keep samples of two weeks. Without this right the rule is not judged:
--
-- GRANT SELECT, INSERT ON metering.executions_samples TO meterflow_detector;
