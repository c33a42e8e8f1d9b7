//! The opinion of one detector about a series. One type serves all detectors. A new detector is a file, a variant of
//! [`Detail`] and its words.

use serde::{Deserialize, Serialize};

/// A detector's opinion about the current window. Every number in it is finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Distance of the value from the expected values, in spreads. Negative below, at most [`Opinion::CAP`] either way.
    pub score: f64,
    /// The usual values of what the detector measures. That is the metric itself unless the detail says otherwise.
    pub expected: Expected,
    pub detail: Detail,
}

/// An opinion on a series that looks odd already, by a detector that reads a month of its hours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondOpinion {
    pub opinion: Opinion,
    /// Whether the detector takes the newest hours for an anomaly.
    pub flags: bool,
}

/// The usual values, in the unit of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub low: f64,
    pub high: f64,
}

/// The detector, and the values that only it knows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "detector", rename_all = "snake_case")]
pub enum Detail {
    ZScore {
        /// The earlier windows have no meaningful spread, so other rules decided.
        constant_baseline: bool,
    },
    /// A window of so many hours beside the same local hours of the days before.
    Seasonal { hours: u8 },
    /// An hour beside the hour before.
    Autoregressive,
    /// The first use of a metric by a customer that is known for longer.
    NewUsage,
    /// The newest hour beside the trend and the week of its series.
    SeasonalEsd {
        /// Hours of the last day that are outliers.
        outliers: u8,
    },
    /// All metrics of the entity together. It tells the isolation, from 0 to 1.
    IsolationForest { isolation: f64 },
    /// The last 24 hours as an autoencoder knows days. It tells the error of the reconstruction.
    Autoencoder { error: f64 },
    /// The newest hour of all customers together. It tells how many customers dropped, of those that a stop would show of.
    Together { dropped: u32, customers: u32 },
    /// How like today's hours are to those of its weekday. It tells a cosine, from -1 to 1.
    Shape {
        cosine: f64,
        /// The cosine of usual days.
        usual: f64,
    },
}

impl Opinion {
    /// No stored or shown score is beyond this, so one odd series cannot dwarf a chart.
    pub const CAP: f64 = 100.0;

    pub fn is_finite(&self) -> bool {
        let numbers = [self.score, self.expected.low, self.expected.high];
        numbers.iter().chain(&self.detail.numbers()).all(|number| number.is_finite())
    }
}

impl Detail {
    /// The numbers of the detail that could be other than finite.
    fn numbers(&self) -> [f64; 2] {
        match *self {
            Self::Shape { cosine, usual } => [cosine, usual],
            Self::IsolationForest { isolation } => [isolation; 2],
            Self::Autoencoder { error } => [error; 2],
            _ => [0.0; 2],
        }
    }

    /// The length in hours of what the detector judges.
    pub fn hours(self) -> usize {
        match self {
            Self::Seasonal { hours } => hours.into(),
            Self::ZScore { .. } | Self::Shape { .. } | Self::Autoencoder { .. } | Self::NewUsage => 24,
            Self::Autoregressive
            | Self::SeasonalEsd { .. }
            | Self::IsolationForest { .. }
            | Self::Together { .. } => 1,
        }
    }

    /// The name of the detector.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZScore { .. } => "z_score",
            Self::Seasonal { .. } => "seasonal",
            Self::Autoregressive => "autoregressive",
            Self::Shape { .. } => "shape",
            Self::NewUsage => "new_usage",
            Self::SeasonalEsd { .. } => "seasonal_esd",
            Self::IsolationForest { .. } => "isolation_forest",
            Self::Autoencoder { .. } => "autoencoder",
            Self::Together { .. } => "together",
        }
    }
}

impl Expected {
    /// The range of `reach` around `middle`. Not below zero for values that cannot be negative.
    pub fn around(middle: f64, reach: f64, never_negative: bool) -> Self {
        let low = middle - reach;
        Self { low: if never_negative { low.max(0.0) } else { low }, high: middle + reach }
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
