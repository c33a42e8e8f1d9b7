//! What lists of anomalies and incidents can be limited to: metrics of all sources, an entity, and a severity.

use detection::{AnomalyKind, EntityPath, MetricName, Severity};
use serde::Serialize;
use store::SearchText;
use utoipa::ToSchema;

use crate::App;
use crate::entity_text;
use crate::error::{Problem, quoted};
use crate::params::{Query, any_metric};

/// A severity in a request. An anomaly is a warning or critical. The other words are those of systems with more levels:
/// `info`, `low` and `medium` mean `warning`, and `high` means `critical`.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SeverityWord {
    Info,
    Low,
    Medium,
    Warning,
    High,
    Critical,
}

impl SeverityWord {
    const WORDS: [(&'static str, Self); 6] = [
        ("info", Self::Info),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("warning", Self::Warning),
        ("high", Self::High),
        ("critical", Self::Critical),
    ];

    fn severity(self) -> Severity {
        match self {
            Self::Info | Self::Low | Self::Medium | Self::Warning => Severity::Warning,
            Self::High | Self::Critical => Severity::Critical,
        }
    }
}

pub(crate) fn severity(query: &Query) -> Result<Option<Severity>, Problem> {
    Ok(query.word("severity", &SeverityWord::WORDS)?.map(SeverityWord::severity))
}

/// The metrics that a list is limited to, by `metric` and `source`. `None` for those of all sources.
pub(crate) fn metrics(app: &App, query: &Query) -> Result<Option<Vec<MetricName>>, Problem> {
    let source = query.text("source").map(|name| source(app, name)).transpose()?;
    match (query.text("metric"), source) {
        (None, None) => Ok(None),
        (None, Some(source)) => Ok(Some(names(source))),
        (Some(metric), source) => {
            let spec = any_metric(app, metric, "metric")?;
            match source {
                Some(source) if source.name() != spec.source_name() => Err(Problem::invalid(
                    "metric",
                    format!(
                        "{} is a metric of the source {}, not of {}",
                        quoted(metric),
                        spec.source_name(),
                        source.name()
                    ),
                )),
                _ => Ok(Some(vec![spec.name.clone()])),
            }
        }
    }
}

/// The type that a list is limited to.
pub(crate) fn kind(query: &Query) -> Result<Option<AnomalyKind>, Problem> {
    query.word("type", &AnomalyKind::ALL.map(|kind| (kind.as_str(), kind)))
}

/// The text that a list is searched for.
pub(crate) fn text(query: &Query) -> Result<Option<SearchText>, Problem> {
    let read = |text: &str| {
        SearchText::new(text)
            .ok_or_else(|| Problem::invalid("text", format!("text must have 1 to {} bytes", SearchText::MAX)))
    };
    query.text("text").map(read).transpose()
}

/// The metrics of all sources, in the order of the catalog.
pub(crate) fn all_metrics(app: &App) -> Vec<MetricName> {
    app.catalog.all().flat_map(names).collect()
}

/// The entity that a list is limited to.
pub(crate) fn entity(query: &Query) -> Result<Option<EntityPath>, Problem> {
    query.text("entity").map(|text| entity_text::read(text, "entity")).transpose()
}

/// The sources of the catalog, for problems.
pub(crate) fn known_sources(app: &App) -> String {
    let names: Vec<_> = app.catalog.all().map(catalog::Catalog::name).collect();
    format!("the catalog has {}", names.join(", "))
}

pub(crate) fn source<'a>(app: &'a App, name: &str) -> Result<&'a catalog::Catalog, Problem> {
    app.catalog.of(name).ok_or_else(|| {
        Problem::invalid("source", format!("there is no source {}; {}", quoted(name), known_sources(app)))
    })
}

fn names(catalog: &catalog::Catalog) -> Vec<MetricName> {
    catalog.metrics().iter().map(|spec| spec.name.clone()).collect()
}
