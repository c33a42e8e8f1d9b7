//! The answer of a run.

use std::collections::BTreeMap;

use catalog::Shard;
use detection::{AnomalyKind, Direction, Evidence, Severity};
use jiff::Timestamp;
use platform::emf::UsageFigures;
use serde::{Deserialize, Serialize};

use crate::anomaly::anomaly;
use crate::candidate::Candidate;
use crate::found::Found;
use crate::pass::Pass;
use crate::record::Counts;

/// The result of a run: what was checked, found and done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Checked series: customers x metrics.
    pub checked: u64,
    pub anomalies_found: u64,
    /// When the run ended.
    pub timestamp: Timestamp,
    pub critical: u64,
    /// Alerts that this run published. Left-over alerts of earlier runs count too.
    pub alerts_published: u64,
    /// Anomalies that an earlier run of the same window had stored.
    pub already_recorded: u64,
    /// Items that this run wrote.
    pub recorded: u64,
    /// Incidents that this run opened, reopened, resolved and accepted.
    #[serde(default)]
    pub incidents: BTreeMap<String, u64>,
    /// Anomalies that a mute covers. They are stored and alert nobody.
    #[serde(default)]
    pub muted: u64,
    /// Series that could not be judged, by reason.
    pub undetermined: BTreeMap<String, u64>,
    /// Baseline windows that were left out because their data is broken.
    #[serde(default)]
    pub broken_windows: u64,
    pub window: WindowTimes,
    pub duration_ms: u64,
    /// How long reading took: queries of ClickHouse with the judging that goes on meanwhile.
    #[serde(default)]
    pub reading_ms: u64,
    pub customers: u64,
    /// The shard of the run. All counts are of this shard. Absent for a run of all customers.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    pub run_id: String,
    pub catalog_version: String,
    /// The version of the program.
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub dry_run: bool,
    /// The first hundred findings of a dry run. A real run stores its findings instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowTimes {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// One finding of a dry run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    #[serde(rename = "type")]
    pub kind: AnomalyKind,
    pub customer_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    pub metric: String,
    pub severity: Severity,
    pub direction: Direction,
    /// The window that spoke.
    #[serde(default)]
    pub window: WindowTimes,
    #[serde(flatten)]
    pub evidence: Evidence,
    pub description: String,
}

/// Findings that a dry run lists. The answer always stays within Lambda's limit.
const LISTED_FINDINGS: usize = 100;

pub(crate) fn of_run(
    pass: Pass<'_>,
    counts: Counts,
    alerts_published: u64,
    figures: &UsageFigures,
) -> RunSummary {
    let Pass { app, request, window, writer, .. } = pass;
    let found = |severity: Option<&str>| -> u64 {
        let anomalies = figures.anomalies.iter();
        anomalies
            .filter(|((_, s), _)| severity.is_none_or(|wanted| wanted == *s))
            .map(|(_, count)| count)
            .sum()
    };
    RunSummary {
        checked: figures.series,
        anomalies_found: found(None),
        timestamp: Timestamp::try_from((app.clock)()).unwrap_or_default(),
        critical: found(Some(Severity::Critical.as_str())),
        alerts_published,
        already_recorded: counts.already_recorded,
        recorded: counts.recorded,
        incidents: counts.incidents.iter().map(|(became, n)| ((*became).to_owned(), *n)).collect(),
        muted: figures.muted,
        undetermined: figures.undetermined.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect(),
        broken_windows: figures.broken_windows,
        window: WindowTimes { start: window.start(), end: window.end() },
        duration_ms: 0,
        reading_ms: 0,
        customers: figures.customers,
        shard: request.shard,
        run_id: writer.run_id.to_owned(),
        catalog_version: app.catalog.version().to_owned(),
        version: platform::version().to_owned(),
        dry_run: false,
        findings: Vec::new(),
    }
}

pub(crate) fn of_dry_run(
    pass: Pass<'_>,
    mut found: Found,
    figures: &UsageFigures,
) -> anyhow::Result<RunSummary> {
    let listed: anyhow::Result<Vec<Finding>> = found
        .candidates
        .read()?
        .filter_map(|candidate| {
            let finding = |candidate: Candidate| {
                let finding = candidate.finding()?;
                Some(anomaly(pass.app, pass.window, &candidate, &finding, pass.policies).into())
            };
            candidate.map(finding).transpose()
        })
        .take(LISTED_FINDINGS)
        .collect();
    let summary = of_run(pass, Counts::default(), 0, figures);
    Ok(RunSummary { dry_run: true, findings: listed?, ..summary })
}

impl RunSummary {
    /// Adds a dry run of other customers, by another window.
    pub(crate) fn add_dry(&mut self, other: Self) {
        self.checked += other.checked;
        self.anomalies_found += other.anomalies_found;
        self.critical += other.critical;
        self.muted += other.muted;
        self.broken_windows += other.broken_windows;
        self.customers += other.customers;
        for (reason, number) in other.undetermined {
            *self.undetermined.entry(reason).or_default() += number;
        }
        self.findings.extend(other.findings);
        self.findings.truncate(LISTED_FINDINGS);
    }
}

impl From<detection::Anomaly> for Finding {
    fn from(anomaly: detection::Anomaly) -> Self {
        Self {
            kind: anomaly.kind,
            customer_id: anomaly.customer_id.into(),
            entity: anomaly.entity.map(|entity| entity.to_string()),
            metric: anomaly.metric.into(),
            severity: anomaly.severity,
            direction: anomaly.direction,
            window: WindowTimes { start: anomaly.window.start(), end: anomaly.window.end() },
            evidence: anomaly.evidence,
            description: anomaly.description,
        }
    }
}
