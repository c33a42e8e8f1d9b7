//! What this project promises, measured.
//!
//! * `figures/` holds the benches on real engines (`make bench`, `make bench-large`): each [`figure`] beside its goal.
//! * [`month`] is a simulated month of many customers, for the quality of what the detector finds (`make month`).

pub mod figure;
pub mod month;
