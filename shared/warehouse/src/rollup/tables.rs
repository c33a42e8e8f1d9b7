//! The tables of a source. Their names begin with the name of the source, so a source comes and goes alone.

use catalog::{Aggregate, Catalog, Entities, Feed, MetricSpec};

use super::layout::{LOCAL, Layout};
use super::{counters, overflow};

/// The tables that a migration makes for one source, beside that of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The hourly rollup.
    pub rollup: String,
    /// The same as queries read it: without rows that newer ones replaced, and with the entities beyond the limit as one.
    pub rows: String,
    /// The rollup of minutes. `None` for a source whose windows are hours.
    pub minutes: Option<String>,
    /// The same as queries read it.
    pub minute_rows: Option<String>,
    /// The texts of metrics that look for new ones, by hour. Only sources with such a metric have it.
    pub seen: String,
    /// Samples of five minutes that runs keep for the rule `unseen_shape`. Only sources with such a rule have it.
    pub samples: String,
    /// Models that were fitted from the rollup.
    pub models: String,
    /// Notes of complete fits.
    pub fits: String,
    /// The sorted copy of the rollup while it is made, and after that the rollup as it was.
    pub copy: String,
}

impl Tables {
    pub fn of(catalog: &Catalog) -> Self {
        let all = Self::with(catalog.name(), catalog.entities());
        if catalog.is_on_one_server() { all.of_one_server() } else { all }
    }

    /// The tables of a server of a cluster, for queries of its rows alone. Only the usage of customers is read so, whose rows
    /// need no subquery.
    fn of_one_server(self) -> Self {
        let local = |table: String| format!("{table}{LOCAL}");
        Self {
            rollup: local(self.rollup),
            rows: local(self.rows),
            models: local(self.models),
            fits: local(self.fits),
            ..self
        }
    }

    pub fn of_metric(metric: &MetricSpec) -> Self {
        Self::with(metric.source_name(), metric.entities.as_ref())
    }

    fn with(source: &str, entities: Option<&Entities>) -> Self {
        let all = Self::of_source(source);
        let Some(entities) = entities else { return Self { minutes: None, minute_rows: None, ..all } };
        let rows = rows_of(&all.rollup, "hour", entities, entities.feed == Feed::Poll);
        let minutes = all.minutes.filter(|_| entities.pace.window.needs_minutes());
        let minute_rows = minutes.as_ref().map(|minutes| rows_of(minutes, "minute", entities, false));
        Self { rows, minutes, minute_rows, ..all }
    }

    /// All that a source may have.
    ///
    /// * `source`: its name, as the catalog says it.
    pub(super) fn of_source(source: &str) -> Self {
        Self {
            rollup: format!("{source}_hourly"),
            rows: format!("{source}_hourly"),
            minutes: Some(format!("{source}_minute")),
            minute_rows: Some(format!("{source}_minute")),
            seen: format!("{source}_seen"),
            samples: format!("{source}_samples"),
            models: format!("{source}_models"),
            fits: format!("{source}_model_fits"),
            copy: format!("{source}_hourly_copy"),
        }
    }

    /// The rows of the rollup with each hour of an entity as one row.
    pub(crate) fn whole_rows(catalog: &Catalog) -> String {
        let rollup = Self::of(catalog).rollup;
        catalog.entities().map_or_else(|| rollup.clone(), |entities| rows_of(&rollup, "hour", entities, true))
    }

    /// The table of texts as queries read it.
    pub(crate) fn seen_rows(catalog: &Catalog) -> String {
        let seen = Self::of(catalog).seen;
        let is_polled = |entities: &Entities| entities.feed == Feed::Poll;
        let rows = catalog.entities().map(|entities| rows_of(&seen, "hour", entities, is_polled(entities)));
        rows.unwrap_or(seen)
    }

    /// The tables that a catalog needs.
    pub fn needed(&self, catalog: &Catalog) -> Vec<&str> {
        let seen = Some(self.seen.as_str()).filter(|_| has_seen(catalog));
        let samples = Some(self.samples.as_str()).filter(|_| has_samples(catalog));
        self.all().into_iter().chain(seen).chain(samples).collect()
    }

    /// The table that a metric's view feeds.
    pub fn fed_by(metric: &MetricSpec) -> String {
        let Self { rollup, seen, .. } = Self::of_metric(metric);
        if metric.aggregate == Aggregate::Novel { seen } else { rollup }
    }

    /// All of them but the copy and the tables of texts and of samples.
    pub fn all(&self) -> Vec<&str> {
        let tables = [&self.rollup, &self.models, &self.fits].into_iter().chain(&self.minutes);
        tables.map(String::as_str).collect()
    }

    /// All that have rows, and the events that a migration makes.
    pub(super) fn stored(&self) -> Vec<&str> {
        let further = [self.seen.as_str(), self.samples.as_str(), self.copy.as_str(), "events"];
        self.all().into_iter().chain(further).collect()
    }

    /// The tables that have the rows of one server.
    pub(super) fn on_server(&self, layout: &Layout) -> Self {
        let Self { rows, minute_rows, .. } = self.clone();
        Self {
            rollup: layout.local(&self.rollup),
            rows,
            minutes: self.minutes.as_deref().map(|minutes| layout.local(minutes)),
            minute_rows,
            seen: layout.local(&self.seen),
            samples: layout.local(&self.samples),
            models: layout.local(&self.models),
            fits: layout.local(&self.fits),
            copy: layout.local(&self.copy),
        }
    }

    /// The beginning of the names of the views that feed the rollup.
    pub(super) fn views(&self) -> String {
        format!("{}_", self.rollup)
    }
}

/// A table without rows that newer ones replaced, with the steps of counters, and with the entities beyond the limit as one.
fn rows_of(table: &str, column: &str, entities: &Entities, is_final: bool) -> String {
    let rows = match is_final {
        _ if entities.counts_steps => counters::rows(table, column, None, ""),
        true => format!("{table} FINAL"),
        false => table.to_owned(),
    };
    let rollup = Tables::of_source(entities.name().as_str()).rollup;
    let rollup = if entities.feed == Feed::Poll { format!("{rollup} FINAL") } else { rollup };
    overflow::rows(&rows, &rollup, entities).unwrap_or(rows)
}

/// Whether a metric of the catalog looks for new texts.
pub(crate) fn has_seen(catalog: &Catalog) -> bool {
    catalog.metrics().iter().any(|metric| metric.aggregate == Aggregate::Novel)
}

/// Whether a metric of the catalog is judged by samples that runs keep.
pub(crate) fn has_samples(catalog: &Catalog) -> bool {
    catalog.ruled().iter().any(|metric| metric.unseen_shape().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_table_only_where_a_metric_looks_for_new_ones() {
        let of = |aggregate: &str, rule: &str| {
            let text = format!(
                "[[source]]\nname = \"jobs\"\ntable = \"runs\"\nentity = \"job\"\n[[metric]]\nname = \"m\"\n\
                 source = \"jobs\"\nunit = \"errors\"\nmissing = \"gap\"\nmin_change = 1\nvalue = \"error\"\n\
                 aggregate = \"{aggregate}\"\n[[metric.rule]]\ntype = \"{rule}\""
            );
            let catalog = Catalog::parse(&text, "a").unwrap();
            let jobs = catalog.of("jobs").unwrap();
            let needed = Tables::of(jobs).needed(jobs).into_iter().map(str::to_owned).collect::<Vec<_>>();
            (Tables::fed_by(&jobs.metrics()[0]), needed.len())
        };
        assert_eq!(of("novel", "novelty"), ("jobs_seen".to_owned(), 4));
        assert_eq!(of("distinct", "distinct_growth"), ("jobs_hourly".to_owned(), 3));
    }

    #[test]
    fn a_server_of_a_cluster_has_tables_of_its_own() {
        let catalog = Catalog::built_in().unwrap().on_one_server();
        let tables = Tables::of(&catalog);
        let expected = ["usage_hourly_local", "usage_models_local", "usage_model_fits_local"];
        assert_eq!(tables.needed(&catalog), expected);
        assert_eq!(
            (tables.rows.as_str(), Tables::whole_rows(&catalog)),
            (expected[0], expected[0].to_owned())
        );
    }
}
