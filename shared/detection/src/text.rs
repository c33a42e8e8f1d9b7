//! Texts for people: sentences, amounts and investigation steps.

pub mod describe;
pub mod steps;
pub mod units;
