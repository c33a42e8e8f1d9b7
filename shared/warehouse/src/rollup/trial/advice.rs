//! Advice on refused expressions.

use super::odd::bare;
use crate::usage::exception_code;

/// Functions that throw on odd values, and the variants that give NULL.
const THROWING: [(&str, &str); 9] = [
    ("toFloat", "OrNull, as in toFloat64OrNull(…)"),
    ("toInt", "OrNull, as in toInt64OrNull(…)"),
    ("toUInt", "OrNull, as in toUInt64OrNull(…)"),
    ("toDecimal", "OrNull, as in toDecimal64OrNull(…)"),
    ("toDate", "OrNull, as in toDateTime64OrNull(…)"),
    ("toUUID", "OrNull, as in toUUIDOrNull(…)"),
    ("parseDateTime", "OrNull, as in parseDateTime64BestEffortOrNull(…)"),
    ("toIPv", "OrNull, as in toIPv4OrNull(…)"),
    ("JSONExtract", "a Nullable type, as in JSONExtract(…, 'Nullable(Float64)')"),
];

/// Advice on an expression that throws.
pub(super) fn on_a_throw(expression: &str) -> Option<String> {
    let has = |part: &str| expression.contains(part);
    if has("intDiv(") || has("modulo(") || has('%'.to_string().as_str()) || has(" DIV ") || has(" MOD ") {
        return Some(
            "Write intDivOrNull(a, b) or moduloOrNull(a, b), which give NULL for a division by zero"
                .to_owned(),
        );
    }
    if has("::") || expression.to_ascii_uppercase().contains("CAST(") {
        return Some("Write accurateCastOrNull(…, 'Type'), which gives NULL where a cast fails".to_owned());
    }
    let (name, instead) = THROWING.iter().find(|(name, _)| has(name))?;
    Some(match *name {
        "JSONExtract" => format!("Write {instead}"),
        _ => format!("Write the function with {instead}: it gives NULL, and an event of NULL does not count"),
    })
}

/// Advice on a statement that ClickHouse refuses, for a table with these columns.
pub(super) fn on_an_error(error: &clickhouse::error::Error, columns: &str) -> Option<String> {
    // UNKNOWN_IDENTIFIER
    if exception_code(error) == Some(47) {
        return Some(format!("The table has the columns {columns}"));
    }
    // ILLEGAL_AGGREGATION, NOT_AN_AGGREGATE
    matches!(exception_code(error), Some(184 | 215)).then(|| {
        "An expression is for one event, so it cannot hold an aggregate function: set `aggregate` instead"
            .to_owned()
    })
}

/// The reason why a type is refused, and the advice.
pub(super) fn on_a_type(field: &str, expression: &str, field_type: &str) -> Option<(String, Option<String>)> {
    let (inner, _) = bare(field_type);
    let name = inner.split('(').next().unwrap_or(inner);
    let is_integer = name.starts_with("Int") && name != "IntervalDay" || name.starts_with("UInt");
    let is_text = matches!(name, "String" | "FixedString");
    let (wanted, is_right) = match field {
        "time_column" => ("a DateTime or DateTime64", matches!(name, "DateTime" | "DateTime64")),
        "filter" | "bad" => ("a condition", is_integer || matches!(name, "Bool" | "Nothing")),
        "value" | "per" => {
            let is_number =
                is_integer || matches!(name, "Float32" | "Float64" | "BFloat16" | "Bool" | "Nothing");
            (
                "a number",
                is_number || name.starts_with("Decimal") || is_text || matches!(name, "Dynamic" | "Variant"),
            )
        }
        _ => {
            let is_name = is_integer || is_text || name.starts_with("Enum") || name.starts_with("IPv");
            ("a name or a number", is_name || matches!(name, "UUID" | "Bool" | "Dynamic" | "Variant"))
        }
    };
    if is_right {
        return None;
    }
    let advice = match (field, name) {
        ("time_column", "String" | "FixedString" | "Dynamic" | "Variant") => {
            Some(format!("Write parseDateTime64BestEffortOrNull(toString({expression}), 3, 'UTC')"))
        }
        ("time_column", _) if is_integer => Some(format!(
            "Write fromUnixTimestamp64Milli(toInt64({expression})) for milliseconds, or toDateTime({expression}, 'UTC') for seconds"
        )),
        ("time_column", "Float32" | "Float64") => {
            Some(format!("Write toDateTime64({expression}, 3, 'UTC') for seconds"))
        }
        ("time_column", "Date" | "Date32") => Some(format!("Write toDateTime64({expression}, 3, 'UTC')")),
        ("value", "DateTime" | "DateTime64") => {
            Some("Take a difference of times, such as dateDiff('ms', a, b)".to_owned())
        }
        _ => None,
    };
    Some((format!("its type is {field_type}, not {wanted}"), advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_does_not_throw_is_suggested() {
        for (expression, part) in [
            ("toFloat64(properties)", "toFloat64OrNull"),
            ("intDiv(bytes, calls)", "intDivOrNull"),
            ("bytes % calls", "moduloOrNull"),
            ("CAST(a AS Float64)", "accurateCastOrNull"),
            ("JSONExtractString(p, 'a')::Float64", "accurateCastOrNull"),
            ("parseDateTimeBestEffort(at)", "parseDateTime64BestEffortOrNull"),
        ] {
            assert!(on_a_throw(expression).is_some_and(|advice| advice.contains(part)), "{expression}");
        }
        assert_eq!(on_a_throw("throwIf(a)"), None);
    }

    #[test]
    fn types_that_do_and_types_that_do_not() {
        for (field, good, bad) in [
            (
                "time_column",
                vec!["DateTime", "Nullable(DateTime64(3, 'UTC'))"],
                vec!["String", "UInt64", "Date"],
            ),
            ("filter", vec!["UInt8", "Bool", "Nullable(UInt8)"], vec!["String", "Array(UInt8)"]),
            (
                "value",
                vec!["Decimal(9, 2)", "LowCardinality(String)", "Dynamic"],
                vec!["UUID", "DateTime", "Map(a, b)"],
            ),
            (
                "customer_column",
                vec!["UUID", "Int64", "Enum8('a' = 1)"],
                vec!["Array(String)", "JSON", "Float64"],
            ),
        ] {
            assert!(good.iter().all(|good| on_a_type(field, "x", good).is_none()), "{field}");
            assert!(bad.iter().all(|bad| on_a_type(field, "x", bad).is_some()), "{field}");
        }
        let (reason, advice) = on_a_type("time_column", "at", "String").unwrap();
        assert_eq!(reason, "its type is String, not a DateTime or DateTime64");
        assert_eq!(advice.as_deref(), Some("Write parseDateTime64BestEffortOrNull(toString(at), 3, 'UTC')"));
    }
}
