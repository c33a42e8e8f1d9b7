//! The report: one table of figures with a column for each rule, and tables by kind of customer and by cause with a line
//! for each rule. Figures of several seeds are shown as a mean and a range.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::record::Record;
use super::tally::{OfCause, Tally, median};
use super::usage::Month;

/// What one rule did with the month of one seed.
#[derive(Clone, Debug)]
pub struct Judged {
    pub rule: String,
    pub total: Tally,
    /// Alerts that were published.
    pub messages: usize,
    /// In the order of the month.
    pub by_kind: Vec<(String, Tally)>,
}

/// A figure of a month.
struct Figure {
    name: &'static str,
    decimals: usize,
    of: fn(&Judged) -> Option<f64>,
}

const fn figure(name: &'static str, decimals: usize, of: fn(&Judged) -> Option<f64>) -> Figure {
    Figure { name, decimals, of }
}

const FIGURES: [Figure; 19] = [
    figure("causes", 0, |of| Some(of.total.causes.len() as f64)),
    figure("causes found (an anomaly is stored)", 1, |of| Some(of.total.found() as f64)),
    figure("causes paged", 1, |of| Some(of.total.paged() as f64)),
    figure("causes paged within 1 h", 1, |of| Some(of.total.paged_within(1) as f64)),
    figure("causes paged within 2 h", 1, |of| Some(of.total.paged_within(2) as f64)),
    figure("median delay of the first page, h", 1, |of| of.total.delay()),
    figure("paged incidents, true", 1, |of| Some(of.total.paged_true as f64)),
    figure("paged incidents, false", 1, |of| Some(of.total.paged_false as f64)),
    figure("precision of paged incidents", 2, |of| of.total.precision()),
    figure("false pages a customer-month", 2, |of| of.total.false_pages_a_customer_month()),
    figure("pages", 1, |of| Some(of.total.pages as f64)),
    figure("of them reminders", 1, |of| Some(of.total.reminders as f64)),
    figure("published messages", 1, |of| Some(of.messages as f64)),
    figure("median time from the end of a cause to \"resolved\", h", 1, |of| of.total.time_to_end()),
    figure("incidents closed while their cause lasted", 1, |of| Some(of.total.early_ends as f64)),
    figure("incidents", 1, |of| Some(of.total.incidents as f64)),
    figure("incidents open at the end", 1, |of| Some(of.total.open_incidents as f64)),
    figure("anomalies", 1, |of| Some(of.total.anomalies as f64)),
    figure("anomalies open at the end", 1, |of| Some(of.total.open_anomalies as f64)),
];

impl Judged {
    pub fn new(rule: &str, month: &Month, record: &Record) -> Self {
        let mut kinds: Vec<&String> = Vec::new();
        for customer in &month.customers {
            if !kinds.contains(&&customer.kind) {
                kinds.push(&customer.kind);
            }
        }
        let of_kind =
            |kind: &String| Tally::of(month, record, |customer| month.customers[customer].kind == *kind);
        Self {
            rule: rule.to_owned(),
            total: Tally::of(month, record, |_| true),
            messages: record.messages,
            by_kind: kinds.into_iter().map(|kind| (kind.clone(), of_kind(kind))).collect(),
        }
    }
}

/// The tables in Markdown. Each of `judged` is about one rule and one seed.
pub fn tables(judged: &[Judged]) -> String {
    let rules = by_rule(judged);
    [totals(&rules), kinds(&rules), causes(&rules)].join("\n")
}

/// In the order in which rules first appear.
fn by_rule(judged: &[Judged]) -> Vec<(&str, Vec<&Judged>)> {
    let mut rules: Vec<(&str, Vec<&Judged>)> = Vec::new();
    for judged in judged {
        match rules.iter_mut().find(|(rule, _)| *rule == judged.rule) {
            Some((_, of_rule)) => of_rule.push(judged),
            None => rules.push((&judged.rule, vec![judged])),
        }
    }
    rules
}

fn totals(rules: &[(&str, Vec<&Judged>)]) -> String {
    let names: Vec<String> = rules.iter().map(|(rule, _)| format!("`{rule}`")).collect();
    let mut table = format!("| figure | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(rules.len()));
    for Figure { name, decimals, of } in &FIGURES {
        let cells = rules.iter().map(|(_, judged)| {
            let values: Vec<f64> = judged.iter().filter_map(|judged| of(judged)).collect();
            spread(&values, *decimals)
        });
        writeln_row(&mut table, name, cells);
    }
    table
}

fn kinds(rules: &[(&str, Vec<&Judged>)]) -> String {
    let mut table = String::from(
        "| customers | rule | number | causes | paged | within 2 h | precision | false pages a customer-month |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let kinds =
        rules.first().and_then(|(_, judged)| judged.first()).map_or(&[][..], |judged| &judged.by_kind);
    for (place, (kind, first)) in kinds.iter().enumerate() {
        for (rule, judged) in rules {
            let tallies: Vec<&Tally> =
                judged.iter().filter_map(|judged| Some(&judged.by_kind.get(place)?.1)).collect();
            let mean_of = |of: fn(&Tally) -> Option<f64>, decimals: usize| {
                number(mean(&tallies.iter().filter_map(|tally| of(tally)).collect::<Vec<_>>()), decimals)
            };
            let cells = [
                format!("`{rule}`"),
                first.customers.to_string(),
                first.causes.len().to_string(),
                mean_of(|tally| Some(tally.paged() as f64), 1),
                mean_of(|tally| Some(tally.paged_within(2) as f64), 1),
                // Of all seeds together: one seed may have no page at all.
                number(together(&tallies), 2),
                mean_of(Tally::false_pages_a_customer_month, 2),
            ];
            writeln_row(&mut table, kind, cells);
        }
    }
    table
}

fn causes(rules: &[(&str, Vec<&Judged>)]) -> String {
    let mut table = String::from(
        "| cause, all seeds | rule | planted | found | paged | median delay, h |\n|---|---|---|---|---|---|\n",
    );
    let mut by_cause: BTreeMap<&str, Vec<(&str, Vec<&OfCause>)>> = BTreeMap::new();
    for (rule, judged) in rules {
        let mut of_rule: BTreeMap<&str, Vec<&OfCause>> = BTreeMap::new();
        for cause in judged.iter().flat_map(|judged| &judged.total.causes) {
            of_rule.entry(&cause.kind).or_default().push(cause);
        }
        for (cause, outcomes) in of_rule {
            by_cause.entry(cause).or_default().push((rule, outcomes));
        }
    }
    for (cause, rules) in by_cause {
        for (rule, outcomes) in rules {
            let delays: Vec<f64> =
                outcomes.iter().filter_map(|of| of.delay).map(|delay| delay as f64).collect();
            let cells = [
                format!("`{rule}`"),
                outcomes.len().to_string(),
                outcomes.iter().filter(|of| of.is_found).count().to_string(),
                delays.len().to_string(),
                number(median(delays), 0),
            ];
            writeln_row(&mut table, cause, cells);
        }
    }
    table
}

/// The precision over several months.
fn together(tallies: &[&Tally]) -> Option<f64> {
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(|tally| of(tally)).sum::<usize>();
    let sum_of_both = Tally {
        paged_true: sum(|tally| tally.paged_true),
        paged_false: sum(|tally| tally.paged_false),
        ..Tally::default()
    };
    sum_of_both.precision()
}

fn writeln_row(table: &mut String, name: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    // Writing to a String cannot fail.
    let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
}

/// The mean, and from the least to the most where values differ.
fn spread(values: &[f64], decimals: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match mean(values) {
        Some(mean) if least < most => {
            let [mean, least, most] = [mean, least, most].map(|value| number(Some(value), decimals));
            format!("{mean} ({least} to {most})")
        }
        mean => number(mean, decimals),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Without decimals that say nothing.
fn number(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value else { return String::from("-") };
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rule: &str, pages: usize, delay: Option<usize>) -> Judged {
        let cause = OfCause { kind: String::from("leaked key"), is_found: true, delay };
        let (paged_true, paged_false) = (usize::from(delay.is_some()), 1);
        let total =
            Tally { pages, paged_true, paged_false, customers: 2, causes: vec![cause], ..Tally::default() };
        Judged {
            rule: rule.to_owned(),
            by_kind: vec![(String::from("steady"), total.clone())],
            total,
            messages: 9,
        }
    }

    #[test]
    fn rules_stand_beside_each_other_and_seeds_are_a_mean_and_a_range() {
        let text = tables(&[
            judged("z_score", 4, Some(3)),
            judged("seasonal", 2, None),
            judged("z_score", 6, Some(5)),
            judged("seasonal", 2, None),
        ]);
        for line in [
            "| figure | `z_score` | `seasonal` |",
            "| pages | 5 (4 to 6) | 2 |",
            "| causes paged | 1 | 0 |",
            "| median delay of the first page, h | 4 (3 to 5) | - |",
            "| precision of paged incidents | 0.50 | 0 |",
            "| published messages | 9 | 9 |",
            "| steady | `z_score` | 2 | 1 | 1 | 0 | 0.50 | - |",
            "| steady | `seasonal` | 2 | 1 | 0 | 0 | 0 | - |",
            "| leaked key | `z_score` | 2 | 2 | 2 | 3 |",
            "| leaked key | `seasonal` | 2 | 2 | 0 | - |",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
    }

    #[test]
    fn numbers_have_the_decimals_that_they_need() {
        assert_eq!(number(Some(2.0), 1), "2");
        assert_eq!(number(Some(2.25), 1), "2.2");
        assert_eq!(number(None, 1), "-");
        assert_eq!(spread(&[], 1), "-");
        assert_eq!(spread(&[1.5, 1.5], 1), "1.5");
    }
}
