//! Labelled series from files of comma-separated values, as their public origins have them.
//!
//! | column | names |
//! |---|---|
//! | time: `2014-02-14 14:30:00`, seconds since 1970, or the number of the hour | `timestamp`, `timestamps`, `time` |
//! | value | `value` |
//! | label: anything but 0 is odd | `label`, `is_anomaly`, `anomaly` |
//! | series, where a file has many | `series`, `KPI ID` |
//!
//! The labels of NAB are windows in `combined_windows.json`. All files of a folder, and of those in it, are one set.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Kind, Labelled};

const HOUR: i64 = 3_600;

/// The windows of NAB: by folder and file, their first and last times.
const WINDOWS: &str = "combined_windows.json";

/// Values of a series by hour since 1970: their sum, their number, and whether one of them is odd.
type ByHour = BTreeMap<i64, (f64, f64, bool)>;

/// All series below a folder.
///
/// # Errors
///
/// When a file cannot be read, or has a column or a value that is not understood.
pub fn read(kind: Kind, folder: &Path) -> anyhow::Result<Vec<Labelled>> {
    let mut files = Vec::new();
    below(folder, &mut files)?;
    let windows = files.iter().find(|file| file.file_name().is_some_and(|name| name == WINDOWS));
    let windows = windows.map(|file| windows_of(file)).transpose()?.unwrap_or_default();
    let set = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut series = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "csv")) {
        let odd = windows.iter().find(|(name, _)| file.ends_with(name.as_str())).map(|(_, odd)| odd);
        let of_file = read_file(file, odd.map_or(&[][..], Vec::as_slice));
        let of_file = of_file.with_context(|| format!("cannot read {}", file.display()))?;
        series.extend(of_file.into_iter().filter_map(|hours| labelled(&set, kind, &hours)));
    }
    if series.is_empty() {
        bail!("{} has no file of labelled series", folder.display());
    }
    Ok(series)
}

/// The files of a folder and of those in it, in order.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() { below(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn windows_of(file: &Path) -> anyhow::Result<HashMap<String, Vec<[i64; 2]>>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let windows: HashMap<String, Vec<[String; 2]>> =
        serde_json::from_str(&text).with_context(|| format!("{} has no windows", file.display()))?;
    let of_file = |(name, windows): (String, Vec<[String; 2]>)| {
        let seconds = |[first, last]: [String; 2]| anyhow::Ok([time(&first)?, time(&last)?]);
        anyhow::Ok((name, windows.into_iter().map(seconds).collect::<Result<_, _>>()?))
    };
    windows.into_iter().map(of_file).collect()
}

/// The series of a file.
fn read_file(file: &Path, odd: &[[i64; 2]]) -> anyhow::Result<Vec<ByHour>> {
    let mut reader = csv::Reader::from_path(file).context("no table")?;
    let header = reader.headers().context("no header")?.clone();
    let column = |names: &[&str]| header.iter().position(|name| names.contains(&name.trim()));
    let at = column(&["timestamp", "timestamps", "time"]).context("no column `timestamp`")?;
    let value = column(&["value"]).context("no column `value`")?;
    let (label, name) = (column(&["label", "is_anomaly", "anomaly"]), column(&["series", "KPI ID"]));
    let mut series: BTreeMap<String, ByHour> = BTreeMap::new();
    for (number, row) in reader.records().enumerate() {
        let row = row.with_context(|| format!("row {}", number + 1))?;
        let cell = |column: usize| row.get(column).unwrap_or_default().trim();
        let Ok(found) = cell(value).parse::<f64>() else { continue };
        let time = time(cell(at)).with_context(|| format!("row {}", number + 1))?;
        let is_odd = label.is_some_and(|label| cell(label).parse::<f64>().is_ok_and(|label| label != 0.0))
            || odd.iter().any(|[first, last]| (*first..=*last).contains(&time));
        let hours = series.entry(name.map(cell).unwrap_or_default().to_owned()).or_default();
        let hour = hours.entry(time.div_euclid(HOUR)).or_default();
        *hour = (hour.0 + found, hour.1 + 1.0, hour.2 || is_odd);
    }
    Ok(series.into_values().collect())
}

/// Seconds since 1970. Small numbers count hours.
fn time(text: &str) -> anyhow::Result<i64> {
    const SECONDS_FROM: i64 = 100_000_000;
    const MILLISECONDS_FROM: i64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(hour) if hour < SECONDS_FROM => Ok(hour.saturating_mul(HOUR)),
        Ok(seconds) if seconds < MILLISECONDS_FROM => Ok(seconds),
        Ok(milliseconds) => Ok(milliseconds / 1_000),
        Err(_) => {
            let civil: DateTime = text.parse().with_context(|| format!("{text:?} is no time"))?;
            Ok(TimeZone::UTC.to_timestamp(civil)?.as_second())
        }
    }
}

/// The hours from the first to the last.
fn labelled(set: &str, kind: Kind, hours: &ByHour) -> Option<Labelled> {
    let (first, last) = (*hours.first_key_value()?.0, *hours.last_key_value()?.0);
    let of = |hour: i64| hours.get(&hour).copied();
    let value = |(sum, number, _): (f64, f64, bool)| match kind {
        Kind::Usage => sum,
        Kind::Service | Kind::Machine => sum / number,
    };
    Some(Labelled {
        set: set.to_owned(),
        kind,
        start: Timestamp::from_second(first.checked_mul(HOUR)?).ok()?,
        values: (first..=last).map(|hour| of(hour).map_or(f64::NAN, value)).collect(),
        labels: (first..=last).map(|hour| of(hour).is_some_and(|(.., is_odd)| is_odd)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_public_forms_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "data/cpu/a.csv",
            "timestamp,value\n2014-02-14 14:30:00,4\n2014-02-14 14:35:00,6\n2014-02-14 16:00:00,1\n",
        );
        write(
            "data/cpu/combined_windows.json",
            r#"{"cpu/a.csv": [["2014-02-14 15:59:00.000000", "2014-02-14 16:10:00.000000"]]}"#,
        );
        write("data/web/b.csv", "timestamp,value,is_anomaly\n1,10,0\n2,20,1\n");
        write(
            "data/web/c.csv",
            "timestamp,value,label,KPI ID\n1400000400,1,0,x\n1400000460,2,1,x\n1400000400,5,0,y\n",
        );
        let found = read(Kind::Service, &folder.path().join("data")).unwrap();
        assert_eq!(found.len(), 4);
        let [cpu, web, x, y] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (cpu.set.as_str(), cpu.values[0], cpu.values[1].is_nan(), cpu.values[2]),
            ("data", 5.0, true, 1.0)
        );
        assert_eq!(cpu.labels, [false, false, true]);
        assert_eq!((&web.values[..], &web.labels[..]), (&[10.0, 20.0][..], &[false, true][..]));
        assert_eq!((&x.values[..], &x.labels[..], &y.values[..]), (&[1.5][..], &[true][..], &[5.0][..]));
        assert_eq!(read(Kind::Usage, &folder.path().join("data/web")).unwrap()[1].values, [3.0]);
    }

    #[test]
    fn a_file_that_is_not_understood_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [("a,b\n1,2\n", "`timestamp`"), ("timestamp,value\nnoon,2\n", "row 1")] {
            fs::write(folder.path().join("odd.csv"), text).unwrap();
            let refused = format!("{:#}", read(Kind::Usage, folder.path()).unwrap_err());
            assert!(refused.contains("odd.csv") && refused.contains(expected), "{refused}");
        }
        fs::remove_file(folder.path().join("odd.csv")).unwrap();
        assert!(
            read(Kind::Usage, folder.path()).unwrap_err().to_string().contains("no file of labelled series")
        );
    }
}
