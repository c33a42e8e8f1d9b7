//! The public records as files of comma-separated values, below one folder. Other columns are ignored.
//!
//! | file | a row | columns |
//! |---|---|---|
//! | `flowbench/runs.csv` | an execution | `workflow`, `run`, `label` (the fault), `duration_s` |
//! | `flowbench/nodes.csv` | a job of an execution | `workflow`, `run`, `node_key` (the kind), `label`, `runtime_s` |
//! | `nezha/error_logs.csv` | a WARN or ERROR line | `time` (UTC), `service`, `message` |
//! | `nezha/faults.csv` | a fault | `app`, `inject_time_utc`, `service`, `kind` |
//! | `nezha/spans.csv` | a request | `service`, `operation`, `start` (UTC), `duration_us` |
//! | `petshop/metrics.csv` | a figure of five minutes of a service | `scenario`, `part`, `time`, `service`, `metric`, `stat`, `value` |
//! | `petshop/labels.csv` | a fault | `scenario`, `part`, `alarm_metric` |
//! | `cloudtrail/events.csv` | a call of a cloud's API | `time`, `principal`, `service`, `operation` |
//! | `nab/series.csv` | a sample of a series | `group`, `series`, `time`, `value` |
//! | `nab/labels.csv` | a fault | `group`, `series`, `from`, `to` |
//!
//! A label without a fault is `normal`, `None`, `\N` or empty.

mod injected;
mod machines;
mod services;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::durations::{Group, ODD, Usual};
use super::errors::{Fault, Line};
use super::injected::{Injected, Requests};
use super::machines::Machine;
use super::principals::Call;
use super::services::{Issue, Services, Shows, Window};

/// What the files hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// Executions by workflow.
    pub runs: Vec<Group>,
    /// Nodes by workflow and kind.
    pub nodes: Vec<Group>,
    pub lines: Vec<Line>,
    /// Lines whose time is long before the first fault. They are not among the others.
    pub without_time: usize,
    pub faults: Vec<Fault>,
    /// The same faults with their kinds, and the requests after them.
    pub injected: Vec<Injected>,
    pub requests: Requests,
    /// Windows of services without a fault.
    pub services: Services,
    pub issues: Vec<Issue>,
    pub calls: Vec<Call>,
    pub machines: Vec<Machine>,
}

const WITHOUT_FAULT: [&str; 4] = ["normal", "None", r"\N", ""];

/// The services of whose errors there are lines.
const APP: &str = "TrainTicket";

/// The name of an execution: its workflow and its run.
type Name = (String, String);

/// All records below a folder.
///
/// # Errors
///
/// When a file cannot be read, or has a column or a value that is not understood.
pub fn read(folder: &Path) -> Result<Records> {
    let runs = rows(folder, "flowbench/runs.csv", ["workflow", "run", "label", "duration_s"])?;
    let runs: Vec<(Name, String, f64)> = runs
        .into_iter()
        .map(|[workflow, run, label, duration]| Ok(((workflow, run), label, milliseconds(&duration)?)))
        .collect::<Result<_>>()
        .context("flowbench/runs.csv")?;
    let odd = odd(&runs);
    let nodes = rows(folder, "flowbench/nodes.csv", ["workflow", "run", "node_key", "label", "runtime_s"])?;
    let (lines, without_time, faults) = errors(folder)?;
    let (injected, requests) = injected::read(folder)?;
    let (services, issues) = services::read(folder)?;
    Ok(Records {
        nodes: nodes_of(nodes, &runs, &odd).context("flowbench/nodes.csv")?,
        runs: runs_of(runs, &odd),
        lines,
        without_time,
        faults,
        injected,
        requests,
        services,
        issues,
        calls: calls(folder)?,
        machines: machines::read(folder)?,
    })
}

/// Executions without a fault that are slow all the same.
fn odd(runs: &[(Name, String, f64)]) -> HashSet<Name> {
    let mut workflows: BTreeMap<&str, Vec<(&Name, f64)>> = BTreeMap::new();
    for (name, _, duration) in runs.iter().filter(|(_, label, _)| is_without_fault(label)) {
        workflows.entry(&name.0).or_default().push((name, *duration));
    }
    let mut odd = HashSet::new();
    for runs in workflows.values_mut() {
        runs.sort_by(|one, other| one.1.total_cmp(&other.1));
        let limit = ODD * runs[runs.len() / 2].1;
        odd.extend(runs.iter().filter(|(_, duration)| *duration > limit).map(|(name, _)| (*name).clone()));
    }
    odd
}

fn runs_of(runs: Vec<(Name, String, f64)>, odd: &HashSet<Name>) -> Vec<Group> {
    let mut groups = BTreeMap::new();
    for (name, label, duration) in runs {
        let is_odd = odd.contains(&name);
        add(&mut groups, name.0, &label, duration, is_odd);
    }
    groups.into_values().collect()
}

/// A node counts as usual if nothing slowed its execution. In an execution with a fault, nodes without one are left out.
fn nodes_of(
    nodes: Vec<[String; 5]>,
    runs: &[(Name, String, f64)],
    odd: &HashSet<Name>,
) -> Result<Vec<Group>> {
    let labels: HashMap<&Name, &str> = runs.iter().map(|(name, label, _)| (name, label.as_str())).collect();
    let mut groups = BTreeMap::new();
    for [workflow, run, kind, label, duration] in nodes {
        let name = (workflow, run);
        let of_run =
            labels.get(&name).with_context(|| format!("runs.csv has no run {} of {}", name.1, name.0))?;
        if is_without_fault(&label) && !is_without_fault(of_run) {
            continue;
        }
        let group = format!("{} {kind}", name.0);
        add(&mut groups, group, &label, milliseconds(&duration)?, odd.contains(&name));
    }
    Ok(groups.into_values().collect())
}

fn add(groups: &mut BTreeMap<String, Group>, name: String, label: &str, duration: f64, is_odd: bool) {
    let group = groups.entry(name.clone()).or_insert_with(|| Group { name, ..Group::default() });
    if is_without_fault(label) {
        group.usual.push(Usual { duration, is_odd });
    } else {
        group.slowed.entry(label.to_owned()).or_default().push(duration);
    }
}

/// Lines with a time, the number of those without one, and faults.
fn errors(folder: &Path) -> Result<(Vec<Line>, usize, Vec<Fault>)> {
    let faults = rows(folder, "nezha/faults.csv", ["app", "inject_time_utc", "service"])?;
    let faults = faults.into_iter().filter(|[app, ..]| app == APP);
    let faults: Vec<Fault> = faults
        .map(|[_, at, service]| Ok(Fault { time: time(&at)?, service }))
        .collect::<Result<_>>()
        .context("nezha/faults.csv")?;
    let Some(first) = faults.iter().map(|fault| fault.time).min() else {
        bail!("nezha/faults.csv has no fault of {APP}");
    };
    let earliest = first.checked_sub(SignedDuration::from_hours(24))?;
    let lines = rows(folder, "nezha/error_logs.csv", ["time", "service", "message"])?;
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|[at, service, message]| Ok(Line { time: time(&at)?, service, message }))
        .collect::<Result<_>>()
        .context("nezha/error_logs.csv")?;
    let all = lines.len();
    let lines: Vec<Line> = lines.into_iter().filter(|line| line.time >= earliest).collect();
    let without_time = all - lines.len();
    Ok((lines, without_time, faults))
}

fn calls(folder: &Path) -> Result<Vec<Call>> {
    let file = "cloudtrail/events.csv";
    let calls = rows(folder, file, ["time", "principal", "service", "operation"])?.into_iter();
    let calls = calls.map(|[at, principal, service, operation]| {
        Ok(Call { time: time(&at)?, principal, operation: format!("{service} {operation}") })
    });
    calls.collect::<Result<_>>().context(file)
}

/// The cells of some columns of a file.
fn rows<const N: usize>(folder: &Path, file: &str, columns: [&str; N]) -> Result<Vec<[String; N]>> {
    let path = folder.join(file);
    let cannot = || format!("cannot read {}", path.display());
    let mut reader = csv::Reader::from_path(&path).with_context(cannot)?;
    let header = reader.headers().with_context(cannot)?.clone();
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        let found = header.iter().position(|name| name.trim() == column);
        *place = found.with_context(|| format!("{} has no column `{column}`", path.display()))?;
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.with_context(cannot)?;
        rows.push(places.map(|place| row.get(place).unwrap_or_default().trim().to_owned()));
    }
    Ok(rows)
}

fn is_without_fault(label: &str) -> bool {
    WITHOUT_FAULT.contains(&label)
}

fn milliseconds(seconds: &str) -> Result<f64> {
    let seconds: f64 = seconds.parse().with_context(|| format!("{seconds:?} is no number of seconds"))?;
    Ok(1_000.0 * seconds)
}

/// A time with an offset, or else in UTC.
fn time(text: &str) -> Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let civil: DateTime = text.parse().with_context(|| format!("{text:?} is no time"))?;
    Ok(TimeZone::UTC.to_timestamp(civil)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILES: [(&str, &str); 10] = [
        (
            "flowbench/runs.csv",
            "workflow,run,label,duration_s,host\na,1,normal,10,x\na,2,normal,12,x\na,3,normal,90,x\na,4,hdd_5,30.5,x\n",
        ),
        (
            "flowbench/nodes.csv",
            "\"workflow\",\"run\",\"node_key\",\"label\",\"runtime_s\"\n\
             a,1,fetch,None,1\na,3,fetch,\\N,9\na,4,fetch,None,2\na,4,fetch,hdd_5,7\n",
        ),
        (
            "nezha/error_logs.csv",
            "time,service,message\n\
             1754-08-30 22:43:41.128654848+00:00,s,lost\n2023-01-29 08:42:09.5+00:00,s,\"a, b\"\n2023-01-29 08:42:10,t,c\n",
        ),
        (
            "nezha/faults.csv",
            "app,inject_time_utc,service,kind\n\
             OnlineBoutique,2022-08-22 03:53:54,x,return\nTrainTicket,2023-01-29 08:43:04,s,return\n",
        ),
        (
            "petshop/metrics.csv",
            "scenario,part,time,service,metric,stat,value\n\
             low_traffic,noissue,2023-08-21 09:05:00,front,requests,Sum,40\n\
             low_traffic,noissue,2023-08-21 09:00:00,front,requests,Sum,20\n\
             low_traffic,noissue,2023-08-21 09:00:00,front,latency,Average,9\n\
             low_traffic,noissue,2023-08-21 09:00:00,front,latency,p50,0.2\n\
             temporal,issue_1,2023-04-21 09:00:00,front,requests,Sum,100\n\
             temporal,issue_1,2023-04-21 09:00:00,front,availability,Average,97\n",
        ),
        ("petshop/labels.csv", "scenario,part,alarm_metric\ntemporal,issue_1,availability\n"),
        (
            "cloudtrail/events.csv",
            "time,principal,service,operation\n2023-07-10T11:42:18Z,ada,s3,GetObject\n",
        ),
        ("nab/series.csv", "group,series,time,value\nrealAWSCloudwatch,cpu,2014-02-14 14:30:00,4\n"),
        (
            "nab/labels.csv",
            "group,series,from,to\nrealAWSCloudwatch,cpu,2014-02-14 14:30:00,2014-02-14 14:35:00\n",
        ),
        (
            "nezha/spans.csv",
            "service,operation,start,duration_us\n\
             s,get,2023-01-29 08:44:00.5+00:00,2000\ns,get,2023-01-29 08:43:00+00:00,1000\n",
        ),
    ];

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn records_are_read() {
        let records = read(folder(&FILES).path()).unwrap();
        let usual = |duration: f64| Usual { duration, is_odd: false };
        let odd = |duration: f64| Usual { duration, is_odd: true };
        let slowed = |duration: f64| [(String::from("hdd_5"), vec![duration])].into();
        let group = |name: &str, usual: Vec<Usual>, slowed| Group { name: name.to_owned(), usual, slowed };
        let runs = vec![usual(10_000.0), usual(12_000.0), odd(90_000.0)];
        assert_eq!(records.runs, [group("a", runs, slowed(30_500.0))]);
        let nodes = vec![usual(1_000.0), odd(9_000.0)];
        assert_eq!(records.nodes, [group("a fetch", nodes, slowed(7_000.0))]);
        let messages: Vec<&str> = records.lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!((messages, records.without_time), (vec!["a, b", "c"], 1));
        let fault = "2023-01-29T08:43:04Z".parse().unwrap();
        assert_eq!(records.faults, [Fault { time: fault, service: String::from("s") }]);
        let requests: Vec<u64> = records.services["front"].iter().map(|window| window.requests).collect();
        assert_eq!((requests, records.services["front"][0].latency.count()), (vec![20, 40], 10));
        let [issue] = records.issues.as_slice() else { panic!("{:?}", records.issues) };
        assert_eq!((issue.shows, issue.services["front"][0].failed), (Shows::InFailures, 3));
        assert_eq!(records.calls[0].operation, "s3 GetObject");
        let machine = &records.machines[0];
        assert_eq!((&machine.values[..], machine.faults[0].clone()), (&[4.0][..], 0..1));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (place, text, expected) in [
            (0, "workflow,run,label\n", "`duration_s`"),
            (0, "workflow,run,label,duration_s\na,1,normal,soon\n", "\"soon\""),
            (1, "workflow,run,node_key,label,runtime_s\nb,1,fetch,None,1\n", "no run 1 of b"),
            (2, "time,service,message\nnoon,s,m\n", "\"noon\""),
            (3, "app,inject_time_utc,service\n", "no fault"),
            (4, "scenario,part,time,service,metric,stat,value\n", "no part noissue"),
            (
                4,
                "scenario,part,time,service,metric,stat,value\na,b,2023-08-21 09:00:00,c,d,e,f\n",
                "\"f\" is no number",
            ),
            (5, "scenario,part,alarm_metric\ntemporal,issue_1,cost\n", "\"cost\""),
            (6, "time,principal,service,operation\nnoon,a,b,c\n", "\"noon\""),
            (7, "group,series,time,value\nrealAWSCloudwatch,cpu,noon,4\n", "\"noon\""),
            (8, "group,series,from,to\nrealAWSCloudwatch,cpu,2014-02-14 14:30:00,noon\n", "\"noon\""),
            (9, "service,operation,start,duration_us\ns,get,2023-01-29 08:43:00,long\n", "\"long\""),
        ] {
            let mut files = FILES;
            files[place].1 = text;
            let refused = format!("{:#}", read(folder(&files).path()).unwrap_err());
            assert!(refused.contains(expected) && refused.contains(files[place].0), "{refused}");
        }
        let refused = format!("{:#}", read(Path::new("/nowhere")).unwrap_err());
        assert!(refused.contains("/nowhere/flowbench/runs.csv"), "{refused}");
    }
}
