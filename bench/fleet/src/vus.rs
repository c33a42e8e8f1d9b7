//! VUS-PR: the volume under the surface of precision and recall over thresholds and over tolerances of an event's borders.
//!
//! Source: Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin, "Volume Under the Surface: A New Accuracy Evaluation
//! Measure for Time-Series Anomaly Detection" (PVLDB 15, 2022), as in the public implementation of its authors
//! (`vus` on PyPI, `RangeAUC_volume_opt`), which the recorded vectors are from.
//!
//! For each tolerance `w` from 0 to the longest, the labels fall off from 1 to sqrt(1 - d / w) at the distance d up to
//! w / 2 from an event. Recall is the sum of the labels that were found over the mean of the plain and the extended
//! number, times the share of the events in which anything was found. The area under precision and recall over 250
//! thresholds is averaged over all tolerances.

/// Thresholds of a curve.
const THRESHOLDS: usize = 250;

/// First and last hour of an event, both inside.
type Span = (usize, usize);

/// The figure, from 0 to 1. `None` without a label or without a score, and where both differ in length.
///
/// * `labels`: whether each hour belongs to an event.
/// * `scores`: higher is odder. None is NaN.
/// * `longest`: the longest tolerance, in hours.
pub fn vus_pr(labels: &[bool], scores: &[f64], longest: usize) -> Option<f64> {
    let events = events(labels);
    if events.is_empty() || labels.len() != scores.len() || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(|one, other| other.total_cmp(one));
    let last = scores.len() - 1;
    // As numpy spaces them: rounded down.
    let at = |number: usize| (number as f64 * (last as f64 / (THRESHOLDS - 1) as f64)) as usize;
    let thresholds: Vec<f64> = (0..THRESHOLDS).map(|number| sorted[at(number).min(last)]).collect();
    let reach = merged(&events, longest, labels.len());
    let areas = (0..=longest).map(|tolerance| area(labels, scores, &events, &reach, tolerance, &thresholds));
    Some(areas.sum::<f64>() / (longest + 1) as f64)
}

/// The area under precision and recall at one tolerance.
fn area(
    labels: &[bool],
    scores: &[f64],
    events: &[Span],
    reach: &[Span],
    tolerance: usize,
    thresholds: &[f64],
) -> f64 {
    let extended = extended(labels, events, tolerance);
    let spans = merged(events, tolerance, labels.len());
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let (mut area, mut recall_before) = (0.0, 0.0);
    for threshold in thresholds {
        let is_found = |hour: usize| scores[hour] >= *threshold;
        let predicted = scores.iter().filter(|score| **score >= *threshold).count() as f64;
        let (mut found, mut of_labels) = (0.0, 0.0);
        for hour in reach.iter().flat_map(|(first, last)| *first..=*last) {
            let is_in_span = spans.iter().any(|(first, last)| (*first..=*last).contains(&hour));
            let label = match (labels[hour], is_found(hour)) {
                (true, _) => 1.0,
                (false, false) if is_in_span => 0.0,
                (false, _) => extended[hour],
            };
            of_labels += label;
            found += if is_found(hour) { label } else { 0.0 };
        }
        let seen = spans.iter().filter(|(first, last)| (*first..=*last).any(is_found)).count();
        let recall =
            (found / f64::midpoint(positives, of_labels)).min(1.0) * seen as f64 / spans.len() as f64;
        area += (recall - recall_before) * found / predicted;
        recall_before = recall;
    }
    area
}

/// The labels as numbers that fall off around the events.
fn extended(labels: &[bool], events: &[Span], tolerance: usize) -> Vec<f64> {
    let mut extended: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
    for (first, last) in events {
        let weight = |distance: usize| (1.0 - distance as f64 / tolerance as f64).sqrt();
        for distance in 1..=tolerance / 2 {
            if let Some(after) = extended.get_mut(last + distance) {
                *after += weight(distance);
            }
            if let Some(before) = first.checked_sub(distance) {
                extended[before] += weight(distance);
            }
        }
    }
    extended.iter_mut().for_each(|label| *label = label.min(1.0));
    extended
}

/// Events with half of the tolerance on either side. Those that then touch are one.
fn merged(events: &[Span], tolerance: usize, hours: usize) -> Vec<Span> {
    let half = tolerance / 2;
    let mut spans: Vec<Span> = Vec::new();
    for (first, last) in events {
        let (first, last) = (first.saturating_sub(half), (last + half).min(hours - 1));
        match spans.last_mut() {
            Some(before) if before.1 >= first => before.1 = last,
            _ => spans.push((first, last)),
        }
    }
    spans
}

fn events(labels: &[bool]) -> Vec<Span> {
    let mut events: Vec<Span> = Vec::new();
    for hour in (0..labels.len()).filter(|hour| labels[*hour]) {
        match events.last_mut() {
            Some(event) if event.1 + 1 == hour => event.1 = hour,
            _ => events.push((hour, hour)),
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tools/vectors/vus_pr.py`.
    const VECTORS: &str = include_str!("vus.json");

    #[test]
    fn the_figures_are_those_of_the_public_implementation() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let of = |name: &str| case[name].as_array().unwrap();
            let labels: Vec<bool> = of("labels").iter().map(|label| label.as_u64() == Some(1)).collect();
            let scores: Vec<f64> = of("scores").iter().map(|score| score.as_f64().unwrap()).collect();
            let longest = usize::try_from(case["longest"].as_u64().unwrap()).unwrap();
            let (found, expected) = (vus_pr(&labels, &scores, longest), case["vus_pr"].as_f64().unwrap());
            assert!((found.unwrap() - expected).abs() < 1e-9, "{}: {found:?}, not {expected}", case["name"]);
        }
    }

    #[test]
    fn a_perfect_score_is_better_than_a_random_one() {
        let labels: Vec<bool> = (0..500).map(|hour| (200..210).contains(&hour)).collect();
        let perfect: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
        let random: Vec<f64> = (0..500).map(|hour| f64::from(hour * 7919 % 499)).collect();
        assert_eq!(vus_pr(&labels, &perfect, 0), Some(1.0));
        assert!(vus_pr(&labels, &random, 10).unwrap() < 0.3);
        assert_eq!(vus_pr(&[false; 3], &[1.0; 3], 2), None);
        assert_eq!(vus_pr(&[true; 3], &[1.0, f64::NAN, 0.0], 2), None);
    }
}
