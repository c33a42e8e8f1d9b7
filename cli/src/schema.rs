//! `meterflow schema`: the JSON schema of a catalog file, by which editors complete and check it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use catalog::json_schema;

use crate::output::say;

/// Beside a catalog. The first line of the catalog names it.
const NAME: &str = "meterflow.schema.json";

/// The first line of a catalog whose schema is beside it, as Taplo and Even Better TOML read it.
pub(crate) fn first_line() -> String {
    format!("#:schema ./{NAME}\n")
}

/// Writes the schema beside a catalog and returns its path. A schema of another release is replaced.
pub(crate) fn write_beside(catalog: &Path) -> anyhow::Result<PathBuf> {
    let path = catalog.with_file_name(NAME);
    std::fs::write(&path, json_schema()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

pub(crate) fn run() {
    say!("{}", json_schema().trim_end());
}

#[cfg(test)]
const COMMITTED: &str = include_str!("../../docs/catalog.schema.json");

/// The faults of a catalog by the committed schema.
#[cfg(test)]
pub(crate) fn faults(catalog: &str) -> Vec<String> {
    let catalog = serde_json::to_value(toml::from_str::<toml::Table>(catalog).unwrap()).unwrap();
    let schema = serde_json::from_str(COMMITTED).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(&catalog).map(|error| format!("{error} at {}", error.instance_path())).collect()
}

#[cfg(test)]
mod tests {
    use catalog::PRESETS;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_committed_schema_is_that_of_the_code() {
        assert!(COMMITTED == json_schema(), "docs/catalog.schema.json is out of date. Run: make docs");
    }

    #[test]
    fn every_key_says_what_it_means() {
        let schema: Value = serde_json::from_str(COMMITTED).unwrap();
        let of = |place: &str| schema.pointer(place).and_then(Value::as_object).unwrap().clone();
        for place in ["/properties", "/$defs/Source/properties", "/$defs/MetricSpec/properties"] {
            for (key, property) in of(place) {
                assert!(property["description"].is_string(), "{place}/{key} has no description");
            }
        }
    }

    #[test]
    fn the_built_in_catalog_and_every_preset_are_valid_by_it() {
        for (name, text) in PRESETS {
            assert_eq!(faults(text), Vec::<String>::new(), "{name}");
            let place = if name == "usage" { "../../docs" } else { "../../../docs" };
            assert!(text.starts_with(&format!("#:schema {place}/catalog.schema.json\n")), "{name}");
        }
    }

    #[test]
    fn what_the_catalog_refuses_has_a_fault() {
        let (_, good) = PRESETS.iter().find(|(name, _)| *name == "executions").unwrap();
        for (from, to) in [
            ("factor = 1.2", "faktor = 1.2"),
            ("type = \"streak\"", "type = \"row\""),
            ("aggregate = \"avg\"", "aggregate = \"median\""),
            ("missing = \"gap\"", ""),
            ("table = \"executions\"", "tabel = \"executions\""),
            ("{ execution_id", "{ execution"),
            ("name = \"execution_output\"", "name = \"Output\""),
            ("type = \"ratio\"", "type = \"ratio\"\nfor = \"often\""),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(!faults(&good.replacen(from, to, 1)).is_empty(), "{to}");
        }
        let lasting = good.replacen("type = \"ratio\"", "type = \"ratio\"\nfor = \"2 of 3\"", 1);
        assert_eq!(faults(&lasting), Vec::<String>::new());
    }
}
