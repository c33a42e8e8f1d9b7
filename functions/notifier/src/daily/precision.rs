//! The precision of metrics and detectors in the daily digest.

use std::fmt::Write as _;

use detection::feedback::{Precision, Precisions};

/// The precision by metric and by detector, each in a line. Empty without feedback.
pub(super) fn lines(precisions: &Precisions) -> String {
    let Precisions { by_metric, by_detector } = precisions;
    let of = |(name, of): (String, &Precision)| {
        format!("{name} {:.0} % ({} of {})", 100.0 * of.share(), of.confirmed, of.total())
    };
    let metrics: Vec<_> =
        by_metric.iter().map(|(metric, precision)| of((metric.to_string(), precision))).collect();
    let detectors: Vec<_> =
        by_detector.iter().map(|(name, precision)| of((name.clone(), precision))).collect();
    if metrics.is_empty() {
        return String::new();
    }
    let mut text = "\nConfirmed by feedback of the last 90 days\n\n".to_owned();
    let _ = writeln!(text, "{:<12}{}", "Metrics", metrics.join(", "));
    if !detectors.is_empty() {
        let _ = writeln!(text, "{:<12}{}", "Detectors", detectors.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use detection::incident::IncidentState;
    use detection::{MetricName, Severity};
    use jiff::Timestamp;

    use super::super::{Day, Entry, compose};
    use super::*;

    #[test]
    fn precision_stands_below_the_incidents() {
        let precision = |confirmed, false_alarms| Precision { confirmed, false_alarms };
        let metrics = ["api_calls", "bandwidth"].map(|name| MetricName::new(name).unwrap());
        let [calls, bandwidth] = metrics;
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut day = Day::new(time("2026-11-20T08:00:00Z"), time("2026-11-21T08:00:00Z"));
        day.precisions = Precisions {
            by_metric: [(calls, precision(4, 1)), (bandwidth, precision(0, 2))].into(),
            by_detector: [("seasonal".to_owned(), precision(4, 3))].into(),
        };
        let lines = "\nConfirmed by feedback of the last 90 days\n\n\
                     Metrics     api_calls 80 % (4 of 5), bandwidth 0 % (0 of 2)\n\
                     Detectors   seasonal 57 % (4 of 7)\n";
        let quiet = compose(&day, &[]);
        assert_eq!(quiet.subject, "[MeterFlow] Daily digest: nothing to report");
        assert!(quiet.text.ends_with(&format!("nothing to report.\n{lines}")), "{}", quiet.text);
        day.add(Entry {
            customer_id: "a".to_owned(),
            severity: Severity::Critical,
            state: IncidentState::Open,
            opened_at: time("2026-11-21T00:00:00Z"),
            closed_at: None,
            anomalies: 1,
            peak_z_score: 9.0,
            description: "a spike".to_owned(),
        });
        let text = compose(&day, &[]).text;
        assert!(text.contains(lines) && text.contains("All of them"), "{text}");
        assert!(text.find(lines) < text.find("All of them"), "{text}");
    }
}
