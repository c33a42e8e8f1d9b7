//! Plays seeds. `SIMULATION_SEEDS` is their number. `SIMULATION_SEED` tells the story of one.

use simulation::{Bug, Violation, app, first, gaps, kills, tell};

/// Seeds within which each planted bug must be found.
const SEEDS_FOR_A_BUG: u64 = 2_000;

#[test]
fn seeds_without_a_violation() {
    let chosen = number_of_environment("SIMULATION_SEED");
    let seeds = match chosen {
        Some(seed) => seed..seed + 1,
        None => 0..number_of_environment("SIMULATION_SEEDS").unwrap_or(300),
    };
    let failed = first(seeds, None, |violations| !violations.is_empty());
    if let Some(seed) = failed.as_ref().map(|(seed, _)| *seed).or(chosen) {
        tell(seed);
    }
    if let Some((seed, violations)) = failed {
        panic!("seed {seed}: {violations:#?}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for (bug, rule) in Bug::ALL {
        let breaks = |violations: &[Violation]| violations.iter().any(|violation| violation.rule == rule);
        match first(0..SEEDS_FOR_A_BUG, Some(bug), breaks) {
            Some((seed, _)) => println!("{bug:?} breaks the rule {rule:?} in seed {seed}"),
            None => missed.push(bug),
        }
    }
    assert_eq!(missed, [], "{SEEDS_FOR_A_BUG} seeds did not find everything");
}

#[test]
fn a_run_killed_at_any_call_and_run_again_ends_as_an_undisturbed_one() {
    let mut app = app();
    let kills: Result<Vec<usize>, String> =
        (0..30).map(|seed| kills::at_every_call(&mut app, seed)).collect();
    let kills: usize = kills.unwrap().iter().sum();
    assert!(kills > 900, "only {kills} kills");
    println!("{kills} kills");
}

#[test]
fn three_days_without_a_run_end_as_a_history_without_a_gap() {
    let mut app = app();
    let (mut anomalies, mut forgotten) = (0, 0);
    for seed in 0..120 {
        let Some([with, without]) = gaps::with_and_without(&mut app, seed, true) else { continue };
        assert_eq!((&with.0, &with.1), (&without.0, &without.1), "seed {seed}");
        anomalies += with.0.len();
        // A detector that does not look for missed hours ends differently. So the comparison can fail.
        let [blind, _] = gaps::with_and_without(&mut app, seed, false).expect("the same world");
        forgotten += usize::from(blind.0 != without.0);
    }
    assert!(anomalies > 300 && forgotten > 10, "{anomalies} anomalies, {forgotten} worlds");
}

#[test]
fn an_incident_is_read_again_only_for_its_texts() {
    let mut app = app();
    let mut quiet = 0;
    for seed in 0..100 {
        let (read_again, quiet_changes) = kills::reads_again(&mut app, seed);
        assert_eq!(read_again, quiet_changes, "seed {seed}");
        quiet += quiet_changes;
    }
    assert!(quiet > 100, "only {quiet} changes without an anomaly");
}

fn number_of_environment(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a whole number"))
}
