//! A storm: so many anomalies at once that storing them takes longer than a run.
//!
//! The pages of a run go out first, whatever time is left. Runs that repeat the hour store the rest.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::World;
use e2e::world::{END, hourly};

use crate::program::most_memory;
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
    /// One that a run of 40 seconds cannot store.
    pub(crate) const SHORT_OF_TIME: Self = Self { anomalies: 12_000, time: Duration::from_secs(40) };
    /// One of all customers, with the default time of a run.
    pub(crate) const LARGE: Self = Self { anomalies: 200_000, time: Duration::from_secs(300) };
}

pub(crate) async fn measure(storm: &Storm) -> Result<Vec<Figure>> {
    let Storm { anomalies, time } = *storm;
    eprintln!("making {anomalies} customers with a spike …");
    let world = World::new().await?;
    world.insert_spikes(anomalies).await?;
    let app = world.app().await?;
    let request = hourly(END);
    let began = Instant::now();
    let (mut runs, mut pages, mut first_told) = (0, 0, None);
    let mut told = 0;
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
            Goal::AtMost(PAGES),
            String::from("a repeated run pages nobody again"),
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
    figures.extend(lists(&world, anomalies).await?);
    Ok(figures)
}

/// The lists and trends of the API afterwards.
async fn lists(world: &World, anomalies: u32) -> Result<Vec<Figure>> {
    let api = world.api().await?;
    let mut figures = Vec::new();
    for path in [
        "/v1/incidents?limit=50",
        "/v1/anomalies?limit=50",
        "/v1/anomalies?metric=compute_time&severity=critical&limit=50",
        "/v1/anomalies/trends?source=usage&from=now-7d",
        "/v1/status",
    ] {
        let began = Instant::now();
        let answer = api.get(path).await?;
        // What does not answer in time has no figure, and misses its goal.
        let seconds = if answer.status == 200 { began.elapsed().as_secs_f64() } else { f64::NAN };
        let name = format!("storm of {anomalies}: GET {path}");
        let part = if answer.json["complete"] == false { ", counted in part" } else { "" };
        let made_of = format!("status {}, {} bytes{part}", answer.status, answer.text.len());
        figures.push(Figure::new(name, seconds, "s", Goal::AtMost(5.0), made_of));
    }
    Ok(figures)
}
