use super::*;

fn record(line: &str) -> ByteRecord {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).unwrap();
    record
}

fn rules() -> Rules {
    Rules::of_catalog(&Catalog::built_in().unwrap())
}

fn parse(header: &str, line: &str) -> Result<(String, String, i64, String, u64), Fault> {
    let columns = Columns::of_header(&record(header)).unwrap();
    rules().parse(columns, &record(line)).map(|line| {
        let Line { customer_id, event_type, timestamp, properties, events } = line;
        (customer_id.to_owned(), event_type.to_owned(), timestamp, properties, events)
    })
}

const BY_METRIC: &str = "customer_id,metric,timestamp,value";
const BY_EVENT: &str = "customer_id,event_type,timestamp,value";
const NOON: i64 = 1_795_262_400_000;

#[test]
fn lines_become_events() {
    for (header, line, event_type, properties, events) in [
        (BY_METRIC, "acme,api_calls,2026-11-21T12:00:00Z,250", "api_request", "{}", 250),
        (BY_METRIC, "acme,api_calls,2026-11-21T12:00:00Z,", "api_request", "{}", 1),
        (BY_METRIC, "acme,api_calls,2026-11-21T12:00:00Z,0", "api_request", "{}", 0),
        (BY_METRIC, "acme,bandwidth,2026-11-21 12:00:00, 1024 ", "api_request", "{\"bytes\":1024}", 1),
        (BY_METRIC, "acme,storage_peak,1795262400000,12.340", "storage", "{\"gb_stored\":12.340}", 1),
        (BY_METRIC, "acme,storage_peak,1795262400000,-1", "storage", "{\"gb_stored\":-1}", 1),
        (BY_METRIC, "acme,compute_time,1795262400000,1e6\r", "compute", "{\"cpu_ms\":1e6}", 1),
        (BY_EVENT, "acme,login,1795262400000,", "login", "{}", 1),
        (BY_EVENT, "acme,login,1795262400000,-.5", "login", "{\"value\":-0.5}", 1),
        ("value,timestamp,event_type,customer_id", "7,1795262400000,a b,acme", "a b", "{\"value\":7}", 1),
        (
            "\u{feff}customer_id, metric ,timestamp,value\r",
            "acme,api_calls,1795262400000,3\r",
            "api_request",
            "{}",
            3,
        ),
    ] {
        let expected = ("acme".to_owned(), event_type.to_owned(), NOON, properties.to_owned(), events);
        assert_eq!(parse(header, line), Ok(expected), "{header} {line}");
    }
}

#[test]
fn customer_ids_are_kept_as_they_are() {
    for id in ["O'Neill; DROP TABLE events", "a\"\"b", "#1", "日本", "a,b", "a\nb", "<!channel>"] {
        let line = format!("\"{id}\",login,1795262400000,");
        assert_eq!(parse(BY_EVENT, &line).unwrap().0, id.replace("\"\"", "\""), "{id}");
    }
}

#[test]
fn faults_name_the_column_the_text_and_what_is_allowed() {
    let long = format!("{},api_calls,1795262400000,1", "x".repeat(2001));
    for (header, line, column, text, allowed) in [
        (BY_METRIC, "acme,api_calls,yesterday,1", "timestamp", "yesterday", "RFC 3339"),
        (BY_METRIC, "acme,api_calls,1795262400,1", "timestamp", "1795262400", "append 000"),
        (BY_METRIC, "acme,api_calls,1795262400000,1.5", "value", "1.5", "whole number of events from 0"),
        (BY_METRIC, "acme,api_calls,1795262400000,-1", "value", "-1", "for api_calls, or nothing for 1"),
        (BY_METRIC, "acme,api_calls,1795262400000,NaN", "value", "NaN", "whole number"),
        (BY_METRIC, "acme,bandwidth,1795262400000,-1", "value", "-1", "not negative for bandwidth"),
        (BY_METRIC, "acme,bandwidth,1795262400000,", "value", "", "a decimal number"),
        (BY_METRIC, "acme,bandwidth,1795262400000,inf", "value", "inf", "a decimal number"),
        (BY_METRIC, "acme,bandwidth,1795262400000,1e999", "value", "1e999", "at most 1.8e308"),
        (
            BY_METRIC,
            "acme,Bandwidth,1795262400000,1",
            "metric",
            "Bandwidth",
            "one of api_calls, bandwidth, compute_time",
        ),
        (BY_METRIC, "acme,,1795262400000,1", "metric", "", "one of api_calls"),
        (BY_METRIC, ",api_calls,1795262400000,1", "customer_id", "", "1 to 2000 bytes"),
        (BY_METRIC, "acme ,api_calls,1795262400000,1", "customer_id", "acme ", "white space"),
        (BY_METRIC, long.as_str(), "customer_id", "xxx", "1 to 2000 bytes"),
        (
            BY_METRIC,
            "acme,api_calls,1795262400000",
            "fields",
            "acme,api_calls",
            "4 fields, as in the header, not 3",
        ),
        (
            BY_METRIC,
            "acme,api_calls,1795262400000,1,000",
            "fields",
            "acme",
            "4 fields, as in the header, not 5",
        ),
        (BY_METRIC, "\"acme,api_calls,1795262400000,1\nb,", "fields", "acme", "never closed"),
        (BY_EVENT, "acme,,1795262400000,1", "event_type", "", "1 to 256 bytes"),
        (BY_EVENT, "acme,login,1795262400000,many", "value", "many", "or nothing"),
    ] {
        let fault = parse(header, line).unwrap_err();
        assert_eq!(fault.column, column, "{line}: {fault:?}");
        assert!(fault.text.starts_with(text), "{line}: {fault:?}");
        assert!(fault.allowed.contains(allowed), "{line}: {fault:?}");
        assert!(fault.text.chars().count() <= 200, "{fault:?}");
    }
}

#[test]
fn invalid_utf8_is_a_fault() {
    let columns = Columns::of_header(&record(BY_EVENT)).unwrap();
    let record = ByteRecord::from(vec![&b"ac\xffme"[..], b"login", b"1795262400000", b""]);
    assert_eq!(rules().parse(columns, &record).unwrap_err().allowed, "text in UTF-8");
}

#[test]
fn headers_that_are_refused() {
    for (header, reason) in [
        ("customer_id,timestamp,value", "neither `metric` nor `event_type`"),
        ("customer_id,metric,event_type,timestamp,value", "both `metric` and `event_type`"),
        ("customer_id,metric,timestamp", "no column `value`"),
        ("metric,timestamp,value", "no column `customer_id`"),
        ("customer_id,metric,timestamp,value,value", "two columns are named `value`"),
        ("customer_id,metric,timestamp,Value", "unknown column `Value`"),
        ("customer_id;metric;timestamp;value", "separated by commas"),
        ("acme,api_calls,2026-11-21T12:00:00Z,1", "unknown column `acme`"),
    ] {
        let refusal = Columns::of_header(&record(header)).unwrap_err();
        assert!(
            refusal.contains(reason) && refusal.contains("customer_id, metric or event_type"),
            "{refusal}"
        );
    }
}

#[test]
fn events_of_bandwidth_are_also_calls() {
    let rules = rules();
    assert_eq!(rules.also_counted_by("bandwidth"), Some("api_calls"));
    assert_eq!(rules.also_counted_by("compute_time"), None);
    assert_eq!(rules.also_counted_by("api_calls"), None);
}
