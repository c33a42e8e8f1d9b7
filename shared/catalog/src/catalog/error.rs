//! Why a catalog is refused.

use detection::Currency;

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
    #[error(
        "{first} has prices in {known}, and {second} in {other}: name one `currency` in all parts of the catalog"
    )]
    Currencies { first: String, known: Currency, second: String, other: Currency },
    #[error("{origin} has no [[metric]] entry: nothing would be checked")]
    Empty { origin: String },
    #[error("{origin}: the entry `{entry}` is refused: {reason}")]
    Entry { origin: String, entry: String, reason: String },
}
