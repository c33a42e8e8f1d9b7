//! The simulated month: how a rule does on usage whose causes are known.
//!
//! ```text
//! generate ── a seed: customers, usage, causes ─┐
//!                                               ├─ Month ── replay ── Record ── tally ── report
//! labelled usage of your own ───────────────────┘   (usage)  by a rule
//! ```
//!
//! The two halves know nothing of each other. A [`Month`](usage::Month) is plain data: hours of usage, and what ought to be
//! found in them. [`replay()`](replay::replay) runs the detector on it hour by hour, with nothing on the network.
//! [`Tally`](tally::Tally) compares, and [`report`] writes.
//!
//! Each rule is a set of the detector's settings under a name. So the next rule stands beside today's in one report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

pub mod generate;
pub mod record;
pub mod replay;
pub mod report;
pub mod tally;
pub mod usage;

use replay::Rule;
use report::Judged;
use usage::Month;

/// Judges the months of all seeds by all rules, on all processors. The order is that of the seeds, then of the rules.
///
/// # Errors
///
/// When a month cannot be made, or a rule cannot be applied to it.
pub fn judge(seeds: &[u64], rules: &[Rule]) -> anyhow::Result<Vec<Judged>> {
    let next = AtomicUsize::new(0);
    let judged = Mutex::new(Vec::new());
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = judge_seed(*seed, rules).with_context(|| format!("seed {seed}"));
            judged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*seed, result));
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(work);
        }
    });
    let mut judged = judged.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    judged.sort_by_key(|(seed, _)| *seed);
    let of_seeds: Vec<Vec<Judged>> =
        judged.into_iter().map(|(_, result)| result).collect::<anyhow::Result<_>>()?;
    Ok(of_seeds.concat())
}

fn judge_seed(seed: u64, rules: &[Rule]) -> anyhow::Result<Vec<Judged>> {
    let month = generate::generate(seed)?;
    judge_month(&month, rules)
}

/// Judges one month by all rules.
///
/// # Errors
///
/// When a rule cannot be applied to it.
pub fn judge_month(month: &Month, rules: &[Rule]) -> anyhow::Result<Vec<Judged>> {
    let judged = rules.iter().map(|rule| Ok(Judged::new(&rule.name, month, &replay::replay(month, rule)?)));
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally::Tally;

    /// The month of a seed with the runs of its first ten days only.
    #[test]
    fn the_first_days_of_a_month_are_judged_by_two_rules_side_by_side() {
        let month = generate::generate(1).unwrap().first_runs(240);
        let rule = |name: &str, threshold: &str| Rule {
            name: name.to_owned(),
            variables: vec![(String::from("CRITICAL_THRESHOLD"), threshold.to_owned())],
        };
        let judged = judge_month(&month, &[rule("z_score", "5"), rule("strict", "40")]).unwrap();
        let [today, strict] = &judged[..] else { panic!("two rules") };
        let begun = month.causes.iter().filter(|cause| cause.hours.start < month.hours).count();
        assert!(begun > 5, "only {begun} causes begin in these days");
        assert!(2 * today.total.found() >= begun, "only {} of {begun} are found", today.total.found());
        assert!(today.total.paged() > 0 && today.total.paged() <= today.total.found());
        assert!(today.total.pages > strict.total.pages, "fewer pages at a higher threshold");
        let of_kinds =
            |of: fn(&Tally) -> usize| today.by_kind.iter().map(|(_, tally)| of(tally)).sum::<usize>();
        assert_eq!(of_kinds(|tally| tally.pages), today.total.pages);
        assert_eq!(of_kinds(|tally| tally.causes.len()), today.total.causes.len());
        assert!(report::tables(&judged).starts_with("| figure | `z_score` | `strict` |"));
    }

    #[test]
    fn a_rule_that_is_refused_names_its_seed() {
        let variables = vec![(String::from("THRESHOLD"), String::from("no"))];
        let error = judge(&[7], &[Rule { name: String::from("broken"), variables }]).unwrap_err();
        assert!(format!("{error:#}").starts_with("seed 7: the settings of broken"), "{error:#}");
    }
}
