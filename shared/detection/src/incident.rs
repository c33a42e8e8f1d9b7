//! Incidents: one deviation over time. A spike that stays in 24 windows is one incident and not 24.
//!
//! A pure state machine. Inputs are the latest incident of a series and direction, one observation of a window, and the
//! rules. Outputs are the new incident and its page. All times are times of windows, never of a clock. So a late run
//! decides like a punctual one.
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
//! - A missing run changes nothing, because only observations change incidents.
//! - A window that is judged late adds to the count, and may raise severity and peak. It changes nothing else.
//! - A person's feedback acts at once: a false alarm resolves the incident, and a new normal accepts its level.
//! - A person's resolve holds while the same deviation goes on. Only a doubling, or an end and a return, opens an
//!   incident again.
//! - Only incidents that were paged one by one have an end message.
//! - The incidents of a customer and direction that are open together are one story, which is told once.

mod around;
pub mod ending;
mod exclusion;
mod id;
mod machine;
mod model;
mod observation;
mod paging;
mod people;
mod recurrence;
mod rules;
mod story;
#[cfg(test)]
mod tests;

pub use crate::Figures;
pub use around::{Around, Story, Told};
pub use ending::{CALM_HOURS, Course, began_after, is_hidden, verdict_beside};
pub(crate) use exclusion::hours_of;
pub use exclusion::{OUT_DAYS, excluded, hours, stays_out};
pub use id::{IncidentId, Subject};
pub(crate) use id::{decoded, encoded};
pub use machine::{Step, advance};
pub use model::{Event, Incident, IncidentState, Page};
pub use observation::{INSIDE, Observation, Seen};
pub use people::Handled;
pub use recurrence::{Occurrence, REACH, recurs};
pub use rules::Rules;
pub use story::Watched;
