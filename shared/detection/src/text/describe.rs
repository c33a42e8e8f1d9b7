//! One English sentence for one verdict, or for one event in the life of an incident.

use super::rules;
use super::units::{amount, humanize};
use crate::feedback::Raised;
use crate::incident::{Event, Incident};
use crate::{Comparison, Direction, Finding, Reason, Verdict, Window, window};

/// The sentence for an anomaly that a run has just found, for example "bandwidth was 9.14 GB in the last 24 hours, 4.2
/// times the 30-day mean of 2.2 GB (z 11.3)".
///
/// A rule tells what it counted instead, as in "error_rate: 14 of 40 executions failed (35 %), usually 2 %".
pub fn sentence(metric: &str, unit: &str, finding: &Finding) -> String {
    rules::sentence(metric, unit, &finding.comparison)
        .unwrap_or_else(|| found(metric, unit, "the last 24 hours", true, finding))
}

/// The sentence for any verdict on any window: the finding, that all is as usual, or the reason why there is no
/// verdict.
pub fn verdict(metric: &str, unit: &str, window: &Window, verdict: &Verdict) -> String {
    let period = format!("the {} to {}", length(window), window.end());
    if let Some(sentence) = of_rule(metric, unit, &period, verdict) {
        return sentence;
    }
    match verdict {
        Verdict::Anomalous(finding) => found(metric, unit, &period, is_day(window), finding),
        Verdict::Normal(comparison) => normal(metric, unit, &period, comparison),
        Verdict::Undetermined(reason) => format!("{metric} cannot be judged: {}", undetermined(*reason)),
    }
}

/// The sentence for an alert of an anomaly: the anomaly's own sentence, and its meaning for the incident.
pub fn alert(sentence: &str, event: Event, incident: &Incident) -> String {
    let opened = incident.opened_at;
    let text = match event {
        Event::Escalated => format!("{sentence}; the incident of {opened} has escalated"),
        Event::Reopened => format!("{sentence}; the incident of {opened} is back"),
        Event::Reminder => {
            format!("{sentence}; open since {opened}, and nobody has acknowledged it")
        }
        Event::Accepted => format!(
            "{sentence}; it has stayed so since {}, and counts as normal from now on",
            incident.level_since
        ),
        Event::Opened | Event::Resolved | Event::Acknowledged | Event::Confirmed | Event::Stale => {
            sentence.to_owned()
        }
    };
    match incident.last_page {
        Some(page) if page.window_end < incident.last_window => format!(
            "{text}; this is late: the window to {} was judged after the one to {}",
            page.window_end, incident.last_window
        ),
        _ => text,
    }
}

/// The sentence for an anomaly of an incident that repeats so many earlier ones.
pub fn recurring(sentence: &str, earlier: u32) -> String {
    format!("{sentence}; it recurs: {earlier} earlier incidents began at this time")
}

/// The sentence for an anomaly whose threshold false alarms had raised. Days are those of UTC.
pub fn raised(sentence: &str, least: f64, raised: &Raised) -> String {
    let days: Vec<String> = raised.given_at.iter().map(|at| at.strftime("%Y-%m-%d").to_string()).collect();
    let days = match &days[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        days => days.concat(),
    };
    let to = least * raised.factor;
    format!("{sentence}; its threshold was raised from {least:.1} to {to:.1} by feedback of {days}")
}

/// The sentence for a series that cannot be judged any more.
pub fn stale(incident: &Incident) -> String {
    format!(
        "{} could not be judged for 24 hours, so the incident is closed as stale, after {}",
        incident.subject.metric,
        so_far(incident)
    )
}

/// The sentence for a series that is back inside for good. The newest window has so many hours.
pub fn back_to_normal(unit: &str, incident: &Incident, hours: usize) -> String {
    let (metric, latest) = (&incident.subject.metric, &incident.latest);
    let period = format!("the last {}", counted(hours as i64, "hour"));
    format!(
        "{} and is back to normal (mean {}, z {:.1}), after {}",
        was(metric.as_str(), unit, &period, latest.current_value),
        humanize(latest.baseline_mean, unit),
        latest.z_score,
        so_far(incident)
    )
}

/// The sentence for an action of a person on an incident.
pub fn handled(event: Event, by: &str, incident: &Incident) -> String {
    let (metric, direction) = (&incident.subject.metric, incident.subject.direction.as_str());
    format!("the {direction} of {metric} was {} by {by}, after {}", event.as_str(), so_far(incident))
}

fn so_far(incident: &Incident) -> String {
    let windows = counted(i64::try_from(incident.anomalies).unwrap_or(i64::MAX), "anomalous window");
    let windows = if incident.anomalies == 1 { format!("one {windows}") } else { windows };
    format!("{windows} since {} (peak z {:.1})", incident.opened_at, incident.peak_z_score)
}

fn of_rule(metric: &str, unit: &str, period: &str, verdict: &Verdict) -> Option<String> {
    let (comparison, judged) = match verdict {
        Verdict::Anomalous(finding) => (&finding.comparison, "an anomaly"),
        Verdict::Normal(comparison) => (comparison, "within the limits of the rule"),
        Verdict::Undetermined(_) => return None,
    };
    let sentence = rules::sentence(metric, unit, comparison)?;
    Some(format!("{sentence} ({judged}, in {period})"))
}

fn found(metric: &str, unit: &str, period: &str, by_day: bool, finding: &Finding) -> String {
    let comparison = &finding.comparison;
    let (current, mean) = (comparison.current, comparison.baseline.mean());
    let samples = comparison.baseline.sample_count();
    let (was, usual) = (was(metric, unit, period, current), humanize(mean, unit));

    if comparison.is_new_usage() {
        return format!("{was}, the customer's first usage of this metric");
    }
    if mean == 0.0 && comparison.constant_baseline() {
        return format!("{was}, after zero in all {samples} windows before");
    }
    let change = match (comparison.constant_baseline(), by_day) {
        (true, _) => format!("the constant {usual} of the {samples} windows before"),
        (false, true) => format!("the {samples}-day mean of {usual} (z {:.1})", comparison.z_score),
        (false, false) => {
            format!("the mean of {usual} of the {samples} windows before (z {:.1})", comparison.z_score)
        }
    };
    format!("{was}, {} {change}", relation(current, mean, finding.direction))
}

fn normal(metric: &str, unit: &str, period: &str, comparison: &Comparison) -> String {
    let was = was(metric, unit, period, comparison.current);
    let expected = comparison.opinion.expected;
    let range = format!("{} to {}", humanize(expected.low, unit), humanize(expected.high, unit));
    let (score, usual) = (comparison.z_score, humanize(comparison.baseline.mean(), unit));
    if comparison.constant_baseline() {
        format!("{was}, no change that matters from the constant {usual} of the windows before")
    } else if expected.holds(comparison.current) {
        format!("{was}, within the expected {range} (z {score:.1})")
    } else {
        format!("{was}, outside of the expected {range} (z {score:.1}), but by too little to matter")
    }
}

fn undetermined(reason: Reason) -> &'static str {
    match reason {
        Reason::NoData => "there is no data in this period",
        Reason::InsufficientData => "too few earlier windows have values",
        Reason::NotFinite => "a value is not a finite number, so the data is broken",
        Reason::Negative => "a value is below zero, so the data is broken",
        Reason::OutOfRange => "a value is too large to calculate with",
    }
}

fn was(metric: &str, unit: &str, period: &str, current: f64) -> String {
    let now = if current == 0.0 { "zero".to_owned() } else { humanize(current, unit) };
    format!("{metric} was {now} in {period}")
}

fn length(window: &Window) -> String {
    let length = window.length();
    let (whole_hours, minutes) = (length.as_hours(), length.as_mins());
    if length.as_millis() % 3_600_000 == 0 {
        counted(whole_hours, "hour")
    } else if length.as_millis() % 60_000 == 0 {
        counted(minutes, "minute")
    } else {
        format!("{} seconds", amount(length.as_secs_f64()))
    }
}

fn counted(number: i64, unit: &str) -> String {
    if number == 1 { unit.to_owned() } else { format!("{number} {unit}s") }
}

fn is_day(window: &Window) -> bool {
    window.length() == jiff::SignedDuration::from_hours(window::HOURS)
}

fn relation(current: f64, mean: f64, direction: Direction) -> String {
    let ratio = current / mean;
    let percent = (ratio - 1.0) * 100.0;
    match direction {
        Direction::Drop if current == 0.0 => "down from".to_owned(),
        // A ratio to a mean that is not positive would mislead, and one to a mean next to zero is no number.
        _ if mean <= 0.0 || !percent.is_finite() => match direction {
            Direction::Spike => "above".to_owned(),
            Direction::Drop => "below".to_owned(),
        },
        Direction::Spike if ratio >= 2.0 => format!("{} times", times(ratio)),
        Direction::Spike => format!("{percent:.0} % above"),
        Direction::Drop => format!("{:.0} % below", -percent),
    }
}

fn times(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.1}") } else { amount(ratio) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Missing, Series, Settings, Thresholds, check};

    fn between(start: &str, end: &str) -> Window {
        Window::between(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    fn day() -> Window {
        between("2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z")
    }

    fn describe(metric: &str, unit: &str, current: f64, baseline: &[f64]) -> String {
        let windows: Vec<_> = std::iter::once(current).chain(baseline.iter().copied()).map(Some).collect();
        let settings =
            Settings::new(Thresholds { min_samples: 2, min_relative_spread: 0.0, ..Thresholds::default() })
                .unwrap();
        match check(&Series::new(&windows, 99, Missing::Zero, false), &settings) {
            Verdict::Anomalous(finding) => sentence(metric, unit, &finding),
            other => panic!("not anomalous: {other:?}"),
        }
    }

    #[test]
    fn a_mean_next_to_zero_is_compared_without_a_number() {
        assert_eq!(relation(-114_123.0, 2.9e-302, Direction::Drop), "below");
        assert_eq!(relation(1e10, 1e-305, Direction::Spike), "above");
        assert_eq!(relation(120.0, 100.0, Direction::Spike), "20 % above");
        assert_eq!(relation(70.0, 100.0, Direction::Drop), "30 % below");
    }

    #[test]
    fn sentences() {
        let lines = [
            describe("bandwidth", "bytes", 9.14e9, &[2.0e9, 2.2e9, 2.4e9, 1.9e9, 2.5e9, 2.2e9, 2.2e9]),
            describe("api_calls", "calls", 13_100.0, &[10_000.0, 10_100.0, 9_900.0, 10_050.0]),
            describe("api_calls", "calls", 500.0, &[10_000.0, 10_100.0, 9_900.0, 10_050.0]),
            describe("compute_time", "ms", 0.0, &[7.2e6, 7.3e6, 7.1e6]),
            describe("api_calls", "calls", 5_200.0, &[0.0; 30]),
            describe("storage_peak", "GB", 750.0, &[250.0; 30]),
            describe("storage_peak", "GB", 0.0, &[250.0; 30]),
            describe("balance", "credits", 90.0, &[-5.0, -6.0, -4.0, -5.5]),
            describe("api_calls", "calls", 5_000_000.0, &[10.0, 11.0, 12.0]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        bandwidth was 9.14 GB in the last 24 hours, 4.2 times the 7-day mean of 2.2 GB (z 33.3)
        api_calls was 13,100 calls in the last 24 hours, 31 % above the 4-day mean of 10,012 calls (z 36.2)
        api_calls was 500 calls in the last 24 hours, 95 % below the 4-day mean of 10,012 calls (z -100.0)
        compute_time was zero in the last 24 hours, down from the 3-day mean of 2 h (z -72.0)
        api_calls was 5,200 calls in the last 24 hours, after zero in all 30 windows before
        storage_peak was 750 GB in the last 24 hours, 3.0 times the constant 250 GB of the 30 windows before
        storage_peak was zero in the last 24 hours, down from the constant 250 GB of the 30 windows before
        balance was 90 credits in the last 24 hours, above the 4-day mean of -5.12 credits (z 100.0)
        api_calls was 5 million calls in the last 24 hours, 454,545 times the 3-day mean of 11 calls (z 100.0)
        ");
    }

    #[test]
    fn verdicts_on_any_period() {
        let settings = Settings::new(Thresholds {
            min_samples: 3,
            min_change: 100.0,
            min_relative_spread: 0.0,
            ..Thresholds::default()
        })
        .unwrap();
        let of = |window: &Window, values: &[f64]| {
            let windows: Vec<_> = values.iter().copied().map(Some).collect();
            let series = Series::new(&windows, 99, Missing::Zero, true);
            verdict("api_calls", "calls", window, &check(&series, &settings))
        };
        let two_hours = between("2026-11-21T11:00:00Z", "2026-11-21T13:00:00Z");
        let lines = [
            of(&day(), &[1_000.0, 990.0, 1_010.0, 1_000.0]),
            of(&day(), &[1_090.0, 1_000.0, 1_001.0, 1_000.0]),
            of(&day(), &[1_000.0, 1_000.0, 1_000.0, 1_000.0]),
            of(&two_hours, &[9_000.0, 1_000.0, 1_010.0, 1_000.0]),
            of(&two_hours, &[9_000.0, 1_000.0, 1_000.0, 1_000.0]),
            of(&two_hours, &[9_000.0, 1_000.0]),
            of(&two_hours, &[f64::NAN, 1_000.0]),
            of(&between("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z"), &[1.0, 0.0, 1.0, 3.0]),
            of(&between("2026-11-21T12:15:00Z", "2026-11-21T13:45:00Z"), &[1.0, 0.0, 1.0, 3.0]),
            of(&between("2026-11-21T12:00:00Z", "2026-11-21T12:00:01.5Z"), &[1.0, 0.0, 1.0, 3.0]),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
