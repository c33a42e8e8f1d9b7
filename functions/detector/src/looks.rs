//! How a series looks by the row of a fit.

use detection::Direction;

/// How a series looks by the row of a fit, beside its incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    Odd(Direction),
    /// Close to the threshold.
    Near(Direction),
    /// An incident goes on, and looks as if it ends.
    Ending,
    /// As usual, or as an incident left it. But an incident goes on, or the row knows hours of incidents that models leave out.
    Calm,
    Unknown,
}
