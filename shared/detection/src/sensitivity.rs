//! One word or number that makes all detectors more or less strict.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::thresholds::{SettingsError, require};

/// A factor of all thresholds: from 0.2 to 5. Smaller finds more, and pages more for nothing.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "f64")]
pub struct Sensitivity(f64);

/// As a policy writes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Factor(f64),
    Word(String),
    Other(IgnoredAny),
}

/// A sensitivity that is neither a word nor a factor in the range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SensitivityError {
    #[error(transparent)]
    Factor(#[from] SettingsError),
    #[error("`{word}` is no sensitivity: {ALLOWED}", word = .0.escape_debug())]
    Word(String),
    #[error("it must be {ALLOWED}")]
    Other,
}

const ALLOWED: &str = "`low`, `medium`, `high`, or a factor of the thresholds from 0.2 to 5";

impl Sensitivity {
    pub const LOW: Self = Self(1.4);
    pub const MEDIUM: Self = Self(1.0);
    pub const HIGH: Self = Self(0.8);

    /// # Errors
    ///
    /// When the factor is not from 0.2 to 5.
    pub fn new(factor: f64) -> Result<Self, SettingsError> {
        require((0.2..=5.0).contains(&factor), "sensitivity", factor, ALLOWED)?;
        Ok(Self(factor))
    }

    pub fn factor(self) -> f64 {
        self.0
    }
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self::MEDIUM
    }
}

impl fmt::Display for Sensitivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Sensitivity> for f64 {
    fn from(sensitivity: Sensitivity) -> Self {
        sensitivity.0
    }
}

impl TryFrom<Written> for Sensitivity {
    type Error = SensitivityError;

    fn try_from(written: Written) -> Result<Self, SensitivityError> {
        match written {
            Written::Factor(factor) => Ok(Self::new(factor)?),
            Written::Word(word) => match word.as_str() {
                "low" => Ok(Self::LOW),
                "medium" => Ok(Self::MEDIUM),
                "high" => Ok(Self::HIGH),
                _ => Err(SensitivityError::Word(word)),
            },
            Written::Other(_) => Err(SensitivityError::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_factor() {
        let read = |text: &str| serde_json::from_str::<Sensitivity>(text).ok().map(Sensitivity::factor);
        for (text, factor) in [
            ("\"low\"", Some(1.4)),
            ("\"medium\"", Some(1.0)),
            ("\"high\"", Some(0.8)),
            ("2", Some(2.0)),
            ("0.2", Some(0.2)),
            ("0.1", None),
            ("5.1", None),
            ("\"highest\"", None),
            ("null", None),
        ] {
            assert_eq!(read(text), factor, "{text}");
        }
        assert_eq!(serde_json::to_string(&Sensitivity::LOW).unwrap(), "1.4");
    }

    #[test]
    fn a_refusal_says_what_is_allowed() {
        for (text, beginning) in [
            ("\"highest\"", "`highest` is no sensitivity"),
            ("0.1", "sensitivity = 0.1 is out of range"),
            ("[1]", "it must be `low`"),
        ] {
            let refusal = serde_json::from_str::<Sensitivity>(text).unwrap_err().to_string();
            assert!(refusal.starts_with(beginning) && refusal.contains("from 0.2 to 5"), "{refusal}");
        }
    }
}
