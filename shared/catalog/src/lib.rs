//! Metrics, the strictness of their checks, and shards of customers. Pure: no network and no async runtime. `make
//! check-purity` proves it.

mod catalog;
mod detection_config;
mod expression;
mod fingerprint;
mod incident_config;
mod policies;
mod shard;

#[cfg(feature = "json-schema")]
pub use catalog::json_schema;
pub use catalog::{
    Aggregate, Catalog, CatalogError, Entities, Every, Feed, Ids, ImportRule, MetricRule, MetricSpec, Nouns,
    Overflow, PRESETS, Pace, Sample, SourceName, SourceWindow, USAGE,
};
pub use detection_config::DetectionConfig;
pub use expression::is_identifier;
pub use fingerprint::fingerprint_sql;
pub use incident_config::IncidentConfig;
pub use policies::{
    Policies, PolicyRefusal, Said, StoredPolicy, validate, validate_rules, without_unknown_metrics,
};
pub use shard::{BUCKETS, Shard, ShardError};
