//! Texts for people: sentences, amounts, charts in a line, and investigation steps.

pub mod budget;
pub mod describe;
pub mod money;
pub mod rules;
pub mod sparkline;
pub mod steps;
pub mod units;
pub mod usual;
