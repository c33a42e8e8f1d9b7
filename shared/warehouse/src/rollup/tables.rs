//! The tables of a source. Their names begin with the name of the source, so a source comes and goes alone.

use catalog::{Catalog, Entities, Feed, MetricSpec};

use super::overflow;

/// The tables that a migration makes for one source, beside that of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The hourly rollup.
    pub rollup: String,
    /// The same as queries read it: without rows that newer ones replaced, and with the entities beyond the limit as one.
    pub rows: String,
    /// The rollup of minutes. `None` for a source whose windows are hours.
    pub minutes: Option<String>,
    /// Models that were fitted from the rollup.
    pub models: String,
    /// Notes of complete fits.
    pub fits: String,
    /// The sorted copy of the rollup while it is made, and after that the rollup as it was.
    pub copy: String,
}

impl Tables {
    pub fn of(catalog: &Catalog) -> Self {
        Self::with(catalog.name(), catalog.entities())
    }

    pub fn of_metric(metric: &MetricSpec) -> Self {
        Self::with(metric.source_name(), metric.entities.as_ref())
    }

    fn with(source: &str, entities: Option<&Entities>) -> Self {
        let all = Self::of_source(source);
        let Some(entities) = entities else { return Self { minutes: None, ..all } };
        let rows = match entities.feed {
            Feed::View => all.rollup.clone(),
            Feed::Poll => format!("{} FINAL", all.rollup),
        };
        let rows = overflow::rows(&rows, entities).unwrap_or(rows);
        let minutes = all.minutes.filter(|_| entities.pace.window.needs_minutes());
        Self { rows, minutes, ..all }
    }

    /// All that a source may have.
    ///
    /// * `source`: its name, as the catalog says it.
    pub(super) fn of_source(source: &str) -> Self {
        Self {
            rollup: format!("{source}_hourly"),
            rows: format!("{source}_hourly"),
            minutes: Some(format!("{source}_minute")),
            models: format!("{source}_models"),
            fits: format!("{source}_model_fits"),
            copy: format!("{source}_hourly_copy"),
        }
    }

    /// All of them but the copy.
    pub fn all(&self) -> Vec<&str> {
        let tables = [&self.rollup, &self.models, &self.fits].into_iter().chain(&self.minutes);
        tables.map(String::as_str).collect()
    }

    /// The beginning of the names of the views that feed the rollup.
    pub(super) fn views(&self) -> String {
        format!("{}_", self.rollup)
    }
}
