//! The sentence of an assessment: what was seen, and what is usual then.

use super::units::humanize;
use crate::Verdict;
use crate::calendar::{Local, TimeZone};
use crate::ensemble::{Assessment, Explanation, Trust};
use crate::hour::Hour;

const WEEKDAYS: [&str; 7] =
    ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"];

/// For example "412 calls between 13:00 and 14:00, about 35 are usual on Tuesdays at this hour". Hours are local, and
/// the zone is named unless it is UTC. `None` without a verdict.
pub fn sentence(assessment: &Assessment, unit: &str, newest: Hour, zone: &TimeZone) -> Option<String> {
    let value = match assessment.verdict {
        Verdict::Normal(comparison) => comparison.current,
        Verdict::Anomalous(finding) => finding.comparison.current,
        Verdict::Undetermined(_) => return None,
    };
    Some(of_explanation(value, &assessment.explanation(), unit, newest, zone))
}

/// The same for the value of the window that an explanation is about.
pub fn of_explanation(
    value: f64,
    explanation: &Explanation,
    unit: &str,
    newest: Hour,
    zone: &TimeZone,
) -> String {
    let end = zone.clock(newest.plus(1));
    let name = if *zone == TimeZone::utc() { String::new() } else { format!(" ({zone})") };
    let period = match explanation.hours {
        24 => format!("in the 24 hours until {end}{name}"),
        hours => format!("between {} and {end}{name}", zone.clock(newest.plus(1 - hours as i64))),
    };
    let seen = if value == 0.0 { "nothing".to_owned() } else { humanize(value, unit) };
    if explanation.is_shape_change() {
        return format!("{seen} {period}, as many as usual but at other hours of the day");
    }
    let usual = usual(explanation.expected, &seen, unit);
    format!("{seen} {period}, {usual} {}", when(explanation, zone.local(newest)))
}

/// For example "the data of all customers stopped: 180 of 200 customers dropped in the last hour, and api_calls came to 120
/// calls instead of about 5,200".
pub fn of_stopped_data(
    (dropped, customers): (u32, u32),
    (seen, expected): (f64, f64),
    metric: &str,
    unit: &str,
) -> String {
    let seen = if seen == 0.0 { "nothing".to_owned() } else { humanize(seen, unit) };
    let expected = humanize(two_digits(expected), unit);
    format!(
        "the data of all customers stopped: {dropped} of {customers} customers dropped in the last hour, and {metric} came to \
         {seen} instead of about {expected}"
    )
}

/// The expected amount in two digits, without its unit if both amounts are in the metric's own.
fn usual(expected: f64, seen: &str, unit: &str) -> String {
    let amount = humanize(two_digits(expected), unit);
    if amount.starts_with("0 ") {
        return "nothing is usual".to_owned();
    }
    let plain = |amount: &str| !matches!(unit, "bytes" | "GB" | "ms") && amount.ends_with(unit);
    let short = if plain(seen) { amount.strip_suffix(unit).unwrap_or(&amount) } else { &amount };
    format!("about {} are usual", short.trim_end())
}

/// An expectation is no more exact than that.
fn two_digits(value: f64) -> f64 {
    let step = 10_f64.powf(value.abs().log10().floor() - 1.0);
    if step.is_normal() { (value / step).round() * step } else { value }
}

/// When the amount is usual, as exactly as the series is known.
fn when(explanation: &Explanation, last: Local) -> String {
    let day = WEEKDAYS[usize::from(last.weekday()) % WEEKDAYS.len()];
    let hours = match explanation.hours {
        1 => "at this hour",
        24 => "",
        _ => "in these hours",
    };
    match (explanation.trust, hours) {
        (Trust::New, _) => "for its peers at this level".to_owned(),
        (Trust::Young, "") => "for a day".to_owned(),
        (Trust::Young, hours) => hours.to_owned(),
        (Trust::Known, "") => format!("on {day}"),
        (Trust::Known, hours) => format!("on {day} {hours}"),
    }
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;
    use crate::{Baseline, Comparison, Detail, Expected, Opinion, Reason};

    fn assessment(value: f64, expected: f64, hours: usize, trust: Trust) -> Assessment {
        let opinion = Opinion {
            score: 9.0,
            expected: Expected { low: 0.0, high: 1.0 },
            detail: Detail::Seasonal { hours: hours as u8 },
        };
        let comparison = Comparison {
            current: value,
            baseline: Baseline::NONE,
            z_score: 0.0,
            excluded_windows: 0,
            opinion,
        };
        Assessment {
            verdict: Verdict::Normal(comparison),
            score: 1.8,
            confidence: 0.95,
            hours,
            expected,
            views: SmallVec::new(),
            nearest: None,
            days: 31,
            trust,
            review: None,
        }
    }

    #[test]
    fn sentences() {
        use Trust::{Known, New, Young};
        // A Tuesday.
        let newest = Hour::holding("2026-11-24T13:00:00Z".parse().unwrap());
        let of = |value, expected, hours, trust, unit, zone| {
            let zone = TimeZone::named(zone).unwrap();
            sentence(&assessment(value, expected, hours, trust), unit, newest, &zone).unwrap()
        };
        let lines = [
            of(412.0, 35.2, 1, Known, "calls", "UTC"),
            of(0.0, 1_240.0, 3, Known, "calls", "Europe/Berlin"),
            of(9.14e9, 2.2e9, 24, Known, "bytes", "UTC"),
            of(9.14e9, 3.1e6, 24, Young, "bytes", "UTC"),
            of(5_200.0, 0.0, 6, Young, "calls", "Asia/Kolkata"),
            of(5_200.0, 130.0, 1, New, "calls", "UTC"),
            of(5_200.0, 130.0, 6, Known, "calls", "Pacific/Auckland"),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        412 calls between 13:00 and 14:00, about 35 are usual on Tuesdays at this hour
        nothing between 12:00 and 15:00 (Europe/Berlin), about 1,200 calls are usual on Tuesdays in these hours
        9.14 GB in the 24 hours until 14:00, about 2.2 GB are usual on Tuesdays
        9.14 GB in the 24 hours until 14:00, about 3.1 MB are usual for a day
        5,200 calls between 13:30 and 19:30 (Asia/Kolkata), nothing is usual in these hours
        5,200 calls between 13:00 and 14:00, about 130 are usual for its peers at this level
        5,200 calls between 21:00 and 03:00 (Pacific/Auckland), about 130 are usual on Wednesdays in these hours
        ");
    }

    #[test]
    fn without_a_verdict_there_is_nothing_to_say() {
        let none = Assessment {
            verdict: Verdict::Undetermined(Reason::NoData),
            ..assessment(0.0, 0.0, 1, Trust::Known)
        };
        let newest = Hour::holding("2026-11-24T13:00:00Z".parse().unwrap());
        assert_eq!(sentence(&none, "calls", newest, &TimeZone::utc()), None);
    }
}
