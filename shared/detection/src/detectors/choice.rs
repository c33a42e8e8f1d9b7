//! Which detectors judge a series.

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

/// At least one detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Detector>", into = "Vec<Detector>")]
pub struct Detectors(u8);

/// A list without a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`detectors` is empty: name at least one of `seasonal`, `autoregressive` and `z_score`")]
pub struct NoDetector;

impl Detector {
    pub const ALL: [Self; 3] = [Self::Seasonal, Self::Autoregressive, Self::ZScore];

    fn bit(self) -> u8 {
        1 << self as u8
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

impl TryFrom<Vec<Detector>> for Detectors {
    type Error = NoDetector;

    fn try_from(detectors: Vec<Detector>) -> Result<Self, NoDetector> {
        Self::new(detectors)
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
        assert!(read("[]").unwrap_err().contains("at least one"));
        assert!(read("[\"entropy\"]").is_err());
        assert!(
            Detectors::default().holds(Detector::Seasonal) && !Detectors::default().holds(Detector::ZScore)
        );
    }
}
