//! The tables of the page, and the goals that are missed.

mod injected;
mod machines;
mod services;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use detection::rules::{Novelty, Percentile};

use super::durations::{Draws, Flagged, Group, Judge, flagged};
use super::errors::{Found, Type, found, rule};
use super::files::Records;
use super::share::Share;
use crate::goal::{Goal, number};

/// A figure beside its goal. Here a goal has no grace.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub name: String,
    pub value: Option<f64>,
    pub goal: Goal,
    /// A goal that is known to be missed. The page says so, and the program does not fail.
    pub is_wish: bool,
}

impl Figure {
    pub fn is_missed(&self) -> bool {
        !self.goal.is_reached(self.value)
    }

    /// Whether it is missed, and is no wish.
    pub fn fails(&self) -> bool {
        self.is_missed() && !self.is_wish
    }
}

/// Durations of one sort, with what is promised of the preset's rule for them.
struct Sort {
    title: &'static str,
    metric: &'static str,
    draws: Draws,
    /// In percent, of the faults that slow a run by much.
    recall: f64,
    /// In percent, of the runs without a fault.
    flagged: f64,
}

const EXECUTIONS: Sort = Sort {
    title: "Executions",
    metric: "execution_duration",
    draws: Draws { baseline: 60, number: 20 },
    recall: 97.0,
    flagged: 0.5,
};

const NODES: Sort = Sort {
    title: "Nodes",
    metric: "node_duration",
    draws: Draws { baseline: 100, number: 20 },
    recall: 95.0,
    flagged: 0.2,
};

/// The faults that slow a run by much.
const SLOWING: [&str; 2] = ["hdd_10", "hdd_5"];

/// The factors that the rule has by default, for events and for windows.
const FACTORS: [f64; 2] = [1.2, 1.5];

/// Findings of new errors: at most so many, and at least so many in a service that a fault was just injected into.
const FINDINGS: f64 = 15.0;
const INJECTED: f64 = 5.0;

/// All tables, and the figures that have a goal.
///
/// # Errors
///
/// When there are too few records, or the preset lacks a rule.
pub fn tables(records: &Records) -> Result<(String, Vec<Figure>)> {
    let mut figures = Vec::new();
    let executions = durations(&EXECUTIONS, &records.runs, &mut figures)?;
    let nodes = durations(&NODES, &records.nodes, &mut figures)?;
    let errors = errors(records, &mut figures);
    let injected = injected::injected(records, &mut figures)?;
    let services = services::services(records, &mut figures)?;
    let principals = services::principals(records, &mut figures)?;
    let machines = machines::machines(records, &mut figures)?;
    let parts = [goals(&figures), executions, nodes, errors, injected, services, principals, machines];
    Ok((parts.join("\n"), figures))
}

fn goals(figures: &[Figure]) -> String {
    let mut text = String::from("### Goals\n\n| figure | goal | value | goal met |\n|---|---|---|---|\n");
    for figure in figures {
        let Figure { name, value, goal, .. } = figure;
        let mark = if figure.is_missed() { "**missed**" } else { "met" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {} | {} | {mark} |", goal.text(), number(*value, 2));
    }
    text
}

fn durations(sort: &Sort, groups: &[Group], figures: &mut Vec<Figure>) -> Result<String> {
    let preset = Judge::of_preset(sort.metric)?;
    let faults: BTreeSet<&str> = groups.iter().flat_map(|of| of.slowed.keys().map(String::as_str)).collect();
    let mut text = head(sort, groups, &faults);
    for (name, judge) in judges(preset) {
        let of_judge = flagged(groups, sort.draws, judge)?;
        row(&mut text, &name, &of_judge, &faults);
        if judge == Judge::Rule(preset) {
            promised(sort, &of_judge, figures);
        }
    }
    Ok(text)
}

fn head(sort: &Sort, groups: &[Group], faults: &BTreeSet<&str>) -> String {
    let Sort { title, metric, draws, .. } = sort;
    let usual = groups.iter().flat_map(|of| &of.usual);
    let (number, odd) = (usual.clone().count(), usual.filter(|run| run.is_odd).count());
    let slowed: usize = groups.iter().flat_map(|of| of.slowed.values().map(Vec::len)).sum();
    let columns: Vec<&str> = faults.iter().copied().collect();
    format!(
        "### {title}\n\n\
         {number} without a fault ({odd} of them odd) and {slowed} slowed ones, in {} groups. {} draws of {} for the baseline. The\n\
         first row is the rule of `{metric}` in the preset. Percent that are flagged:\n\n\
         | rule | {} | without a fault | of those, not odd |\n|---|{}---|---|\n",
        groups.len(),
        draws.number,
        draws.baseline,
        columns.join(" | "),
        "---|".repeat(columns.len())
    )
}

/// The rule of the preset, the same with other parameters, and plain rules to compare with.
fn judges(preset: Percentile) -> Vec<(String, Judge)> {
    let mut judges = vec![(format!("**{}**", text_of(&preset)), Judge::Rule(preset))];
    for factor in FACTORS {
        for min_change in [preset.min_change, 0.0] {
            let rule = Percentile { factor: Some(factor), min_change, ..preset };
            if (factor, min_change) != (preset.factor(), preset.min_change) {
                judges.push((text_of(&rule), Judge::Rule(rule)));
            }
        }
    }
    judges.push((String::from("above the 95th percentile"), Judge::AboveP95));
    judges.push((String::from("z above 3"), Judge::Z3));
    judges
}

fn text_of(rule: &Percentile) -> String {
    let change = match rule.min_change {
        0.0 => String::from("any change"),
        change => format!("{change} ms more"),
    };
    format!("`percentile`, factor {}, {change}", rule.factor())
}

fn row(text: &mut String, name: &str, of: &Flagged, faults: &BTreeSet<&str>) {
    let percent = |share: Share| number(share.percent(), 2);
    let slowed = |fault: &&str| percent(of.slowed.get(*fault).copied().unwrap_or_default());
    let cells: Vec<String> = faults.iter().map(slowed).collect();
    let (usual, calm) = (percent(of.usual), percent(of.calm));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| {name} | {} | {usual} | {calm} |", cells.join(" | "));
}

fn promised(sort: &Sort, of: &Flagged, figures: &mut Vec<Figure>) {
    let sort_of = sort.title.to_lowercase();
    for fault in SLOWING {
        figures.push(Figure {
            name: format!("{sort_of} slowed by {fault} that are found, %"),
            value: of.slowed.get(fault).and_then(|share| share.percent()),
            goal: Goal::AtLeast(sort.recall),
            is_wish: false,
        });
    }
    figures.push(Figure {
        name: format!("{sort_of} without a fault that are flagged, %"),
        value: of.usual.percent(),
        goal: Goal::AtMost(sort.flagged),
        is_wish: false,
    });
}

fn errors(records: &Records, figures: &mut Vec<Figure>) -> String {
    let Records { lines, without_time, faults, .. } = records;
    let at_once = Novelty { min_events: 1, ..rule() };
    let rows = [
        ("**`novelty` by fingerprint**", Type::Fingerprint, rule()),
        ("the same at the first line", Type::Fingerprint, at_once),
        ("by fingerprints of any length", Type::Masked, rule()),
        ("by whole messages", Type::Message, rule()),
    ];
    let rows = rows.map(|(name, by, rule)| (name, found(lines, faults, by, &rule)));
    let ours = &rows[0].1;
    figures.push(Figure {
        name: String::from("findings of new errors"),
        value: Some(ours.findings.len() as f64),
        goal: Goal::AtMost(FINDINGS),
        is_wish: false,
    });
    figures.push(Figure {
        name: String::from("of those, in a service that a fault was just injected into"),
        value: Some(ours.injected() as f64),
        goal: Goal::AtLeast(INJECTED),
        is_wish: false,
    });
    let mut text = format!(
        "### New errors\n\n\
         {} lines and {} faults. {without_time} more lines have no usable time and are left out.\n\n\
         | rule | types by service | findings | in an injected service | faults with a finding |\n|---|---|---|---|---|\n",
        lines.len(),
        faults.len()
    );
    for (name, of) in &rows {
        let Found { keys, findings, faults } = of;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {keys} | {} | {} | {faults} |", findings.len(), of.injected());
    }
    text
}

#[cfg(test)]
mod tests {
    use detection::Histogram;
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::quality::durations::Usual;
    use crate::quality::errors::{Fault, Line};
    use crate::quality::injected::Injected;
    use crate::quality::machines::Machine;
    use crate::quality::principals::Call;
    use crate::quality::services::{Issue, Services, Shows, Window};

    fn of_front(windows: Vec<Window>) -> Services {
        [(String::from("front"), windows)].into()
    }

    fn window(failed: u64, latency: f64) -> Window {
        Window { requests: 100, failed, latency: [latency; 100].into_iter().collect() }
    }

    fn call(time: Timestamp, number: u32) -> Call {
        Call { time, principal: String::from("ada"), operation: number.to_string() }
    }

    /// Executions and nodes of ten seconds. Two of the three that the disk slows show.
    fn records() -> Records {
        let usual = vec![Usual { duration: 10_000.0, is_odd: false }; 120];
        let slowed = |durations: [f64; 3]| SLOWING.map(|fault| (fault.to_owned(), durations.to_vec())).into();
        let group = |durations| {
            vec![Group { name: String::from("a"), usual: usual.clone(), slowed: slowed(durations) }]
        };
        let begin = Timestamp::constant(1_795_478_400, 0);
        let at = |minute| begin + SignedDuration::from_mins(minute);
        let line =
            |minute| Line { time: at(minute), service: String::from("s"), message: format!("{minute} m") };
        Records {
            runs: group([20_000.0, 30_000.0, 10_000.0]),
            nodes: group([20_000.0; 3]),
            lines: vec![line(0), line(15), line(16)],
            without_time: 2,
            faults: vec![Fault { time: at(14), service: String::from("s") }],
            services: of_front(vec![window(0, 200.0); 40]),
            issues: vec![
                Issue { shows: Shows::InLatency, services: of_front(vec![window(0, 500.0)]) },
                Issue { shows: Shows::InFailures, services: of_front(vec![window(0, 200.0)]) },
            ],
            calls: (0..210).map(|number| call(at(0), number)).collect(),
            injected: vec![Injected {
                time: at(14),
                service: String::from("s"),
                kind: String::from("return"),
            }],
            requests: [((String::from("s"), String::from("get")), vec![(at(14), Histogram::key(9.0)); 9])]
                .into(),
            machines: vec![Machine {
                name: String::from("cpu"),
                start: begin,
                values: (0..700)
                    .map(|place| if place == 690 { 90.0 } else { f64::from(place * 7_919 % 101) / 10.0 })
                    .collect(),
                faults: std::iter::once(685..695).collect(),
            }],
        }
    }

    #[test]
    fn tables_have_the_figures() {
        let (text, figures) = tables(&records()).unwrap();
        for line in [
            "120 without a fault (0 of them odd) and 6 slowed ones, in 1 groups. 20 draws of 60 for the baseline. The",
            "| executions slowed by hdd_5 that are found, % | at least 97 | 66.67 | **missed** |",
            "| nodes slowed by hdd_5 that are found, % | at least 95 | 100 | met |",
            "| nodes without a fault that are flagged, % | at most 0.20 | 0 | met |",
            "| findings of new errors | at most 15 | 0 | met |",
            "| z above 3 | 66.67 | 66.67 | 0 | 0 |",
            "| by whole messages | 3 | 0 | 0 | 0 |",
            "3 lines and 1 faults. 2 more lines have no usable time and are left out.",
            "40 windows without a fault of 1 services, and 2 faults. A cell says how many of them are told.",
            "| **latency: `percentile`, factor 1.2, 50 ms more, 3 of 3 windows or `percentile`, factor 2, 50 ms more, 1 of 1 windows or `deviation`, z 3, 50 ms more, 3 of 3 windows** | 1 of 1 | 0 of 1 | 0 of 20, 0 % |",
            "| latency: `deviation`, z 3, 50 ms more, 3 of 3 windows | 0 of 1 | 0 of 1 | 0 of 20, 0 % |",
            "| **failures: `rate`** | 0 of 1 | 0 of 1 | 0 of 20, 0 % |",
            "| faults of services that are told by failures, % | at least 80 | 0 | **missed** |",
            "| attackers of a cloud that are told | at least 1 | 0 | **missed** |",
            "| others that are told | at most 0 | 1 | **missed** |",
            "| another | 210 | yes |",
            "1 faults of services by kind. A cell says how many of them are told, and the last one how many other operations or services.",
            "| **lines of errors of a service: `burst` of 10** | 0 of 1 | 0 of 0, - % |",
            "| faults of kind return that lines of errors tell | at least 9 | 0 | **missed** |",
            "1 series of machines with 1 faults, 0.1 months together. The first three rows are at the threshold of the",
            "| **the vote, as stated** | 0.60 | 1 of 1 | 100 | 0 | 0 |",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
        let missed: Vec<&str> =
            figures.iter().filter(|figure| figure.is_missed()).map(|figure| figure.name.as_str()).collect();
        assert_eq!(missed.len(), 8, "{missed:?}");
        assert_eq!(figures.len(), 20);
        let wish = Figure { is_wish: true, ..figures[1].clone() };
        assert_eq!((figures[1].fails(), wish.fails(), wish.is_missed()), (true, false, true));
    }

    #[test]
    fn a_rule_stands_once_in_a_table() {
        let preset = Percentile { factor: Some(1.5), min_change: 1_000.0, ..Percentile::default() };
        let names: Vec<String> = judges(preset).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 6);
        assert_eq!(names[0], "**`percentile`, factor 1.5, 1000 ms more**");
        assert_eq!(names[1], "`percentile`, factor 1.2, 1000 ms more");
        assert_eq!(names[3], "`percentile`, factor 1.5, any change");
    }
}
