//! New types of errors in the logs of services, and how many of them are in a service that a fault was just injected into.
//!
//! Lines are counted by key in windows of ten minutes: the service, and what is the same in its messages. The novelty
//! rule judges each key in each window.

use std::collections::{BTreeMap, BTreeSet};

use detection::Verdict;
use detection::fingerprint::{fingerprint, masked};
use detection::rules::{Novelty, Sighting};
use jiff::{SignedDuration, Timestamp};

/// A line of a log: a warning or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub time: Timestamp,
    pub service: String,
    pub message: String,
}

/// A fault that was injected into a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub time: Timestamp,
    pub service: String,
}

/// What is the same in messages of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Fingerprint,
    /// The fingerprint without its limit of length.
    Masked,
    Message,
}

/// The length of a window. The rule counts whole days; here it counts windows instead.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// A fault is just injected for so long.
pub const AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The noted times of faults may be so much late.
pub const LATE: SignedDuration = SignedDuration::from_mins(1);

/// The rule of new errors with its defaults, but for ten minutes of learning. An error that was seen is known for a month.
pub fn rule() -> Novelty {
    let windows_a_day = 24 * 60 / WINDOW.as_mins() as u32;
    let default = Novelty::default();
    Novelty { learning_days: 1, unseen_days: default.unseen_days * windows_a_day, ..default }
}

/// What a rule found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Services with a type of their messages.
    pub keys: usize,
    pub findings: Vec<Finding>,
    /// Faults with a finding in their service.
    pub faults: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first line of the window.
    pub time: Timestamp,
    pub service: String,
    pub of: String,
    /// Whether a fault was just injected into the service.
    pub is_injected: bool,
}

impl Found {
    /// Findings in a service that a fault was just injected into.
    pub fn injected(&self) -> usize {
        self.findings.iter().filter(|finding| finding.is_injected).count()
    }
}

impl Type {
    fn of(self, message: &str) -> String {
        match self {
            Self::Fingerprint => fingerprint(message),
            Self::Masked => masked(message).collect(),
            Self::Message => message.to_owned(),
        }
    }
}

impl Fault {
    fn explains(&self, service: &str, time: Timestamp) -> bool {
        let since = time.duration_since(self.time);
        self.service == service && since >= -LATE && since <= AFTER
    }
}

/// By window: the number of lines, and the time of the first one.
type Windows = BTreeMap<u32, (u64, Timestamp)>;

/// What the rule finds in the lines.
pub fn found(lines: &[Line], faults: &[Fault], by: Type, rule: &Novelty) -> Found {
    let Some(begin) = lines.iter().map(|line| line.time).min() else { return Found::default() };
    let mut keys: BTreeMap<(&str, String), Windows> = BTreeMap::new();
    for line in lines {
        let windows = keys.entry((&line.service, by.of(&line.message))).or_default();
        let (events, first) = windows.entry(window(begin, line.time)).or_insert((0, line.time));
        *events += 1;
        *first = line.time.min(*first);
    }
    let (mut findings, mut explained) = (Vec::new(), BTreeSet::new());
    for ((service, of), windows) in &keys {
        let mut last_seen = None;
        for (window, (events, time)) in windows {
            let last_seen_days = last_seen.map(|last| window - last);
            last_seen = Some(*window);
            let sighting = Sighting { events: *events, last_seen_days, known_days: *window };
            if !matches!(rule.judge(sighting), Verdict::Anomalous(_)) {
                continue;
            }
            let causes = (0..faults.len()).filter(|fault| faults[*fault].explains(service, *time));
            let causes: Vec<usize> = causes.collect();
            let is_injected = !causes.is_empty();
            explained.extend(causes);
            let service = (*service).to_owned();
            findings.push(Finding { time: *time, service, of: of.clone(), is_injected });
        }
    }
    findings.sort_by_key(|finding| finding.time);
    Found { keys: keys.len(), findings, faults: explained.len() }
}

/// The number of the window, from the first line on.
fn window(begin: Timestamp, time: Timestamp) -> u32 {
    let windows = time.duration_since(begin).as_secs() / WINDOW.as_secs();
    u32::try_from(windows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Timestamp = Timestamp::constant(1_795_478_400, 0);

    fn at(minute: i64) -> Timestamp {
        BEGIN + SignedDuration::from_mins(minute)
    }

    fn line(minute: i64, service: &str, message: &str) -> Line {
        Line { time: at(minute), service: service.to_owned(), message: message.to_owned() }
    }

    fn fault(minute: i64, service: &str) -> Fault {
        Fault { time: at(minute), service: service.to_owned() }
    }

    #[test]
    fn a_type_is_new_once_and_in_one_service() {
        let lines = [
            line(0, "orders", "order 1 not found"),
            line(15, "orders", "order 2 not found"),
            line(16, "orders", "order 3 not found"),
            line(31, "seats", "order 4 not found"),
            line(32, "seats", "order 5 not found"),
            line(60, "seats", "order 6 not found"),
            line(61, "seats", "order 7 not found"),
            line(62, "orders", "a single one"),
        ];
        let faults = [fault(21, "seats"), fault(20, "seats"), fault(32, "seats"), fault(30, "orders")];
        let by_type = found(&lines, &faults, Type::Fingerprint, &rule());
        assert_eq!(by_type.keys, 3);
        let of = String::from("order * not found");
        let seats = Finding { time: at(31), service: String::from("seats"), of, is_injected: true };
        assert_eq!(by_type.findings, [seats]);
        assert_eq!((by_type.injected(), by_type.faults), (1, 2), "eleven minutes before is too early");
        let at_once = Novelty { min_events: 1, ..rule() };
        assert_eq!(found(&lines, &faults, Type::Fingerprint, &at_once).findings.len(), 2);
        // Each message is one of its own.
        assert_eq!(found(&lines, &faults, Type::Message, &at_once).findings.len(), 7);
        assert_eq!(found(&[], &faults, Type::Message, &rule()), Found::default());
    }

    #[test]
    fn the_length_of_a_fingerprint_decides_what_is_one_type() {
        let of = |end: &str| format!("{} {end}", "word ".repeat(50));
        let lines = [line(0, "a", &of("one")), line(11, "a", &of("two")), line(12, "a", &of("two"))];
        let findings = |by| found(&lines, &[], by, &rule()).findings.len();
        assert_eq!((findings(Type::Fingerprint), findings(Type::Masked)), (0, 1));
    }

    #[test]
    fn the_rule_learns_for_ten_minutes_and_forgets_after_a_month() {
        assert_eq!((rule().learning_days, rule().unseen_days, rule().min_events), (1, 4_320, 2));
        assert_eq!(window(BEGIN, at(9)), 0);
        assert_eq!(window(BEGIN, at(10)), 1);
    }
}
