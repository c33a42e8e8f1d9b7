//! The rollup of minutes of a source whose windows are shorter than an hour. Rules judge its newest minutes, and compare them
//! with the hours before. It holds three days, and is not filled from earlier events.

use catalog::{Catalog, MetricSpec};

use super::behind::Behind;
use super::definition::{ViewState, state_of_minutes};
use super::events::minutes_select;
use super::listing::{Listing, RollupView};
use super::sql::quoted;
use super::statements::{self, drop_view};
use super::tables::has_samples;
use super::{Tables, definition};

/// The statements that bring the rollup of minutes and its views in line with the catalog.
pub(super) fn plan(listing: &Listing, catalog: &Catalog, behind: &Behind) -> Vec<String> {
    if catalog.entities().is_none() {
        return Vec::new();
    }
    let needed = Tables::of(catalog).minutes;
    let all = Tables::of_source(catalog.name());
    let Some(table) = all.minutes else { return Vec::new() };
    let found = listing.views(&prefix(&table));
    let ours = found.iter().filter(|view| state_of_minutes(&view.comment, None) != ViewState::Foreign);
    if needed.is_none() {
        let mut statements: Vec<String> = ours.map(|view| drop_view(&view.name)).collect();
        if !statements.is_empty() {
            statements.push(format!("DROP TABLE IF EXISTS `{table}`"));
        }
        return statements;
    }
    let mut plan = vec![statements::minutes(catalog, &table)];
    let state = |metric: &MetricSpec| {
        let view = found.iter().find(|view| view.name == view_name(&table, metric));
        view.map(|view| state_of_minutes(&view.comment, Some(metric)))
    };
    for view in ours {
        let metric = catalog.ruled().iter().find(|metric| view_name(&table, metric) == view.name);
        if metric.is_none_or(|metric| state(metric) != Some(ViewState::Current)) {
            plan.push(drop_view(&view.name));
            let name = view.name.strip_prefix(&prefix(&table)).unwrap_or_default();
            // What runs kept of the metric had the old meaning as well.
            let kept = has_samples(catalog).then_some(&all.samples);
            plan.extend([&table].into_iter().chain(kept).map(|table| {
                format!(
                    "ALTER TABLE {table} DELETE WHERE metric = '{}' SETTINGS mutations_sync = 2",
                    quoted(name)
                )
            }));
        }
    }
    let missing = catalog.ruled().iter().filter(|metric| state(metric) != Some(ViewState::Current));
    plan.extend(missing.map(|metric| create_view(&table, metric, &behind.source(metric))));
    plan
}

/// The views that feed the minutes of a source.
pub(super) fn views(listing: &Listing, tables: &Tables) -> Vec<RollupView> {
    tables.minutes.as_deref().map_or_else(Vec::new, |table| listing.views(&prefix(table)))
}

fn create_view(table: &str, metric: &MetricSpec, source: &str) -> String {
    format!(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS `{}` TO {table} AS\n{}\nCOMMENT '{}'",
        view_name(table, metric),
        minutes_select(metric, source),
        definition::comment_of_minutes(metric)
    )
}

/// The name of the view that feeds the minutes of a metric, if its source has a rollup of minutes.
pub(super) fn view_of(metric: &MetricSpec) -> Option<String> {
    Tables::of_metric(metric).minutes.map(|table| view_name(&table, metric))
}

fn view_name(table: &str, metric: &MetricSpec) -> String {
    format!("{}{}", prefix(table), metric.name)
}

fn prefix(table: &str) -> String {
    format!("{table}_")
}
