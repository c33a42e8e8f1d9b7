-- The user of the detector: it reads the rollup and nothing else, within limits. Run it as an administrator, with the
-- name of your database for `metering` and a password of your own, and put name and password into the secret.
-- `readonly = 2` lets a query set limits of its own, such as how long it may take, and forbids every change.

CREATE SETTINGS PROFILE IF NOT EXISTS meterflow_reader
SETTINGS readonly = 2, max_memory_usage = '4G', max_execution_time = 280, max_concurrent_queries_for_user = 4;

CREATE USER IF NOT EXISTS meterflow IDENTIFIED WITH sha256_password BY 'change me' SETTINGS PROFILE meterflow_reader;

GRANT SELECT ON metering.usage_hourly TO meterflow;
