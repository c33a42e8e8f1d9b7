//! The first pass: checks every line and sums up the file.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;

use super::line::{Columns, Rules};
use crate::csv_file::CsvFile;
use crate::csv_file::fault::Faults;
use crate::progress::Progress;

/// Lines between two steps of the progress bar.
const STEP: u64 = 10_000;

/// A file in which every line is right.
pub(crate) struct Checked {
    pub(crate) lines: u64,
    pub(crate) events: u64,
    /// SHA-256 in hexadecimal.
    pub(crate) digest: String,
    first: i64,
    last: i64,
    /// The metrics that the file names.
    metrics: BTreeSet<String>,
}

pub(crate) fn check(path: &Path, rules: &Rules) -> anyhow::Result<Checked> {
    let mut file = CsvFile::open(path, Columns::of_header)?;
    let columns = file.columns;
    let size = std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or(0);
    let mut progress = Progress::new(size, "bytes checked");
    let mut checked = Checked {
        lines: 0,
        events: 0,
        digest: String::new(),
        first: i64::MAX,
        last: i64::MIN,
        metrics: BTreeSet::new(),
    };
    let mut faults = Faults::default();
    let mut shown = 0;
    loop {
        let next = file.next().with_context(|| format!("cannot read {} to its end", path.display()))?;
        let Some((number, record)) = next else { break };
        checked.lines += 1;
        match rules.parse(columns, record) {
            Ok(line) => {
                checked.events += line.events;
                checked.first = checked.first.min(line.timestamp);
                checked.last = checked.last.max(line.timestamp);
                note_metric(&mut checked.metrics, columns, record);
            }
            Err(fault) => faults.add(number, &fault),
        }
        if checked.lines.is_multiple_of(STEP) {
            progress.add(file.bytes_read() - shown);
            shown = file.bytes_read();
        }
    }
    progress.finish();
    if let Some(report) = faults.report(path, checked.lines, "nothing was imported") {
        bail!("{report}");
    }
    ensure!(checked.lines > 0, "{} has no line below its header", path.display());
    checked.digest = file.digest();
    Ok(checked)
}

fn note_metric(metrics: &mut BTreeSet<String>, columns: Columns, record: &csv::ByteRecord) {
    if let Some(metric) = columns.metric(record)
        && !metrics.contains(metric)
    {
        metrics.insert(metric.to_owned());
    }
}

impl Checked {
    /// "1,000 lines, 1,000 events, from 2026-11-01T00:00:00Z to 2026-11-21T12:00:00Z"
    pub(crate) fn summary(&self) -> String {
        let time = |milliseconds| {
            Timestamp::from_millisecond(milliseconds)
                .map_or_else(|_| milliseconds.to_string(), |time| time.to_string())
        };
        let (lines, events) = (indicatif::HumanCount(self.lines), indicatif::HumanCount(self.events));
        format!("{lines} lines, {events} events, from {} to {}", time(self.first), time(self.last))
    }

    /// Facts about the file that its author may not expect.
    pub(crate) fn remarks(&self, rules: &Rules) -> Vec<String> {
        let shared = |metric: &String| {
            let count = rules.also_counted_by(metric)?;
            Some(format!("note: each line of {metric} is an event that {count} counts as well"))
        };
        self.metrics.iter().filter_map(shared).collect()
    }
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;

    use super::*;

    fn check_text(name: &str, text: &str) -> anyhow::Result<Checked> {
        let path = std::env::temp_dir().join(format!("meterflow-check-{}-{name}.csv", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let checked = check(&path, &Rules::of_catalog(&Catalog::built_in().unwrap()));
        std::fs::remove_file(&path).unwrap();
        checked
    }

    #[test]
    fn a_right_file_is_summed_up() {
        let text = "customer_id,metric,timestamp,value\na,api_calls,2026-11-21 12:00:00,40\n\
                    b,bandwidth,2026-11-20 12:00:00,1e6\nb,bandwidth,2026-11-20 13:00:00,2e6\n";
        let checked = check_text("right", text).unwrap();
        assert_eq!(
            checked.summary(),
            "3 lines, 42 events, from 2026-11-20T12:00:00Z to 2026-11-21T12:00:00Z"
        );
        let remarks = checked.remarks(&Rules::of_catalog(&Catalog::built_in().unwrap()));
        assert_eq!(remarks, ["note: each line of bandwidth is an event that api_calls counts as well"]);
    }

    #[test]
    fn every_wrong_line_is_named() {
        let text = "customer_id,metric,timestamp,value\na,api_calls,2026-11-21 12:00:00,40\n\
                    b,api_calls,soon,1\n\nb,api_calls,2026-11-21 12:00:00,-1\n";
        let error = check_text("wrong", text).err().unwrap().to_string();
        for part in [
            "2 of 3 lines are wrong, so nothing was imported",
            "line 3, timestamp: \"soon\"",
            "line 5, value: \"-1\"",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn only_the_first_faults_are_shown() {
        let text = format!("customer_id,metric,timestamp,value\n{}", "a,api_calls,soon,1\n".repeat(50));
        let error = check_text("many", &text).err().unwrap().to_string();
        assert!(error.contains("50 of 50 lines"), "{error}");
        assert!(
            error.contains("line 21,") && !error.contains("line 22,") && error.contains("and 30 more"),
            "{error}"
        );
    }

    #[test]
    fn files_without_lines_are_refused() {
        assert!(check_text("empty", "").err().unwrap().to_string().contains("is empty"));
        let error = check_text("header", "customer_id,metric,timestamp,value\n").err().unwrap().to_string();
        assert!(error.contains("no line below its header"), "{error}");
        let error = check_text("no-header", "a,api_calls,1795262400000,1\n").err().unwrap().to_string();
        assert!(error.contains("line 1: unknown column `a`"), "{error}");
    }
}
