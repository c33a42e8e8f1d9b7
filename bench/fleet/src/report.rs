//! The tables in Markdown: figures beside their goals with a column for each rule, customers by kind, causes, and figures
//! of the models alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::compare::Compared;
use crate::goal::{Goal, Measured, number};
use crate::tally::{OfCause, Tally, median};

/// A figure of all months together, and what it must reach.
struct Figure {
    name: &'static str,
    decimals: usize,
    goal: Goal,
    of: fn(&Compared, &Tally) -> Option<f64>,
}

use Goal::{AtLeast, AtMost};

const fn figure(
    name: &'static str,
    decimals: usize,
    goal: Goal,
    of: fn(&Compared, &Tally) -> Option<f64>,
) -> Figure {
    Figure { name, decimals, goal, of }
}

const FIGURES: [Figure; 15] = [
    figure("causes", 0, Goal::None, |_, all| Some(all.causes.len() as f64)),
    figure("share of the causes that were found", 2, AtLeast(0.95), |_, all| all.found()),
    figure("within 1 h of the hour in which they show", 2, AtLeast(0.65), |_, all| all.within(1)),
    figure("within 2 h", 2, AtLeast(0.75), |_, all| all.within(2)),
    figure("median delay, h", 0, Goal::None, |_, all| all.delay()),
    figure("false pages a customer-month", 2, AtMost(0.12), |_, all| all.false_pages_a_customer_month()),
    figure("precision of pages", 2, AtLeast(0.8), |_, all| all.precision()),
    figure("messages a customer-month", 2, AtMost(1.5), |_, all| all.messages_a_customer_month()),
    figure("median time from the end of a cause to its message, h", 0, AtMost(3.0), |_, all| {
        all.time_to_end()
    }),
    figure("ends that were told while the cause lasted, a month", 1, Goal::None, |of, all| {
        Some(all.early_ends as f64 / of.months.len() as f64)
    }),
    figure("silences of weekly and business-hours customers found within 3 h", 2, AtLeast(1.0), |_, all| {
        all.silences()
    }),
    figure("stops of the whole fleet found within the hour", 2, AtLeast(1.0), |_, all| all.stops()),
    figure("pages of single customers in a stop", 1, AtMost(0.0), |of, all| {
        Some(all.pages_in_stop as f64 / of.months.len() as f64)
    }),
    figure("most pages of a customer with a recurring job, in five months", 0, AtMost(2.0), |of, _| {
        of.pages_of_job.map(|pages| pages as f64)
    }),
    figure("threshold", 2, Goal::None, |of, _| of.threshold),
];

/// The figures of a rule that have a goal.
pub fn measured(rule: &Compared) -> Vec<Measured> {
    let total = rule.total();
    let made_of = format!("{} causes, {:.0} customer-months", total.causes.len(), total.customer_months);
    let figures = FIGURES.iter().filter(|figure| figure.goal != Goal::None);
    let measured = |Figure { name, decimals, goal, of }: &Figure| Measured {
        name: (*name).to_owned(),
        value: of(rule, &total),
        decimals: *decimals,
        goal: *goal,
        made_of: made_of.clone(),
    };
    figures.map(measured).collect()
}

/// Figures beside their goals.
pub fn goals(figures: &[Measured]) -> String {
    let mut table =
        String::from("| figure | goal | value | goal met | measured on |\n|---|---|---|---|---|\n");
    for Measured { name, value, decimals, goal, made_of } in figures {
        let cells = [goal.text(), number(*value, *decimals), goal.mark(*value).to_owned(), made_of.clone()];
        row(&mut table, name, cells);
    }
    table
}

/// All figures of each rule.
pub fn figures(rules: &[&Compared]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let mut table = header("figure", &names);
    let totals: Vec<Tally> = rules.iter().map(|rule| rule.total()).collect();
    for Figure { name, decimals, of, .. } in &FIGURES {
        let values: Vec<_> = rules.iter().zip(&totals).map(|(rule, total)| of(rule, total)).collect();
        if values.iter().any(Option::is_some) {
            row(&mut table, name, values.into_iter().map(|value| number(value, *decimals)));
        }
    }
    table
}

/// What a rule does with each kind of customer.
pub fn kinds(rule: &Compared) -> String {
    let columns =
        ["number", "causes", "found", "within 2 h", "true pages", "false pages", "false a customer-month"];
    let mut table = header("customers", &columns);
    let months = rule.months.len().max(1);
    for (kind, tally) in &rule.kinds {
        let cells = [
            (tally.customers / months).to_string(),
            tally.causes.len().to_string(),
            number(tally.found(), 2),
            number(tally.within(2), 2),
            tally.true_pages.to_string(),
            tally.false_pages.to_string(),
            number(tally.false_pages_a_customer_month(), 2),
        ];
        row(&mut table, kind, cells);
    }
    table
}

/// How many causes of each kind the rules found, and after how many hours.
pub fn causes(rules: &[&Compared]) -> String {
    let columns: Vec<&str> =
        std::iter::once("number").chain(rules.iter().map(|rule| rule.name.as_str())).collect();
    let mut table = header("cause: found, median delay in hours", &columns);
    let by_kind = |rule: &Compared| {
        let mut kinds: BTreeMap<String, Vec<OfCause>> = BTreeMap::new();
        for cause in rule.months.iter().flat_map(|month| &month.causes) {
            kinds.entry(cause.kind.clone()).or_default().push(cause.clone());
        }
        kinds
    };
    let of_rules: Vec<_> = rules.iter().map(|rule| by_kind(rule)).collect();
    for (kind, causes) in of_rules.iter().take(1).flatten() {
        let cell = |of_rule: &BTreeMap<String, Vec<OfCause>>| {
            let causes = of_rule.get(kind).map_or(&[][..], Vec::as_slice);
            let delays: Vec<f64> =
                causes.iter().filter_map(|cause| cause.delay).map(|delay| delay as f64).collect();
            format!("{}; {}", delays.len(), number(median(delays), 0))
        };
        row(&mut table, kind, std::iter::once(causes.len().to_string()).chain(of_rules.iter().map(cell)));
    }
    table
}

fn header(first: &str, columns: &[&str]) -> String {
    format!("| {first} | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

fn row(table: &mut String, name: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    // Writing to a String cannot fail.
    let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(name: &str, delay: Option<usize>, false_pages: usize) -> Compared {
        let cause = OfCause { kind: String::from("leak"), on: String::from("steady"), delay };
        let total = Tally {
            customer_months: 10.0,
            customers: 10,
            causes: vec![cause],
            true_pages: usize::from(delay.is_some()),
            false_pages,
            messages: 7,
            ..Tally::default()
        };
        Compared {
            name: name.to_owned(),
            threshold: Some(4.5),
            kinds: vec![(String::from("steady"), total.clone())],
            months: vec![total],
            pages_of_job: Some(3),
        }
    }

    fn expect_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no line {line:?} in\n{text}");
        }
    }

    #[test]
    fn figures_stand_beside_their_goals() {
        let figures = measured(&compared("ours", Some(2), 1));
        expect_lines(
            &goals(&figures),
            &[
                "| figure | goal | value | goal met | measured on |",
                "| share of the causes that were found | at least 0.95 | 1 | met | 1 causes, 10 customer-months |",
                "| within 1 h of the hour in which they show | at least 0.65 | 0 | **missed** | 1 causes, 10 customer-months |",
                "| precision of pages | at least 0.80 | 0.50 | **missed** | 1 causes, 10 customer-months |",
                "| stops of the whole fleet found within the hour | at least 1 | - | **missed** | 1 causes, 10 customer-months |",
            ],
        );
        let missed: Vec<&str> =
            figures.iter().filter(|figure| figure.is_missed()).map(|figure| figure.name.as_str()).collect();
        assert!(missed.contains(&"precision of pages") && !missed.contains(&"false pages a customer-month"));
    }

    #[test]
    fn rules_stand_beside_each_other() {
        let rules = [compared("ours", Some(2), 1), compared("other", None, 4)];
        let rules: Vec<&Compared> = rules.iter().collect();
        let text = [figures(&rules), kinds(rules[0]), causes(&rules)].concat();
        expect_lines(
            &text,
            &[
                "| figure | ours | other |",
                "| share of the causes that were found | 1 | 0 |",
                "| false pages a customer-month | 0.10 | 0.40 |",
                "| messages a customer-month | 0.70 | 0.70 |",
                "| most pages of a customer with a recurring job, in five months | 3 | 3 |",
                "| threshold | 4.50 | 4.50 |",
                "| steady | 10 | 1 | 1 | 1 | 1 | 1 | 0.10 |",
                "| leak | 1 | 1; 2 | 0; - |",
            ],
        );
        assert!(!text.contains("stops of the whole fleet"), "{text}");
        assert_eq!(causes(&[]).lines().count(), 2);
    }
}
