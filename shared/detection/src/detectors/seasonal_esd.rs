//! The detector of hours that stand out of the week of their series: seasonal ESD.
//!
//! The hours of four weeks are decomposed into a trend, a season and a remainder. The season is that of a week, and the
//! 168 hours of a week hold the 24 of a day. The outliers of the hours less their season are found by the generalised
//! ESD test, with the median and the median absolute deviation instead of the mean and the deviation. Outliers move
//! these less. The trend stays in: a trend follows an anomaly of half a day, and hides half of it.
//!
//! Sources: R. B. Cleveland and others, "STL: A Seasonal-Trend Decomposition Procedure Based on Loess", Journal of
//! Official Statistics 6 (1990), by the crate `stlrs`. J. Hochenbaum, O. S. Vallis, A. Kejariwal, "Automatic Anomaly
//! Detection in the Cloud Via Statistical Learning" (2017), on the hybrid test and the median in place of the trend.
//!
//! Two things differ from that paper:
//!
//! * The decomposition is in the transformed scale of the series, where the noise of quiet and busy hours is alike.
//! * The decomposition has no robust passes. Such passes fit most hours too well: the remainder gets heavy tails, and
//!   noise has many times as many outliers as stated. They also take ten times as long.

mod rosner;

use crate::hour::Hour;
use crate::hours::{Aggregate, Hours};
use crate::model::Transform;
use crate::opinion::{Detail, Expected, Opinion, SecondOpinion};
use crate::sorted::median;
use crate::thresholds::{SettingsError, require};

use rosner::Rosner;

const DAY: usize = 24;
const WEEK: usize = 7 * DAY;
const MOST_WEEKS: usize = 4;
const LEAST_WEEKS: usize = 3;

/// Fewer values of a level have no usual spread.
const LEAST_SAMPLES: usize = 100;

/// A spread of less than this share of the largest value is rounding.
const ROUNDING: f64 = 1e-9;

/// A robust spread is at least this share of the root mean square. Otherwise rare events would be endlessly far.
const LEAST_SHARE: f64 = 0.3;

/// The limits of the detector. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    most_outliers: u8,
    significance: f64,
    min_relative_spread: f64,
}

impl Parameters {
    /// * `most_outliers`: how many outliers are looked for, 1 to 50.
    /// * `significance`: the probability that noise has any outlier, above 0 and at most 0.5.
    /// * `min_relative_spread`: least spread as a share of the expected value, from 0 to 1.
    ///
    /// # Errors
    ///
    /// When a number is out of its range.
    pub fn new(
        most_outliers: u8,
        significance: f64,
        min_relative_spread: f64,
    ) -> Result<Self, SettingsError> {
        let most = most_outliers.into();
        require((1..=50).contains(&most_outliers), "most_outliers", most, "a number from 1 to 50")?;
        let allowed = "a probability above 0 and at most 0.5";
        require(significance > 0.0 && significance <= 0.5, "significance", significance, allowed)?;
        let allowed = "a share of the expected value from 0 to 1";
        let is_share = (0.0..=1.0).contains(&min_relative_spread);
        require(is_share, "min_relative_spread", min_relative_spread, allowed)?;
        Ok(Self { most_outliers, significance, min_relative_spread })
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self { most_outliers: 10, significance: 0.05, min_relative_spread: 0.04 }
    }
}

/// The opinion on the hour `newest`, by the four weeks that end with it.
///
/// The test gives the middle and the spread of the hours that are no outliers, and its critical value. The newest hour
/// is flagged beyond that value, also where there are more outliers than the test looks for.
///
/// * `transform`: the scale of the series in its model.
///
/// `None` if less than three weeks are known, a tenth of the hours are gaps, or the newest hour has no value.
pub fn judge(
    hours: &Hours,
    newest: Hour,
    transform: Transform,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let mut values = [f64::NAN; MOST_WEEKS * WEEK];
    hours.copy(newest.plus(1 - values.len() as i64), &mut values);
    judge_values(&values, hours.aggregate(), hours.never_negative(), transform, parameters)
}

/// The same on the values hour by hour, oldest first, NaN for gaps.
fn judge_values(
    hours: &[f64],
    aggregate: Aggregate,
    never_negative: bool,
    transform: Transform,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let known = hours.iter().position(|value| !value.is_nan()).map_or(0, |first| hours.len() - first);
    let weeks = (known / WEEK).min(MOST_WEEKS);
    // A root of a gap would be zero.
    let apply = |value: &f64| if value.is_nan() { f64::NAN } else { transform.apply(*value) };
    let values: Vec<f64> = hours[hours.len() - weeks * WEEK..].iter().map(apply).collect();
    let newest = values.last().copied().filter(|newest| weeks >= LEAST_WEEKS && newest.is_finite())?;
    let filled = without_gaps(&values)?;
    let mut rest = less_season(&filled)?;
    let largest = filled.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let is_gap = |value: &f64| !value.is_finite();
    rest.iter_mut().zip(&values).filter(|(_, value)| is_gap(value)).for_each(|(rest, _)| *rest = f64::NAN);
    judge_rest(&rest, newest, ROUNDING * largest, aggregate, never_negative, transform, parameters)
}

/// The opinion on the newest of evenly spaced values of a level, whose season is known from elsewhere.
///
/// * `values`: oldest first, the judged one last, NaN for gaps.
/// * `season`: what is usual at the time of each of them. Empty if it is not known; then the values are as they are.
///
/// `None` if fewer than [`LEAST_SAMPLES`] values are known, or the newest one is not.
pub(crate) fn judge_samples(
    values: &[f64],
    season: &[f64],
    never_negative: bool,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let newest = values.last().copied().filter(|newest| newest.is_finite())?;
    let usual =
        |place: usize| if season.is_empty() { 0.0 } else { season.get(place).copied().unwrap_or(f64::NAN) };
    let rest: Vec<f64> = values.iter().enumerate().map(|(place, value)| value - usual(place)).collect();
    let known = rest.iter().filter(|rest| rest.is_finite()).count();
    if known < LEAST_SAMPLES || !rest.last()?.is_finite() {
        return None;
    }
    let finite = values.iter().filter(|value| value.is_finite());
    let rounding = ROUNDING * finite.fold(0.0_f64, |largest, value| largest.max(value.abs()));
    judge_rest(&rest, newest, rounding, Aggregate::Mean, never_negative, Transform::Plain, parameters)
}

/// The opinion on the newest value by what remains of all values without their season. NaN is a gap.
///
/// * `newest`: the value itself, in the scale of the transform.
/// * `rounding`: a spread of at most this is none.
fn judge_rest(
    rest: &[f64],
    newest: f64,
    rounding: f64,
    aggregate: Aggregate,
    never_negative: bool,
    transform: Transform,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let mut sorted: Vec<f64> = rest.iter().copied().filter(|rest| rest.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let test = Rosner::of(&sorted, parameters.most_outliers.into(), parameters.significance, rounding)?;

    let expected = newest - rest.last()? + test.middle;
    let mean_square =
        test.kept.iter().map(|rest| (rest - test.middle).powi(2)).sum::<f64>() / test.kept.len() as f64;
    let least = transform.least_spread(expected, aggregate, parameters.min_relative_spread);
    let spread = test.spread.max(LEAST_SHARE * mean_square.sqrt()).max(least).max(rounding);
    let distance = newest - expected;
    let score = if distance == 0.0 { 0.0 } else { distance / spread };
    let outliers = rest[rest.len().saturating_sub(DAY)..].iter().filter(|rest| !test.keeps(**rest)).count();
    let [low, high] = [-1.0, 1.0].map(|side| {
        let end = transform.inverse(expected + side * test.critical * spread);
        if never_negative { end.max(0.0) } else { end }
    });
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected { low, high },
        detail: Detail::SeasonalEsd { outliers: outliers as u8 },
    };
    let flags = distance.abs() > test.critical * spread;
    opinion.is_finite().then_some(SecondOpinion { opinion, flags })
}

/// The values with each gap filled by the median of the same hour in the other weeks.
fn without_gaps(values: &[f64]) -> Option<Vec<f64>> {
    let gaps = values.iter().filter(|value| !value.is_finite()).count();
    if gaps * 10 > values.len() {
        return None;
    }
    let fill = |(place, value): (usize, &f64)| {
        if value.is_finite() {
            return Some(*value);
        }
        let mut others: Vec<f64> = values.iter().skip(place % WEEK).step_by(WEEK).copied().collect();
        others.retain(|other| other.is_finite());
        others.sort_unstable_by(f64::total_cmp);
        median(&others)
    };
    values.iter().enumerate().map(fill).collect()
}

/// Whole weeks of values less their season, which is the same in all weeks.
///
/// The smoothed lines are computed at few hours and straight in between, which suits lines as smooth as these.
fn less_season(values: &[f64]) -> Option<Vec<f64>> {
    let fitted = stlrs::Stl::params()
        .seasonal_length(10 * values.len() + 1)
        .seasonal_degree(0)
        .trend_length(2 * WEEK + 1)
        .trend_jump(WEEK / 2)
        .low_pass_jump(WEEK / 2)
        .inner_loops(1)
        .outer_loops(0)
        .fit(values, WEEK)
        .ok()?;
    let rest: Vec<f64> = values.iter().zip(fitted.seasonal()).map(|(value, season)| value - season).collect();
    Some(rest).filter(|rest| rest.iter().all(|rest| rest.is_finite()))
}

#[cfg(test)]
mod tests;
