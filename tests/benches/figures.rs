//! Measured figures beside their goals, as one table.

use std::fmt;

/// How far a figure may miss its goal before the bench fails: machines differ, and so do runs on one machine.
const TOLERANCE: f64 = 0.10;

/// What a figure is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is only told.
    Stated,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    pub(crate) value: f64,
    /// Empty for a plain number; `x` for a ratio.
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
    /// What it was made of: the two sides of a ratio, sizes, medians.
    pub(crate) made_of: String,
}

impl Figure {
    pub(crate) fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
        made_of: String,
    ) -> Self {
        Self { name: name.into(), value, unit, goal, made_of }
    }

    /// Whether it misses its goal by more than the tolerance. What is not a number misses every goal.
    pub(crate) fn is_missed(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.value.is_nan() || self.value > most * (1.0 + TOLERANCE),
            Goal::AtLeast(least) => self.value.is_nan() || self.value < least * (1.0 - TOLERANCE),
            Goal::Stated => false,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let goal = match self.goal {
            Goal::AtMost(most) => format!("at most {}{unit}", number(most)),
            Goal::AtLeast(least) => format!("at least {}{unit}", number(least)),
            Goal::Stated => String::from("stated"),
        };
        let mark = if self.is_missed() { "MISSED" } else { "" };
        let value = format!("{}{unit}", number(self.value));
        write!(f, "{:<62} {value:>14}   {goal:<20} {mark:<7} {}", self.name, self.made_of)
    }
}

/// Three digits that count, and no more than two decimals.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
