//! The detectors, one file each.

pub mod z_score;
