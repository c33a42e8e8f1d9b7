//! Which detectors judge a series.

use std::str::FromStr;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// A detector that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// Windows of 1, 3, 6 and 24 hours beside the same local hours of the days before.
    Seasonal,
    /// An hour beside the hour before.
    Autoregressive,
    /// The last 24 hours beside mean and deviation of the days before, with the thresholds of a z-score.
    ZScore,
}

/// At least one detector. Written as a list of names, as one name, or as `ensemble`: the models of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Vec<Detector>")]
pub struct Detectors(u8);

/// A list without a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`detectors` is empty: name at least one of `seasonal`, `autoregressive` and `z_score`")]
pub struct NoDetector;

/// As a policy writes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    List(Vec<String>),
    Other(IgnoredAny),
}

/// A choice that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetectorsError {
    #[error("`{name}` is no detector: {ALLOWED}", name = .0.escape_debug())]
    Unknown(String),
    #[error(transparent)]
    None(#[from] NoDetector),
    #[error("it must be {ALLOWED}")]
    Other,
}

const ALLOWED: &str = "`ensemble`, or a list of `seasonal`, `autoregressive` and `z_score`";

impl Detector {
    pub const ALL: [Self; 3] = [Self::Seasonal, Self::Autoregressive, Self::ZScore];

    fn bit(self) -> u8 {
        1 << self as u8
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Seasonal => "seasonal",
            Self::Autoregressive => "autoregressive",
            Self::ZScore => "z_score",
        }
    }

    fn named(name: &str) -> Result<Self, DetectorsError> {
        let found = Self::ALL.into_iter().find(|detector| detector.name() == name);
        found.ok_or_else(|| DetectorsError::Unknown(name.to_owned()))
    }
}

impl Detectors {
    /// # Errors
    ///
    /// When there is none.
    pub fn new(detectors: impl IntoIterator<Item = Detector>) -> Result<Self, NoDetector> {
        match detectors.into_iter().fold(0, |bits, detector| bits | detector.bit()) {
            0 => Err(NoDetector),
            bits => Ok(Self(bits)),
        }
    }

    pub fn holds(self, detector: Detector) -> bool {
        self.0 & detector.bit() != 0
    }
}

impl Default for Detectors {
    /// The models of the week.
    fn default() -> Self {
        Self(Detector::Seasonal.bit() | Detector::Autoregressive.bit())
    }
}

impl TryFrom<Written> for Detectors {
    type Error = DetectorsError;

    fn try_from(written: Written) -> Result<Self, DetectorsError> {
        match written {
            Written::Word(word) => word.parse(),
            Written::List(names) => {
                let detectors: Result<Vec<_>, _> = names.iter().map(|name| Detector::named(name)).collect();
                Ok(Self::new(detectors?)?)
            }
            Written::Other(_) => Err(DetectorsError::Other),
        }
    }
}

impl FromStr for Detectors {
    type Err = DetectorsError;

    /// Of one word, or of names with commas between them.
    fn from_str(word: &str) -> Result<Self, DetectorsError> {
        if word == "ensemble" {
            return Ok(Self::default());
        }
        let detectors: Result<Vec<_>, _> = word.split(',').map(|name| Detector::named(name.trim())).collect();
        Ok(Self::new(detectors?)?)
    }
}

impl From<Detectors> for Vec<Detector> {
    fn from(detectors: Detectors) -> Self {
        Detector::ALL.into_iter().filter(|detector| detectors.holds(*detector)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_names() {
        let read = |text: &str| text.parse::<Detectors>();
        assert_eq!(read("ensemble"), Ok(Detectors::default()));
        assert_eq!(read("seasonal, autoregressive"), Ok(Detectors::default()));
        for detector in Detector::ALL {
            assert_eq!(read(detector.name()), Ok(Detectors::new([detector]).unwrap()));
        }
        for (text, name) in
            [("", "``"), ("magic", "`magic`"), ("z_score,", "``"), ("z_score, Seasonal", "`Seasonal`")]
        {
            assert!(read(text).unwrap_err().to_string().starts_with(name), "{text}");
        }
    }

    #[test]
    fn a_list_of_names() {
        let read = |text: &str| serde_json::from_str::<Detectors>(text).map_err(|error| error.to_string());
        for text in ["[\"z_score\"]", "[\"seasonal\",\"autoregressive\",\"z_score\"]", "[\"autoregressive\"]"]
        {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        assert_eq!(
            read("[\"z_score\",\"seasonal\",\"z_score\"]"),
            Detectors::new([Detector::Seasonal, Detector::ZScore]).map_err(|error| error.to_string())
        );
        assert_eq!(read("\"ensemble\""), Ok(Detectors::default()));
        assert_eq!(read("\"z_score\""), read("[\"z_score\"]"));
        for (text, refusal) in [
            ("[]", "at least one"),
            ("[\"entropy\"]", "`entropy` is no detector: `ensemble`, or a list of"),
            ("\"entropy\"", "`entropy` is no detector"),
            ("3", "it must be `ensemble`"),
            ("[3]", "it must be `ensemble`"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(refusal), "{text}: {found}");
        }
        assert!(
            Detectors::default().holds(Detector::Seasonal) && !Detectors::default().holds(Detector::ZScore)
        );
    }
}
