//! The tables of services and of principals.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use catalog::MetricRule;
use detection::rules::{Percentile, Persistence, Rule};

use super::{Figure, Records};
use crate::goal::{Goal, number};
use crate::quality::principals::{judged, rule_of_preset};
use crate::quality::services::{Judge, Shows, Told, told};

/// In percent: of the faults that show in latency and in failures, and of the windows without a fault.
const RECALL_OF_LATENCY: f64 = 86.0;
const RECALL_OF_FAILURES: f64 = 80.0;
const USUAL: f64 = 0.1;

/// The principal that attacked, by the publisher of the records.
const ATTACKER: &str = "bert-jan";

/// Principals that the table shows.
const SHOWN: usize = 4;

pub(super) fn services(records: &Records, figures: &mut Vec<Figure>) -> Result<String> {
    let Records { services, issues, .. } = records;
    let [latency, failures] = Judge::of_preset()?;
    let rules = match &latency {
        Judge::Latency(rules) => rules.as_slice(),
        _ => &[],
    };
    let name = rules.iter().map(text_of).collect::<Vec<_>>().join(" or ");
    let mild = rules.iter().find_map(|of| match of.rule {
        Rule::Percentile(rule) => Some(rule),
        _ => None,
    });
    let mild = mild.context("the preset has no rule of percentiles for latency")?;
    let of_window = |rule| MetricRule { rule, lasting: Persistence::default() };
    let once = |rule: Percentile| Judge::Latency(vec![of_window(Rule::Percentile(rule))]);
    let deviation = rules.iter().find(|of| matches!(of.rule, Rule::Deviation(_)));
    let deviation = *deviation.context("the preset has no rule of deviation for latency")?;
    let rows = [
        (format!("**latency: {name}**"), latency.clone()),
        (format!("latency: {}", text_of(&of_window(Rule::Percentile(mild)))), once(mild)),
        (format!("latency: {}", text_of(&deviation)), Judge::Latency(vec![deviation])),
        (
            String::from("latency: above the 95th percentile"),
            once(Percentile { factor: Some(1.0), min_change: 0.0, ..mild }),
        ),
        (String::from("latency: z above 3"), Judge::LatencyZ3),
        (String::from("**failures: `rate`**"), failures.clone()),
        (String::from("failures: z above 3"), Judge::FailuresZ3),
    ];
    let rows = rows.map(|(name, judge)| (name, told(services, issues, &judge), judge));
    for (judge, shows, name, recall) in [
        (latency, Shows::InLatency, "latency", RECALL_OF_LATENCY),
        (failures, Shows::InFailures, "failures", RECALL_OF_FAILURES),
    ] {
        let of = rows
            .iter()
            .find(|(.., of)| *of == judge)
            .map(|(_, told, _)| told)
            .context("a rule without a row")?;
        figures.push(Figure {
            name: format!("faults of services that are told by {name}, %"),
            value: of.issues.get(&shows).and_then(|share| share.percent()),
            goal: Goal::AtLeast(recall),
            is_wish: false,
        });
        figures.push(Figure {
            name: format!("windows of services without a fault that are told by {name}, %"),
            value: of.usual.percent(),
            goal: Goal::AtMost(USUAL),
            is_wish: false,
        });
    }
    let windows: usize = services.values().map(Vec::len).sum();
    let mut text = format!(
        "### Services\n\n\
         {windows} windows without a fault of {} services, and {} faults. A cell says how many of them are told.\n\n\
         | rule | faults that show in latency | faults that show in failures | windows without a fault |\n|---|---|---|---|\n",
        services.len(),
        issues.len()
    );
    for (name, of, _) in &rows {
        let [in_latency, in_failures] =
            [Shows::InLatency, Shows::InFailures].map(|shows| of_issues(of, shows));
        let usual =
            format!("{} of {}, {} %", of.usual.flagged, of.usual.judged, number(of.usual.percent(), 2));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {in_latency} | {in_failures} | {usual} |");
    }
    Ok(text)
}

fn text_of(MetricRule { rule, lasting }: &MetricRule) -> String {
    match rule {
        Rule::Percentile(rule) => {
            format!("`percentile`, factor {}, {} ms more, {lasting} windows", rule.factor(), rule.min_change)
        }
        Rule::Deviation(rule) => {
            format!("`deviation`, z {}, {} ms more, {lasting} windows", rule.z, rule.min_change)
        }
        rule => format!("`{}`, {lasting} windows", rule.name()),
    }
}

fn of_issues(told: &Told, shows: Shows) -> String {
    let share = told.issues.get(&shows).copied().unwrap_or_default();
    format!("{} of {}", share.flagged, share.judged)
}

pub(super) fn principals(records: &Records, figures: &mut Vec<Figure>) -> Result<String> {
    let all = judged(&records.calls, &rule_of_preset()?);
    let told = |is_attacker: bool| {
        all.iter().filter(|one| one.is_told && (one.name == ATTACKER) == is_attacker).count()
    };
    for (name, is_attacker, goal) in [
        ("attackers of a cloud that are told", true, Goal::AtLeast(1.0)),
        ("others that are told", false, Goal::AtMost(0.0)),
    ] {
        figures.push(Figure {
            name: name.to_owned(),
            value: Some(told(is_attacker) as f64),
            goal,
            is_wish: false,
        });
    }
    let mut text = format!(
        "### Principals of a cloud\n\n\
         {} calls of {} principals. Those with the most operations in an hour:\n\n\
         | principal | operations | told |\n|---|---|---|\n",
        records.calls.len(),
        all.len()
    );
    for one in all.iter().take(SHOWN) {
        let name = if one.name == ATTACKER { "the attacker" } else { "another" };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "| {name} | {} | {} |", one.operations, if one.is_told { "yes" } else { "no" });
    }
    Ok(text)
}
