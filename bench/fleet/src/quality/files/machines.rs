//! The records of machines (NAB): series of five minutes, and the times of their faults.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::{rows, time};
use crate::quality::machines::{Machine, STEP};

const SERIES: &str = "nab/series.csv";
const LABELS: &str = "nab/labels.csv";

/// A group of which all series are of machines, and the series of machines in another group.
const GROUP: &str = "realAWSCloudwatch";
const OTHERS: [&str; 3] = [
    "cpu_utilization_asg_misconfiguration",
    "ec2_request_latency_system_failure",
    "machine_temperature_system_failure",
];

/// Values by sample since 1970: their sum and their number.
type Samples = BTreeMap<i64, (f64, f64)>;

pub(super) fn read(folder: &Path) -> Result<Vec<Machine>> {
    let mut all: BTreeMap<String, Samples> = BTreeMap::new();
    for [group, series, at, value] in rows(folder, SERIES, ["group", "series", "time", "value"])? {
        if is_of_machine(&group, &series) {
            let at = sample(time(&at).context(SERIES)?);
            let value: f64 = value.parse().with_context(|| format!("{SERIES}: {value:?} is no number"))?;
            let sample = all.entry(series).or_default().entry(at).or_default();
            *sample = (sample.0 + value, sample.1 + 1.0);
        }
    }
    if all.is_empty() {
        bail!("{SERIES} has no series of a machine");
    }
    let mut faults: BTreeMap<String, Vec<[i64; 2]>> = BTreeMap::new();
    for [group, series, from, to] in rows(folder, LABELS, ["group", "series", "from", "to"])? {
        if is_of_machine(&group, &series) {
            let ends = [time(&from), time(&to)].map(|at| at.map(sample).context(LABELS));
            let [from, to] = ends;
            faults.entry(series).or_default().push([from?, to?]);
        }
    }
    all.into_iter().map(|(name, samples)| machine(&faults, name, &samples)).collect()
}

fn is_of_machine(group: &str, series: &str) -> bool {
    group == GROUP || OTHERS.contains(&series)
}

/// The number of the sample that a time belongs to.
fn sample(at: Timestamp) -> i64 {
    at.as_second().div_euclid(STEP.as_secs())
}

fn machine(faults: &BTreeMap<String, Vec<[i64; 2]>>, name: String, samples: &Samples) -> Result<Machine> {
    let ends = samples.first_key_value().zip(samples.last_key_value());
    let ((first, _), (last, _)) = ends.with_context(|| format!("{name} has no samples"))?;
    let value = |at: i64| samples.get(&at).map_or(f64::NAN, |(sum, count)| sum / count);
    let place = |at: i64| usize::try_from(at.clamp(*first, last + 1) - first).unwrap_or_default();
    let of_machine = faults.get(&name).into_iter().flatten();
    Ok(Machine {
        faults: of_machine.map(|[from, to]| place(*from)..place(to + 1)).collect(),
        start: Timestamp::from_second(first * STEP.as_secs())?,
        values: (*first..=*last).map(value).collect(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn series_of_machines_are_read_by_sample() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("nab")).unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        write(
            SERIES,
            "group,series,time,value\n\
             realTweets,x,2014-02-14 14:30:00,9\n\
             realAWSCloudwatch,cpu,2014-02-14 14:32:00,4\n\
             realAWSCloudwatch,cpu,2014-02-14 14:34:00,6\n\
             realAWSCloudwatch,cpu,2014-02-14 14:42:00,7\n\
             realKnownCause,machine_temperature_system_failure,2014-02-14 14:42:00+00:00,70\n",
        );
        write(
            LABELS,
            "group,series,from,to\n\
             realTweets,x,2014-02-14 14:30:00,2014-02-14 14:30:00\n\
             realAWSCloudwatch,cpu,2014-02-14 14:36:00.000000,2014-02-14 15:30:00.000000\n",
        );
        let machines = read(folder.path()).unwrap();
        let names: Vec<&str> = machines.iter().map(|machine| machine.name.as_str()).collect();
        assert_eq!(names, ["cpu", OTHERS[2]]);
        let cpu = &machines[0];
        assert_eq!(cpu.start.to_string(), "2014-02-14T14:30:00Z");
        assert!(
            cpu.values.len() == 3 && cpu.values[0] == 5.0 && cpu.values[1].is_nan() && cpu.values[2] == 7.0
        );
        assert_eq!((cpu.faults.len(), cpu.faults[0].clone()), (1, 1..3));
        write(SERIES, "group,series,time,value\nrealAWSCloudwatch,cpu,2014-02-14 14:32:00,much\n");
        assert!(format!("{:#}", read(folder.path()).unwrap_err()).contains("\"much\" is no number"));
        write(SERIES, "group,series,time,value\nrealTweets,x,2014-02-14 14:30:00,9\n");
        assert!(format!("{:#}", read(folder.path()).unwrap_err()).contains("no series of a machine"));
    }
}
