//! Catalogs of known systems, named `preset:` and their name wherever a file of the catalog is named.

use environment::{ConfigError, TextSource};

/// The presets by name.
pub const PRESETS: [(&str, &str); 2] = [
    ("executions", include_str!("../../presets/executions.toml")),
    ("qa_runs", include_str!("../../presets/qa_runs.toml")),
];

/// What stands before the name of a preset.
const PREFIX: &str = "preset:";

/// The text of a preset. `None` for a path, and for an unknown preset.
pub(super) fn text(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(PREFIX)?;
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Whether a path names a preset, known or not.
pub(super) fn is_named(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Where a part of `CATALOG_PATH` is.
pub(super) fn source(path: &str) -> Result<TextSource, ConfigError> {
    match (text(path), is_named(path)) {
        (Some(text), _) => Ok(TextSource::Inline { text: text.to_owned(), origin: path.to_owned() }),
        (None, true) => {
            Err(ConfigError::Invalid { variable: "CATALOG_PATH", value: path.to_owned(), allowed: known() })
        }
        (None, false) => Ok(TextSource::File(path.to_owned())),
    }
}

pub(super) fn known() -> String {
    let names: Vec<String> = PRESETS.iter().map(|(name, _)| format!("{PREFIX}{name}")).collect();
    format!("a path, or a preset: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn every_preset_is_a_valid_catalog() {
        for (name, text) in PRESETS {
            Catalog::parse(text, name).unwrap();
            let path = format!("{PREFIX}{name}");
            assert_eq!(source(&path).unwrap(), TextSource::Inline { text: text.to_owned(), origin: path });
        }
    }

    #[test]
    fn an_unknown_preset_is_refused_with_those_that_exist() {
        let error = source("preset:jobs").unwrap_err().to_string();
        assert!(error.contains("preset:jobs") && error.contains("preset:executions"), "{error}");
        assert_eq!(source("jobs.toml").unwrap(), TextSource::File("jobs.toml".to_owned()));
    }
}
