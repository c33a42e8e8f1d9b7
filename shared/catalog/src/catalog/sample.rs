//! A sample of a source's events: a share of them is rolled up, and each counts for the others.
//!
//! The hash of an expression chooses them, such as that of a trace id. So all spans of a trace are in the sample, or none.

use detection::rules::Rule;

use super::MetricRule;

/// One of so many values of an expression is in the sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    by: String,
    one_in: u32,
}

/// The least share: one in a million.
const LEAST: f64 = 1e-6;

/// A share this near to one in a whole number is rounding.
const ROUNDING: f64 = 1e-9;

impl Sample {
    /// * `ratio`: the share of the sample, from [`LEAST`] to 1.
    pub(super) fn new(by: &str, ratio: f64) -> Result<Self, String> {
        let one_in = (1.0 / ratio).round();
        let is_whole = (LEAST..=1.0).contains(&ratio) && (one_in * ratio - 1.0).abs() <= ROUNDING;
        if !is_whole {
            return Err(format!(
                "`sampling_ratio` is {ratio}, but it must be one in a whole number, such as 0.5, 0.25, 0.1 or 0.01: each event \
                 counts for so many"
            ));
        }
        // It is whole, and at most a million.
        Ok(Self { by: by.to_owned(), one_in: one_in as u32 })
    }

    /// The expression whose hash chooses.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// How many events one of the sample counts for.
    pub fn one_in(&self) -> u32 {
        self.one_in
    }

    /// The share of the sample.
    pub fn ratio(&self) -> f64 {
        1.0 / f64::from(self.one_in)
    }
}

/// Whether the rules of a metric need every event: what is new, and what security looks at.
pub(super) fn needs_all(rules: &[MetricRule]) -> bool {
    rules.iter().any(|of| {
        matches!(
            of.rule,
            Rule::Novelty(_) | Rule::DistinctGrowth(_) | Rule::Burst(_) | Rule::Streak(_) | Rule::OffHours(_)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_for_a_whole_number_of_events() {
        for (ratio, one_in) in
            [(1.0, 1), (0.5, 2), (0.1, 10), (1.0 / 3.0, 3), (0.001, 1_000), (1e-6, 1_000_000)]
        {
            let sample = Sample::new("id", ratio).unwrap();
            assert_eq!((sample.one_in(), sample.ratio()), (one_in, 1.0 / f64::from(one_in)), "{ratio}");
        }
        for ratio in [0.0, -0.1, 0.3, 0.7, 1.1, 1e-7, f64::NAN, f64::INFINITY] {
            assert!(Sample::new("id", ratio).unwrap_err().contains("one in a whole number"), "{ratio}");
        }
    }
}
