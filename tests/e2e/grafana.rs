//! The dashboard for Grafana: each figure that it asks for exists, and each query of ClickHouse runs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use e2e::World;
use e2e::prometheus::Figures;
use serde_json::Value;

use crate::api_prometheus::{figures, world};

const DASHBOARD: &str = include_str!("../../infra/grafana/meterflow.json");
const TRACES: &str = include_str!("../../infra/clickhouse/traces_otel.sql");

/// The columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// Words of PromQL, which name no label.
const WORDS: [&str; 2] = ["le", "source"];

fn dashboard() -> Result<Value> {
    Ok(serde_json::from_str(DASHBOARD)?)
}

/// All panels, those of closed rows too.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let rows = dashboard["panels"].as_array().into_iter().flatten();
    rows.flat_map(|row| std::iter::once(row).chain(row["panels"].as_array().into_iter().flatten())).collect()
}

/// The targets of a plugin, each with the title of its panel.
fn targets<'a>(dashboard: &'a Value, plugin: &str) -> Vec<(&'a str, &'a Value)> {
    let of_panel = |panel: &'a Value| {
        let title = panel["title"].as_str().unwrap_or_default();
        panel["targets"].as_array().into_iter().flatten().map(move |target| (title, target))
    };
    let all = panels(dashboard).into_iter().flat_map(of_panel);
    all.filter(|(_, target)| target["datasource"]["type"] == plugin).collect()
}

#[test]
fn the_file_is_a_dashboard_that_can_be_imported() -> Result<()> {
    let dashboard = dashboard()?;
    assert!(dashboard["id"].is_null(), "an import makes the id");
    assert!(dashboard["uid"].is_string() && dashboard["schemaVersion"].as_u64().is_some_and(|of| of >= 36));
    let variables: BTreeMap<_, _> = dashboard["templating"]["list"]
        .as_array()
        .context("variables")?
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap_or_default(), variable))
        .collect();
    let of_sources = [("prometheus", "prometheus"), ("clickhouse", "grafana-clickhouse-datasource")];
    for (name, plugin) in of_sources {
        assert_eq!(
            (&variables[name]["type"], &variables[name]["query"]),
            (&"datasource".into(), &plugin.into())
        );
    }
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().context("a title")?;
        assert!(ids.insert(panel["id"].as_u64().context("an id")?), "{title}: a second panel with its id");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap_or(u64::MAX));
        assert!(w > 0 && h > 0 && x.saturating_add(w) <= COLUMNS, "{title} is beside the grid");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{title} covers another panel");
        }
        let targets = panel["targets"].as_array().into_iter().flatten();
        assert_eq!(targets.clone().next().is_none(), panel["type"] == "row", "{title}");
        let references: Vec<_> = targets.clone().map(|target| target["refId"].to_string()).collect();
        assert_eq!(references.iter().collect::<BTreeSet<_>>().len(), references.len(), "{title}");
        for target in targets {
            let source = (&target["datasource"]["type"], target["datasource"]["uid"].as_str());
            let known = of_sources.map(|(name, plugin)| (Value::from(plugin), format!("${{{name}}}")));
            let is_known = known.iter().any(|(plugin, uid)| source == (plugin, Some(uid.as_str())));
            assert!(is_known, "{title}: {source:?}");
            assert_eq!(target["datasource"], panel["datasource"], "{title}");
        }
    }
    Ok(())
}

/// The names of labels in the braces and after `by` of a query.
fn labels(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in query.split('{').skip(1) {
        let inner = part.split('}').next().unwrap_or_default();
        found.extend(
            inner.split(',').filter_map(|matcher| Some(matcher.split(['=', '!']).next()?.trim().to_owned())),
        );
    }
    for part in query.split("by (").skip(1) {
        let inner = part.split(')').next().unwrap_or_default();
        found.extend(inner.split(',').map(|label| label.trim().to_owned()));
    }
    found
}

/// The names of figures in a query.
fn names(query: &str) -> BTreeSet<String> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = query.split(|character| !is_of_name(character));
    words.filter(|word| word.starts_with("meterflow_")).map(str::to_owned).collect()
}

fn assert_known(title: &str, query: &str, figures: &Figures) {
    let count = |character| query.matches(character).count();
    assert!(
        count('(') == count(')') && count('[') == count(']') && count('{') == count('}'),
        "{title}: {query}"
    );
    let (names, labels) = (names(query), labels(query));
    assert!(!names.is_empty(), "{title} asks for nothing of ours: {query}");
    for name in &names {
        let all = figures.families.values().flat_map(|family| &family.samples);
        let samples: Vec<_> = all.filter(|sample| sample.name == *name).collect();
        assert!(!samples.is_empty(), "{title}: there is no {name} in GET /metrics");
        for label in &labels {
            let has_it = samples.iter().all(|sample| sample.labels.contains_key(label));
            assert!(has_it, "{title}: {name} has no label {label}");
        }
    }
}

#[tokio::test]
async fn each_query_of_prometheus_asks_for_figures_that_exist() -> Result<()> {
    let (dashboard, world) = (dashboard()?, world().await?);
    let figures = figures(&world).await?;
    let targets = targets(&dashboard, "prometheus");
    assert!(targets.len() >= 20, "{}", targets.len());
    let mut asked = BTreeSet::new();
    for (title, target) in targets {
        let query = target["expr"].as_str().context("a query")?;
        assert_known(title, query, &figures);
        asked.extend(names(query));
    }
    let variable = &dashboard["templating"]["list"][2]["query"]["query"];
    let query = variable.as_str().context("a query")?;
    assert_known("source", query, &figures);
    // What nobody looks at is left out on purpose.
    let unasked: Vec<_> = figures
        .families
        .keys()
        .filter(|family| !asked.iter().any(|name| name.starts_with(family.as_str())))
        .collect();
    assert_eq!(
        unasked,
        [
            "meterflow_build_info",
            "meterflow_counts_complete",
            "meterflow_last_run_duration_seconds",
            "meterflow_last_run_timestamp_seconds",
            "meterflow_oldest_pending_alert_age_seconds",
        ]
    );
    assert!(WORDS.iter().all(|word| labels("sum by (le) (a{source=~\"b\"})").contains(*word)));
    Ok(())
}

#[tokio::test]
async fn each_query_of_clickhouse_runs_on_the_engine() -> Result<()> {
    let (dashboard, world) = (dashboard()?, World::new().await?);
    world.insert_spikes(2).await?;
    world.clickhouse.query_raw(TRACES.trim_end().trim_end_matches(';')).execute().await?;
    let now = "now()";
    let span = format!(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, Duration, StatusCode)
         SELECT {now} - 60, 't', 's', 'GET /', 'Server', 'shop', 5000000, 'Error'"
    );
    world.clickhouse.query_raw(&span).execute().await?;
    let targets = targets(&dashboard, "grafana-clickhouse-datasource");
    assert!(targets.len() >= 4, "{}", targets.len());
    for (title, target) in targets {
        let sql = target["rawSql"].as_str().context("a query")?;
        // As the plugin writes it.
        let (before, rest) = sql.split_once("$__timeFilter(").context("a range of time")?;
        let (column, after) = rest.split_once(')').context("a column")?;
        let filled = format!("{before}{column} >= toDateTime(0) AND {column} <= now() + 1{after}");
        assert!(!filled.contains("$__"), "{title}: a macro that this test does not know: {filled}");
        let count = format!("SELECT count() FROM ({filled})");
        let rows: u64 =
            world.clickhouse.query_raw(&count).fetch_one().await.with_context(|| filled.clone())?;
        assert!(rows > 0, "{title} shows nothing: {filled}");
    }
    Ok(())
}
