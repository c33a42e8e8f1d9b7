//! One English sentence for one finding.

use crate::units::{amount, humanize};
use crate::{Direction, Finding};

/// For example "bandwidth was 9.14 GB in the last 24 hours, 4.2 times the 30-day mean of 2.2 GB (z 11.3)".
pub fn sentence(metric: &str, unit: &str, finding: &Finding) -> String {
    let comparison = &finding.comparison;
    let (current, mean) = (comparison.current, comparison.baseline.mean());
    let days = comparison.baseline.sample_count();
    let usual = humanize(mean, unit);
    let now = if current == 0.0 { "zero".to_owned() } else { humanize(current, unit) };

    if mean == 0.0 && comparison.constant_baseline {
        return format!("{metric} was {now} in the last 24 hours, after zero in all {days} windows before");
    }
    let change = if comparison.constant_baseline {
        format!("the constant {usual} of the {days} windows before")
    } else {
        format!("the {days}-day mean of {usual} (z {:.1})", comparison.z_score)
    };
    let relation = relation(current, mean, finding.direction);
    format!("{metric} was {now} in the last 24 hours, {relation} {change}")
}

fn relation(current: f64, mean: f64, direction: Direction) -> String {
    let ratio = current / mean;
    match direction {
        Direction::Drop if current == 0.0 => "down from".to_owned(),
        // Shares of a mean that is not positive would mislead.
        _ if mean <= 0.0 || !ratio.is_finite() => match direction {
            Direction::Spike => "above".to_owned(),
            Direction::Drop => "below".to_owned(),
        },
        Direction::Spike if ratio >= 2.0 => format!("{} times", times(ratio)),
        Direction::Spike => format!("{:.0} % above", (ratio - 1.0) * 100.0),
        Direction::Drop => format!("{:.0} % below", (1.0 - ratio) * 100.0),
    }
}

fn times(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.1}") } else { amount(ratio) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Missing, Series, Settings, Verdict, check};

    fn describe(metric: &str, unit: &str, current: f64, baseline: &[f64]) -> String {
        let windows: Vec<_> = std::iter::once(current).chain(baseline.iter().copied()).map(Some).collect();
        let settings = Settings::new(3.0, 5.0, 2, 0.0, 0.1).unwrap();
        match check(&Series::new(&windows, 99, Missing::Zero, false), &settings) {
            Verdict::Anomalous(finding) => sentence(metric, unit, &finding),
            other => panic!("not anomalous: {other:?}"),
        }
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
}
