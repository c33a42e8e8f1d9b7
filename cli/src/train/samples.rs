//! Reads samples of a machine from a CSV file onto an even grid of times.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use csv::ByteRecord;
use jiff::Timestamp;

use crate::csv_file::fault::{Fault, Faults, text};
use crate::csv_file::header::Header;
use crate::csv_file::{CsvFile, number, time};

/// The metrics of a machine, as the columns name them.
pub(super) const METRICS: [&str; 7] =
    ["bandwidth", "latency", "packet_loss", "jitter", "cpu_usage", "memory_usage", "error_rate"];

const EXPECTED: &str = "the columns must be timestamp and some of bandwidth, latency, packet_loss, jitter, cpu_usage, \
                        memory_usage, error_rate, in any order";

const ALLOWED_VALUE: &str = "a number from 0 to 1e100, or nothing for a gap";
const LARGEST: f64 = 1e100;

/// More samples than fit ten years of minutes are a mistake in the times.
const MOST_SAMPLES: i64 = 5_300_000;

/// The samples of a file.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) step_seconds: u64,
    /// By metric, at each step from the first sample to the last, NaN for gaps.
    pub(super) metrics: Vec<(&'static str, Vec<f64>)>,
    /// SHA-256 of the file, in hexadecimal.
    pub(super) digest: String,
}

#[derive(Clone, Debug, Default)]
struct Columns {
    count: usize,
    timestamp: usize,
    /// The place of each metric that the file has.
    metrics: Vec<(&'static str, usize)>,
}

/// The time of a line in milliseconds, and its values in the order of the columns' metrics.
type Row = (i64, Vec<f64>);

/// # Errors
///
/// When the file cannot be read, a line is wrong, or the times make no even grid.
pub(super) fn read(path: &Path) -> anyhow::Result<Samples> {
    let mut file = CsvFile::open(path, Columns::of_header)?;
    let columns = file.columns.clone();
    let (mut rows, mut faults, mut lines): (Vec<Row>, _, _) = (Vec::new(), Faults::default(), 0);
    while let Some((line, record)) =
        file.next().with_context(|| format!("cannot read {} to its end", path.display()))?
    {
        lines += 1;
        match columns.parse(record, rows.last().map(|(before, _)| *before)) {
            Ok(row) => rows.push(row),
            Err(fault) => faults.add(line, &fault),
        }
    }
    if let Some(report) = faults.report(path, lines, "nothing was trained") {
        bail!("{report}");
    }
    ensure!(rows.len() > 1, "{} has fewer than two samples below its header", path.display());
    let digest = file.digest();
    grid(&rows, &columns, digest).with_context(|| format!("the times of {}", path.display()))
}

/// Puts the rows on the grid of the most usual step between them.
fn grid(rows: &[Row], columns: &Columns, digest: String) -> anyhow::Result<Samples> {
    let mut steps: Vec<i64> = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    steps.sort_unstable();
    let step = steps[steps.len() / 2];
    ensure!(step >= 1_000, "most samples are {step} ms apart; at least a second is needed");
    let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
    // To the nearest step.
    let place = |at: i64| (at - first + step / 2) / step;
    let count = place(last) + 1;
    ensure!(
        count <= MOST_SAMPLES,
        "they reach over {count} samples of {} s; at most {MOST_SAMPLES} are read",
        step / 1_000
    );
    let empty = vec![f64::NAN; usize::try_from(count)?];
    let mut metrics: Vec<_> = columns.metrics.iter().map(|(metric, _)| (*metric, empty.clone())).collect();
    for (at, values) in rows {
        let place = usize::try_from(place(*at))?;
        for ((_, samples), value) in metrics.iter_mut().zip(values) {
            samples[place] = *value;
        }
    }
    Ok(Samples {
        from: Timestamp::from_millisecond(first)?,
        until: Timestamp::from_millisecond(last)?,
        step_seconds: step.unsigned_abs() / 1_000,
        metrics,
        digest,
    })
}

impl Columns {
    /// `Err` names the fault of the header.
    fn of_header(record: &ByteRecord) -> Result<Self, String> {
        let known: Vec<&str> = std::iter::once("timestamp").chain(METRICS).collect();
        let header = Header::of(record, &known, EXPECTED)?;
        let mut metrics = Vec::new();
        for metric in METRICS {
            metrics.extend(header.place(metric)?.map(|place| (metric, place)));
        }
        if metrics.is_empty() {
            return Err(format!("no metric; {EXPECTED}"));
        }
        Ok(Self { count: header.count(), timestamp: header.required("timestamp")?, metrics })
    }

    /// * `before`: the time of the line before.
    fn parse(&self, record: &ByteRecord, before: Option<i64>) -> Result<Row, Fault> {
        if let Some(fault) = Fault::of_fields(record, self.count) {
            return Err(fault);
        }
        let at = text(record, self.timestamp, "timestamp")?.trim();
        let time = time::milliseconds(at).map_err(|allowed| Fault::new("timestamp", at, allowed))?;
        if before.is_some_and(|before| time <= before) {
            return Err(Fault::new("timestamp", at, String::from("a time after that of the line before")));
        }
        let value = |(metric, place): &(&'static str, usize)| {
            let text = text(record, *place, metric)?.trim();
            if text.is_empty() {
                return Ok(f64::NAN);
            }
            let value = number::json_number(text).ok().and_then(|number| number.parse::<f64>().ok());
            value
                .filter(|value| (0.0..=LARGEST).contains(value))
                .ok_or_else(|| Fault::new(metric, text, ALLOWED_VALUE.to_owned()))
        };
        Ok((time, self.metrics.iter().map(value).collect::<Result<_, _>>()?))
    }
}

impl Samples {
    /// "1,440 samples, one every 60 s, from 2026-11-20T00:00:00Z to 2026-11-20T23:59:00Z"
    pub(super) fn summary(&self) -> String {
        let count = self.metrics.first().map_or(0, |(_, samples)| samples.len());
        let count = indicatif::HumanCount(count as u64);
        format!("{count} samples, one every {} s, from {} to {}", self.step_seconds, self.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> anyhow::Result<Samples> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    fn refused(text: &str) -> String {
        format!("{:#}", read_text(text).unwrap_err())
    }

    #[test]
    fn samples_are_on_an_even_grid() {
        let samples = read_text(
            "jitter,timestamp,cpu_usage\n\
             1,2026-11-21T13:00:00Z,40\n\
             2,2026-11-21 13:01:00,\n\
             ,2026-11-21T13:02:02Z,42.5\n\
             3,2026-11-21T13:03:00Z,42\n\
             4,2026-11-21T13:05:00Z,43\n\
             5,2026-11-21T13:06:00Z,44\n",
        )
        .unwrap();
        assert_eq!(
            samples.summary(),
            "7 samples, one every 60 s, from 2026-11-21T13:00:00Z to 2026-11-21T13:06:00Z"
        );
        let [(one, of_jitter), (other, of_cpu)] = samples.metrics.as_slice() else { panic!("{samples:?}") };
        assert_eq!([*one, *other], ["jitter", "cpu_usage"]);
        let shown = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(of_jitter), "1 2 NaN 3 NaN 4 5");
        assert_eq!(shown(of_cpu), "40 NaN 42.5 42 NaN 43 44");
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_allowed() {
        let head = "timestamp,cpu_usage,jitter\n2026-11-21T13:00:00Z,40,1\n";
        for (line, message) in [
            (
                "2026-11-21T13:01:00Z,much,1",
                "line 3, cpu_usage: \"much\" is not allowed; allowed is a number from 0",
            ),
            ("2026-11-21T13:01:00Z,40,-1", "line 3, jitter: \"-1\" is not allowed"),
            ("2026-11-21T13:01:00Z,NaN,1", "line 3, cpu_usage: \"NaN\" is not allowed"),
            ("2026-11-21T13:01:00Z,2e100,1", "line 3, cpu_usage: \"2e100\" is not allowed"),
            (
                "2026-11-21T13:00:00Z,40,1",
                "line 3, timestamp: \"2026-11-21T13:00:00Z\" is not allowed; allowed is a time after",
            ),
            ("noon,40,1", "line 3, timestamp: \"noon\" is not allowed; allowed is RFC 3339"),
            ("2026-11-21T13:01:00Z,40", "allowed is 3 fields, as in the header, not 2"),
        ] {
            let refused = refused(&format!("{head}{line}\n"));
            assert!(refused.contains(message) && refused.contains("nothing was trained"), "{refused}");
        }
    }

    #[test]
    fn files_that_are_no_samples_are_refused() {
        for (text, message) in [
            ("", "is empty: its first line must name the columns"),
            ("timestamp\n", "no metric; the columns must be timestamp and some of bandwidth"),
            ("cpu_usage\n", "no column `timestamp`"),
            ("timestamp,cpu\n", "unknown column `cpu`"),
            ("timestamp,jitter,jitter\n", "two columns are named `jitter`"),
            ("timestamp,jitter\n2026-11-21T13:00:00Z,1\n", "fewer than two samples"),
            ("timestamp,jitter\n1795266000000,1\n1795266000100,1\n", "most samples are 100 ms apart"),
            (
                "timestamp,jitter\n1970-01-01T00:00:00Z,1\n1970-01-01T00:00:01Z,1\n1970-01-01T00:00:02Z,1\n2100-01-01T00:00:00Z,1\n",
                "at most 5300000 are read",
            ),
        ] {
            let refused = refused(text);
            assert!(refused.contains(message), "{refused}");
        }
    }
}
