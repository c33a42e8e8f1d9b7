//! The detectors, one file each. Each has parameters that are valid by construction, and a function from a value and
//! its past to an [`Opinion`](crate::Opinion). A detector knows no other detector, no clock and no table.

pub mod autoencoder;
pub mod autoregressive;
mod choice;
pub mod isolation_forest;
pub mod new_usage;
pub mod seasonal;
pub mod seasonal_esd;
pub mod shape;
pub mod z_score;

pub use choice::{Detector, Detectors, DetectorsError, NoDetector};
