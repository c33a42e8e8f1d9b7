//! Shapes that were never seen: the last two or four hours of a metric are unlike all of the two weeks before.
//!
//! A value may be usual while its course is not: a processor that stays busy where it only bursts, a memory that grows and is not
//! freed. So stretches of samples are compared, and not samples. The distance of two stretches is the mean of the absolute differences
//! of their samples. That of the newest stretch from the most similar one before it is large if the metric never went like this.
//!
//! The score is the distance over what is usual: the second largest daily peak of that distance, plus a share of the spread of the
//! metric. So a metric that is odd each day needs more, and a day with a fault does not hide the next one. The floors of the rule are
//! usual, too: a metric that hardly ever changes has no peaks and no spread, and any blip would be beyond all measure.
//!
//! A distance counts only beyond all distances of the day before. So a metric that is still odd is told once. While an incident is
//! open, that does not hold, so that the incident goes on as long as the shape stays odd. It ends by itself when the shape has become
//! known.
//!
//! Source of the idea: Keogh, Lin, Fu, "HOT SAX: Efficiently Finding the Most Unusual Time Series Subsequence" (ICDM 2005). There
//! such a stretch is called a discord.

use serde::{Deserialize, Serialize};

use super::Side;
use super::error::{Parameters, RuleError};
use super::judged::{Judged, severity};
use crate::{Baseline, Detail, Direction, Expected, Reason, Verdict};

/// An anomaly is a shape whose distance is `threshold` times the usual one. It is critical from `critical_threshold` on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UnseenShape {
    /// Above 0 and at most 50.
    pub threshold: f64,
    /// At least `threshold` and at most 100.
    pub critical_threshold: f64,
    /// Least distance that matters, in the metric's unit: the mean of the absolute differences.
    pub min_change: f64,
    /// Least distance that matters, as a share of the mean of the most similar stretch. From 0 to 100.
    pub min_relative_change: f64,
    /// Absent, stretches above and below the most similar one count.
    pub direction: Option<Side>,
}

/// Seconds from one sample to the next.
pub const STEP: i64 = 300;

/// Samples of a stretch: two and four hours. The larger score counts.
pub const LENGTHS: [usize; 2] = [24, 48];

/// Samples of a day.
pub const DAY: usize = 288;

/// Days before the newest sample that are known at most.
pub const DAYS: usize = 14;

/// Samples that a judgement looks at: those of all days, and a stretch that ends with the oldest of them.
pub const SAMPLES: usize = DAYS * DAY + LENGTHS[1];

/// Samples per hour.
const HOUR: usize = 12;

/// A stretch needs so many lengths of samples: itself, and two to find a similar one in.
const LEAST_LENGTHS: usize = 3;

/// Of a whole day so many samples are known.
const LEAST_OF_DAY: usize = DAY / 4 * 3;

/// Of the standard deviation.
const SHARE_OF_SPREAD: f64 = 0.2;

/// The samples of a metric, oldest first. A gap has the value before.
#[derive(Clone, Debug, PartialEq)]
pub struct Shapes {
    values: Vec<f32>,
    /// How many of the newest samples of each length are no gaps.
    known: [usize; 2],
}

/// The most similar stretch before the newest one of the same length, without overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The mean of the absolute differences of their samples, in the metric's unit.
    pub distance: f32,
    /// How many samples earlier it ends.
    pub ago: usize,
}

/// The largest distances in the samples of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DayOfShapes {
    /// How many of the samples are known.
    pub samples: usize,
    /// By length of stretch. Zero without a distance.
    pub largest: [f32; 2],
}

impl Shapes {
    /// The newest [`SAMPLES`] of the samples, oldest first, NaN for a gap. `None` if the newest one is a gap.
    pub fn of(samples: &[f32]) -> Option<Self> {
        let samples = &samples[samples.len().saturating_sub(SAMPLES)..];
        samples.last().filter(|newest| newest.is_finite())?;
        let known =
            LENGTHS.map(|length| samples.iter().rev().take(length).filter(|value| value.is_finite()).count());
        let mut last = f32::NAN;
        let fill = |value: &f32| {
            last = if value.is_finite() { *value } else { last };
            last
        };
        let values = samples.iter().map(fill).skip_while(|value| value.is_nan()).collect();
        Some(Self { values, known })
    }

    /// By length of stretch. `None` if too little is known.
    pub fn nearest(&self) -> [Option<Nearest>; 2] {
        let [short, long] = self.known;
        [self.nearest_of(LENGTHS[0], short), self.nearest_of(LENGTHS[1], long)]
    }

    fn nearest_of(&self, length: usize, known: usize) -> Option<Nearest> {
        let count = self.values.len();
        if count < LEAST_LENGTHS * length || known < length / 2 {
            return None;
        }
        let newest = &self.values[count - length..];
        let mut best = (f32::INFINITY, 0);
        for ago in length..=(count - length).min(DAYS * DAY) {
            let sum = difference(newest, &self.values[count - ago - length..count - ago], best.0);
            if sum < best.0 {
                best = (sum, ago);
            }
        }
        let nearest = Nearest { distance: best.0 / length as f32, ago: best.1 };
        nearest.distance.is_finite().then_some(nearest)
    }

    /// The newest stretch of a length, and the one that ended so many samples earlier.
    fn stretches(&self, length: usize, ago: usize) -> Option<[Baseline; 2]> {
        let of = |end: usize| {
            let stretch = self.values.get(end.checked_sub(length)?..end)?;
            Baseline::of(stretch.iter().copied().map(f64::from))
        };
        Some([of(self.values.len())?, of(self.values.len().checked_sub(ago)?)?])
    }

    /// The standard deviation of the samples before the newest. Exactly zero of equal values.
    fn spread(&self) -> f64 {
        let Some((_, before @ [first, ..])) = self.values.split_last() else { return 0.0 };
        let (first, count) = (f64::from(*first), before.len() as f64);
        let shifted = || before.iter().map(|value| f64::from(*value) - first);
        let middle = shifted().sum::<f64>() / count;
        (shifted().map(|value| (value - middle).powi(2)).sum::<f64>() / count).sqrt()
    }
}

/// The sum of the absolute differences, or some number that is at least `most`. Most sums end early.
fn difference(one: &[f32], other: &[f32], most: f32) -> f32 {
    const AT_ONCE: usize = 8;
    let mut sum = 0.0;
    // The newest samples differ most, if they do.
    for (one, other) in one.rchunks(AT_ONCE).zip(other.rchunks(AT_ONCE)) {
        sum += one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum::<f32>();
        if sum >= most {
            return sum;
        }
    }
    sum
}

/// What a stretch of one length says.
#[derive(Clone, Copy)]
struct Look {
    length: usize,
    nearest: Nearest,
    usual: f64,
    score: f64,
    /// The largest score of the day before.
    before: f64,
}

impl UnseenShape {
    pub const NAME: &'static str = "unseen_shape";

    /// The verdict on the newest sample.
    ///
    /// * `nearest`: those of `shapes`.
    /// * `days`: the largest distances of the days before, the newest first. The first one ends with the sample before the newest.
    /// * `active`: the direction of an open incident whose newest anomaly is of this rule.
    pub fn judge(
        &self,
        (shapes, nearest): (&Shapes, &[Option<Nearest>; 2]),
        days: &[DayOfShapes],
        active: Option<Direction>,
        never_negative: bool,
    ) -> Verdict {
        let spread = shapes.spread();
        let look = |place: usize| {
            let nearest = nearest[place]?;
            let [now, then] = shapes.stretches(LENGTHS[place], nearest.ago)?;
            let floor = self.min_change.max(self.min_relative_change * then.mean().abs());
            Some((Look::of(place, nearest, days, (spread, floor))?, [now, then], floor))
        };
        let looks = [0, 1].map(look);
        let is_news = |look: &Look| look.score >= self.threshold && look.score > look.before;
        // Of two anomalies, or of two usual shapes, the larger score counts.
        let rank = |look: &Look| (is_news(look), look.score);
        let best = looks.into_iter().flatten().reduce(|one, other| {
            let ((news, score), (other_news, other_score)) = (rank(&one.0), rank(&other.0));
            if (other_news, other_score) > (news, score) { other } else { one }
        });
        let Some((best, [now, then], floor)) = best else {
            return Verdict::Undetermined(Reason::InsufficientData);
        };
        let Look { length, nearest, usual, score, .. } = best;
        let distance = f64::from(nearest.distance);
        let change = now.mean() - then.mean();
        let own = if change < 0.0 { Direction::Drop } else { Direction::Spike };
        let is_on_side = match self.direction {
            None => true,
            Some(Side::Above) => own == Direction::Spike,
            Some(Side::Below) => own == Direction::Drop,
        };
        // An incident may begin with a rise and go on with a fall. It keeps its direction.
        let is_odd = match active {
            Some(_) => score >= self.threshold,
            None => is_news(&best),
        };
        let matters = is_on_side && distance >= floor;
        let direction = active.unwrap_or(own);
        let hours = (length / HOUR) as u8;
        Judged {
            current: now.mean(),
            baseline: then,
            expected: Expected::around(
                then.mean(),
                self.threshold * usual,
                never_negative && then.mean() >= 0.0,
            ),
            score: if direction == Direction::Drop { -score } else { score },
            detail: Detail::UnseenShape { hours, distance, usual },
            anomaly: (is_odd && matters).then_some((severity(score >= self.critical_threshold), direction)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let (least, most) = (self.threshold, self.critical_threshold);
        let reason = "it says how many times the usual distance is odd";
        check.require(least > 0.0 && least <= 50.0, "threshold", least, "above 0 and at most 50", reason)?;
        let holds = most >= least && most <= 100.0;
        check.require(holds, "critical_threshold", most, "from `threshold` to 100", reason)?;
        check.change("min_change", self.min_change)?;
        let holds = (0.0..=100.0).contains(&self.min_relative_change);
        let reason = "it is a share of the mean";
        check.require(holds, "min_relative_change", self.min_relative_change, "from 0 to 100", reason)
    }
}

impl Default for UnseenShape {
    fn default() -> Self {
        Self {
            threshold: 0.9,
            critical_threshold: 2.0,
            min_change: 0.0,
            min_relative_change: 0.0,
            direction: None,
        }
    }
}

impl DayOfShapes {
    /// Adds the distances of a sample.
    pub fn note(&mut self, distances: [f32; 2]) {
        self.samples += 1;
        for (largest, distance) in self.largest.iter_mut().zip(distances) {
            *largest = largest.max(distance);
        }
    }
}

impl Look {
    /// `None` without two whole days, and without a floor for a metric that never changed: there is no usual distance to divide by.
    fn of(place: usize, nearest: Nearest, days: &[DayOfShapes], (spread, floor): (f64, f64)) -> Option<Self> {
        let usual = (usual_peak(place, days)?.max(0.0) + SHARE_OF_SPREAD * spread).max(floor);
        let score = |distance: f32| Some(f64::from(distance) / usual).filter(|score| score.is_finite());
        let before = days.first().map_or(0.0, |day| day.largest[place]);
        let (score, before) = (score(nearest.distance)?, score(before)?);
        Some(Self { length: LENGTHS[place], nearest, usual, score, before })
    }
}

/// The second largest peak of whole days. A day with a fault must not hide the next one.
fn usual_peak(place: usize, days: &[DayOfShapes]) -> Option<f64> {
    let whole = days.iter().take(DAYS).filter(|day| day.samples >= LEAST_OF_DAY);
    let none = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let (_, second) = whole
        .map(|day| f64::from(day.largest[place]))
        .fold(none, |(first, second), peak| (peak.max(first), second.max(peak.min(first))));
    second.is_finite().then_some(second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    /// The same each day.
    fn pattern(samples: usize) -> Vec<f32> {
        (0..samples).map(|place| (place % DAY * 7_919 % 101) as f32).collect()
    }

    /// Days with these largest distances, the newest first.
    fn days(largest: &[f32]) -> Vec<DayOfShapes> {
        largest.iter().map(|largest| DayOfShapes { samples: DAY, largest: [*largest; 2] }).collect()
    }

    fn judge(rule: UnseenShape, samples: &[f32], days: &[DayOfShapes], active: Option<Direction>) -> Verdict {
        let shapes = Shapes::of(samples).unwrap();
        rule.judge((&shapes, &shapes.nearest()), days, active, true)
    }

    fn comparison(verdict: Verdict) -> crate::Comparison {
        match verdict {
            Verdict::Normal(comparison) => comparison,
            Verdict::Anomalous(found) => found.comparison,
            Verdict::Undetermined(reason) => panic!("{reason:?}"),
        }
    }

    /// Five days of the pattern, and then two hours that are higher.
    fn raised(by: f32) -> Vec<f32> {
        let mut samples = pattern(5 * DAY);
        samples[5 * DAY - 24..].iter_mut().for_each(|value| *value += by);
        samples
    }

    #[test]
    fn the_most_similar_stretch_is_found() {
        let shapes = Shapes::of(&pattern(3 * DAY)).unwrap();
        assert_eq!(
            shapes.nearest(),
            [Some(Nearest { distance: 0.0, ago: 101 }); 2],
            "the pattern repeats itself within a day"
        );
        let [short, long] = Shapes::of(&raised(1_000.0)).unwrap().nearest().map(Option::unwrap);
        assert!((870.0..1_000.0).contains(&short.distance), "{short:?}");
        assert!((400.0..520.0).contains(&long.distance), "half of four hours is as before: {long:?}");
        // The newest stretch does not overlap the one that is compared with it, and three lengths are needed.
        assert_eq!(Shapes::of(&pattern(71)).unwrap().nearest(), [None, None]);
        let [short, long] = Shapes::of(&pattern(72)).unwrap().nearest();
        assert!(short.unwrap().ago >= 24 && long.is_none());
    }

    #[test]
    fn what_is_older_than_two_weeks_is_forgotten() {
        let mut samples = pattern(SAMPLES + 10);
        let odd = vec![5_000.0; LENGTHS[1]];
        let end = samples.len();
        samples[end - LENGTHS[1]..].copy_from_slice(&odd);
        samples[10..10 + LENGTHS[1]].copy_from_slice(&odd);
        assert_eq!(
            Shapes::of(&samples).unwrap().nearest()[1],
            Some(Nearest { distance: 0.0, ago: DAYS * DAY })
        );
        // One sample later, a sample of the old stretch is forgotten.
        samples.push(5_000.0);
        assert!(Shapes::of(&samples).unwrap().nearest()[1].unwrap().distance > 100.0);
    }

    #[test]
    fn gaps_have_the_value_before_and_most_of_a_stretch_is_known() {
        assert_eq!(Shapes::of(&[1.0, f32::NAN]), None);
        assert_eq!(Shapes::of(&[]), None);
        let shapes = Shapes::of(&[f32::NAN, 2.0, f32::INFINITY, 3.0]).unwrap();
        assert_eq!((shapes.values, shapes.known), (vec![2.0, 2.0, 3.0], [2, 2]));
        let mut samples = pattern(3 * DAY);
        samples[3 * DAY - 20..3 * DAY - 1].fill(f32::NAN);
        let [short, long] = Shapes::of(&samples).unwrap().nearest();
        assert!(short.is_none() && long.is_some(), "five of 24 are known, and 29 of 48");
    }

    #[test]
    fn the_score_is_the_distance_over_the_second_largest_peak_and_a_share_of_the_spread() {
        let samples = raised(1_000.0);
        let shapes = Shapes::of(&samples).unwrap();
        let found =
            comparison(judge(UnseenShape::default(), &samples, &days(&[10.0, 90.0, 400.0, 20.0]), None));
        let [short, _] = shapes.nearest().map(Option::unwrap);
        let usual = 90.0 + SHARE_OF_SPREAD * shapes.spread();
        let score = f64::from(short.distance) / usual;
        assert!((found.opinion.score - score).abs() < 1e-9, "{found:?}");
        let detail = Detail::UnseenShape { hours: 2, distance: f64::from(short.distance), usual };
        assert_eq!(found.opinion.detail, detail);
        assert!(found.current > 1_000.0 && found.baseline.mean() < 120.0, "{found:?}");
        // A day of which too little is known has no peak.
        let few = [DayOfShapes { samples: LEAST_OF_DAY - 1, largest: [1.0; 2] }, days(&[1.0])[0]];
        let verdict = judge(UnseenShape::default(), &samples, &few, None);
        assert_eq!(undetermined(verdict), Some(Reason::InsufficientData));
    }

    #[test]
    fn a_distance_counts_beyond_the_day_before_and_an_incident_goes_on() {
        let (rule, samples) = (UnseenShape::default(), raised(300.0));
        let of =
            |before: f32, active| severity_of(judge(rule, &samples, &days(&[before, 100.0, 100.0]), active));
        let told = Some(Severity::Critical);
        assert_eq!((of(5.0, None), of(400.0, None)), (told, None));
        assert_eq!(of(400.0, Some(Direction::Drop)), told, "it goes on while an incident is open");
        let found = judge(rule, &samples, &days(&[400.0, 100.0, 100.0]), Some(Direction::Drop));
        let Verdict::Anomalous(found) = found else { panic!("{found:?}") };
        assert!(found.direction == Direction::Drop && found.comparison.opinion.score < 0.0);
    }

    #[test]
    fn thresholds_floors_and_the_side() {
        let (samples, days) = (raised(300.0), days(&[5.0, 100.0, 100.0]));
        let of = |rule: UnseenShape| severity_of(judge(rule, &samples, &days, None));
        let rule = UnseenShape::default();
        assert_eq!(of(rule), Some(Severity::Critical));
        assert_eq!(of(UnseenShape { critical_threshold: 5.0, ..rule }), Some(Severity::Warning));
        assert_eq!(of(UnseenShape { threshold: 5.0, critical_threshold: 5.0, ..rule }), None);
        assert_eq!(of(UnseenShape { min_change: 400.0, ..rule }), None);
        assert_eq!(of(UnseenShape { min_relative_change: 50.0, ..rule }), None);
        assert_eq!(of(UnseenShape { direction: Some(Side::Below), ..rule }), None);
        assert!(of(UnseenShape { direction: Some(Side::Above), ..rule }).is_some());
    }

    #[test]
    fn a_constant_metric_and_a_usual_shape_are_no_anomaly() {
        let constant = vec![0.1; 5 * DAY];
        let verdict = judge(UnseenShape::default(), &constant, &days(&[0.0; 4]), None);
        assert_eq!(undetermined(verdict), Some(Reason::InsufficientData), "there is no usual distance");
        let usual = judge(UnseenShape::default(), &pattern(5 * DAY), &days(&[0.0; 4]), None);
        assert_eq!(severity_of(usual), None);
    }

    #[test]
    fn the_floor_is_usual_for_a_metric_that_hardly_ever_changes() {
        let rule = UnseenShape { min_change: 2.0, ..UnseenShape::default() };
        let of = |rule: UnseenShape, height: f32, samples: usize| {
            let mut values = vec![0.0; 5 * DAY];
            values[5 * DAY - samples..].fill(height);
            severity_of(judge(rule, &values, &days(&[0.0; 4]), None))
        };
        // Two hours with ten minutes of 26 are 2.2 away.
        assert_eq!(of(rule, 26.0, 2), Some(Severity::Warning));
        assert_eq!(of(UnseenShape { min_change: 0.0, ..rule }, 26.0, 2), Some(Severity::Critical));
        assert_eq!(of(rule, 20.0, 2), None, "1.7 away");
        assert_eq!(of(rule, 26.0, 24), Some(Severity::Critical), "a real step");
    }

    #[test]
    fn an_incident_goes_on_at_its_side_only() {
        let of = |direction| {
            let rule = UnseenShape { direction, ..UnseenShape::default() };
            let days = days(&[400.0, 100.0, 100.0]);
            severity_of(judge(rule, &raised(300.0), &days, Some(Direction::Spike)))
        };
        assert!(of(None).is_some() && of(Some(Side::Above)).is_some());
        assert_eq!(of(Some(Side::Below)), None);
    }

    #[test]
    fn the_largest_distances_of_a_day_are_noted() {
        let mut day = DayOfShapes::default();
        [[1.0, 5.0], [3.0, 2.0]].into_iter().for_each(|distances| day.note(distances));
        assert_eq!(day, DayOfShapes { samples: 2, largest: [3.0, 5.0] });
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        let of = UnseenShape::default();
        assert_eq!(of.validate(), Ok(()));
        for wrong in [
            UnseenShape { threshold: 0.0, ..of },
            UnseenShape { critical_threshold: 0.5, ..of },
            UnseenShape { min_change: -1.0, ..of },
            UnseenShape { min_relative_change: f64::NAN, ..of },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_values_give_a_finite_verdict(
            samples in prop::collection::vec(prop::num::f32::ANY, 0..200),
            largest in prop::collection::vec(prop::num::f32::ANY, 0..6),
        ) {
            let Some(shapes) = Shapes::of(&samples) else { return Ok(()) };
            for active in [None, Some(Direction::Spike)] {
                let rule = UnseenShape::default();
                assert_finite(rule.judge((&shapes, &shapes.nearest()), &days(&largest), active, true));
            }
        }
    }
}
