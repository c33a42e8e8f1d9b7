//! Faults that were injected into services, one after the other: whether slow requests or lines of errors tell them.
//!
//! There is no time without a fault. So a service's time is compared with the faults of other services.

use std::collections::BTreeMap;

use detection::rules::{Attempts, Burst, Deviation, Percentile};
use detection::{Baseline, Histogram, Verdict};
use jiff::{SignedDuration, Timestamp};

use super::errors::Line;
use super::share::Share;

/// A fault of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    pub time: Timestamp,
    pub service: String,
    pub kind: String,
}

/// Times of requests with the keys of their durations in a histogram of milliseconds, in order, by service and operation.
pub type Requests = BTreeMap<(String, String), Vec<(Timestamp, i16)>>;

/// What a rule tells: faults by kind, and the same time of other services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub kinds: BTreeMap<String, Share>,
    /// Operations of other services, or other services, in the times of faults.
    pub elsewhere: Share,
}

/// There are requests of so much time after a fault.
const REQUESTS: SignedDuration = SignedDuration::from_mins(3);

/// Lines of errors are counted from a minute before the noted time, because that may be late, to four minutes after it.
const BEFORE: SignedDuration = SignedDuration::from_mins(1);
const AFTER: SignedDuration = SignedDuration::from_mins(4);

/// So much time after a fault of a service is no past of that service.
const ECHO: SignedDuration = SignedDuration::from_mins(10);

/// A rule of numbers of lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counting {
    Burst(Burst),
    /// Beside the numbers of lines in the times of the other faults.
    Deviation(Deviation),
}

/// What a rule tells of the operations of services. A fault is told if an operation of its service is.
pub fn by_requests(faults: &[Injected], requests: &Requests, rule: &Percentile) -> Told {
    let mut told = Told::default();
    let least = usize::try_from(rule.min_events.unwrap_or(1)).unwrap_or(usize::MAX);
    for (number, fault) in faults.iter().enumerate() {
        let mut is_told = false;
        for ((service, _), all) in requests {
            let window = all.partition_point(|(at, _)| *at < fault.time)
                ..all.partition_point(|(at, _)| *at < fault.time + REQUESTS);
            if window.len() < least {
                continue;
            }
            let is_past = |at: Timestamp| {
                let shadows = |(other, of): (usize, &Injected)| {
                    let since = at.duration_since(of.time);
                    (other == number || of.service == *service) && since >= -BEFORE && since < ECHO
                };
                !faults.iter().enumerate().any(shadows)
            };
            let past = all.iter().filter(|(at, _)| is_past(*at)).map(|(_, key)| (*key, 1));
            let now: Histogram = all[window].iter().map(|(_, key)| (*key, 1)).collect();
            let verdict = rule.judge_window(&now, &past.collect());
            if matches!(verdict, Verdict::Undetermined(_)) {
                continue;
            }
            let flags = verdict.finding().is_some();
            if *service == fault.service {
                is_told |= flags;
            } else {
                told.elsewhere += Share::of([flags]);
            }
        }
        *told.kinds.entry(fault.kind.clone()).or_default() += Share::of([is_told]);
    }
    told
}

/// What a rule tells of the lines of errors of services.
pub fn by_lines(faults: &[Injected], lines: &[Line], rule: Counting) -> Told {
    let mut told = Told::default();
    let mut services: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in lines {
        let counts = services.entry(&line.service).or_insert_with(|| vec![0; faults.len()]);
        for (count, fault) in counts.iter_mut().zip(faults) {
            let since = line.time.duration_since(fault.time);
            *count += u64::from(since >= -BEFORE && since < AFTER);
        }
    }
    for (number, fault) in faults.iter().enumerate() {
        let mut is_told = false;
        for (service, counts) in &services {
            let is_other = |other: &usize| *other != number && faults[*other].service != **service;
            let past = (0..faults.len()).filter(is_other).map(|other| counts[other] as f64);
            let flags = rule.flags(counts[number], past);
            if *service == fault.service {
                is_told = flags;
            } else {
                told.elsewhere += Share::of([flags]);
            }
        }
        *told.kinds.entry(fault.kind.clone()).or_default() += Share::of([is_told]);
    }
    told
}

impl Counting {
    fn flags(self, events: u64, past: impl Iterator<Item = f64>) -> bool {
        let verdict = match self {
            Self::Burst(rule) => rule.judge(Attempts { events, principals: 0, succeeded: false }),
            Self::Deviation(rule) => match Baseline::of(past) {
                Some(past) => rule.judge(events as f64, &past, true),
                None => return false,
            },
        };
        verdict.finding().is_some()
    }
}

#[cfg(test)]
mod tests {
    use detection::rules::Side;

    use super::*;

    const BEGIN: Timestamp = Timestamp::constant(1_795_478_400, 0);

    fn at(minute: i64) -> Timestamp {
        BEGIN + SignedDuration::from_mins(minute)
    }

    /// Twelve faults, every twenty minutes, in turn of two services.
    fn faults() -> Vec<Injected> {
        let fault = |number: i64| Injected {
            time: at(20 * number),
            service: String::from(if number % 2 == 0 { "even" } else { "odd" }),
            kind: String::from("cpu"),
        };
        (0..12).map(fault).collect()
    }

    #[test]
    fn a_fault_is_told_by_slow_requests_of_its_service() {
        // One service is slow in its own faults. The other one is always the same.
        let request =
            |minute: i64, slow: bool| (at(minute), Histogram::key(if slow { 900.0 } else { 100.0 }));
        let minutes = || (0..240).flat_map(|minute| [minute; 3]);
        let even = minutes().map(|minute| request(minute, minute % 40 < 3)).collect();
        let odd = minutes().map(|minute| request(minute, false)).collect();
        let named = |service: &str, requests| ((service.to_owned(), String::from("get")), requests);
        let requests: Requests = [named("even", even), named("odd", odd)].into();
        let rule = Percentile { factor: Some(2.0), min_events: Some(5), ..Percentile::default() };
        let told = by_requests(&faults(), &requests, &rule);
        assert_eq!(told.kinds["cpu"], Share { flagged: 6, judged: 12 });
        assert_eq!(told.elsewhere, Share { flagged: 0, judged: 12 });
        // Nine requests are too few for a rule that asks for more.
        let strict = Percentile { min_events: Some(10), ..rule };
        assert_eq!(by_requests(&faults(), &requests, &strict).elsewhere.judged, 0);
    }

    #[test]
    fn a_fault_is_told_by_the_lines_of_its_service() {
        // One service writes always, and the other one in its own faults.
        let line = |service: &str, minute| Line {
            time: at(minute),
            service: service.into(),
            message: String::new(),
        };
        let lines: Vec<Line> = (0..240)
            .flat_map(|minute| {
                let odd = (minute % 40 == 21).then_some(["odd"; 15]).into_iter().flatten();
                ["even"; 4].into_iter().chain(odd).map(move |service| line(service, minute))
            })
            .collect();
        let burst = by_lines(&faults(), &lines, Counting::Burst(Burst::default()));
        assert_eq!((burst.kinds["cpu"].flagged, burst.elsewhere), (12, Share { flagged: 6, judged: 12 }));
        let rule = Deviation {
            min_samples: 5,
            min_change: 10.0,
            direction: Some(Side::Above),
            ..Deviation::default()
        };
        let deviation = by_lines(&faults(), &lines, Counting::Deviation(rule));
        assert_eq!((deviation.kinds["cpu"].flagged, deviation.elsewhere.flagged), (6, 0));
    }
}
