//! ClickHouse: the hourly rollup and its migration, the models, and every query that reads usage.

mod config;
mod credentials;
pub mod past;
pub mod plaintext;
pub mod rollup;
pub mod usage;

pub use config::ClickHouseConfig;
pub use credentials::Login;
