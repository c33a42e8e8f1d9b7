//! The detector of first uses: a customer that is known for long uses a metric for the first time.
//!
//! A first use has no past to be compared with, so it has no score. Only a large one is worth a look.

use crate::floors::Floors;
use crate::opinion::{Detail, Expected, Opinion};

/// What it says of a first use that is ten times as large as a change that matters. `None` for a smaller one.
pub(crate) fn judge(current: f64, never_negative: bool, floors: &Floors) -> Option<Opinion> {
    let reach = Floors::LARGE * floors.least();
    let opinion = Opinion {
        score: 0.0,
        expected: Expected::around(0.0, reach, never_negative),
        detail: Detail::NewUsage,
    };
    (current != 0.0 && floors.is_large(current) && opinion.is_finite()).then_some(opinion)
}
