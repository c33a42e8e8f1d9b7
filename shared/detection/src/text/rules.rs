//! The sentence of a rule: what it counted, and what is usual.
//!
//! The unit of the metric names the events of a rule that counts, as in "14 of 40 executions failed".

use super::units::{amount, humanize};
use crate::opinion::{Detail, Opinion};
use crate::{Comparison, deviation_factor};

/// What the sentence of the rule `unseen_shape` says, and no other.
const NEVER_SEEN: &str = "are like none of the two weeks before";

/// Whether a sentence is of the rule `unseen_shape`.
pub fn is_of_unseen_shape(sentence: &str) -> bool {
    sentence.contains(NEVER_SEEN)
}

/// For example "error_rate: 14 of 40 executions failed (35 %), usually 2 %". It tells the figures of a normal verdict in
/// the same words. `None` if the opinion is that of a detector.
pub fn sentence(metric: &str, unit: &str, comparison: &Comparison) -> Option<String> {
    let Comparison { current, baseline, opinion: Opinion { detail, .. }, .. } = *comparison;
    let text = match detail {
        Detail::Rate { events, bad, .. } => format!(
            "{} of {} failed ({}), usually {}",
            amount(bad as f64),
            counted(events, unit),
            percent(current),
            percent(baseline.mean())
        ),
        Detail::Streak { length, failure_rate, .. } => {
            format!("{} in a row failed, usually {} fail", counted(length, unit), percent(failure_rate))
        }
        Detail::Percentile { share, usual, of_window: false, .. } => format!(
            "{}, {} the usual {}; {} of {} events before were at most {}",
            humanize(current, unit),
            times(current, baseline.mean()),
            humanize(baseline.mean(), unit),
            percent(share),
            amount(baseline.sample_count() as f64),
            humanize(usual, unit)
        ),
        Detail::Percentile { share, usual, of_window: true, .. } => format!(
            "{} of the events were at most {}, {} the usual {}",
            percent(share),
            humanize(current, unit),
            times(current, usual),
            humanize(usual, unit)
        ),
        Detail::Ratio { first_zero: true, .. } => {
            format!("zero, and it never was zero before, with a mean of {}", humanize(baseline.mean(), unit))
        }
        Detail::Ratio { ratio, .. } => format!(
            "{}, {} of the mean of {}",
            humanize(current, unit),
            percent(ratio),
            humanize(baseline.mean(), unit)
        ),
        Detail::Threshold { limit, above } => {
            let side = match (current > limit, current < limit) {
                (true, _) => "above",
                (_, true) => "below",
                _ => "at",
            };
            let name = if above { "upper" } else { "lower" };
            format!("{}, {side} the {name} limit of {}", humanize(current, unit), humanize(limit, unit))
        }
        Detail::Novelty { events, last_seen_days: None } => {
            format!("{} of a kind that was never seen before", counted(events, unit))
        }
        Detail::Novelty { events, last_seen_days: Some(days) } => {
            format!(
                "{} of a kind that was last seen {} before",
                counted(events, unit),
                humanize(days.into(), "days")
            )
        }
        Detail::Burst { events, principals, limit, succeeded } => {
            let accounts = if principals > 1 {
                format!(" on {}", counted(principals, "accounts"))
            } else {
                String::new()
            };
            let success = if succeeded { ", and then one succeeded" } else { "" };
            format!(
                "{}{accounts} by one source{success}; the limit is {}",
                counted(events, unit),
                amount(limit as f64)
            )
        }
        Detail::DistinctGrowth { .. } => format!(
            "{} distinct values, usually {} (z {:.1})",
            amount(current),
            amount(baseline.mean()),
            comparison.z_score
        ),
        Detail::Deviation { .. } => format!(
            "{}, usually {} (z {:.1})",
            humanize(current, unit),
            humanize(baseline.mean(), unit),
            comparison.z_score
        ),
        Detail::Vote { score, flags, detectors, .. } => format!(
            "{}, usually {}; {flags} of {detectors} detectors flag it (score {score:.2})",
            humanize(current, unit),
            humanize(baseline.mean(), unit)
        ),
        Detail::UnseenShape { hours, distance, usual } => format!(
            "the last {} {NEVER_SEEN}: {} away from the most similar ones, where {} is usual; \
             their mean is {}, and that of the others {}",
            humanize(hours.into(), "hours"),
            humanize(distance, unit),
            humanize(usual, unit),
            humanize(current, unit),
            humanize(baseline.mean(), unit)
        ),
        Detail::OffHours { events, hour } => {
            let usual = match baseline.mean() {
                0.0 => "none in the 30 days before".to_owned(),
                mean => format!("usually {} a day", amount(mean)),
            };
            let end = (u16::from(hour) + 1) % 24;
            format!("{} between {hour:02}:00 and {end:02}:00, {usual} at this hour", counted(events, unit))
        }
        _ => return None,
    };
    Some(format!("{metric}: {text}"))
}

/// A number of events in the metric's unit, if that is a word for them and no measure.
fn counted(events: u64, unit: &str) -> String {
    let is_word = unit.len() > 1 && unit.chars().all(|c| c.is_alphabetic() || "_- ".contains(c));
    let is_measure = matches!(unit, "bytes" | "GB" | "ms" | "ratio" | "percent");
    humanize(events as f64, if is_word && !is_measure { unit } else { "events" })
}

fn percent(share: f64) -> String {
    format!("{} %", amount(100.0 * share))
}

/// How many times as much it is, or how far below.
fn times(current: f64, usual: f64) -> String {
    let factor = deviation_factor(current, usual);
    if factor >= 1.0 && usual > 0.0 {
        format!("{} times", amount(factor))
    } else if usual > 0.0 {
        format!("{} of", percent(current / usual))
    } else {
        "and not".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_unseen_shape;
    use crate::rules::{
        Attempts, Burst, Counts, DayOfShapes, Deviation, DistinctGrowth, HourOfDay, Novelty, Of, OffHours,
        Percentile, Rate, Ratio, Shapes, Sighting, Streak, Threshold, UnseenShape,
    };
    use crate::text::describe;
    use crate::{Baseline, Histogram, Verdict};

    fn found(metric: &str, unit: &str, verdict: Verdict) -> String {
        let Verdict::Anomalous(finding) = verdict else { panic!("{metric}: {verdict:?}") };
        describe::sentence(metric, unit, &finding)
    }

    fn steady(value: f64, events: u64) -> Histogram {
        [(Histogram::key(value), events)].into_iter().collect()
    }

    #[test]
    fn findings() {
        let counts = |events, bad| Counts { events, bad };
        let window = Percentile { of: Of::Window, ..Percentile::default() };
        let new = |last_seen_days| Sighting { events: 3, last_seen_days, known_days: 60 };
        let attempts = |principals, succeeded| Attempts { events: 40, principals, succeeded };
        let night = HourOfDay { hour: 23, events: 1, usual_events: 0, active_days: 20 };
        let fast = Percentile { both: true, ..Percentile::default() };
        let lines = [
            found("error_rate", "executions", Rate::default().judge(counts(40, 14), counts(5_000, 100))),
            found("failures", "", Rate::default().judge(counts(4_000, 900), counts(5_000, 0))),
            found("consecutive_failures", "executions", Streak::default().judge(5, counts(98, 1))),
            found(
                "duration",
                "ms",
                Percentile::default().judge_event(12_400.0, &steady(3_900.0, 240), 3_900.0),
            ),
            found("duration", "ms", fast.judge_event(400.0, &steady(3_900.0, 240), 3_900.0)),
            found("duration", "ms", Percentile::default().judge_event(400.0, &steady(0.0, 240), 0.0)),
            found("latency", "ms", window.judge_window(&steady(2_400.0, 25), &steady(1_100.0, 900))),
            found("output_size", "records", Ratio::default().judge(12.0, &steady(300.0, 40), 300.0)),
            found("output_size", "records", Ratio::default().judge(0.0, &steady(300.0, 40), 300.0)),
            found("disk", "%", Threshold { warning: Some(90.0), ..Threshold::default() }.judge(97.0)),
            found("new_error_type", "errors", Novelty::default().judge(new(None))),
            found("new_error_type", "errors", Novelty::default().judge(new(Some(41)))),
            found("failed_logins", "attempts", Burst::default().judge(attempts(1, false))),
            found("failed_logins", "attempts", Burst::default().judge(attempts(6, true))),
            found(
                "operations",
                "operations",
                DistinctGrowth::default()
                    .judge(141, &Baseline::of((0..20).map(|n| f64::from(n % 5))).unwrap()),
            ),
            found("activity", "executions", OffHours::default().judge(night)),
            found(
                "throughput",
                "requests",
                Deviation::default().judge(0.0, &Baseline::of((0..20).map(|_| 120.0)).unwrap(), true),
            ),
            found("cpu", "%", {
                let samples: Vec<f32> =
                    (0..600).map(|at| if at < 576 { (at % 2) as f32 } else { 40.0 }).collect();
                let shapes = Shapes::of(&samples).unwrap();
                let days = [DayOfShapes { samples: 288, largest: [8.0, 30.0] }; 2];
                UnseenShape::default().judge((&shapes, &shapes.nearest()), &days, None, true)
            }),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        error_rate: 14 of 40 executions failed (35 %), usually 2 %
        failures: 900 of 4,000 events failed (22.5 %), usually 0 %
        consecutive_failures: 5 executions in a row failed, usually 2 % fail
        duration: 12.4 s, 3.18 times the usual 3.9 s; 95 % of 240 events before were at most 3.9 s
        duration: 400 ms, 10.3 % of the usual 3.9 s; 95 % of 240 events before were at most 3.9 s
        duration: 400 ms, and not the usual 0 ms; 95 % of 240 events before were at most 0 ms
        latency: 95 % of the events were at most 2.4 s, 2.18 times the usual 1.1 s
        output_size: 12 records, 4 % of the mean of 300 records
        output_size: zero, and it never was zero before, with a mean of 300 records
        disk: 97 %, above the upper limit of 90 %
        new_error_type: 3 errors of a kind that was never seen before
        new_error_type: 3 errors of a kind that was last seen 41 days before
        failed_logins: 40 attempts by one source; the limit is 10
        failed_logins: 40 attempts on 6 accounts by one source, and then one succeeded; the limit is 10
        operations: 141 distinct values, usually 2 (z 95.8)
        activity: 1 execution between 23:00 and 00:00, none in the 30 days before at this hour
        throughput: 0 requests, usually 120 requests (z -11.0)
        cpu: the last 2 hours are like none of the two weeks before: 39.5 % away from the most similar ones, where 9.52 % is usual; their mean is 40 %, and that of the others 0.5 %
        ");
    }

    #[test]
    fn a_sentence_tells_its_rule() {
        assert!(is_of_unseen_shape("cpu: the last 2 hours are like none of the two weeks before: 40 % away"));
        assert!(!is_of_unseen_shape("cpu: 40 %, usually 1 %; 3 of 4 detectors flag it (score 0.80)"));
    }

    #[test]
    fn a_normal_verdict_has_the_same_words() {
        let window = crate::Window::between(
            "2026-11-21T12:00:00Z".parse().unwrap(),
            "2026-11-21T13:00:00Z".parse().unwrap(),
        )
        .unwrap();
        let lines = [
            Rate::default().judge(Counts { events: 40, bad: 1 }, Counts { events: 5_000, bad: 100 }),
            Rate::default().judge(Counts { events: 40, bad: 14 }, Counts { events: 5_000, bad: 100 }),
            Rate::default().judge(Counts { events: 4, bad: 4 }, Counts { events: 5_000, bad: 100 }),
        ]
        .map(|verdict| describe::verdict("error_rate", "executions", &window, &verdict));
        insta::assert_snapshot!(lines.join("\n"), @"
        error_rate: 1 of 40 executions failed (2.5 %), usually 2 % (within the limits of the rule, in the hour to 2026-11-21T13:00:00Z)
        error_rate: 14 of 40 executions failed (35 %), usually 2 % (an anomaly, in the hour to 2026-11-21T13:00:00Z)
        error_rate cannot be judged: too few earlier windows have values
        ");
    }
}
