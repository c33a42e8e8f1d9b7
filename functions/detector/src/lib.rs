//! The detector: one pass over all customers' usage, for one window, without a way back.
//!
//! ```text
//! request ─ window ─ policies, incidents ─ read ─ check ─ (the stream was complete?) ─ record ─ publish ─ summary
//! ```
//!
//! Invariants:
//!
//! * The window comes from the request, never from the clock, so a retry an hour late checks its own hour.
//! * Decide first, act second: findings are spooled while usage streams in, and nothing is written before the stream
//!   has proved complete. A cut stream therefore leaves nothing behind.
//! * A run that fails anywhere can simply run again: what is stored is found stored, what waits for its alert still
//!   waits. That is why nothing here undoes anything.
//! * A run ends before its deadline, by itself, with an error that says how far it came.
//!
//! [`run`] shows the steps. [`Ledger`](ledger::Ledger) is the seam between the steps and the engines; the simulation puts
//! a model behind it, and so the modules that the seam needs are public.

mod app;
mod aws;
pub mod candidate;
pub mod known;
pub mod ledger;
mod missed;
mod notes;
pub mod outbox;
pub mod pass;
mod plan;
mod prebuild;
mod record;
mod request;
mod run;
pub mod spool;
mod summary;
mod sweep;

pub use app::App;
pub use prebuild::prebuild;
pub use request::Request;
pub use run::{run, steps};
pub use summary::{Finding, RunSummary};
