//! `make bench` and `make bench-large`: every promised figure of this project, measured now, beside its goal.
//!
//! A speed is a ratio of two sides that are measured in this run, on this machine, on the same data. Only the limit of
//! a whole run is in seconds. The large bench holds the slow part: a million customers. `cargo bench -p bench --bench
//! figures -- starts` (or `loop`, `neighbours`, `finished`, `machines`, `sizes`, `cluster`, `chaos`, `storm`)
//! measures only a part.

use std::process::ExitCode;

use anyhow::Result;

mod asked;
mod chaos;
mod checks;
mod cluster;
mod cold_start;
mod finished;
mod machines;
mod naive;
mod neighbours;
mod program;
mod run;
mod storm;
mod usage;

use bench::figure::{Figure, Goal};
use run::Ran;
use storm::Storm;
use usage::{Limits, METRICS, Usage};

/// The size at which a sweep must meet its limits.
const PROMISED_AT: u64 = 100_000;

/// The base for comparison with larger sizes. Below it, the fixed cost of a query dominates.
const COMPARED_WITH: u64 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let large = given.iter().any(|argument| argument == "--large");
    let chosen: Vec<_> = given.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| *chosen == part);
    let mut figures = Vec::new();
    if wanted("starts") && !large {
        figures.extend(tell("cold start", cold_start::measure().await?));
    }
    if wanted("loop") && !large {
        for (customers, least) in [(1_000, 300.0), (10_000, 3_000.0)] {
            figures.extend(tell("the naive loop", against_the_loop(customers, least).await?));
        }
    }
    if wanted("neighbours") && !large {
        figures.extend(tell("one tenant beside another", neighbours::measure(10_000).await?));
    }
    if wanted("finished") && !large {
        figures.extend(tell("finished executions", finished::measure().await?));
    }
    if wanted("machines") && !large {
        figures.extend(tell("machines", machines::measure().await?));
    }
    // These are measured only by their own names. They need no packaged program.
    let named = |part: &str| chosen.iter().any(|chosen| *chosen == part);
    if named("cluster") {
        figures.extend(tell("clusters", cluster::measure(PROMISED_AT).await?));
    }
    if named("chaos") {
        figures.extend(tell("chaos", chaos::measure().await?));
    }
    if named("storm") {
        let storm = if large { Storm::LARGE } else { Storm::SHORT_OF_TIME };
        figures.extend(tell("a storm", storm::measure(&storm).await?));
    }
    if wanted("sizes") {
        let sizes: &[u64] =
            if large { &[COMPARED_WITH, 1_000_000] } else { &[1_000, COMPARED_WITH, PROMISED_AT] };
        figures.extend(growing(sizes).await?);
    }

    println!("\n{:<62} {:>14}   {:<20} {:<7} made of", "figure", "measured", "goal", "");
    for figure in &figures {
        println!("{figure}");
    }
    let missed = figures.iter().filter(|figure| figure.is_missed()).count();
    println!("\n{missed} of {} figures miss their goal by more than 10 %", figures.len());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows figures as soon as they are measured, because the whole takes minutes.
fn tell(what: &str, figures: Vec<Figure>) -> Vec<Figure> {
    eprintln!("measured: {what}");
    for figure in &figures {
        eprintln!("  {figure}");
    }
    figures
}

async fn against_the_loop(customers: u64, least: f64) -> Result<Vec<Figure>> {
    eprintln!("making a month of events of {customers} customers …");
    let usage = Usage::of_events(customers).await?;
    let ahead = usage.fit().await?;
    let swept = usage.sweep().await?;
    let naive = naive::time_for_all(&usage).await?;
    let sweep = swept.time.as_secs_f64();
    let ratio = Figure::new(
        format!("naive loop / sweep, {customers} customers"),
        naive.as_secs_f64() / sweep,
        "x",
        Goal::AtLeast(least),
        format!("loop {:.1} s by a sample, sweep {:.0} ms", naive.as_secs_f64(), sweep * 1e3),
    );
    let series = (customers * METRICS) as f64;
    let made_of = format!("{customers} customers x {METRICS} metrics, events of random sizes");
    let with_fit = Figure::new(
        format!("naive loop / sweep and an hour's share of fitting, {customers} customers"),
        naive.as_secs_f64() / (swept.time + ahead).as_secs_f64(),
        "x",
        Goal::Stated,
        format!("sweep {:.0} ms, fitted in {:.0} ms", sweep * 1e3, ahead.as_secs_f64() * 1e3),
    );
    let of_disk = |name: &str, bytes: u64| {
        Figure::new(name, bytes as f64 / series, "bytes", Goal::Stated, made_of.clone())
    };
    let figures = vec![
        ratio,
        with_fit,
        of_disk("disk: 792 hours of a series", usage.stored("usage_hourly").await?),
        of_disk("disk: models of a series, 24 hours", usage.stored("usage_models").await?),
    ];
    usage.drop().await?;
    Ok(figures)
}

/// Figures that must not grow, or only with the number of series, at small sizes and a large one.
async fn growing(sizes: &[u64]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut smallest: Option<(f64, Ran, usize)> = None;
    for customers in sizes {
        eprintln!("making hours and models of {customers} customers …");
        let usage = Usage::of_hours(*customers).await?;
        let swept = usage.sweep().await?;
        let limits = usage.limits().await?;
        let ran = run::run(&usage).await?;
        let per_series = swept.time.as_secs_f64() * 1e6 / (customers * METRICS) as f64;
        let made_of = format!("in {:.2} s; {} anomalies", swept.time.as_secs_f64(), swept.anomalies);
        let mut of_size = vec![
            Figure::new(
                format!("sweep of {customers} customers, a series"),
                per_series,
                "µs",
                Goal::Stated,
                made_of,
            ),
            whole_run(*customers, &ran),
        ];
        of_size.extend(of_answers(*customers, &limits));
        of_size.extend(ran.memory.map(|memory| {
            let name = format!("detector's peak memory, {customers} customers");
            Figure::new(
                name,
                memory,
                "MB",
                Goal::AtMost(64.0),
                format!("{} anomalies, no incidents before", ran.anomalies),
            )
        }));
        match &smallest {
            None if *customers >= COMPARED_WITH => smallest = Some((per_series, ran, limits.queries)),
            None => {}
            Some((small, small_run, queries)) => {
                of_size.extend(grown(*customers, per_series / small, &ran, small_run));
                let name = format!("queries a sweep, {customers} customers");
                let made_of = format!("{queries} for {COMPARED_WITH} customers");
                of_size.push(Figure::new(name, limits.queries as f64, "", Goal::Stated, made_of));
                of_size.extend(of_queries(*customers, &limits));
                of_size.extend(checks::measure(&usage).await?);
            }
        }
        figures.extend(tell("sweep and run", of_size));
        usage.drop().await?;
    }
    Ok(figures)
}

fn whole_run(customers: u64, ran: &Ran) -> Figure {
    let made_of = format!(
        "{:.2} s until {} anomalies were stored; {} calls of 5 ms to AWS",
        ran.seconds, ran.anomalies, ran.calls
    );
    // The share of a minute that the customers are of a million, and not less than two seconds.
    let most = (60.0 * customers as f64 / 1e6).max(2.0);
    Figure::new(
        format!("whole run with its share of fitting, {customers} customers"),
        ran.billed,
        "s",
        Goal::AtMost(most),
        made_of,
    )
}

/// What a sweep reads besides the newest day.
fn of_answers(customers: u64, limits: &Limits) -> [Figure; 3] {
    let (suspects, time) = limits.suspects;
    let share = |rows: u64| rows as f64 / customers as f64;
    let made_of = |rows: u64| format!("{rows} of {customers} customers");
    [
        Figure::new(
            format!("rows of models that a sweep reads, a customer, {customers} customers"),
            share(limits.models),
            "",
            Goal::AtMost(1.0),
            made_of(limits.models),
        ),
        Figure::new(
            format!("customers read in full for a second opinion, {customers} customers"),
            100.0 * share(suspects),
            "%",
            Goal::AtMost(2.0),
            made_of(suspects),
        ),
        Figure::new(
            format!("time of the second opinions, {customers} customers"),
            time.as_secs_f64(),
            "s",
            // Five seconds at a million.
            Goal::AtMost((5.0 * customers as f64 / 1e6).max(0.5)),
            "with reading their hours, through a proxy".to_owned(),
        ),
    ]
}

fn grown(large: u64, per_series: f64, ran: &Ran, small_run: &Ran) -> Vec<Figure> {
    let time = Figure::new(
        format!("time a series, {large} customers / {COMPARED_WITH}"),
        per_series,
        "x",
        Goal::AtMost(1.3),
        "medians of the sweeps above".to_owned(),
    );
    let memory = ran.memory.zip(small_run.memory).map(|(large_mb, small_mb)| {
        let name = format!("detector's peak memory, {large} customers / {COMPARED_WITH}");
        Figure::new(
            name,
            large_mb / small_mb,
            "x",
            Goal::AtMost(1.2),
            format!("{large_mb:.1} and {small_mb:.1} MB"),
        )
    });
    [Some(time), memory].into_iter().flatten().collect()
}

/// The sweep's queries beside their lower bounds. The goals hold at one size.
fn of_queries(customers: u64, limits: &Limits) -> Vec<Figure> {
    let at_most = |most| if customers == PROMISED_AT { Goal::AtMost(most) } else { Goal::Stated };
    let (read, fetched) = (limits.read.as_secs_f64(), limits.fetched.as_secs_f64());
    vec![
        Figure::new(
            format!("sweep / bare HTTP fetch of its queries, {customers} customers"),
            read / fetched,
            "x",
            at_most(1.3),
            format!("{read:.2} s and {fetched:.2} s"),
        ),
        Figure::new(
            format!("ClickHouse's peak memory, {customers} customers"),
            limits.memory as f64 / 1e9,
            "GB",
            Goal::AtMost(1.5),
            "the dearest query of a sweep".to_owned(),
        ),
    ]
}
