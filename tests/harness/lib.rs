//! Support for the end-to-end tests: real engines, a world of its own for each test, an oracle that recomputes
//! everything from raw events, and a proxy that breaks connections on purpose.
//!
//! The engines belong to the local cloud. `make e2e` starts one for the tests and passes its addresses in environment
//! variables.

pub mod api;
pub mod checks;
pub mod cluster;
pub mod collector;
pub mod data;
pub mod deployed;
pub mod engine;
pub mod finished;
pub mod gateway;
pub mod kills;
pub mod lambda;
pub mod oracle;
pub mod programs;
pub mod prometheus;
pub mod proxy;
pub mod receiver;
mod resources;
pub mod warehouse;
pub mod workflows;
pub mod world;

pub use self::api::Api;
pub use self::warehouse::Warehouse;
pub use self::world::{Event, World};
