//! The table of injected faults.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use detection::rules::{Burst, Deviation, Percentile, Rule, Side};

use super::{Figure, Records};
use crate::goal::{Goal, number};
use crate::quality::injected::{Counting, Told, by_lines, by_requests};
use crate::quality::services::Judge;

/// Faults that are to be told: of seven and of eleven.
const CPU: (&str, f64) = ("cpu_contention", 6.0);
const RETURN: (&str, f64) = ("return", 9.0);

/// Requests of an operation in three minutes. There are only few.
const FEW: u64 = 5;

pub(super) fn injected(records: &Records, figures: &mut Vec<Figure>) -> Result<String> {
    let Records { injected, requests, lines, .. } = records;
    let [latency, _] = Judge::of_preset()?;
    let at_once = match &latency {
        Judge::Latency(rules) => rules.iter().find_map(|of| match of.rule {
            Rule::Percentile(rule) if of.lasting.windows() == 1 => Some(rule),
            _ => None,
        }),
        _ => None,
    };
    let at_once = at_once.context("the preset has no percentile of a single window of latency")?;
    let few = Percentile { min_events: Some(FEW), ..at_once };
    let burst = Burst::default();
    let change = burst.events as f64;
    let deviation = Deviation { min_change: change, direction: Some(Side::Above), ..Deviation::default() };
    let slow = |rule| by_requests(injected, requests, rule);
    let failing = |rule| by_lines(injected, lines, rule);
    let rows = [
        (format!("**latency of an operation: {}**", of_latency(&few)), slow(&few)),
        (format!("the same, {}", of_latency(&at_once)), slow(&at_once)),
        (
            format!("**lines of errors of a service: `burst` of {}**", burst.events),
            failing(Counting::Burst(burst)),
        ),
        (
            format!("lines of errors of a service: `deviation`, {change} more"),
            failing(Counting::Deviation(deviation)),
        ),
    ];
    for ((kind, least), (told, name)) in
        [(CPU, (&rows[0].1, "slow requests")), (RETURN, (&rows[2].1, "lines of errors"))]
    {
        figures.push(Figure {
            name: format!("faults of kind {kind} that {name} tell"),
            value: told.kinds.get(kind).map(|share| share.flagged as f64),
            goal: Goal::AtLeast(least),
            is_wish: false,
        });
    }
    let kinds: Vec<&str> = rows[0].1.kinds.keys().map(String::as_str).collect();
    let mut text = format!(
        "### Injected faults\n\n\
         {} faults of services by kind. A cell says how many of them are told, and the last one how many other operations or services.\n\n\
         | rule | {} | elsewhere at these times |\n|---|{}---|\n",
        injected.len(),
        kinds.join(" | "),
        "---|".repeat(kinds.len())
    );
    for (name, told) in &rows {
        let cells: Vec<String> = kinds.iter().map(|kind| of_kind(told, kind)).collect();
        let elsewhere = number(told.elsewhere.percent(), 2);
        let (flagged, judged) = (told.elsewhere.flagged, told.elsewhere.judged);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {} | {flagged} of {judged}, {elsewhere} % |", cells.join(" | "));
    }
    Ok(text)
}

fn of_latency(rule: &Percentile) -> String {
    let least = rule.min_events.map_or(String::from("20"), |least| least.to_string());
    format!("`percentile`, factor {}, {} ms more, from {least} requests on", rule.factor(), rule.min_change)
}

fn of_kind(told: &Told, kind: &str) -> String {
    let share = told.kinds.get(kind).copied().unwrap_or_default();
    format!("{} of {}", share.flagged, share.judged)
}
