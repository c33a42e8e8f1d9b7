//! The tables in Markdown: figures beside their goals with a column for each rule, customers by kind, and causes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::compare::Compared;
use crate::tally::{OfCause, Tally, median};

/// A figure of all months together, and what it must reach.
struct Figure {
    name: &'static str,
    decimals: usize,
    goal: Goal,
    of: fn(&Compared, &Tally) -> Option<f64>,
}

#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
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

/// A figure within a tenth of its goal counts as met.
const GRACE: f64 = 0.1;

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
    figure("incidents that ended while their cause lasted, a month", 1, Goal::None, |of, all| {
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

impl Goal {
    fn text(self) -> String {
        match self {
            AtLeast(least) => format!("at least {}", number(Some(least), 2)),
            AtMost(most) => format!("at most {}", number(Some(most), 2)),
            Self::None => String::new(),
        }
    }

    fn is_met(self, value: Option<f64>) -> Option<bool> {
        match self {
            AtLeast(least) => Some(value.is_some_and(|value| value >= least * (1.0 - GRACE))),
            AtMost(most) => Some(value.is_some_and(|value| value <= most * (1.0 + GRACE))),
            Self::None => None,
        }
    }
}

/// All tables. The first rule is the one whose goals are looked at.
pub fn tables(rules: &[Compared]) -> String {
    let Some(first) = rules.first() else { return String::new() };
    [figures(rules), kinds(first), causes(rules)].join("\n")
}

/// Names of the goals that the rule misses.
pub fn missed(rule: &Compared) -> Vec<&'static str> {
    let total = rule.total();
    let is_missed = |figure: &&Figure| figure.goal.is_met((figure.of)(rule, &total)) == Some(false);
    FIGURES.iter().filter(is_missed).map(|figure| figure.name).collect()
}

fn figures(rules: &[Compared]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let mut table =
        format!("| figure | goal | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(rules.len()));
    let totals: Vec<Tally> = rules.iter().map(Compared::total).collect();
    for Figure { name, decimals, goal, of } in &FIGURES {
        let cell = |(place, (rule, total)): (usize, (&Compared, &Tally))| {
            let value = of(rule, total);
            let met = match goal.is_met(value) {
                Some(true) if place == 0 => " (met)",
                Some(false) if place == 0 => " (**missed**)",
                _ => "",
            };
            format!("{}{met}", number(value, *decimals))
        };
        let cells = rules.iter().zip(&totals).enumerate().map(cell);
        row(&mut table, name, std::iter::once(goal.text()).chain(cells));
    }
    table
}

fn kinds(rule: &Compared) -> String {
    let mut table = format!(
        "| customers, judged by {} | number | causes | found | within 2 h | true pages | false pages | false a customer-month |\n\
         |---|---|---|---|---|---|---|---|\n",
        rule.name
    );
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

fn causes(rules: &[Compared]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let mut table = format!(
        "| cause: found, median delay in hours | number | {} |\n|---|---|{}\n",
        names.join(" | "),
        "---|".repeat(rules.len())
    );
    let by_kind = |rule: &Compared| {
        let mut kinds: BTreeMap<String, Vec<OfCause>> = BTreeMap::new();
        for cause in rule.months.iter().flat_map(|month| &month.causes) {
            kinds.entry(cause.kind.clone()).or_default().push(cause.clone());
        }
        kinds
    };
    let of_rules: Vec<_> = rules.iter().map(by_kind).collect();
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

fn row(table: &mut String, name: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    // Writing to a String cannot fail.
    let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
}

/// Without decimals that say nothing.
fn number(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value else { return String::from("-") };
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.decimals$}") }
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

    #[test]
    fn figures_stand_beside_their_goals() {
        let rules = [compared("ours", Some(2), 1), compared("other", None, 4)];
        let text = tables(&rules);
        for line in [
            "| figure | goal | ours | other |",
            "| share of the causes that were found | at least 0.95 | 1 (met) | 0 |",
            "| within 1 h of the hour in which they show | at least 0.65 | 0 (**missed**) | 0 |",
            "| false pages a customer-month | at most 0.12 | 0.10 (met) | 0.40 |",
            "| precision of pages | at least 0.80 | 0.50 (**missed**) | 0 |",
            "| messages a customer-month | at most 1.50 | 0.70 (met) | 0.70 |",
            "| most pages of a customer with a recurring job, in five months | at most 2 | 3 (**missed**) | 3 |",
            "| threshold |  | 4.50 | 4.50 |",
            "| steady | 10 | 1 | 1 | 1 | 1 | 1 | 0.10 |",
            "| leak | 1 | 1; 2 | 0; - |",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
        assert!(missed(&rules[0]).contains(&"precision of pages"));
        assert!(!missed(&rules[0]).contains(&"false pages a customer-month"));
    }

    #[test]
    fn a_tenth_of_grace_is_given() {
        assert_eq!(AtLeast(0.8).is_met(Some(0.721)), Some(true));
        assert_eq!(AtLeast(0.8).is_met(Some(0.719)), Some(false));
        assert_eq!(AtMost(3.0).is_met(Some(3.4)), Some(false));
        assert_eq!(AtMost(0.0).is_met(Some(0.0)), Some(true));
        assert_eq!(AtMost(1.0).is_met(None), Some(false));
        assert_eq!(tables(&[]), "");
    }
}
