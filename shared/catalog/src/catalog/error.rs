//! Why a catalog is refused.

/// Why a catalog is refused. The whole file is then.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("cannot read the catalog {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is no preset: name {known}")]
    Preset { path: String, known: String },
    #[error("{origin} is not a valid catalog")]
    Syntax {
        origin: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{origin} has no [[metric]] entry: nothing would be checked")]
    Empty { origin: String },
    #[error("{origin}: the entry `{entry}` is refused: {reason}")]
    Entry { origin: String, entry: String, reason: String },
}
