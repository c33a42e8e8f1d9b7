//! CloudWatch metrics of a run, in the embedded metric format. CloudWatch turns JSON lines on standard output into
//! metrics. The lines are written before the run replies, so no background task is left.
//!
//! CloudWatch charges for each metric in each hour in which it has a value. So only what an alarm or a graph reads is a
//! metric, and what tells of a fault is written only while there is one. Everything else stays in the same lines as
//! `NoMetric`, where CloudWatch Logs Insights finds it.
//!
//! Findings become metrics only for whole, completed runs. Dry runs and repeated failures would add up to a false
//! storm, and their zeros would end a true alarm.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime};

use environment::Env;
use metrique::emf::Emf;
use metrique::emf::flags::NoMetric;
use metrique::unit::{Count, Millisecond, Second};
use metrique::unit_of_work::metrics;
use metrique::writer::format::Format;
use metrique::{CloseValue, RootEntry};

mod deliveries;
mod intake;
mod networks;

pub use deliveries::{ChannelFigures, write_deliveries};
pub use networks::{NetworkError, NetworkFigures};

/// How metrics are labelled.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// `METRICS_NAMESPACE`: CloudWatch namespace; default `MeterFlow`.
    pub namespace: String,
    /// `METRICS_STACK`: value of the dimension `Stack`, so that two deployments in one account do not mix;
    /// default `meterflow`.
    pub stack: String,
}

impl MetricsConfig {
    /// Those of a source other than usage: its runs do not count among those of the stack.
    #[must_use]
    pub fn of_source(&self, source: &str) -> Self {
        Self { stack: format!("{}/{source}", self.stack), ..self.clone() }
    }

    pub fn from_env(env: &Env<'_>) -> Self {
        Self {
            namespace: env.get("METRICS_NAMESPACE").unwrap_or_else(|| "MeterFlow".to_owned()),
            stack: env.get("METRICS_STACK").unwrap_or_else(|| "meterflow".to_owned()),
        }
    }
}

/// The figures of one run. All counts are of this run alone.
#[derive(Clone, Debug, Default)]
pub struct RunFigures {
    /// The run read all customers, or all of its shard, and finished. Dry runs and runs for chosen customers do not
    /// count. An absence of completed runs pages.
    pub completed: bool,
    /// The shard of the run, such as `3-of-8`. `None` if the run was for all customers.
    pub shard: Option<String>,
    /// The last phase that the run was in.
    pub phase: &'static str,
    pub duration: Duration,
    pub clickhouse_time: Duration,
    pub usage: UsageFigures,
    /// `None` if the run never looked at the waiting alerts. Then their number is unknown.
    pub alerts: Option<AlertFigures>,
    /// The newest event is at least so old, because the rollup knows hours. `None` if nobody knows, or there is no event.
    pub newest_event_age: Option<Duration>,
    /// Entities that are judged together as `other`, because their customers have too many.
    pub entities_in_other: u64,
    /// `None` if no trained network was to vote.
    pub networks: Option<NetworkFigures>,
}

/// Figures of reading and judging.
#[derive(Clone, Debug, Default)]
pub struct UsageFigures {
    pub customers: u64,
    pub series: u64,
    /// Anomalies by metric and severity.
    pub anomalies: BTreeMap<(String, &'static str), u64>,
    /// Anomalies that a mute of the operators covers.
    pub muted: u64,
    /// Series that could not be judged, by reason.
    pub undetermined: BTreeMap<&'static str, u64>,
    /// Series whose current window holds broken data.
    pub quarantined: u64,
    /// Baseline windows with broken data. They are left out, and their series are judged.
    pub broken_windows: u64,
}

impl UsageFigures {
    /// Adds the figures of another part of the customers.
    pub fn add(&mut self, other: Self) {
        self.customers += other.customers;
        self.series += other.series;
        self.muted += other.muted;
        self.quarantined += other.quarantined;
        self.broken_windows += other.broken_windows;
        for (key, count) in other.anomalies {
            *self.anomalies.entry(key).or_default() += count;
        }
        for (reason, count) in other.undetermined {
            *self.undetermined.entry(reason).or_default() += count;
        }
    }
}

/// Figures of publishing alerts.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertFigures {
    pub published: u64,
    /// Refused by SNS for good.
    pub parked: u64,
    pub pending: u64,
    /// Age of the oldest waiting alert.
    pub oldest: Duration,
}

#[metrics(rename_all = "PascalCase")]
struct Run {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Count, flags(NoMetric))]
    run_completed: u64,
    #[metrics(unit = Count, flags(NoMetric))]
    run_failed: u64,
    #[metrics(unit = Millisecond, flags(NoMetric))]
    run_duration: Duration,
    #[metrics(unit = Millisecond, flags(NoMetric))]
    click_house_time: Duration,
}

#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack", "Shard"]])]
struct Completed {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    shard: String,
    #[metrics(unit = Count)]
    shard_completed: u64,
}

#[metrics(rename_all = "PascalCase")]
struct Alerts {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Count, flags(NoMetric))]
    alerts_published: u64,
    #[metrics(unit = Count)]
    alerts_parked: Option<u64>,
    #[metrics(unit = Count, flags(NoMetric))]
    alerts_pending: u64,
    #[metrics(unit = Second)]
    oldest_pending_alert_age: Option<Duration>,
}

#[metrics(rename_all = "PascalCase")]
struct Usage {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Count, flags(NoMetric))]
    customers_checked: u64,
    #[metrics(unit = Count)]
    series_checked: u64,
    #[metrics(unit = Count)]
    anomalies_found: u64,
    #[metrics(unit = Count, flags(NoMetric))]
    critical_anomalies: u64,
    #[metrics(unit = Count)]
    quarantined: Option<u64>,
    #[metrics(unit = Count, flags(NoMetric))]
    broken_windows: u64,
}

#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack", "Metric", "Severity"]])]
struct Anomalies {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    metric: String,
    severity: &'static str,
    #[metrics(unit = Count, flags(NoMetric))]
    anomalies: u64,
}

#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack", "Reason"]])]
struct Undetermined {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    reason: &'static str,
    #[metrics(unit = Count, flags(NoMetric))]
    undetermined: u64,
}

/// Writes the figures of a run at `now` as lines in the embedded metric format.
///
/// Only a whole, completed run writes its findings.
pub fn write(
    config: &MetricsConfig,
    figures: &RunFigures,
    failed: bool,
    now: SystemTime,
    output: &mut impl Write,
) -> std::io::Result<()> {
    let (stack, timestamp) = (&config.stack, now);
    let run = Run {
        timestamp,
        stack: stack.clone(),
        run_completed: u64::from(figures.completed),
        run_failed: u64::from(failed),
        run_duration: figures.duration,
        click_house_time: figures.clickhouse_time,
    };
    line(config, vec!["Stack"], run, output)?;
    if let Some(AlertFigures { published, parked, pending, oldest }) = figures.alerts {
        let alerts = Alerts {
            timestamp,
            stack: stack.clone(),
            alerts_published: published,
            alerts_parked: above_zero(parked),
            alerts_pending: pending,
            oldest_pending_alert_age: (pending > 0).then_some(oldest),
        };
        line(config, vec!["Stack"], alerts, output)?;
    }
    intake::write(config, figures, timestamp, output)?;
    if let Some(networks) = &figures.networks {
        networks::write(config, networks, timestamp, output)?;
    }
    if figures.completed {
        // Each shard has a metric of its own. Otherwise the runs of other shards would hide a silent shard.
        if let Some(shard) = &figures.shard {
            let (stack, shard) = (stack.clone(), shard.clone());
            line(config, vec![], Completed { timestamp, stack, shard, shard_completed: 1 }, output)?;
        }
        write_usage(config, &figures.usage, timestamp, output)?;
    }
    output.flush()
}

fn write_usage(
    config: &MetricsConfig,
    figures: &UsageFigures,
    timestamp: SystemTime,
    output: &mut impl Write,
) -> std::io::Result<()> {
    let stack = &config.stack;
    let critical = figures.anomalies.iter().filter(|((_, severity), _)| *severity == "critical");
    let totals = Usage {
        timestamp,
        stack: stack.clone(),
        customers_checked: figures.customers,
        series_checked: figures.series,
        anomalies_found: figures.anomalies.values().sum(),
        critical_anomalies: critical.map(|(_, count)| count).sum(),
        quarantined: above_zero(figures.quarantined),
        broken_windows: figures.broken_windows,
    };
    line(config, vec!["Stack"], totals, output)?;
    for ((metric, severity), count) in &figures.anomalies {
        let (stack, metric) = (stack.clone(), metric.clone());
        line(config, vec![], Anomalies { timestamp, stack, metric, severity, anomalies: *count }, output)?;
    }
    for (reason, count) in &figures.undetermined {
        let stack = stack.clone();
        line(config, vec![], Undetermined { timestamp, stack, reason, undetermined: *count }, output)?;
    }
    Ok(())
}

/// A count that is left out while there is nothing to count.
fn above_zero(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
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
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_in_the_embedded_metric_format() {
        let figures = RunFigures {
            completed: true,
            shard: None,
            phase: "sending alerts",
            newest_event_age: None,
            entities_in_other: 0,
            networks: None,
            duration: Duration::from_millis(1_500),
            clickhouse_time: Duration::from_millis(700),
            usage: UsageFigures {
                customers: 200,
                series: 800,
                anomalies: BTreeMap::from([
                    (("api_calls".to_owned(), "critical"), 2),
                    (("api_calls".to_owned(), "warning"), 3),
                ]),
                muted: 0,
                undetermined: BTreeMap::from([("no_data", 4)]),
                quarantined: 1,
                broken_windows: 5,
            },
            alerts: Some(AlertFigures {
                published: 2,
                parked: 0,
                pending: 1,
                oldest: Duration::from_secs(90),
            }),
        };
        insta::assert_json_snapshot!(lines_of(&figures));
    }

    #[test]
    fn a_run_without_faults_writes_two_metrics() {
        let lines = lines_of(&RunFigures {
            completed: true,
            usage: UsageFigures { customers: 5, series: 20, ..UsageFigures::default() },
            alerts: Some(AlertFigures::default()),
            ..RunFigures::default()
        });
        let metrics = |line: &serde_json::Value| line["_aws"]["CloudWatchMetrics"][0]["Metrics"].clone();
        let all: Vec<_> =
            lines.iter().flat_map(|line| metrics(line).as_array().cloned().unwrap_or_default()).collect();
        let names: Vec<_> = all.iter().map(|metric| metric["Name"].clone()).collect();
        assert_eq!(names, ["SeriesChecked", "AnomaliesFound"]);
        assert!(
            lines.iter().all(|line| line["Quarantined"].is_null() && line["AlertsParked"].is_null()),
            "{lines:?}"
        );
    }

    #[test]
    fn trials_and_failures_count_nothing_that_was_found() {
        let usage = UsageFigures { customers: 5, ..UsageFigures::default() };
        let lines = lines_of(&RunFigures { usage, ..RunFigures::default() });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["RunCompleted"], 0);
    }

    #[test]
    fn each_shard_that_completes_says_which_it_is() {
        let of_shard = |completed| {
            let shard = Some("3-of-8".to_owned());
            let lines = lines_of(&RunFigures { completed, shard, ..RunFigures::default() });
            lines.into_iter().filter(|line| !line["ShardCompleted"].is_null()).collect::<Vec<_>>()
        };
        let [line] = &of_shard(true)[..] else { panic!("one line") };
        assert_eq!(
            (&line["Stack"], &line["Shard"], &line["ShardCompleted"]),
            (&json!("test"), &json!("3-of-8"), &json!(1))
        );
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Stack", "Shard"]]));
        assert!(of_shard(false).is_empty(), "a trial or a failure is no completed run");
        let whole = lines_of(&RunFigures { completed: true, ..RunFigures::default() });
        assert!(whole.iter().all(|line| line["Shard"].is_null()), "there is nothing to tell apart");
    }

    pub(super) fn lines_of(figures: &RunFigures) -> Vec<serde_json::Value> {
        let config = MetricsConfig { namespace: "MeterFlow".to_owned(), stack: "test".to_owned() };
        let mut output = Vec::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_266_000);
        write(&config, figures, false, now, &mut output).unwrap();
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }
}
