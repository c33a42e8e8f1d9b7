//! Everything that touches the world: usage comes from ClickHouse, anomalies go to DynamoDB, alerts to SNS, and
//! settings come from the environment. Types are named after their role and not after the vendor behind them.
//!
//! Dependencies run one way: this crate knows `detection`, and the functions know this crate.

pub mod alerts;
pub mod aws;
pub mod catalog;
pub mod config;
mod credentials;
pub mod deliveries;
pub mod failures;
pub mod invocation;
pub mod metrics;
pub mod outbound;
pub mod policies;
pub mod rollup;
pub mod secrets;
pub mod shard;
pub mod store;
pub mod telemetry;
pub mod topics;
pub mod usage;
