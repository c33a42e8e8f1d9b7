//! What people read: sentences, amounts and investigation steps.

pub mod describe;
pub mod steps;
pub mod units;
