//! How long a deviation must last: "3 of 3" windows.
//!
//! One window of five minutes is often noise. On records of latencies, three in a row divided the false alarms by forty.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::error::RuleError;

/// `K of N`: K of the last N windows must be anomalous. Written `for = "3 of 3"`. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Persistence {
    needed: usize,
    of: usize,
}

impl Persistence {
    /// The most windows that it may ask for.
    pub const MOST: usize = 100;

    /// `None` unless 1 <= `needed` <= `of` <= 100.
    pub fn new(needed: usize, of: usize) -> Option<Self> {
        (needed >= 1 && needed <= of && of <= Self::MOST).then_some(Self { needed, of })
    }

    /// Whether enough of the windows are anomalous, of which the newest is the last. Windows before the last N do not
    /// count, and a window that is not there was not anomalous.
    ///
    /// The newest window must be one of them: what is over is no news.
    pub fn holds(self, windows: &[bool]) -> bool {
        let newest = windows.iter().rev().take(self.of);
        windows.last() == Some(&true) && newest.filter(|is_anomalous| **is_anomalous).count() >= self.needed
    }

    /// The number of windows that it needs to see.
    pub fn windows(self) -> usize {
        self.of
    }
}

/// The first window is enough.
impl Default for Persistence {
    fn default() -> Self {
        Self { needed: 1, of: 1 }
    }
}

impl FromStr for Persistence {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let number = |text: &str| text.trim().parse().ok();
        let parsed = text.split_once(" of ").and_then(|(needed, of)| Self::new(number(needed)?, number(of)?));
        parsed.ok_or_else(|| RuleError::Persistence { text: text.to_owned() })
    }
}

impl TryFrom<String> for Persistence {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.needed, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn written_as_k_of_n() {
        for text in ["1 of 1", "3 of 3", "2 of 5", "100 of 100"] {
            assert_eq!(text.parse::<Persistence>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "3",
            "3 in 3",
            "0 of 3",
            "4 of 3",
            "1 of 101",
            "-1 of 3",
            "3 of 3 of 3",
            "a of b",
            "1.5 of 2",
        ] {
            assert!(text.parse::<Persistence>().is_err(), "{text}");
        }
        assert_eq!(
            "4 of 3".parse::<Persistence>().unwrap_err().to_string(),
            "`for` is `4 of 3`, but it must be `K of N` with 1 <= K <= N <= 100, as in `3 of 3`: K of the last N windows \
             must be anomalous"
        );
    }

    #[test]
    fn so_many_of_the_last() {
        let three = Persistence::new(3, 3).unwrap();
        let two_of_four = Persistence::new(2, 4).unwrap();
        let (no, yes) = (false, true);
        assert!(three.holds(&[no, yes, yes, yes]));
        assert!(!three.holds(&[yes, yes, no, yes]));
        assert!(!three.holds(&[yes, yes]), "two windows are not three");
        assert!(two_of_four.holds(&[yes, no, no, yes]));
        assert!(!two_of_four.holds(&[yes, no, no, no, yes]), "too long ago");
        assert!(!two_of_four.holds(&[yes, yes, no]), "over");
        assert!(Persistence::default().holds(&[no, yes]) && !Persistence::default().holds(&[]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            if let Ok(persistence) = text.parse::<Persistence>() {
                prop_assert_eq!(persistence.to_string().parse(), Ok(persistence));
            }
        }
    }
}
