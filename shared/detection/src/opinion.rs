//! The opinion of one detector about a series. One type serves all detectors. A new detector is a file, a variant of
//! [`Detail`] and its words.

use serde::{Deserialize, Serialize};

/// A detector's opinion about the current window. Every number in it is finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Distance of the value from the expected values, in spreads. Negative below, at most [`Opinion::CAP`] either way.
    /// Rules say in their files what theirs is.
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
    /// A rule: so many of all events were bad.
    Rate {
        events: u64,
        bad: u64,
        /// The rate that it compares with: that of the baseline with one event more of either kind.
        baseline_rate: f64,
        /// How likely at least so many bad events are by chance.
        tail: f64,
    },
    /// A rule: so many runs in a row failed.
    Streak {
        length: u64,
        /// The length from which on a streak is an anomaly.
        needed: u64,
        /// The share of the former runs that failed, with one run more of either kind.
        failure_rate: f64,
        /// How likely a streak of this length is by chance.
        chance: f64,
    },
    /// A rule: the value of an event, or a percentile of a window, beside a percentile of the baseline.
    Percentile {
        /// The share that the percentile is of, as 0.95.
        share: f64,
        /// The percentile of the baseline.
        usual: f64,
        /// The value above which it is an anomaly.
        limit: f64,
        /// Whether it is of all events of a window, and not of a single event.
        of_window: bool,
    },
    /// A rule: the ratio of a value to the mean.
    Ratio {
        ratio: f64,
        /// The value is zero, and none of the baseline is.
        first_zero: bool,
    },
    /// A rule: a fixed limit, the nearest one that the value is beyond, or else the first one.
    Threshold { limit: f64, above: bool },
    /// A rule: events of a value that was not seen for long. `None`: it was never seen.
    Novelty { events: u64, last_seen_days: Option<u32> },
    /// A rule: many events by one entity in a window.
    Burst {
        events: u64,
        principals: u64,
        limit: u64,
        /// One of the attempts succeeded in the end.
        succeeded: bool,
    },
    /// A rule: many more distinct values than usual.
    DistinctGrowth { limit: f64 },
    /// A rule: events in an hour of the day that has none otherwise.
    OffHours { events: u64, hour: u8 },
    /// A rule: the value of a window, in spreads of the earlier ones.
    Deviation { spread: f64 },
    /// A rule: a vote of detectors on all metrics of the entity.
    Vote {
        /// The sum of weight times confidence over the detectors that flag, from 0 to 1.
        score: f64,
        /// The same over all detectors.
        mean: f64,
        /// How many detectors flag the metric, and how many had a say.
        flags: u8,
        detectors: u8,
    },
    /// A rule: the last hours beside the most similar ones of the two weeks before.
    UnseenShape {
        /// How many hours they are.
        hours: u8,
        /// The mean of the absolute differences, in the metric's unit, and what is usual.
        distance: f64,
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
    fn numbers(&self) -> [f64; 3] {
        match *self {
            Self::Shape { cosine, usual } => [cosine, usual, 0.0],
            Self::IsolationForest { isolation } => [isolation; 3],
            Self::Autoencoder { error } => [error; 3],
            Self::Rate { baseline_rate, tail, .. } => [baseline_rate, tail, 0.0],
            Self::Streak { failure_rate, chance, .. } => [failure_rate, chance, 0.0],
            Self::Percentile { share, usual, limit, .. } => [share, usual, limit],
            Self::Ratio { ratio, .. } => [ratio; 3],
            Self::Threshold { limit, .. } | Self::DistinctGrowth { limit } => [limit; 3],
            Self::Deviation { spread } => [spread; 3],
            Self::Vote { score, mean, .. } => [score, mean, 0.0],
            Self::UnseenShape { distance, usual, .. } => [distance, usual, 0.0],
            _ => [0.0; 3],
        }
    }

    /// The length in hours of what the detector judges.
    pub fn hours(self) -> usize {
        match self {
            Self::Seasonal { hours } | Self::UnseenShape { hours, .. } => hours.into(),
            Self::ZScore { .. } | Self::Shape { .. } | Self::Autoencoder { .. } | Self::NewUsage => 24,
            Self::Autoregressive
            | Self::SeasonalEsd { .. }
            | Self::IsolationForest { .. }
            | Self::Together { .. }
            // A rule judges a window of any length, or an event. An hour is the nearest.
            | Self::Rate { .. }
            | Self::Streak { .. }
            | Self::Percentile { .. }
            | Self::Ratio { .. }
            | Self::Threshold { .. }
            | Self::Novelty { .. }
            | Self::Burst { .. }
            | Self::DistinctGrowth { .. }
            | Self::OffHours { .. }
            | Self::Deviation { .. }
            | Self::Vote { .. } => 1,
        }
    }

    /// Whether it is of a rule, and not of a detector.
    pub fn is_rule(self) -> bool {
        matches!(
            self,
            Self::Rate { .. }
                | Self::Streak { .. }
                | Self::Percentile { .. }
                | Self::Ratio { .. }
                | Self::Threshold { .. }
                | Self::Novelty { .. }
                | Self::Burst { .. }
                | Self::DistinctGrowth { .. }
                | Self::OffHours { .. }
                | Self::Deviation { .. }
                | Self::Vote { .. }
                | Self::UnseenShape { .. }
        )
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
            Self::Rate { .. } => "rate",
            Self::Streak { .. } => "streak",
            Self::Percentile { .. } => "percentile",
            Self::Ratio { .. } => "ratio",
            Self::Threshold { .. } => "threshold",
            Self::Novelty { .. } => "novelty",
            Self::Burst { .. } => "burst",
            Self::DistinctGrowth { .. } => "distinct_growth",
            Self::OffHours { .. } => "off_hours",
            Self::Deviation { .. } => "deviation",
            Self::Vote { .. } => "vote",
            Self::UnseenShape { .. } => "unseen_shape",
        }
    }
}

impl Expected {
    /// The range of `reach` around `middle`. Neither end is below zero for values that cannot be negative.
    pub fn around(middle: f64, reach: f64, never_negative: bool) -> Self {
        let within = |end: f64| if never_negative { end.max(0.0) } else { end };
        Self { low: within(middle - reach), high: within(middle + reach) }
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
