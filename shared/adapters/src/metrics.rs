//! What a run did, as CloudWatch metrics in the embedded metric format: JSON lines on standard output that CloudWatch
//! turns into metrics. They are written before the run replies; nothing is left to a background task.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime};

use metrique::emf::Emf;
use metrique::unit::{Count, Millisecond, Second};
use metrique::unit_of_work::metrics;
use metrique::writer::format::Format;
use metrique::{CloseValue, RootEntry};

use crate::config::MetricsConfig;

/// What one run did. All counts are of this run alone.
#[derive(Clone, Debug, Default)]
pub struct RunFigures {
    /// The whole sweep finished and was real: neither a dry run nor one for some customers only. Its absence pages.
    pub completed: bool,
    pub customers: u64,
    pub series: u64,
    /// Anomalies by metric and severity.
    pub anomalies: BTreeMap<(String, &'static str), u64>,
    /// Series that could not be judged, by reason.
    pub undetermined: BTreeMap<&'static str, u64>,
    /// Series whose data is broken.
    pub quarantined: u64,
    pub alerts_published: u64,
    pub alerts_pending: u64,
    /// Age of the oldest alert that waits.
    pub oldest_pending: Duration,
    pub duration: Duration,
    pub clickhouse_time: Duration,
}

#[metrics(rename_all = "PascalCase")]
struct Totals {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Count)]
    run_completed: u64,
    #[metrics(unit = Count)]
    run_failed: u64,
    #[metrics(unit = Count)]
    customers_checked: u64,
    #[metrics(unit = Count)]
    series_checked: u64,
    #[metrics(unit = Count)]
    anomalies_found: u64,
    #[metrics(unit = Count)]
    critical_anomalies: u64,
    #[metrics(unit = Count)]
    alerts_published: u64,
    #[metrics(unit = Count)]
    alerts_pending: u64,
    #[metrics(unit = Second)]
    oldest_pending_alert_age: Duration,
    #[metrics(unit = Count)]
    quarantined: u64,
    #[metrics(unit = Millisecond)]
    run_duration: Duration,
    #[metrics(unit = Millisecond)]
    click_house_time: Duration,
}

#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack", "Metric", "Severity"]])]
struct Anomalies {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    metric: String,
    severity: &'static str,
    #[metrics(unit = Count)]
    anomalies: u64,
}

#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack", "Reason"]])]
struct Undetermined {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    reason: &'static str,
    #[metrics(unit = Count)]
    undetermined: u64,
}

/// Writes the figures of a run at `now` as lines in the embedded metric format.
pub fn write(
    config: &MetricsConfig,
    figures: &RunFigures,
    failed: bool,
    now: SystemTime,
    output: &mut impl Write,
) -> std::io::Result<()> {
    let stack = &config.stack;
    let anomalies = |severity: Option<&str>| -> u64 {
        let counted =
            figures.anomalies.iter().filter(|((_, s), _)| severity.is_none_or(|severity| severity == *s));
        counted.map(|(_, count)| count).sum()
    };
    let totals = Totals {
        timestamp: now,
        stack: stack.clone(),
        run_completed: u64::from(figures.completed),
        run_failed: u64::from(failed),
        customers_checked: figures.customers,
        series_checked: figures.series,
        anomalies_found: anomalies(None),
        critical_anomalies: anomalies(Some("critical")),
        alerts_published: figures.alerts_published,
        alerts_pending: figures.alerts_pending,
        oldest_pending_alert_age: figures.oldest_pending,
        quarantined: figures.quarantined,
        run_duration: figures.duration,
        click_house_time: figures.clickhouse_time,
    };
    line(config, vec!["Stack"], totals, output)?;
    for ((metric, severity), count) in &figures.anomalies {
        let (stack, metric) = (stack.clone(), metric.clone());
        line(
            config,
            vec![],
            Anomalies { timestamp: now, stack, metric, severity, anomalies: *count },
            output,
        )?;
    }
    for (reason, count) in &figures.undetermined {
        let stack = stack.clone();
        line(config, vec![], Undetermined { timestamp: now, stack, reason, undetermined: *count }, output)?;
    }
    output.flush()
}

fn line<E>(
    config: &MetricsConfig,
    dimensions: Vec<&str>,
    entry: E,
    output: &mut impl Write,
) -> std::io::Result<()>
where
    E: CloseValue,
    RootEntry<E::Closed>: metrique::writer::Entry,
    E::Closed: metrique::InflectableEntry,
{
    let dimensions = dimensions.into_iter().map(str::to_owned).collect();
    Emf::builder(config.namespace.clone(), vec![dimensions])
        .build()
        .format(&RootEntry::new(entry.close()), output)
        .map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_the_embedded_metric_format() {
        let figures = RunFigures {
            completed: true,
            customers: 200,
            series: 800,
            anomalies: BTreeMap::from([
                (("api_calls".to_owned(), "critical"), 2),
                (("api_calls".to_owned(), "warning"), 3),
            ]),
            undetermined: BTreeMap::from([("no_data", 4)]),
            quarantined: 1,
            alerts_published: 2,
            alerts_pending: 1,
            oldest_pending: Duration::from_secs(90),
            duration: Duration::from_millis(1_500),
            clickhouse_time: Duration::from_millis(700),
        };
        let config = MetricsConfig { namespace: "MeterFlow".to_owned(), stack: "test".to_owned() };
        let mut output = Vec::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_266_000);
        write(&config, &figures, false, now, &mut output).unwrap();
        let lines: Vec<serde_json::Value> = output
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        insta::assert_json_snapshot!(lines);
    }
}
