//! The rule `unseen_shape` of the product, sample by sample as its runs judge.
//!
//! An incident opens with the first anomaly, and ends with so many usual samples as in the product. While it is open, the rule tells
//! whether the shape is odd still.

use detection::incident::CALM_HOURS;
use detection::rules::unseen_shape::{DAY, DAYS, LENGTHS, SAMPLES};
use detection::rules::{DayOfShapes, Shapes, UnseenShape};
use detection::{Direction, Verdict};

/// The score of each sample that the rule tells, from those before it. Zero for others. NaN is a gap.
///
/// * `begin`: the first sample that is judged. No incident opens before.
pub(crate) fn unseen_shape(values: &[f64], begin: usize, rule: &UnseenShape) -> Vec<f64> {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let mut distances: Vec<Option<[f32; LENGTHS.len()]>> = Vec::new();
    let mut incident: Option<(Direction, u32)> = None;
    let score = |newest: usize| {
        let first = (newest + 1).saturating_sub(SAMPLES);
        let Some(shapes) = Shapes::of(&values[first..=newest]) else {
            distances.push(None);
            return 0.0;
        };
        let nearest = shapes.nearest();
        let active = incident.map(|(direction, _)| direction);
        let verdict = rule.judge((&shapes, &nearest), &days(&distances), active, true);
        distances.push(Some(nearest.map(|nearest| nearest.map_or(0.0, |nearest| nearest.distance))));
        match verdict {
            _ if newest < begin => 0.0,
            Verdict::Anomalous(found) => {
                incident = Some((found.direction, 0));
                found.comparison.opinion.score.abs()
            }
            Verdict::Normal(_) => {
                let calm = incident.map(|(direction, calm)| (direction, calm + 1));
                incident = calm.filter(|(_, calm)| *calm < CALM_HOURS);
                0.0
            }
            Verdict::Undetermined(_) => 0.0,
        }
    };
    (0..values.len()).map(score).collect()
}

/// The largest distances of the days before a sample, the newest first.
fn days(before: &[Option<[f32; LENGTHS.len()]>]) -> Vec<DayOfShapes> {
    let mut days = Vec::with_capacity(DAYS);
    for day in before.rchunks(DAY).take(DAYS) {
        let mut of_day = DayOfShapes::default();
        for distances in day.iter().flatten() {
            of_day.note(*distances);
        }
        days.push(of_day);
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first sample that is odd.
    const ODD: usize = 8 * DAY + 100;

    #[test]
    fn a_shape_is_told_until_it_is_known() {
        let mut values: Vec<f64> = (0..10 * DAY).map(|place| (place % DAY * 7_919 % 101) as f64).collect();
        let rule = UnseenShape::default();
        assert!(unseen_shape(&values, 0, &rule).iter().all(|score| *score == 0.0));
        values[ODD..].iter_mut().for_each(|value| *value += 100.0);
        values[ODD + 4] = f64::NAN;
        let scores = unseen_shape(&values, 0, &rule);
        let told = |place: &usize| scores[*place] > 0.0;
        let first = (0..values.len()).find(told).unwrap();
        assert!((ODD..ODD + 6).contains(&first), "{first}");
        assert_eq!(scores[ODD + 4], 0.0, "a gap");
        let last = (0..values.len()).rfind(told).unwrap();
        assert!((ODD + LENGTHS[1]..ODD + 4 * LENGTHS[1]).contains(&last), "{last}");
    }
}
