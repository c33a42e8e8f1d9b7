//! The rules for entities beside labelled records of the public: what they find, and what they flag of the rest.
//!
//! ```text
//! files ── records of runs and nodes ── durations ─┐
//! files ── error lines and faults ───── errors ────┴─ tables ── the page docs/quality.md
//! ```
//!
//! The rules and their parameters are those of the preset `executions` and the defaults.

pub mod durations;
pub mod errors;
pub mod files;
pub mod share;
pub mod tables;
