//! Rows of odd content for the columns of a table, as a SELECT without a table.

use super::columns::Column;
use crate::rollup::sql::quoted;

/// A SELECT of odd rows.
pub(super) struct Source {
    columns: Vec<Odd>,
    longest: usize,
}

/// A column and the SQL of its odd values.
struct Odd {
    name: String,
    values: Vec<String>,
}

/// In later rounds each column advances by another step, so that odd values meet in new combinations.
const ROUNDS: usize = 3;

impl Source {
    /// A source for the columns that any of these expressions names.
    pub(super) fn new(columns: &[Column], expressions: &[&str]) -> Self {
        let named =
            columns.iter().filter(|column| expressions.iter().any(|text| text.contains(&column.name)));
        let literals = literals(expressions);
        let columns: Vec<Odd> = named
            .map(|column| {
                let paths = paths(&column.name, expressions);
                Odd { name: column.name.clone(), values: values(&column.r#type, &literals, &paths) }
            })
            .collect();
        let longest = columns.iter().map(|column| column.values.len()).max().unwrap_or(1);
        Self { columns, longest }
    }

    pub(super) fn count(&self) -> usize {
        self.longest * ROUNDS
    }

    /// `count` rows from `first` on.
    pub(super) fn rows(&self, first: usize, count: usize) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, Odd { name, values })| {
                let place =
                    format!("(number + intDiv(number, {}) * {index}) % {}", self.longest, values.len());
                format!(",\n    arrayElement([{}], toUInt32({place}) + 1) AS `{name}`", values.join(", "))
            })
            .collect();
        format!("SELECT number AS meterflow_row{}\nFROM numbers({first}, {count})", columns.concat())
    }

    fn named_in<'a>(&'a self, expression: &'a str) -> impl Iterator<Item = &'a Odd> {
        self.columns.iter().filter(move |column| expression.contains(&column.name))
    }

    /// A SELECT of the columns of a row that an expression names, as text.
    pub(super) fn shown(&self, row: usize, expression: &str) -> String {
        let column = |Odd { name, .. }: &Odd| {
            format!(
                "concat('{name} = ', ifNull(concat('\\'', substring(toString(`{name}`), 1, 60), '\\''), 'NULL'))"
            )
        };
        let columns: Vec<String> = self.named_in(expression).map(column).collect();
        format!(
            "SELECT toValidUTF8(arrayStringConcat([{}], ', ')) FROM ({})",
            columns.join(", "),
            self.rows(row, 1)
        )
    }
}

/// The odd values of a type.
fn values(column_type: &str, literals: &[String], paths: &[Vec<String>]) -> Vec<String> {
    let (inner, is_nullable) = bare(column_type);
    let name = inner.split('(').next().unwrap_or(inner);
    let odd: Vec<String> = match name {
        "String" => texts(literals, paths),
        "FixedString" => {
            let length = inner.trim_start_matches("FixedString(").trim_end_matches(')');
            texts(literals, paths).iter().map(|text| format!("substring({text}, 1, {length})")).collect()
        }
        "JSON" | "Object" => documents(literals, paths),
        "Map" => {
            let key = |key: &String, value: &str| format!("map('{}', '{value}')", quoted(key));
            let values = if inner.contains(", String") || inner.contains(", LowCardinality(String") {
                &["abc", "", "-1", "1e400", "nan"][..]
            } else {
                &["0", "1"]
            };
            let filled = literals.iter().flat_map(|name| values.iter().map(move |value| key(name, value)));
            ["map()".to_owned()].into_iter().chain(filled).collect()
        }
        "Bool" => vec!["true".to_owned(), "false".to_owned()],
        "Float32" | "Float64" => {
            ["0", "-1", "1", "1e38", "-1e38", "nan", "inf", "-inf"].map(String::from).to_vec()
        }
        "Decimal" => ["0", "1", "-1"].map(String::from).to_vec(),
        "DateTime" => {
            ["toDateTime(0, 'UTC')", "toDateTime(1800000000, 'UTC')", "toDateTime(4294967295, 'UTC')"]
                .map(String::from)
                .to_vec()
        }
        "DateTime64" => ["1970-01-01", "1900-01-01", "2026-11-21", "2261-12-31"]
            .map(|day| format!("toDateTime64('{day} 00:00:00', 3, 'UTC')"))
            .to_vec(),
        _ => match integer_bounds(name) {
            Some((least, most)) => vec![String::from("0"), String::from("1"), least, most],
            None => Vec::new(),
        },
    };
    let cast = |value: &String| format!("CAST({value}, '{}')", quoted(column_type));
    let mut values: Vec<String> = odd.iter().map(cast).collect();
    if values.is_empty() {
        values.push(format!("defaultValueOfTypeName('{}')", quoted(column_type)));
    }
    if is_nullable {
        values.push(cast(&"NULL".to_owned()));
    }
    values
}

/// The type without Nullable and LowCardinality, and whether it was nullable.
pub(super) fn bare(mut column_type: &str) -> (&str, bool) {
    let mut is_nullable = false;
    loop {
        let inner = |wrapper: &str| column_type.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix(')'));
        if let Some(rest) = inner("LowCardinality(") {
            column_type = rest;
        } else if let Some(rest) = inner("Nullable(") {
            (column_type, is_nullable) = (rest, true);
        } else {
            return (column_type, is_nullable);
        }
    }
}

fn integer_bounds(name: &str) -> Option<(String, String)> {
    let (is_signed, bits) = match name.strip_prefix("UInt") {
        Some(bits) => (false, bits),
        None => (true, name.strip_prefix("Int")?),
    };
    // Bounds of wider integers come from texts.
    let bits: u32 = bits.parse().ok()?;
    let bits = bits.min(64);
    Some(match is_signed {
        true => ((-(1_i128 << (bits - 1))).to_string(), ((1_i128 << (bits - 1)) - 1).to_string()),
        false => ("0".to_owned(), ((1_i128 << bits) - 1).to_string()),
    })
}

fn texts(literals: &[String], paths: &[Vec<String>]) -> Vec<String> {
    let plain = [
        "",
        " ",
        "abc",
        "0",
        "-1",
        "1.5",
        "1,5",
        "1e400",
        "nan",
        "99999999999999999999999",
        "{",
        "[]",
        "null",
        "2026-13-45 25:61:61",
        "1970-01-01 00:00:00",
    ];
    let quote = |text: &str| format!("'{}'", quoted(text));
    let mut texts: Vec<String> = plain.iter().map(|text| quote(text)).collect();
    // A byte that is no valid UTF-8.
    texts.push("unhex('ff')".to_owned());
    texts.extend(literals.iter().map(|text| quote(text)));
    texts.extend(documents(literals, paths));
    texts
}

/// JSON documents with odd values under each of the names, side by side and nested.
fn documents(names: &[String], paths: &[Vec<String>]) -> Vec<String> {
    let odd = ["\"abc\"", "\"\"", "null", "-1", "1e300", "{}", "[1]", "\"1.5\"", "true"];
    let key = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let nested = |names: &[String], value: &str| {
        names.iter().rev().fold(value.to_owned(), |inner, name| format!("{{{}:{inner}}}", key(name)))
    };
    let mut documents = vec!["{}".to_owned()];
    for value in odd {
        if !names.is_empty() {
            let flat: Vec<String> = names.iter().map(|name| format!("{}:{value}", key(name))).collect();
            documents.push(format!("{{{}}}", flat.join(",")));
            documents.push(nested(names, value));
        }
        documents.extend(paths.iter().map(|path| nested(path, value)));
    }
    documents.dedup();
    documents.iter().map(|text| format!("'{}'", quoted(text))).collect()
}

/// The texts in single quotes: names of keys, and values that a filter compares with.
fn literals(expressions: &[&str]) -> Vec<String> {
    let mut literals: Vec<String> = Vec::new();
    for text in expressions {
        for literal in text.split('\'').skip(1).step_by(2) {
            let is_plain = literal.chars().all(|c| c.is_alphanumeric() || "_-.:$/ ".contains(c));
            if is_plain && !literal.is_empty() && !literals.iter().any(|known| known == literal) {
                literals.push(literal.to_owned());
            }
        }
    }
    literals
}

/// The paths that follow a column in the expressions, as in "data.user.id".
fn paths(column: &str, expressions: &[&str]) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    for text in expressions {
        for (at, _) in text.match_indices(&format!("{column}.")) {
            let rest = &text[at + column.len() + 1..];
            let is_path = |c: char| c.is_alphanumeric() || "_.`".contains(c);
            let path = &rest[..rest.find(|c| !is_path(c)).unwrap_or(rest.len())];
            let names = path.split('.').map(|name| name.trim_matches('`')).filter(|name| !name.is_empty());
            let names: Vec<String> = names.map(str::to_owned).collect();
            if !names.is_empty() && !paths.contains(&names) {
                paths.push(names);
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_odd_values_under_the_keys_that_an_expression_names() {
        let names = literals(&["JSONExtractString(properties, 'a', 'b') = 'x y'", "properties != ''"]);
        assert_eq!(names, ["a", "b", "x y"]);
        let documents = documents(&names[..2], &[]);
        assert!(documents.contains(&r#"'{"a":"abc","b":"abc"}'"#.to_owned()), "{documents:?}");
        assert!(documents.contains(&r#"'{"a":{"b":null}}'"#.to_owned()), "{documents:?}");
        assert_eq!(paths("data", &["data.user.`id` + data.n"]), [vec!["user", "id"], vec!["n"]]);
    }

    #[test]
    fn numbers_have_the_ends_of_their_ranges() {
        assert_eq!(integer_bounds("UInt8"), Some(("0".into(), "255".into())));
        assert_eq!(integer_bounds("Int64"), Some((i64::MIN.to_string(), i64::MAX.to_string())));
        assert_eq!(integer_bounds("String"), None);
        let nullable = values("LowCardinality(Nullable(UInt8))", &[], &[]);
        assert_eq!(nullable.last().unwrap(), "CAST(NULL, 'LowCardinality(Nullable(UInt8))')");
        assert_eq!(values("Array(String)", &[], &[]), ["defaultValueOfTypeName('Array(String)')"]);
    }

    #[test]
    fn only_named_columns_are_made() {
        let columns = ["a", "b"].map(|name| Column { name: name.into(), r#type: "UInt8".into() });
        let rows = Source::new(&columns, &["a + 1"]).rows(0, 5);
        assert!(
            rows.contains("AS `a`") && !rows.contains("AS `b`") && rows.contains("numbers(0, 5)"),
            "{rows}"
        );
    }
}
