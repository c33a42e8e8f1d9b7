//! A storm: so many anomalies at once that judging and storing them takes longer than a run.
//!
//! The pages of a run go out first, whatever time is left. Runs that repeat the hour judge and store the rest.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::World;
use e2e::world::{END, hourly};

use crate::program::most_memory;
use crate::usage::{MODELS, Usage};
use bench::figure::{Figure, Goal};

/// Single pages of a run and its digest, by default.
const PAGES: f64 = 26.0;

/// Runs of an hour, with the two by which Lambda repeats a failed one, and those of the hours after it.
const RUNS: u64 = 10;

/// Anomalies of a storm, and the time of each run.
pub(crate) struct Storm {
    pub(crate) anomalies: u32,
    pub(crate) time: Duration,
}

impl Storm {
    /// One that a run has no time to judge.
    pub(crate) const SHORT_OF_TIME: Self = Self { anomalies: 12_000, time: Duration::from_secs(30) };
    /// One of all customers, with the default time of a run.
    pub(crate) const LARGE: Self = Self { anomalies: 200_000, time: Duration::from_secs(300) };
}

pub(crate) async fn measure(storm: &Storm) -> Result<Vec<Figure>> {
    let Storm { anomalies, time } = *storm;
    eprintln!("making a month of hours of {anomalies} customers with a burst …");
    let usage = Usage::of_storm(anomalies.into()).await?;
    let world = &usage.world;
    let app = world.app_with(MODELS, &world.aws).await?;
    let request = hourly(END);
    let began = Instant::now();
    let (mut runs, mut pages, mut first_told) = (0, 0, None);
    let (mut told, mut runs_in_part) = (0, 0.0);
    let completed = loop {
        let begun = Instant::now();
        let result = detector::run(&app, &request, begun + time).await;
        runs += 1;
        let new = world.alert_counts().await?;
        if runs == 1 {
            pages = new.len();
        }
        told += new.values().sum::<usize>();
        let outcome = match &result {
            Ok(summary) => format!("{} stored, {} stored before", summary.recorded, summary.already_recorded),
            Err(error) => platform::telemetry::error_chain(error.as_ref()),
        };
        first_told.get_or_insert_with(|| outcome.clone());
        if outcome.contains("were not judged") {
            runs_in_part += 1.0;
        }
        eprintln!("  run {runs}: {:.0} s, {outcome}", begun.elapsed().as_secs_f64());
        if let Ok(summary) = result {
            let stored = summary.recorded + summary.already_recorded;
            ensure!(stored == u64::from(anomalies), "{stored} anomalies are stored, not {anomalies}");
            break began.elapsed();
        }
        ensure!(runs < RUNS, "the storm is not stored after {runs} runs: {outcome}");
    };
    let name = |what: &str| format!("storm of {anomalies}: {what}");
    let seconds = completed.as_secs_f64();
    let mut figures = vec![
        Figure::new(
            name("pages of the first run"),
            pages as f64,
            "",
            Goal::AtLeast(PAGES),
            first_told.unwrap_or_default(),
        ),
        Figure::new(
            name("pages of all runs"),
            told as f64,
            "",
            Goal::AtMost(PAGES + runs_in_part),
            String::from("a run that judges the rest sends its digest, and no single page"),
        ),
        Figure::new(
            name("runs until all is stored"),
            runs as f64,
            "",
            Goal::Stated,
            format!("{} s for each", time.as_secs()),
        ),
        Figure::new(
            name("time until all is stored"),
            seconds,
            "s",
            Goal::Stated,
            format!("{:.0} anomalies a second", f64::from(anomalies) / seconds),
        ),
    ];
    if let Some(memory) = most_memory(std::process::id()) {
        figures.push(Figure::new(
            name("peak memory of this program"),
            memory,
            "MB",
            Goal::AtMost(512.0),
            String::new(),
        ));
    }
    figures.extend(lists(world, anomalies).await?);
    usage.drop().await?;
    Ok(figures)
}

/// The lists and trends of the API afterwards.
async fn lists(world: &World, anomalies: u32) -> Result<Vec<Figure>> {
    let api = world.api().await?;
    let mut figures = Vec::new();
    for (path, most) in [
        ("/v1/incidents?limit=50", 5.0),
        ("/v1/anomalies?limit=50", 5.0),
        ("/v1/anomalies?metric=api_calls&severity=critical&limit=50", 5.0),
        ("/v1/status", 5.0),
        // Counts end with what they have after ten seconds.
        ("/v1/anomalies/trends?source=usage&from=now-7d", 10.0),
    ] {
        let began = Instant::now();
        let answer = api.get(path).await?;
        // What does not answer in time has no figure, and misses its goal.
        let seconds = if answer.status == 200 { began.elapsed().as_secs_f64() } else { f64::NAN };
        let name = format!("storm of {anomalies}: GET {path}");
        let part = if answer.json["complete"] == false { ", counted in part" } else { "" };
        let made_of = format!("status {}, {} bytes{part}", answer.status, answer.text.len());
        figures.push(Figure::new(name, seconds, "s", Goal::AtMost(most), made_of));
    }
    Ok(figures)
}
