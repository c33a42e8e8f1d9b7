//! The detector: one pass over the usage of all customers, for one window.
//!
//! ```text
//! request ─ window ─ policies, incidents ─ read ─ check ─ (the stream was complete?) ─ record ─ publish ─ summary
//! ```
//!
//! Invariants:
//!
//! * The window comes from the request, never from the clock. So a retry an hour later checks its own hour.
//! * Decide first, act second. Findings are spooled while usage streams in. Nothing is written before the stream has
//!   proved complete, so a cut stream leaves nothing behind.
//! * A failed run can simply run again. It finds the stored items, and pending alerts are still pending. So nothing
//!   here undoes anything.
//! * A run ends by itself before its deadline, with an error that says how far it came.
//!
//! [`run`] shows the steps. [`Ledger`](ledger::Ledger) is the trait between the steps and the engines. The simulation
//! implements it with a model, so the modules that the trait needs are public.

mod anomaly;
mod app;
mod aws;
mod backtest;
mod budgets;
pub mod calendars;
pub mod candidate;
mod checks;
mod connect;
mod decide;
mod digest;
mod event;
mod examples;
mod fit;
pub mod found;
mod heard;
mod intake;
pub mod known;
mod late;
pub mod ledger;
pub mod looks;
mod missed;
pub mod months;
mod mutes;
mod networks;
mod notes;
mod openings;
pub mod outbox;
pub mod pass;
mod peers;
mod plan;
mod queue;
mod record;
mod recurring;
mod request;
mod rules;
mod run;
mod servers;
pub mod size;
pub mod spool;
pub mod stop;
pub mod stopped;
pub mod storm;
mod summary;
mod sweep;
mod train;

pub use app::App;
pub use backtest::{BacktestRequest, backtest};
pub use checks::run_all;
pub use event::{CheckedEvent, EventRequest, Unjudged, check_event};
pub use fit::fit;
pub use networks::Networks;
pub use queue::Messages;
pub use request::Request;
pub use run::{run, steps};
pub use summary::{Finding, RunSummary};
pub use train::{TrainRequest, TrainSummary, train};
