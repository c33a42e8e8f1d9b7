//! The end-to-end tests: one binary, a module a subject, everything on real engines. `make e2e` runs them.

mod api_access;
mod api_anomalies;
mod api_check;
mod api_config;
mod api_customers;
mod api_incidents;
mod api_input;
mod api_lifecycle;
mod api_outages;
mod api_periods;
mod api_runs;
mod aws_faults;
mod clickhouse_faults;
mod deployed;
mod gateway;
mod gateway_events;
mod gateway_fuzz;
mod gateway_ids;
mod gateway_walk;
mod incidents;
mod migration;
mod notifier;
mod notifier_cli;
mod replay;
mod storage;
mod sweep;
