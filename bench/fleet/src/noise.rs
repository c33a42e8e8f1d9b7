//! Flags on pure noise: how often windows of series without any cause have a score beyond three, beside how often a normal
//! value is.
//!
//! The series have no day and no week, and the noise of each hour is independent. Windows of all lengths count alike. The
//! least relative spread is off, since it keeps scores down on purpose.

use detection::model::Profile;
use detection::{Aggregate, Calendar, Detail, Hour, Hours, Model, Settings, Thresholds, TimeZone, ensemble};
use jiff::Timestamp;

use crate::compare::in_parallel;
use crate::generate::Draw;
use crate::goal::{Goal, Measured};

/// A law of noise, by the usual value of an hour.
#[derive(Clone, Copy, Debug)]
enum Law {
    Poisson(f64),
    NegativeBinomial(f64),
    /// With a spread of a tenth.
    Normal(f64),
}

const LAWS: [Law; 7] = [
    Law::Poisson(4.0),
    Law::Poisson(20.0),
    Law::Poisson(100.0),
    Law::Poisson(1_000.0),
    Law::NegativeBinomial(20.0),
    Law::NegativeBinomial(100.0),
    Law::Normal(100.0),
];

/// A smaller count has few values, so that no threshold has an exact rate. Nothing is promised of that.
const LEAST_LEVEL: f64 = 10.0;

/// The shape of the negative binomial noise: the variance is the level, and its square over this.
const SHAPE: f64 = 10.0;

/// Series of each law.
const SERIES: u64 = 10_000;

const DAY: usize = 24;

/// The score whose flags are counted, and how often a normal value is beyond it on either side.
const SCORE: f64 = 3.0;
const STATED: f64 = 0.0027;

/// Tuesday, 24 November 2026.
const START: Timestamp = Timestamp::constant(1_795_478_400, 0);

/// Flags of each law over the stated number.
pub fn measure() -> Vec<Measured> {
    LAWS.iter().enumerate().map(|(stream, law)| law.measured(stream as u64, SERIES)).collect()
}

impl Law {
    fn name(self) -> String {
        match self {
            Self::Poisson(level) => format!("Poisson noise of {level} an hour"),
            Self::NegativeBinomial(level) => format!("negative binomial noise of {level} an hour"),
            Self::Normal(level) => format!("normal noise of {level} in an hour"),
        }
    }

    fn draw(self, draw: &mut Draw) -> f64 {
        match self {
            Self::Poisson(level) => draw.poisson(level),
            Self::NegativeBinomial(level) => draw.count(level, SHAPE),
            Self::Normal(level) => level + draw.normal(0.1 * level),
        }
    }

    fn aggregate(self) -> Aggregate {
        match self {
            Self::Poisson(_) | Self::NegativeBinomial(_) => Aggregate::Count,
            Self::Normal(_) => Aggregate::Mean,
        }
    }

    fn goal(self) -> Goal {
        let (Self::Poisson(level) | Self::NegativeBinomial(level) | Self::Normal(level)) = self;
        if level < LEAST_LEVEL { Goal::None } else { Goal::Within(1.0, 0.2) }
    }

    fn measured(self, stream: u64, series: u64) -> Measured {
        let seeds: Vec<u64> = (0..series).collect();
        let flags = in_parallel(&seeds, |seed| self.flags(stream, *seed));
        let (beyond, all) = flags.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        Measured {
            name: format!("flags on {}, over the stated number", self.name()),
            value: (all > 0).then(|| f64::from(beyond) / f64::from(all) / STATED),
            decimals: 2,
            goal: self.goal(),
            made_of: format!("{all} windows, scores beyond {SCORE:.0}"),
        }
    }

    /// The windows of a day beyond the score, and all of them.
    fn flags(self, stream: u64, seed: u64) -> (u32, u32) {
        let begin = Hour::holding(START);
        let mut draw = Draw::stream(seed, stream);
        let values: Vec<_> = (0..Calendar::SPAN + DAY).map(|_| Some(self.draw(&mut draw))).collect();
        let hours = Hours::new(self.aggregate(), true, begin, &values);
        let day = begin.plus(Calendar::SPAN as i64);
        let model = Model::fit(&hours, &Calendar::new(&TimeZone::utc(), day), &Profile::FLAT);
        let plain = Thresholds { min_relative_spread: 0.0, ..Thresholds::default() };
        let Ok(settings) = Settings::new(plain) else { return (0, 0) };
        let (mut beyond, mut all) = (0, 0);
        for (hour, row) in model.rows.iter().enumerate() {
            let views = ensemble::judge(&hours.recent(day.plus(hour as i64)), row, &settings).views;
            for view in views.iter().filter(|view| matches!(view.opinion.detail, Detail::Seasonal { .. })) {
                all += 1;
                beyond += u32::from(view.opinion.score.abs() >= SCORE);
            }
        }
        (beyond, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_of_every_series_counts() {
        for law in LAWS {
            let (beyond, all) = law.flags(0, 1);
            assert_eq!(all, 24 * 4, "{law:?}");
            assert!(beyond < all / 4, "{law:?}: {beyond}");
        }
    }

    #[test]
    fn noise_is_seldom_flagged() {
        let of = Law::Poisson(100.0).measured(0, 200);
        assert!((0.1..3.0).contains(&of.value.unwrap()), "{of:?}");
    }
}
