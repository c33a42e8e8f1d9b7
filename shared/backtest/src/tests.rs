//! Generated usage through the whole crate.

mod budgets;
mod deployments;
mod differences;
mod files;
mod incidents;
mod made;
mod questions;
mod stories;
mod total;
