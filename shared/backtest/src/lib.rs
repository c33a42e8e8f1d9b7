//! What would have paged: days of the past, judged hour by hour by a configuration.
//!
//! ```text
//! Rows ─── rows of any order ─┐
//!                             ├─ Customers ── Replay ── Flagged hours ── Tally ── Report ── Difference, Proposal
//! hours of the rollup ────────┘                 │
//!                              Configuration ───┘  catalog, policies, sensitivity, time zone, rules of incidents
//! ```
//!
//! The crate is pure like `detection`, and decides nothing itself. It fits the model of each series once a day
//! ([`Model::fit`](detection::Model::fit)), judges each hour ([`ensemble::judge`](detection::ensemble::judge)), and decides
//! the incidents of a customer as a run does ([`Watched::decide`](detection::incident::Watched::decide)). So a change of the
//! check changes the backtest too.
//!
//! A [`Customer`] is plain data, whatever its source. A source with many customers gives them one by one to
//! [`Replay::customer`], and the answers to a [`Tally`].

mod answer;
mod budget;
mod configuration;
mod course;
mod days;
mod defaults;
mod difference;
mod flagged;
mod question;
mod records;
mod replay;
mod report;
mod rounded;
mod rows;
mod span;
#[cfg(test)]
mod tests;
mod usage;
mod watch;

pub use answer::{Answer, FlaggedHour, Found, Listed, ShortDifference};
pub use budget::{Budget, BudgetError, Proposal, Remedy, propose};
pub use configuration::{Configuration, ConfigurationError, Deployment};
pub use defaults::{Derived, derive};
pub use difference::{Difference, Moved};
pub use flagged::{Flagged, Judged, Outcome};
pub use question::{Question, QuestionError, Sides};
pub use replay::Replay;
pub use report::{Count, Page, PageEntry, Report, Tally, Totals};
pub use rows::{Cell, Duplicate, Rows};
pub use span::{Span, SpanError};
pub use usage::{Customer, Series, Usage};
