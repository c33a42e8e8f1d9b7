//! The tables of a source. Their names begin with the name of the source, so a source comes and goes alone.

use catalog::{Catalog, MetricSpec};

/// The tables that a migration makes for one source, beside that of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The hourly rollup.
    pub rollup: String,
    /// Models that were fitted from the rollup.
    pub models: String,
    /// Notes of complete fits.
    pub fits: String,
    /// The sorted copy of the rollup while it is made, and after that the rollup as it was.
    pub copy: String,
}

impl Tables {
    pub fn of(catalog: &Catalog) -> Self {
        Self::of_source(catalog.name())
    }

    pub fn of_metric(metric: &MetricSpec) -> Self {
        Self::of_source(metric.source_name())
    }

    /// * `source`: its name, as the catalog says it.
    pub(super) fn of_source(source: &str) -> Self {
        Self {
            rollup: format!("{source}_hourly"),
            models: format!("{source}_models"),
            fits: format!("{source}_model_fits"),
            copy: format!("{source}_hourly_copy"),
        }
    }

    /// All of them but the copy.
    pub fn all(&self) -> [&str; 3] {
        [&self.rollup, &self.models, &self.fits]
    }

    /// The beginning of the names of the views that feed the rollup.
    pub(super) fn views(&self) -> String {
        format!("{}_", self.rollup)
    }
}
