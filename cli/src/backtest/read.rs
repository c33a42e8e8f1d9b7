//! Reads the file: rows of customer, metric, hour and value.

use std::path::Path;

use ::backtest::{Cell, Rows};
use anyhow::{Context, bail, ensure};
use catalog::Catalog;
use csv::ByteRecord;
use detection::{CustomerId, Hour, MetricName};
use jiff::Timestamp;

use crate::csv_file::fault::{Fault, Faults, name, text};
use crate::csv_file::header::Header;
use crate::csv_file::{CsvFile, number, time};
use crate::progress::Progress;

/// A file in which every line is right.
pub(crate) struct Read {
    pub(crate) rows: Rows,
    pub(crate) lines: u64,
}

/// Where the columns are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    count: usize,
    customer_id: usize,
    metric: usize,
    hour: usize,
    value: usize,
}

/// Lines between two steps of the progress bar.
const STEP: u64 = 10_000;

/// A larger value is broken data for the check.
const LARGEST: f64 = 1e100;

const HOUR_MS: i64 = 3_600_000;

/// Reads all lines. `catalogs`: a metric of any of them is allowed. None means any metric.
pub(crate) fn read(path: &Path, catalogs: &[&Catalog]) -> anyhow::Result<Read> {
    let mut file = CsvFile::open(path, Columns::of_header)?;
    let columns = file.columns;
    let size = std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or(0);
    let mut progress = Progress::new(size, "bytes read");
    let (mut rows, mut lines, mut shown, mut faults) = (Rows::default(), 0_u64, 0, Faults::default());
    while let Some((line, record)) =
        file.next().with_context(|| format!("cannot read {} to its end", path.display()))?
    {
        lines += 1;
        match columns.row(record, catalogs) {
            Ok((customer, metric, hour, value)) => rows.push(customer, metric, Cell { hour, value, line }),
            Err(fault) => faults.add(line, &fault),
        }
        if lines.is_multiple_of(STEP) {
            progress.add(file.bytes_read() - shown);
            shown = file.bytes_read();
        }
    }
    progress.finish();
    if let Some(report) = faults.report(path, lines, "nothing was judged") {
        bail!("{report}");
    }
    ensure!(lines > 0, "{} has no line below its header", path.display());
    Ok(Read { rows, lines })
}

impl Columns {
    /// `Err` names the fault of the header.
    fn of_header(record: &ByteRecord) -> Result<Self, String> {
        const EXPECTED: &str = "the columns must be customer_id, metric, hour, value, in any order";
        let header = Header::of(record, &["customer_id", "metric", "hour", "value"], EXPECTED)?;
        Ok(Self {
            count: header.count(),
            customer_id: header.required("customer_id")?,
            metric: header.required("metric")?,
            hour: header.required("hour")?,
            value: header.required("value")?,
        })
    }

    fn row(
        self,
        record: &ByteRecord,
        catalogs: &[&Catalog],
    ) -> Result<(CustomerId, MetricName, Hour, f64), Fault> {
        if let Some(fault) = Fault::of_fields(record, self.count) {
            return Err(fault);
        }
        let id = name(record, self.customer_id, "customer_id", CustomerId::MAX_BYTES)?;
        let customer =
            CustomerId::new(id).map_err(|error| Fault::new("customer_id", id, error.to_string()))?;
        let named = text(record, self.metric, "metric")?.trim();
        let metric = MetricName::new(named).map_err(|_| {
            Fault::new("metric", named, "1 to 64 of a-z, 0-9 and _, the first one a letter".to_owned())
        })?;
        let hour_text = text(record, self.hour, "hour")?.trim();
        let hour = hour(hour_text).map_err(|allowed| Fault::new("hour", hour_text, allowed))?;
        let value_text = text(record, self.value, "value")?.trim();
        let value = value(value_text).map_err(|allowed| Fault::new("value", value_text, allowed))?;
        let specs: Vec<_> = catalogs.iter().filter_map(|catalog| catalog.get(named)).collect();
        if specs.is_empty() && !catalogs.is_empty() {
            let known = |catalog: &&Catalog| {
                let names: Vec<_> = catalog.metrics().iter().map(|spec| spec.name.as_str()).collect();
                format!("{}: {}", catalog.origin(), names.join(", "))
            };
            let known: Vec<_> = catalogs.iter().map(known).collect();
            return Err(Fault::new("metric", named, format!("a metric of {}", known.join(", or of "))));
        }
        if value < 0.0 && specs.iter().any(|spec| spec.never_negative()) {
            let allowed = format!("a number that is not negative for {metric}");
            return Err(Fault::new("value", value_text, allowed));
        }
        Ok((customer, metric, hour, value))
    }
}

/// The hour that starts then. `Err` names the allowed values.
fn hour(text: &str) -> Result<Hour, String> {
    const ALLOWED: &str = "RFC 3339 (2026-11-21T13:00:00Z), `YYYY-MM-DD HH:MM:SS` in UTC, or Unix seconds or \
                           milliseconds (10 or 13 digits), from 1970 to 2105";
    let is_seconds = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let milliseconds =
        if is_seconds { time::milliseconds(&format!("{text}000")) } else { time::milliseconds(text) };
    let start = milliseconds.map_err(|_| ALLOWED.to_owned())?;
    if start % HOUR_MS != 0 {
        return Err("a full hour of UTC, such as 2026-11-21T13:00:00Z".to_owned());
    }
    Timestamp::from_millisecond(start).map(Hour::holding).map_err(|_| ALLOWED.to_owned())
}

fn value(text: &str) -> Result<f64, String> {
    let number: f64 = number::json_number(text)?.parse().map_err(|_| "a number".to_owned())?;
    if number.abs() > LARGEST { Err("a number of at most 1e100".to_owned()) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_in_all_its_forms() {
        let expected = Hour::holding("2026-11-21T13:00:00Z".parse().unwrap());
        for text in [
            "2026-11-21T13:00:00Z",
            "2026-11-21T14:00:00+01:00",
            "2026-11-21T18:30:00+05:30",
            "2026-11-21 13:00:00",
            "1795266000",
            "1795266000000",
        ] {
            assert_eq!(hour(text), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("2026-11-21T13:30:00Z", "a full hour of UTC"),
            ("2026-11-21T13:00:00+05:30", "a full hour of UTC"),
            ("1795266001", "a full hour of UTC"),
            ("2026-11-21", "RFC 3339"),
            ("17952660", "RFC 3339"),
            ("", "RFC 3339"),
        ] {
            assert!(hour(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn a_value_is_a_number_that_can_be_calculated_with() {
        assert_eq!(value("1e100"), Ok(1e100));
        assert_eq!(value("-0.5"), Ok(-0.5));
        for text in ["NaN", "inf", "", "1,000", "1e308", "-2e100", "1e999"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
