//! The rules for entities beside labelled records of the public: what they find, and what they flag of the rest.
//!
//! ```text
//! files ── records of runs and nodes ──── durations ───┐
//! files ── error lines and faults ─────── errors ──────┤
//! files ── requests after faults ──────── injected ────┤
//! files ── windows of services, faults ── services ────┼─ tables ── the page docs/quality.md
//! files ── calls of a cloud's API ─────── principals ──┤
//! files ── metrics of machines, faults ── machines ────┘
//! ```
//!
//! The rules and their parameters are those of the presets `executions` and `traces_otel`, and the defaults. Machines are
//! judged by the vote.

pub mod durations;
pub mod errors;
pub mod files;
pub mod injected;
pub mod machines;
pub mod principals;
pub mod services;
pub mod share;
pub mod tables;
