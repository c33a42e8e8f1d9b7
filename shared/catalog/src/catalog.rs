//! The metric catalog: which metrics exist, and how each is computed from events.
//!
//! The catalog is a TOML file of the operator. It is checked as a whole when it is loaded. One wrong entry refuses the
//! file, with the file, the entry and the reason. No query contains a text from anywhere else.

use detection::{Currency, CustomerId, EntityPath, Settings};
use environment::{ConfigError, Env, TextSource};
use sha2::{Digest, Sha256};

use crate::DetectionConfig;

mod aggregate;
mod counters;
mod entities;
mod error;
mod file;
mod metric;
mod pace;
mod presets;
mod rules;
mod sample;
#[cfg(feature = "json-schema")]
mod schema;
mod source;
mod steps;

pub use aggregate::Aggregate;
pub use entities::{Entities, Feed, Ids, Nouns, Overflow};
pub use error::CatalogError;
pub(crate) use metric::ADDS_UP;
pub use metric::{ImportRule, MetricSpec};
pub use pace::{Every, Pace, SourceWindow};
pub use presets::PRESETS;
pub use rules::MetricRule;
pub use sample::Sample;
#[cfg(feature = "json-schema")]
pub use schema::json_schema;
pub use source::SourceName;

use source::Source;

/// A loaded catalog: the metrics of customers, and a catalog of each source with entities. A value of this type is valid.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Those that models judge, and then those that rules judge.
    metrics: Vec<MetricSpec>,
    /// How many of them models judge.
    modelled: usize,
    /// The source, if its series are of entities.
    entities: Option<Entities>,
    sources: Vec<Catalog>,
    /// Whether queries read the rows of one server of a cluster, and not those of all of its shards.
    is_on_one_server: bool,
    /// Of all prices.
    currency: Currency,
    version: String,
    origin: String,
}

/// The default catalog.
const BUILT_IN: &str = include_str!("../catalog.toml");

impl Catalog {
    /// The places of the parts of the catalog. Without variables it is the built-in catalog.
    ///
    /// `CATALOG_PATH`: files and presets such as `preset:executions`, with commas between them. `CATALOG_SSM_PARAMETER`: an
    /// SSM parameter that holds the file's text.
    pub fn source(env: &Env<'_>) -> Result<Vec<TextSource>, ConfigError> {
        match (env.get("CATALOG_PATH"), env.get("CATALOG_SSM_PARAMETER")) {
            (Some(_), Some(_)) => {
                Err(ConfigError::Conflict { first: "CATALOG_PATH", second: "CATALOG_SSM_PARAMETER" })
            }
            (Some(paths), None) => paths.split(',').map(|path| presets::source(path.trim())).collect(),
            (None, Some(parameter)) => Ok(vec![TextSource::SsmParameter(parameter)]),
            (None, None) => Ok(vec![TextSource::Inline {
                text: BUILT_IN.to_owned(),
                origin: "the built-in catalog".to_owned(),
            }]),
        }
    }

    /// The catalog of files and presets, with commas between them.
    pub fn from_files(paths: &str) -> Result<Self, CatalogError> {
        let read = |path: &str| match presets::text(path.trim()) {
            Some(text) => Ok((text.to_owned(), path.trim().to_owned())),
            None if presets::is_named(path.trim()) => {
                Err(CatalogError::Preset { path: path.trim().to_owned(), known: presets::known() })
            }
            None => match std::fs::read_to_string(path.trim()) {
                Ok(text) => Ok((text, path.trim().to_owned())),
                Err(source) => Err(CatalogError::Read { path: path.trim().to_owned(), source }),
            },
        };
        Self::parse_all(&paths.split(',').map(read).collect::<Result<Vec<_>, _>>()?)
    }

    /// The catalog that is compiled in.
    pub fn built_in() -> Result<Self, CatalogError> {
        Self::parse(BUILT_IN, "the built-in catalog")
    }

    /// Parses and validates `text`; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, CatalogError> {
        Self::parse_all(&[(text.to_owned(), origin.to_owned())])
    }

    /// Parses and validates the parts of a catalog: texts with the names that they have in errors. A source of one part may
    /// have metrics in another.
    pub fn parse_all(parts: &[(String, String)]) -> Result<Self, CatalogError> {
        let mut read = file::Entries::default();
        for (text, origin) in parts {
            read.add(text, origin)?;
        }
        let origin = parts.iter().map(|(_, origin)| origin.as_str()).collect::<Vec<_>>().join(", ");
        let file::Entries { sources, mut metrics, tables, origins, texts, currency } = read;
        let currency = currency.map_or(Currency::USD, |(currency, _)| currency);
        if metrics.is_empty() {
            return Err(CatalogError::Empty { origin });
        }
        let refused = |entry: String, reason| {
            let origin = origins.get(&entry).unwrap_or(&origin).clone();
            CatalogError::Entry { origin, entry, reason }
        };
        source::resolve(&sources, &mut metrics, &tables).map_err(|(entry, reason)| refused(entry, reason))?;
        for (index, metric) in metrics.iter().enumerate() {
            let validated = metric
                .validate()
                .and_then(|()| metric.validate_vote(&metrics[..index]))
                .and_then(|()| metric.validate_counters(&metrics[..index]));
            validated.map_err(|reason| refused(metric.name.to_string(), reason))?;
            if metrics[..index].iter().any(|earlier| earlier.name == metric.name) {
                return Err(refused(metric.name.to_string(), "another entry has the same name".to_owned()));
            }
        }
        let mut digest = Sha256::new();
        texts.iter().for_each(|text| digest.update(text));
        let version = hex::encode(&digest.finalize()[..6]);
        let with = |entities: Option<&Entities>, sources: Vec<Self>| {
            let is_of_it = |metric: &&MetricSpec| metric.source_of_entities() == entities.map(Entities::name);
            let (modelled, ruled): (Vec<_>, Vec<_>) =
                metrics.iter().filter(is_of_it).cloned().partition(|metric| metric.rules.is_empty());
            Self {
                modelled: modelled.len(),
                metrics: [modelled, ruled].concat(),
                entities: metrics.iter().find(is_of_it).and_then(|metric| metric.entities.clone()),
                sources,
                is_on_one_server: false,
                currency,
                version: version.clone(),
                origin: origin.clone(),
            }
        };
        let of_entities = sources.iter().filter_map(Source::entities);
        let sources = of_entities.map(|entities| with(Some(&entities), Vec::new())).collect();
        Ok(with(None, sources))
    }

    /// The name of its source, and the beginning of the names of its tables: `usage` for the metrics of customers.
    pub fn name(&self) -> &str {
        self.entities.as_ref().map_or(USAGE, |entities| entities.name().as_str())
    }

    /// The source of its metrics, if they are of entities.
    pub fn entities(&self) -> Option<&Entities> {
        self.entities.as_ref()
    }

    /// The same with customers that have more entities than the source judges one by one.
    pub fn with_overflow(mut self, overflow: &Overflow) -> Self {
        let of_metrics = self.metrics.iter_mut().filter_map(|metric| metric.entities.as_mut());
        of_metrics
            .chain(self.entities.as_mut())
            .for_each(|entities| entities.overflow = Some(overflow.clone()));
        self
    }

    /// The same metrics, as one server of a cluster has them: its queries read the rows of that server.
    pub fn on_one_server(self) -> Self {
        Self { is_on_one_server: true, ..self }
    }

    /// Whether queries read the rows of one server of a cluster.
    pub fn is_on_one_server(&self) -> bool {
        self.is_on_one_server
    }

    /// The metrics of customers, and the sources with entities. Those without a metric are left out.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.sources).filter(|catalog| !catalog.metrics.is_empty())
    }

    /// The catalog of a source.
    pub fn of(&self, source: &str) -> Option<&Self> {
        self.all().find(|catalog| catalog.name() == source)
    }

    /// A metric of any source.
    pub fn find(&self, name: &str) -> Option<&MetricSpec> {
        self.all().find_map(|catalog| catalog.get(name))
    }

    /// The customer, and the entity, that a key of the rollup stands for.
    pub fn who(&self, key: &CustomerId) -> (CustomerId, Option<EntityPath>) {
        if self.entities.is_some() { key.split() } else { (key.clone(), None) }
    }

    /// The metrics that models judge.
    pub fn modelled(&self) -> &[MetricSpec] {
        &self.metrics[..self.modelled]
    }

    /// The metrics that rules judge. Their places come after those of the others.
    pub fn ruled(&self) -> &[MetricSpec] {
        &self.metrics[self.modelled..]
    }

    /// Its metrics, those that models judge before those that rules judge, each in the order of the file.
    pub fn metrics(&self) -> &[MetricSpec] {
        &self.metrics
    }

    pub fn get(&self, name: &str) -> Option<&MetricSpec> {
        self.metrics.iter().find(|metric| metric.name.as_str() == name)
    }

    /// Twelve hexadecimal digits that change with every change of an entry. Each anomaly carries them. Comments, and the file or
    /// preset that an entry stands in, change nothing: so a stack and the command line agree on the same entries.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The currency of all prices.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The file, or another name of the place that the text came from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The settings of each metric, in the order of [`Catalog::metrics`]. A value of the entry replaces the
    /// deployment's value.
    pub fn settings(&self, defaults: &DetectionConfig) -> Result<Vec<Settings>, CatalogError> {
        let with_defaults = |spec: &MetricSpec| {
            spec.settings(defaults).map_err(|error| CatalogError::Entry {
                origin: "the catalog together with the deployment's settings".to_owned(),
                entry: spec.name.to_string(),
                reason: error.to_string(),
            })
        };
        self.metrics.iter().map(with_defaults).collect()
    }
}

/// The name of the source whose series are of customers.
pub const USAGE: &str = "usage";

#[cfg(test)]
mod tests;
