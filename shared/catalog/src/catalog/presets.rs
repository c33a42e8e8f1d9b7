//! Catalogs of known systems. A file names them in `presets`; elsewhere `preset:` and the name stand in the place of a
//! path. They are a part of the program, so a name is all that a configuration keeps.

use environment::{ConfigError, TextSource};

use super::{BUILT_IN, CatalogError};

/// The presets by name. `usage` is the built-in catalog.
pub const PRESETS: [(&str, &str); 16] = [
    ("usage", BUILT_IN),
    ("executions", include_str!("../../presets/executions.toml")),
    ("qa_runs", include_str!("../../presets/qa_runs.toml")),
    ("connectors", include_str!("../../presets/connectors.toml")),
    ("n8n", include_str!("../../presets/n8n.toml")),
    ("airflow", include_str!("../../presets/airflow.toml")),
    ("temporal", include_str!("../../presets/temporal.toml")),
    ("kestra", include_str!("../../presets/kestra.toml")),
    ("windmill", include_str!("../../presets/windmill.toml")),
    ("traces_otel", include_str!("../../presets/traces_otel.toml")),
    ("traces_otel_json", include_str!("../../presets/traces_otel_json.toml")),
    ("traces_signoz", include_str!("../../presets/traces_signoz.toml")),
    ("machines", include_str!("../../presets/machines.toml")),
    ("machines_sum", include_str!("../../presets/machines_sum.toml")),
    ("machines_histogram", include_str!("../../presets/machines_histogram.toml")),
    ("github_actions", include_str!("../../presets/github_actions.toml")),
];

/// What stands before the name of a preset.
const PREFIX: &str = "preset:";

/// The text of a preset. `None` for a path, and for an unknown preset.
pub(super) fn text(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(PREFIX)?;
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The preset of a name in the list of a file: what its entries have as their place, and its text.
pub(super) fn named(name: &str) -> Result<(String, &'static str), CatalogError> {
    let path = format!("{PREFIX}{name}");
    match text(&path) {
        Some(text) => Ok((path, text)),
        None => Err(CatalogError::Preset { path, known: known() }),
    }
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
            assert!(!text.contains("\npresets ="), "{name} must not name presets itself");
            let path = format!("{PREFIX}{name}");
            assert_eq!(source(&path).unwrap(), TextSource::Inline { text: text.to_owned(), origin: path });
        }
    }

    #[test]
    fn a_file_names_presets_and_has_metrics_of_its_own() {
        let own = include_str!("../../../../infra/modules/stack/tests/with_presets.toml");
        let catalog = Catalog::parse(own, "my.toml").unwrap();
        let sources: Vec<_> = catalog.all().map(Catalog::name).collect();
        assert_eq!(sources, ["usage", "executions", "execution_nodes"]);
        assert_eq!(catalog.find("execution_cost").unwrap().table, "executions");
        let alone = Catalog::parse("presets = [\"usage\"]", "my.toml").unwrap();
        assert_eq!(alone.metrics().len(), Catalog::built_in().unwrap().metrics().len());
    }

    #[test]
    fn an_unknown_preset_is_refused_with_those_that_exist() {
        let error = source("preset:jobs").unwrap_err().to_string();
        assert!(error.contains("preset:jobs") && error.contains("preset:executions"), "{error}");
        let error = Catalog::parse("presets = [\"jobs\"]", "my.toml").unwrap_err().to_string();
        assert!(error.contains("preset:jobs") && error.contains("preset:qa_runs"), "{error}");
        assert_eq!(source("jobs.toml").unwrap(), TextSource::File("jobs.toml".to_owned()));
    }
}
