//! The pictures of `docs/detection.md`, written as SVG: numbers and words only, so that a change shows in a diff.

mod canvas;
mod curves;
mod month;

pub use curves::{Curve, precision_against_recall};
pub use month::month_with_band;
