//! What this project promises, measured.
//!
//! `figures/` holds the benches on real engines (`make bench`, `make bench-large`): each [`figure`] beside its goal.

pub mod figure;
