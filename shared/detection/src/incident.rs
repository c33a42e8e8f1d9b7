//! Incidents: what one deviation is over time, so that a spike that stays in 24 windows is one event and not 24.
//!
//! A pure state machine: the latest incident of a series and direction, one observation of a window, and the rules go
//! in; what the incident becomes and whether people are to be paged comes out. All times are those of windows, never of
//! a clock, so that a late run decides as a punctual one would have.
//!
//! ```text
//!            anomaly            inside, resolve_after runs          anomaly within reopen_within
//!   (none) ──────────► open ───────────────────────────► resolved ──────────────────────────────► open
//!                       │  ▲ anomalies join                  ▲
//!                       │  └──────────────                   │ a person
//!                       ├────────────────────────────────────┘
//!                       │ anomalous for accept_after, counted from the first page
//!                       ├──────────────────────────► accepted: the new normal, which raises nothing any more
//!                       │ no verdict for 24 hours
//!                       └──────────────────────────► stale
//! ```
//!
//! A run that did not happen changes nothing, since only observations do. A run for a window older than the last one
//! that an incident saw adds to its count and changes nothing else.

mod exclusion;
mod id;
mod machine;
mod model;
mod observation;
mod people;
#[cfg(test)]
mod tests;

pub use crate::Figures;
pub use exclusion::excluded;
pub use id::{IncidentId, Subject};
pub use machine::{Rules, Step, advance};
pub use model::{Event, Incident, IncidentState, Page};
pub use observation::{Observation, Seen};
pub use people::Handled;
