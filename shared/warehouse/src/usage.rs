//! Reading usage: streams of all customers and all metrics, and small queries for a single customer.
//!
//! The hours of the rollup are aggregated in the order of their primary key, so ClickHouse holds a few thousand customers
//! at once and this side one. A row is one customer with the values of all its metrics in all windows. Where there is a
//! baseline, which holds them already, only the hours of fresh windows are aggregated, and both streams are read beside
//! each other in the order of customers.
//!
//! What may be believed: a stream counts as read when it ended without an error *and* brought at least as many customers
//! as were declared: those that the same query counts, or that were noted when the baseline was built. An exception in
//! mid-stream, a cut connection and a stream cut at a row boundary are all errors; the caller must then discard every row
//! of it.

mod baseline;
mod baselines;
mod error;
mod note;
mod reader;
mod request;
mod sql;
mod sweep;
mod tries;

pub use baseline::Baseline;
pub(crate) use error::exception_code;
pub use error::{QueryContext, UsageError, UsageErrorKind};
pub use reader::UsageReader;
pub use request::{StepsRequest, SweepRequest};
pub use sweep::{CustomerUsage, Sweep};
pub use tries::{Patience, Tries};
