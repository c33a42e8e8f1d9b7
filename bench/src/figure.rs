//! Measured figures beside their goals, as one table.

use std::fmt;

/// How far a figure may miss its goal before the bench fails: machines differ, and so do runs on one machine.
const TOLERANCE: f64 = 0.10;

/// What a figure is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is only told.
    Stated,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: String,
    pub value: f64,
    /// Empty for a plain number; `x` for a ratio.
    pub unit: &'static str,
    pub goal: Goal,
    /// What it was made of: the two sides of a ratio, sizes, medians.
    pub made_of: String,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str, goal: Goal, made_of: String) -> Self {
        Self { name: name.into(), value, unit, goal, made_of }
    }

    /// Whether it misses its goal by more than the tolerance. A value that is not a number misses every goal.
    pub fn is_missed(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_misses_its_goal_beyond_the_tolerance_only() {
        let is_missed = |value, goal| Figure::new("", value, "x", goal, String::new()).is_missed();
        for (value, goal, missed) in [
            (1.09, Goal::AtMost(1.0), false),
            (1.11, Goal::AtMost(1.0), true),
            (0.91, Goal::AtLeast(1.0), false),
            (0.89, Goal::AtLeast(1.0), true),
            (f64::NAN, Goal::AtMost(1.0), true),
            (f64::NAN, Goal::AtLeast(1.0), true),
            (f64::NAN, Goal::Stated, false),
        ] {
            assert_eq!(is_missed(value, goal), missed, "{value} {goal:?}");
        }
    }

    #[test]
    fn a_line_shows_value_goal_and_sides() {
        let line = |value, goal| {
            Figure::new("sweep / fetch", value, "x", goal, "3 s and 2 s".to_owned()).to_string()
        };
        let words = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            words(line(1.5, Goal::AtMost(1.15))),
            "sweep / fetch 1.50 x at most 1.15 x MISSED 3 s and 2 s"
        );
        assert_eq!(
            words(line(123.4, Goal::AtLeast(100.0))),
            "sweep / fetch 123 x at least 100 x 3 s and 2 s"
        );
    }
}
