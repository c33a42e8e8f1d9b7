//! The end-to-end tests: one binary, a module a subject, everything on real engines. `make e2e` runs them.

mod aws_faults;
mod clickhouse_faults;
mod deployed;
mod migration;
mod replay;
mod storage;
mod sweep;
