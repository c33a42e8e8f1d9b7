//! What a figure must reach.

/// A figure within a tenth of its goal counts as met.
const GRACE: f64 = 0.1;

/// The goal of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// At most so much from a value. There is no other grace.
    Within(f64, f64),
    /// It has none.
    None,
}

impl Goal {
    /// Such as `at least 0.95`.
    pub fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", number(Some(least), 2)),
            Self::AtMost(most) => format!("at most {}", number(Some(most), 2)),
            Self::Within(middle, most) => {
                format!("{} to {}", number(Some(middle - most), 2), number(Some(middle + most), 2))
            }
            Self::None => String::new(),
        }
    }

    /// Whether a value reaches the goal, with the grace of a tenth. A value that is not there misses every goal.
    pub fn is_met(self, value: Option<f64>) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value.is_some_and(|value| value >= least * (1.0 - GRACE))),
            Self::AtMost(most) => Some(value.is_some_and(|value| value <= most * (1.0 + GRACE))),
            Self::Within(middle, most) => Some(value.is_some_and(|value| (value - middle).abs() <= most)),
            Self::None => None,
        }
    }

    /// Whether a value reaches the goal, without any grace.
    pub fn is_reached(self, value: Option<f64>) -> bool {
        match self {
            Self::AtLeast(least) => value.is_some_and(|value| value >= least),
            Self::AtMost(most) => value.is_some_and(|value| value <= most),
            Self::Within(..) | Self::None => self.is_met(value) != Some(false),
        }
    }

    /// Whether a value reaches the goal, in words.
    pub fn mark(self, value: Option<f64>) -> &'static str {
        match self.is_met(value) {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        }
    }
}

/// A figure beside its goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub name: String,
    /// `None` where nothing could be measured.
    pub value: Option<f64>,
    pub decimals: usize,
    pub goal: Goal,
    /// What it was measured on.
    pub made_of: String,
}

impl Measured {
    /// Whether it misses its goal by more than a tenth.
    pub fn is_missed(&self) -> bool {
        self.goal.is_met(self.value) == Some(false)
    }
}

/// A number for people; a dash where there is none.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        None => String::from("-"),
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_grace_is_given() {
        assert_eq!(Goal::AtLeast(0.8).is_met(Some(0.721)), Some(true));
        assert_eq!(Goal::AtLeast(0.8).is_met(Some(0.719)), Some(false));
        assert_eq!(Goal::AtMost(3.0).is_met(Some(3.4)), Some(false));
        assert_eq!(Goal::AtMost(0.0).is_met(Some(0.0)), Some(true));
        assert_eq!(Goal::AtMost(1.0).is_met(None), Some(false));
        assert_eq!(Goal::Within(1.0, 0.25).is_met(Some(0.75)), Some(true));
        assert_eq!(Goal::Within(1.0, 0.25).is_met(Some(1.3)), Some(false));
        assert_eq!(Goal::Within(1.0, 0.2).text(), "0.80 to 1.20");
        assert_eq!(Goal::None.is_met(None), None);
    }

    #[test]
    fn without_grace_a_goal_is_its_own_limit() {
        let values = [0.79, 0.8].map(Some);
        assert_eq!(values.map(|value| Goal::AtLeast(0.8).is_reached(value)), [false, true]);
        assert_eq!(values.map(|value| Goal::AtMost(0.79).is_reached(value)), [true, false]);
        assert_eq!([Goal::AtLeast(0.8), Goal::None].map(|goal| goal.is_reached(None)), [false, true]);
    }

    #[test]
    fn a_mark_says_whether_the_goal_is_met() {
        assert_eq!(Goal::AtMost(1.0).mark(Some(1.0)), "met");
        assert_eq!(Goal::AtMost(1.0).mark(None), "**missed**");
        assert_eq!(Goal::None.mark(Some(1.0)), "");
        assert_eq!(
            (number(Some(0.123), 2), number(Some(2.0), 2), number(None, 2)),
            ("0.12".into(), "2".into(), "-".into())
        );
    }
}
