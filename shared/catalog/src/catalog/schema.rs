//! The JSON schema of a catalog file, for editors that complete and check TOML. Made from the types that read the file.

use std::borrow::Cow;

use detection::rules::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::file::File;
use super::source::IDS;
use super::{MetricRule, SourceName};

/// The JSON schema of a catalog file, as a text that ends with a line.
pub fn json_schema() -> String {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<File>().to_value();
    schema["title"] = "Catalog of MeterFlow".into();
    for (of, keys) in KEYS {
        for (key, description) in keys {
            let property = match of {
                "" => schema.pointer_mut(&format!("/properties/{key}")),
                of => schema.pointer_mut(&format!("/$defs/{of}/properties/{key}")),
            };
            if let Some(property) = property.and_then(Value::as_object_mut) {
                property.insert("description".to_owned(), (*description).into());
            }
        }
    }
    if let Some(ids) = schema.pointer_mut("/$defs/Source/properties/ids").and_then(Value::as_object_mut) {
        ids.insert("propertyNames".to_owned(), serde_json::json!({ "enum": IDS }));
    }
    if let Some(currency) = schema.pointer_mut("/properties/currency").and_then(Value::as_object_mut) {
        currency.insert("pattern".to_owned(), "^[A-Z]{3}$".into());
    }
    without_numbers_of_rust(&mut schema);
    format!("{schema:#}\n")
}

/// What each key means, for people. The comments of the types are for those who change the code.
const KEYS: [(&str, &[(&str, &str)]); 4] = [
    (
        "",
        &[
            ("presets", "Catalogs of known systems, by name. Their entries come first."),
            ("currency", "The currency of all prices: three capital letters of ISO 4217. Default: USD."),
            ("source", "Tables that several metrics are made from."),
            ("metric", "What is watched."),
        ],
    ),
    (
        "Source",
        &[
            (
                "name",
                "A lower-case letter, then up to 63 of a-z, 0-9 and _. The tables of the rollup begin with it.",
            ),
            ("table", "Where the events are: table or database.table."),
            ("tenant", "Column or SQL expression of the customer: who may see it."),
            (
                "time",
                "Column or SQL expression of the time, a DateTime or DateTime64. An event without a time does not count.",
            ),
            ("filter", "SQL condition: which events count."),
            (
                "entity",
                "One to four columns or SQL expressions, the widest first: what has a normal of its own.",
            ),
            ("bad", "SQL condition: which events have failed."),
            ("id", "Column or SQL expression of the id of an event."),
            ("ids", "Ids that an anomaly carries, by name: columns or SQL expressions."),
            (
                "feed",
                "view: views add each inserted row. poll: each run reads the hours that changed, for tables whose rows are \
                rewritten or repeated.",
            ),
            ("weight", "SQL expression: how many events one row stands for, such as 1 / ratio of a sample."),
            (
                "sampling_by",
                "SQL expression whose hash chooses the events that count, such as the id of a trace.",
            ),
            (
                "sampling_ratio",
                "The share of the events that count, one in a whole number such as 0.1. Each counts for the others.",
            ),
            ("window", "The time that rules judge at once."),
            (
                "every",
                "How often a run of the schedule checks a window of 1m. The window moves by as much. Without it the window is \
                 checked once, when it is over.",
            ),
            (
                "delay",
                "How long rows take to arrive after the time that they carry, such as 10m. At most 48h.",
            ),
            ("baseline", "The days that a window is compared with, such as 30d."),
            (
                "alert_min_severity",
                "Least severity that is alerted: warning or critical. Without it that of the deployment.",
            ),
            (
                "max_entities",
                "How many entities of a customer are judged one by one. The others are judged together.",
            ),
            ("tenant_noun", "What people call a customer, such as workspace."),
            ("entity_noun", "What people call an entity, such as workflow."),
        ],
    ),
    (
        "MetricSpec",
        &[
            ("name", "A lower-case letter, then up to 63 of a-z, 0-9 and _."),
            ("unit", "For people. bytes, GB and ms are scaled; any other is shown as it is."),
            ("type", "What the anomalies of a metric with entities are called."),
            ("source", "The name of the source that says table, customer and time."),
            ("table", "Where the events are, without a source: table or database.table."),
            ("customer_column", "Column or SQL expression of the customer, without a source."),
            ("time_column", "Column or SQL expression of the time, without a source."),
            ("filter", "SQL condition: which events of the table or source count."),
            ("value", "SQL expression of what is aggregated. NULL does not count."),
            ("per", "SQL expression of what a ratio divides by. It is summed up, as the value is."),
            (
                "counter",
                "Whether the value is a counter that only rises and begins again at zero. Its steps count. With aggregate ratio they are divided by the steps of `per`, or by the seconds that they took.",
            ),
            ("series", "SQL expression: which counter of the entity a row is of."),
            ("aggregate", "How the events of a window become one value."),
            ("rule", "The fixed conditions that judge the metric. Without any, models judge it."),
            (
                "network",
                "The trained network that votes on the metric, by its name in the file of networks. Needs the rule vote.",
            ),
            (
                "missing",
                "What a window without events means: zero (nothing happened) or gap (nothing is known).",
            ),
            ("min_change", "Least change from the mean that matters, in the unit."),
            ("threshold", "Score from which a window is an anomaly, in the place of the deployment's."),
            (
                "critical_threshold",
                "Score from which an anomaly is critical, in the place of the deployment's.",
            ),
            ("min_relative_change", "Least change that matters, as a share of the mean."),
            ("min_relative_spread", "Least spread, as a share of the mean."),
            (
                "price",
                "The price of one unit, in the currency of the catalog. Needs aggregate count or sum, and no rule.",
            ),
            (
                "min_cost",
                "Least cost of a change that matters, in the currency of the catalog. Needs a price.",
            ),
            (
                "steps",
                "What to look at first, the most likely cause first. Up to five lines of 200 characters.",
            ),
            ("spike_steps", "The same after a rise only."),
            ("drop_steps", "The same after a drop only."),
            ("import", "How meterflow import writes a value of the metric as an event."),
        ],
    ),
    (
        "ImportRule",
        &[
            ("event_type", "The type of the event."),
            ("property", "The JSON property that holds the value. None for counts."),
        ],
    ),
];

/// Takes out the formats that name types of Rust, and the defaults that say nothing.
fn without_numbers_of_rust(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("format").is_some_and(Value::is_string) {
                object.remove("format");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            object.values_mut().for_each(without_numbers_of_rust);
        }
        Value::Array(list) => list.iter_mut().for_each(without_numbers_of_rust),
        _ => {}
    }
}

impl JsonSchema for SourceName {
    fn schema_name() -> Cow<'static, str> {
        "SourceName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$" })
    }
}

/// A rule, and `for` beside its parameters.
impl JsonSchema for MetricRule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut rule = Rule::json_schema(generator);
        let lasting = serde_json::json!({
            "type": "string",
            "pattern": "^ *[0-9]+ of [0-9]+ *$",
            "description": "The rule tells when it holds in so many of the newest windows, such as 3 of 3.",
        });
        rule.insert("description".to_owned(), "A fixed condition on the events of an entity.".into());
        for one in rule.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(properties) = one.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert("for".to_owned(), lasting.clone());
            }
        }
        rule
    }
}
