//! Lists as CSV, for spreadsheets. `Accept: text/csv` gives the same items, one per row.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::error::Problem;

/// The cursor of the next list page. A CSV row has no place for it.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// A list in the form that the request prefers. `columns` are paths into an item, with dots.
pub(crate) fn list<T: Serialize, L: Serialize>(
    headers: &HeaderMap,
    list: L,
    items: impl Fn(&L) -> &[T],
    next_cursor: impl Fn(&L) -> Option<&str>,
    columns: &[&str],
) -> Result<Response, Problem> {
    if !prefers_csv(headers) {
        return Ok(Json(list).into_response());
    }
    let internal = |error: &dyn std::error::Error| Problem::internal(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).map_err(|error| internal(&error))?;
    for item in items(&list) {
        let item = serde_json::to_value(item).map_err(|error| internal(&error))?;
        let cells = columns.iter().map(|path| cell(at(&item, path)));
        writer.write_record(cells).map_err(|error| internal(&error))?;
    }
    let text = writer.into_inner().map_err(|error| internal(&error))?;
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if let Some(cursor) = next_cursor(&list).and_then(|cursor| HeaderValue::from_str(cursor).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

/// Whether `text/csv` comes before any JSON in `Accept`.
fn prefers_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted
        .flat_map(|text| text.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    types
        .find(|name| ["text/csv", "application/json"].contains(&name.as_str()))
        .is_some_and(|name| name == "text/csv")
}

fn at<'a>(item: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(item, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// A cell. A spreadsheet would run a text that begins like a formula, and ids come from outside. Such a text gets an
/// apostrophe.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::Bool(_) | Value::Number(_) => return value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(cell).collect::<Vec<_>>().join(" | "),
        Value::Object(_) => value.to_string(),
    };
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_hold_values_and_no_formulas() {
        for (value, expected) in [
            (json!(null), ""),
            (json!(-1.5), "-1.5"),
            (json!(true), "true"),
            (json!("a,b"), "a,b"),
            (json!("=1+1"), "'=1+1"),
            (json!("@x"), "'@x"),
            (json!(["look", "=ask"]), "look | '=ask"),
        ] {
            assert_eq!(cell(&value), expected);
        }
        let item = json!({ "window": { "start": 1 } });
        assert_eq!((at(&item, "window.start"), at(&item, "window.x.y")), (&json!(1), &Value::Null));
    }

    #[test]
    fn the_first_known_type_is_preferred() {
        for (accept, expected) in [
            ("", false),
            ("*/*", false),
            ("text/csv", true),
            ("TEXT/CSV;q=0.9, application/json", true),
            ("application/json, text/csv", false),
            ("text/html, text/csv", true),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers_csv(&headers), expected, "{accept}");
        }
    }
}
