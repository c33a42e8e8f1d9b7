//! Shapes never seen: the distance of the newest samples of a machine from the most similar ones of the two weeks before.
//!
//! A peer to compare with, and no part of the product: it needs two weeks of samples of five minutes, which runs do not keep.
//!
//! Source of the idea: Keogh, Lin, Fu, "HOT SAX: Efficiently Finding the Most Unusual Time Series Subsequence" (ICDM 2005). Here
//! the distance of two stretches is their mean absolute difference. The score is the distance over what is usual: the second
//! largest peak of a day, plus a share of the spread of the metric. It counts only beyond all distances of the day before.
//! After an alarm a day is quiet, so that a lasting change is told once. The quiet day begins at a score of `THRESHOLD`, whatever
//! threshold the scores are compared with later.

use super::filled;

/// Samples of a stretch: two and four hours. The larger score counts.
const LENGTHS: [usize; 2] = [24, 48];
const HOUR: usize = 12;
const DAY: usize = 24 * HOUR;
/// Days that are known at most, and their samples.
const DAYS: usize = 14;
const PAST: usize = DAYS * DAY;
/// Of the standard deviation.
const SHARE: f64 = 0.2;
/// The score that begins a quiet day. It was chosen with the labels of the records at hand.
const THRESHOLD: f64 = 0.884;
/// A score is told on a quiet day if it is so many times the largest of the alarm.
const AGAIN: f64 = 2.0;

/// The score of each sample, from those before it. NaN is a gap: it has the value before, and no score.
pub(crate) fn nearest_shape(values: &[f64]) -> Vec<f64> {
    let known = filled(values);
    let spreads = spreads(&known);
    let [short, long] = LENGTHS.map(|length| oddities(&known, length, &spreads));
    let larger = short.iter().zip(&long).map(|(short, long)| short.max(*long));
    let or_gap = larger.zip(values).map(|(score, value)| if value.is_finite() { score } else { 0.0 });
    let mut scores: Vec<f64> = or_gap.collect();
    keep_quiet(&mut scores);
    scores
}

/// The scores of stretches of one length, without quiet days. Zero without two days to know the usual peak of.
fn oddities(values: &[f64], length: usize, spreads: &[f64]) -> Vec<f64> {
    let distances = distances(values, length);
    let peaks = peaks(&distances);
    let score = |newest: usize| {
        let (distance, usual) = (distances[newest], usual_peak(&peaks, newest)? + SHARE * spreads[newest]);
        // A metric that never changed has no usual distance to divide by.
        (distance > peaks[newest - 1]).then(|| distance / usual).filter(|score| score.is_finite())
    };
    (0..values.len()).map(|newest| score(newest).unwrap_or(0.0)).collect()
}

/// By the last sample of a stretch: its distance from the most similar one before it, without overlap. Zero in the first three
/// lengths.
fn distances(values: &[f64], length: usize) -> Vec<f64> {
    let distance = |newest: usize| {
        if newest + 1 < 3 * length {
            return 0.0;
        }
        let stretch = |last: usize| &values[last + 1 - length..=last];
        let lasts = newest.saturating_sub(PAST).max(length - 1)..=newest - length;
        let nearer = |least: f64, last: usize| difference(stretch(newest), stretch(last), least);
        lasts.fold(f64::INFINITY, nearer) / length as f64
    };
    (0..values.len()).map(distance).collect()
}

/// The sum of the absolute differences, or `most` if that is less. Most sums end early.
fn difference(one: &[f64], other: &[f64], most: f64) -> f64 {
    let mut sum = 0.0;
    for (one, other) in one.iter().rev().zip(other.iter().rev()) {
        sum += (one - other).abs();
        if sum >= most {
            return most;
        }
    }
    sum
}

/// By sample: the largest distance of the day that ends with it, or of what is known of that day.
fn peaks(distances: &[f64]) -> Vec<f64> {
    let day = |end: usize| &distances[end.saturating_sub(DAY)..end];
    (1..=distances.len()).map(|end| day(end).iter().copied().fold(0.0, f64::max)).collect()
}

/// The second largest peak of the whole days that end one sample, one day and one sample, and so on before the newest. `None` if
/// there are fewer than two. Of a whole day more than half of the distances are always known.
fn usual_peak(peaks: &[f64], newest: usize) -> Option<f64> {
    let days = peaks.get(DAY - 1..newest)?.iter().rev().step_by(DAY).take(DAYS);
    let none = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let (_, second) = days.fold(none, |(first, second), peak| (peak.max(first), second.max(peak.min(first))));
    second.is_finite().then_some(second)
}

/// By sample: the standard deviation of the two weeks before, made anew each hour.
fn spreads(values: &[f64]) -> Vec<f64> {
    let before = |hour: usize| &values[(HOUR * hour).saturating_sub(PAST)..HOUR * hour];
    let hours = values.chunks(HOUR).enumerate();
    hours.flat_map(|(hour, samples)| vec![spread(before(hour)); samples.len()]).collect()
}

/// The standard deviation. Zero of nothing, and exactly zero of equal values.
fn spread(values: &[f64]) -> f64 {
    let Some(first) = values.first() else { return 0.0 };
    let count = values.len() as f64;
    let middle = first + values.iter().map(|value| value - first).sum::<f64>() / count;
    (values.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / count).sqrt()
}

/// After a told score, those of a day are zero, unless one is twice the largest of the alarm. Then the day begins again.
fn keep_quiet(scores: &mut [f64]) {
    let mut alarm: Option<(usize, f64)> = None;
    for (place, score) in scores.iter_mut().enumerate() {
        let of_alarm = alarm.filter(|(told, _)| place - told <= DAY);
        let largest = of_alarm.map_or(0.0, |(_, largest)| largest);
        if *score >= THRESHOLD.max(AGAIN * largest) {
            alarm = Some((place, *score));
        } else if of_alarm.is_some() {
            *score = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first sample that is odd.
    const ODD: usize = 8 * DAY + 100;

    /// A pattern that is the same each day.
    fn pattern(days: usize) -> Vec<f64> {
        (0..days * DAY).map(|place| (place % DAY * 7_919 % 101) as f64).collect()
    }

    fn told(values: &[f64]) -> Vec<usize> {
        let scores = nearest_shape(values);
        assert!(scores.len() == values.len() && scores.iter().all(|score| score.is_finite()));
        (0..scores.len()).filter(|place| scores[*place] >= THRESHOLD).collect()
    }

    #[test]
    fn a_repeated_pattern_scores_nothing_and_a_new_shape_is_told_until_it_is_known() {
        assert_eq!(nearest_shape(&pattern(10)), [0.0; 10 * DAY]);
        let mut values = pattern(28);
        for day in [0, 3, 18] {
            values[ODD + day * DAY..][..24].iter_mut().for_each(|value| *value += 80.0);
        }
        // The second time the shape is known. After more than two weeks it is forgotten.
        let again = ODD + 18 * DAY;
        assert_eq!(told(&values), [ODD + 3, ODD + 7, ODD + 15, again + 2, again + 5, again + 11]);
    }

    #[test]
    fn a_gap_has_no_score() {
        let mut values = pattern(10);
        values[ODD..ODD + 30].fill(f64::NAN);
        assert_eq!(told(&values), [ODD + 30]);
        // The same values without a gap are a new shape.
        assert_eq!(told(&filled(&values)), [ODD + 8, ODD + 19]);
        assert_eq!(nearest_shape(&[f64::NAN; 3 * DAY]), [0.0; 3 * DAY]);
    }

    #[test]
    fn a_constant_metric_scores_nothing() {
        for constant in [0.0, 0.1, 1.0] {
            let mut values = vec![constant; 4 * DAY];
            assert_eq!(nearest_shape(&values), [0.0; 4 * DAY]);
            // The next hour has a spread to divide by.
            values[3 * DAY + 7..].fill(constant + 1.0);
            assert_eq!(told(&values), [3 * DAY + 12, 3 * DAY + 18]);
        }
    }

    #[test]
    fn distances_peaks_and_spreads_are_right() {
        // 1 and 6 are nearest to 1 and 4, and so are 6 and 9.
        let expected = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 5.0];
        assert_eq!(distances(&[0.0, 1.0, 4.0, 0.0, 1.0, 6.0, 9.0], 2), expected);
        assert_eq!(peaks(&expected), expected);
        let peaks = [7.0, 9.0, 5.0].map(|peak| [vec![0.0; DAY - 1], vec![peak]].concat()).concat();
        let usual = [0, DAY, 2 * DAY - 1, 2 * DAY, 3 * DAY].map(|newest| usual_peak(&peaks, newest));
        assert_eq!(usual, [None, None, None, Some(7.0), Some(7.0)]);
        let values: Vec<f64> = (0..18).map(|place| f64::from(place % 2) * 2.0).collect();
        assert_eq!(spreads(&values), [vec![0.0; 12], vec![1.0; 6]].concat());
        assert_eq!(spread(&[0.1; 7]), 0.0);
    }

    #[test]
    fn a_quiet_day_follows_an_alarm_so_a_lasting_level_is_told_once() {
        let mut values = pattern(13);
        values[ODD..].iter_mut().for_each(|value| *value += 100.0);
        assert_eq!(told(&values), [ODD + 3, ODD + 7, ODD + 15]);
        let mut scores = vec![0.0; 2 * DAY];
        scores[..6].copy_from_slice(&[0.5, 1.0, 1.5, 2.5, 4.0, 0.5]);
        scores[3 + DAY..5 + DAY].fill(1.0);
        keep_quiet(&mut scores);
        assert_eq!(scores[..6], [0.5, 1.0, 0.0, 2.5, 0.0, 0.0]);
        assert_eq!(scores[3 + DAY..5 + DAY], [0.0, 1.0]);
    }
}
