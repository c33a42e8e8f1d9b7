//! What this project promises, measured.
//!
//! * `figures/` holds the benches on real engines (`make bench`, `make bench-large`): each [`figure`] beside its goal.
//! * [`replay`] plays a generated month through the detector's own code, for the quality of what the detector finds
//!   (`make bench-detection`). The crate `fleet` makes the month and has the rules to compare with.

pub mod figure;
pub mod replay;
