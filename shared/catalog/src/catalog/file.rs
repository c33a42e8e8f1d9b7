//! The entries of the files of a catalog, before they are resolved and validated.

use std::collections::{BTreeSet, HashMap};

use detection::Currency;
use serde::Deserialize;

use super::source::Source;
use super::{CatalogError, MetricSpec, presets};
use crate::fingerprint;

/// The entries of all parts of a catalog.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) sources: Vec<Source>,
    pub(super) metrics: Vec<MetricSpec>,
    /// The metrics as they stand in the file: what an entry leaves out has no default here.
    pub(super) tables: Vec<toml::Table>,
    /// By the name of a metric or source, the file that it stands in.
    pub(super) origins: HashMap<String, String>,
    /// All entries, each as one text that comments and the order of its keys do not change.
    pub(super) texts: BTreeSet<String>,
    /// The currency of prices, and the file that names it.
    pub(super) currency: Option<(Currency, String)>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Catalogs of known systems, by name. Their entries come first.
    #[serde(default)]
    presets: Vec<String>,
    /// The currency of all prices, once in all parts.
    #[cfg_attr(feature = "json-schema", schemars(with = "Option<String>"))]
    currency: Option<Currency>,
    #[serde(default)]
    source: Vec<Source>,
    #[serde(default)]
    metric: Vec<MetricSpec>,
}

#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    source: Vec<toml::Table>,
    #[serde(default)]
    metric: Vec<toml::Table>,
}

impl Entries {
    /// Adds the entries of a file; `origin` names it in errors.
    pub(super) fn add(&mut self, text: &str, origin: &str) -> Result<(), CatalogError> {
        let syntax = |source| CatalogError::Syntax { origin: origin.to_owned(), source: Box::new(source) };
        let File { presets, currency, mut source, mut metric } = toml::from_str(text).map_err(syntax)?;
        for name in presets {
            let (path, text) = presets::named(&name)?;
            self.add(text, &path)?;
        }
        self.add_currency(currency, origin)?;
        let of_sources = source.iter_mut().flat_map(Source::expressions_mut);
        let of_metrics = metric.iter_mut().flat_map(MetricSpec::expressions_mut);
        of_sources.chain(of_metrics).for_each(|text| *text = fingerprint::expand(text));
        let tables: Tables = toml::from_str(text).map_err(syntax)?;
        let names = source.iter().map(|source| source.name.to_string());
        let names = names.chain(metric.iter().map(|metric| metric.name.to_string()));
        self.origins.extend(names.map(|name| (name, origin.to_owned())));
        self.sources.extend(source);
        self.metrics.extend(metric);
        self.texts.extend(tables.source.iter().chain(&tables.metric).map(toml::Table::to_string));
        self.tables.extend(tables.metric);
        Ok(())
    }

    /// Prices of several currencies cannot be compared or added up.
    fn add_currency(&mut self, currency: Option<Currency>, origin: &str) -> Result<(), CatalogError> {
        let Some(currency) = currency else { return Ok(()) };
        match &self.currency {
            Some((known, first)) if *known != currency => Err(CatalogError::Currencies {
                first: first.clone(),
                known: *known,
                second: origin.to_owned(),
                other: currency,
            }),
            Some(_) => Ok(()),
            None => {
                self.texts.insert(format!("currency = {currency}"));
                self.currency = Some((currency, origin.to_owned()));
                Ok(())
            }
        }
    }
}
