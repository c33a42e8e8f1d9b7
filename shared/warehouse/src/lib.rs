//! ClickHouse: the hourly rollup and its migration, the models, and every query that reads usage.

mod addresses;
mod client;
mod config;
mod credentials;
pub mod past;
pub mod plaintext;
pub mod rollup;
pub mod usage;

pub use addresses::Addresses;
pub use client::client;
pub use config::ClickHouseConfig;
pub use credentials::Login;
