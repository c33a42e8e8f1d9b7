//! Durations of slowed and of usual runs: which of them a rule flags, beside a baseline of usual ones.
//!
//! A baseline is drawn at random from the usual runs of a group. All other runs of the group are judged by it. Many draws
//! together make a share.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use detection::rules::{Percentile, Rule};
use detection::{Baseline, Histogram, Verdict};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::share::Share;

/// The runs of one workflow, or of one kind of node. Durations are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub name: String,
    /// Without a fault.
    pub usual: Vec<Usual>,
    /// By the fault that slowed them.
    pub slowed: BTreeMap<String, Vec<f64>>,
}

/// A run without a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    pub duration: f64,
    /// Whether its execution was slow all the same: more than [`ODD`] times the median of its workflow.
    pub is_odd: bool,
}

/// No fault is noted of such a run, and yet it is no usual one.
pub const ODD: f64 = 3.0;

/// How baselines are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// Runs of a baseline.
    pub baseline: usize,
    pub number: u64,
}

/// Says whether a duration is an anomaly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judge {
    Rule(Percentile),
    /// Above the exact 95th percentile of the baseline.
    AboveP95,
    /// More than three standard deviations above the mean.
    Z3,
}

/// What a judge flagged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flagged {
    pub usual: Share,
    /// Of the usual ones, those that are not odd.
    pub calm: Share,
    pub slowed: BTreeMap<String, Share>,
}

/// The baseline, in the forms that judges ask for.
struct Past {
    /// In order.
    values: Vec<f64>,
    histogram: Histogram,
    baseline: Baseline,
}

/// What a judge flags of all groups.
///
/// # Errors
///
/// When a group has not more usual runs than a baseline takes.
pub fn flagged(groups: &[Group], draws: Draws, judge: Judge) -> Result<Flagged> {
    let mut flagged = Flagged::default();
    for group in groups {
        for draw in 0..draws.number {
            let (before, others) = drawn(group, draws.baseline, draw)?;
            let past = Past::of(&before).context("a baseline needs a run")?;
            let flags = |duration: f64| judge.flags(&past, duration);
            flagged.usual += Share::of(others.iter().map(|run| flags(run.duration)));
            let calm = others.iter().filter(|run| !run.is_odd);
            flagged.calm += Share::of(calm.map(|run| flags(run.duration)));
            for (fault, durations) in &group.slowed {
                let share = Share::of(durations.iter().map(|duration| flags(*duration)));
                *flagged.slowed.entry(fault.clone()).or_default() += share;
            }
        }
    }
    Ok(flagged)
}

/// A baseline, and the usual runs that are not in it. Each judge sees the same ones.
fn drawn(group: &Group, baseline: usize, draw: u64) -> Result<(Vec<f64>, Vec<Usual>)> {
    let mut runs = group.usual.clone();
    if runs.len() <= baseline {
        bail!("{} has {} runs without a fault, and a baseline takes {baseline}", group.name, runs.len());
    }
    runs.shuffle(&mut ChaCha8Rng::seed_from_u64(draw));
    let others = runs.split_off(baseline);
    Ok((runs.iter().map(|run| run.duration).collect(), others))
}

impl Judge {
    /// The percentile rule of a metric of the preset `executions`.
    ///
    /// # Errors
    ///
    /// When the preset has no such metric, or the metric no such rule.
    pub fn of_preset(metric: &str) -> Result<Percentile> {
        let catalog = Catalog::from_files("preset:executions")?;
        let rules = catalog.find(metric).into_iter().flat_map(|spec| &spec.rules);
        let mut percentiles = rules.filter_map(|of| match &of.rule {
            Rule::Percentile(percentile) => Some(*percentile),
            _ => None,
        });
        percentiles
            .next()
            .with_context(|| format!("the metric {metric} of the preset has no percentile rule"))
    }

    fn flags(self, past: &Past, duration: f64) -> bool {
        let Past { values, histogram, baseline } = past;
        match self {
            Self::Rule(rule) => {
                let verdict = rule.judge_event(duration, histogram, baseline.mean());
                matches!(verdict, Verdict::Anomalous(_))
            }
            Self::AboveP95 => values.get(rank(values.len(), 0.95)).is_some_and(|limit| duration > *limit),
            Self::Z3 => duration > baseline.mean() + 3.0 * baseline.stddev(),
        }
    }
}

impl Past {
    fn of(durations: &[f64]) -> Option<Self> {
        let mut values = durations.to_vec();
        values.sort_by(f64::total_cmp);
        let baseline = Baseline::of(values.iter().copied())?;
        Some(Self { histogram: values.iter().copied().collect(), baseline, values })
    }
}

/// The place of a percentile among so many values in order, by the nearest rank.
fn rank(values: usize, share: f64) -> usize {
    ((share * values as f64).ceil() as usize).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of 95 to 104 seconds, and one of 300. Of the slowed, one run of two shows.
    fn group() -> Group {
        let usual = (0..40).map(|run| 95_000.0 + f64::from(run % 10) * 1_000.0);
        let usual = usual.map(|duration| Usual { duration, is_odd: false });
        let odd = Usual { duration: 300_000.0, is_odd: true };
        Group {
            name: String::from("made"),
            usual: usual.chain([odd]).collect(),
            slowed: [(String::from("disk"), vec![100_000.0, 500_000.0])].into(),
        }
    }

    const DRAWS: Draws = Draws { baseline: 30, number: 20 };

    #[test]
    fn shares_are_of_all_draws() {
        let rule = Judge::Rule(Percentile { min_change: 1_000.0, ..Percentile::default() });
        let flagged = flagged(&[group()], DRAWS, rule).unwrap();
        assert_eq!(flagged.slowed["disk"], Share { flagged: 20, judged: 40 });
        assert_eq!((flagged.usual.judged, flagged.calm.flagged), (20 * 11, 0));
        // The odd run is judged where no baseline holds it.
        let odd = flagged.usual.judged - flagged.calm.judged;
        assert!(odd > 0 && odd < 20 && flagged.usual.flagged == odd, "{flagged:?}");
    }

    #[test]
    fn above_the_percentile_flags_usual_runs_too() {
        let usual = |second: i32| Usual { duration: 1_000.0 * f64::from(second), is_odd: false };
        let runs = Group { usual: (100..200).map(usual).collect(), ..group() };
        let flagged = flagged(&[runs], Draws { baseline: 60, number: 20 }, Judge::AboveP95).unwrap();
        let percent = flagged.calm.percent().unwrap();
        assert!((2.0..10.0).contains(&percent), "{flagged:?}");
        assert_eq!(flagged.slowed["disk"].flagged, 20);
    }

    #[test]
    fn three_deviations_are_exact() {
        let past = Past::of(&[8.0, 10.0, 12.0]).unwrap();
        assert!(!Judge::Z3.flags(&past, 16.0) && Judge::Z3.flags(&past, 16.1));
        assert!(!Judge::AboveP95.flags(&past, 12.0) && Judge::AboveP95.flags(&past, 12.1));
        assert_eq!([rank(20, 0.95), rank(100, 0.95), rank(0, 0.95)], [18, 94, 0]);
    }

    #[test]
    fn a_draw_is_always_the_same() {
        let (one, rest) = drawn(&group(), 30, 7).unwrap();
        assert_eq!((one.len(), rest.len()), (30, 11));
        assert_eq!((one.clone(), rest.clone()), drawn(&group(), 30, 7).unwrap());
        assert_ne!(one, drawn(&group(), 30, 8).unwrap().0);
        let error = drawn(&group(), 41, 0).unwrap_err().to_string();
        assert_eq!(error, "made has 41 runs without a fault, and a baseline takes 41");
    }

    #[test]
    fn the_preset_has_the_rules_of_durations() {
        for metric in ["execution_duration", "node_duration"] {
            assert_eq!(Judge::of_preset(metric).unwrap().min_change, 1_000.0, "a second");
        }
        assert!(Judge::of_preset("execution_count").is_err());
    }
}
