//! One run: the order of its steps.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use detection::{ALL_CUSTOMERS, CustomerId, Window};
use futures::future::try_join_all;
use jiff::SignedDuration;
use platform::emf::{RunFigures, UsageFigures};
use platform::telemetry::error_chain;
use store::{IncidentItem, Writer};
use uuid::Uuid;

use crate::app::App;
use crate::found::Found;
use crate::known::Known;
use crate::late::Late;
use crate::ledger::Ledger;
use crate::notes::{note, report};
use crate::outbox::Outbox;
use crate::pass::{Order, Pass, millis};
use crate::record::Counts;
use crate::request::Request;
use crate::servers::name_at;
use crate::summary::RunSummary;
use crate::{budgets, intake, missed, record, stopped, summary};

/// Time that is kept back at the end of a run to report how it ended.
const REPORT_TIME: Duration = Duration::from_secs(3);

/// How far the clock of the sender of an event may be ahead.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// One run before `deadline`: checks the window of `request`, records its findings and publishes its alerts.
///
/// # Errors
///
/// - The window is not over.
/// - The usage could not be read completely.
/// - A write was not acknowledged.
/// - An alert could not be published.
/// - Time ran out.
///
/// The same request can be run again at any time.
pub async fn run(app: &App, request: &Request, deadline: Instant) -> anyhow::Result<RunSummary> {
    if app.catalog.metrics().is_empty() {
        let sources: Vec<&str> = app.catalog.all().map(catalog::Catalog::name).collect();
        bail!(
            "the catalog has no metric of customers, so a run of usage would judge nobody: name one of its sources in \
             `detail.source`, which are {}, or add metrics",
            sources.join(", ")
        );
    }
    let started = Instant::now();
    let run_id = Uuid::new_v4().to_string();
    note(app.store_start(request, &run_id), "the start of the run is not noted").await;
    let mut figures = RunFigures { shard: request.shard.name(), ..RunFigures::default() };
    let mut outbox = Outbox::default();
    let is_of_the_schedule = app.now().is_ok_and(|now| request.is_of_newest_hour(now));
    let begun = Instant::now();
    let time_left = deadline.saturating_duration_since(begun).saturating_sub(REPORT_TIME);
    let mut asked = None;
    let pass = async {
        let app = match intake::prepare(app, request, &run_id, &mut figures).await {
            Ok(prepared) => &*asked.insert(prepared),
            Err(error) => {
                // Alerts that wait do not wait for ClickHouse.
                if !request.dry_run {
                    outbox.publish_left_over(app, left_over(app), &run_id, begun + time_left).await;
                }
                return Err(error);
            }
        };
        steps(app, app, request, &run_id, begun + time_left, &mut figures, &mut outbox).await
    };
    let result = match tokio::time::timeout(time_left, pass).await {
        Ok(result) => result,
        Err(_) => Err(anyhow::anyhow!(
            "time ran out after {} s, while {}; the next run of this window goes on from there",
            started.elapsed().as_secs(),
            figures.phase
        )),
    };
    figures.duration = started.elapsed();
    // Runs on demand, and runs for an old hour, must not hide that the schedule is dead.
    // Neither may a run of another source.
    figures.completed = result.is_ok() && is_of_the_schedule && app.source().is_none();
    if result.is_ok() && !request.dry_run && app.source().is_none() {
        let asked = asked.as_ref().unwrap_or(app);
        figures.newest_event_age = age_of_newest_event(asked, &run_id, begun + time_left).await;
    }
    figures.alerts = app.now().ok().and_then(|now| outbox.figures(now));
    report(app, request, &run_id, &figures, &result);
    let result = result.map(|summary| RunSummary {
        duration_ms: millis(figures.duration),
        reading_ms: millis(figures.clickhouse_time),
        ..summary
    });
    note(app.store_end(request, &run_id, result.as_ref().ok()), "the end of the run is not noted").await;
    result
}

/// How old the newest event is at least: the time since the newest hour with usage ended. Only an alarm asks for it, so the run
/// is complete without.
async fn age_of_newest_event(app: &App, run_id: &str, deadline: Instant) -> Option<Duration> {
    let servers = app.each_server();
    let asked = servers.iter().enumerate().map(|(number, server)| async move {
        let query_id = format!("{}-newest", name_at(number, run_id));
        server.usage.newest_hour(&server.catalog, &query_id).await
    });
    match tokio::time::timeout_at(deadline.into(), try_join_all(asked)).await {
        Ok(Ok(newest)) => {
            let newest = newest.into_iter().flatten().max()?;
            let age = app.now().ok()?.duration_since(newest.plus(1).start());
            Some(Duration::try_from(age).unwrap_or_default())
        }
        Ok(Err(error)) => {
            tracing::info!(error = error_chain(&error), "nobody knows how old the newest event is");
            None
        }
        Err(_) => None,
    }
}

/// The steps of a run in their order.
pub async fn steps(
    app: &App,
    ledger: &impl Ledger,
    request: &Request,
    run_id: &str,
    deadline: Instant,
    figures: &mut RunFigures,
    outbox: &mut Outbox,
) -> anyhow::Result<RunSummary> {
    let due = request.time.checked_sub(app.delay()).context("the event's time is out of range")?;
    let window = Window::closing_at_step(due, app.step()).context("the event's time cannot be checked")?;
    let writer = Writer { run_id, now: ledger.now()? };
    if !request.dry_run && window.end() > writer.now.saturating_add(CLOCKS_DIFFER)? {
        bail!(
            "the window to {} is not over; the time is {}: send the `time` of an hour that has passed, or `dry_run` to \
             check the usage so far",
            window.end(),
            writer.now
        );
    }

    if !request.dry_run {
        figures.phase = "sending alerts that earlier runs left behind";
        outbox.publish_left_over(ledger, left_over(app), run_id, deadline).await;
    }
    figures.phase = "reading the policies and the feedback";
    let policies = ledger.policies(window.end()).await?;
    let is_between = app.is_between(&window);
    let order = if is_between { Order::Ahead } else { Order::InOrder };
    let policies = &policies;
    let (customers, delay_hours, number, stop) = (&request.customers[..], 0, 0, None);
    let mut pass = Pass {
        app,
        request,
        window,
        policies,
        customers,
        delay_hours,
        number,
        writer,
        deadline,
        order,
        stop,
    };
    let closes_gaps = request.is_of_newest_hour(writer.now) && !is_between;
    let mut failed = None;
    if closes_gaps {
        figures.phase = "judging hours that were missed";
        let gap = close_gap(ledger, pass, outbox).await;
        (failed, pass.order) = match gap {
            Ok(order) => (None, order),
            Err(error) => (Some(error), Order::Ahead),
        };
    }
    figures.phase = "reading the incidents";
    let known = incidents(ledger, pass).await?;
    figures.phase = "reading usage";
    let mut found = ledger.candidates(pass, &known, figures).await?;
    if request.dry_run {
        let mut summary = summary::of_dry_run(pass, found, &figures.usage)?;
        for late in Late::of(pass) {
            summary.add_dry(dry_run_of_late(ledger, late.pass(pass)).await?);
        }
        return Ok(summary);
    }
    figures.phase = "storing anomalies and sending alerts";
    let mut counts = record_all(ledger, pass, &known, &mut found, outbox).await?;
    let unjudged = ensure_all_judged(&found).err();
    if unjudged.is_none() {
        figures.phase = "judging customers whose usage arrives late";
        for late in Late::of(pass) {
            counts.add(judge(ledger, late.pass(pass), outbox, &mut figures.usage).await?);
        }
    }
    if closes_gaps && budgets::are_for(pass) {
        figures.phase = "judging budgets";
        match budgets::judge(ledger, pass, &known, outbox).await {
            Ok(of_budgets) => counts.add(of_budgets),
            Err(error) => failed = failed.or(Some(error.context("the budgets were not judged"))),
        }
    }
    outbox.publish_held(ledger, run_id, deadline).await;
    if closes_gaps && pass.order == Order::InOrder && unjudged.is_none() {
        note_judged(ledger, pass).await;
    }
    match failed.or(unjudged).or_else(|| outbox.failure()) {
        Some(error) => Err(error),
        None => Ok(summary::of_run(pass, counts, outbox.published(), &figures.usage)),
    }
}

/// How many alerts of earlier runs a run sends. A run rarely leaves more behind. If there are more, the next runs send them.
fn left_over(app: &App) -> usize {
    2 * app.alerting.max_per_run + 10
}

/// Judges the missed hours before the hour of a run, as far as time allows. Returns whether the gap is closed.
async fn close_gap(ledger: &impl Ledger, pass: Pass<'_>, outbox: &mut Outbox) -> anyhow::Result<Order> {
    let missed =
        missed::windows(ledger.judged_until(pass.request.shard).await?, &pass.window, pass.app.step());
    let mut longest = Duration::ZERO;
    for (judged, window) in missed.iter().enumerate() {
        if !missed::has_time(judged, longest, pass.deadline) {
            let left = missed.len() - judged;
            tracing::warn!(hours.judged = judged, hours.left = left, "missed hours wait for the next run");
            return Ok(Order::Ahead);
        }
        let began = Instant::now();
        let deadline = began + pass.deadline.saturating_duration_since(began) / 2;
        let pass = Pass { window: *window, deadline, order: Order::Missed, ..pass };
        judge_missed(ledger, pass, outbox)
            .await
            .with_context(|| format!("the missed hour to {} was not judged", window.end()))?;
        note_judged(ledger, pass).await;
        ledger.pause(missed::INDEX_TIME).await;
        longest = longest.max(began.elapsed());
    }
    Ok(Order::InOrder)
}

async fn judge_missed(ledger: &impl Ledger, pass: Pass<'_>, outbox: &mut Outbox) -> anyhow::Result<()> {
    let mut usage = UsageFigures::default();
    let mut counts = judge(ledger, pass, outbox, &mut usage).await?;
    for late in Late::of(pass) {
        counts.add(judge(ledger, late.pass(pass), outbox, &mut usage).await?);
    }
    tracing::info!(window.end = %pass.window.end(), run.recorded = counts.recorded, "missed hour judged");
    Ok(())
}

/// Judges a window beside that of the run, and records it. Adds its figures to `usage`.
async fn judge(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    outbox: &mut Outbox,
    usage: &mut UsageFigures,
) -> anyhow::Result<Counts> {
    let known = incidents(ledger, pass).await?;
    let mut figures = RunFigures::default();
    let mut found = ledger.candidates(pass, &known, &mut figures).await?;
    usage.add(figures.usage);
    let counts = record_all(ledger, pass, &known, &mut found, outbox).await?;
    ensure_all_judged(&found)?;
    Ok(counts)
}

/// Records the candidates of a pass, and sends their alerts. While the data of all customers stopped, the drops of single ones page nobody.
async fn record_all(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    known: &Known,
    found: &mut Found,
    outbox: &mut Outbox,
) -> anyhow::Result<Counts> {
    let stop = stopped::stop(&pass.window, &pass.app.catalog, known, &mut found.candidates)?;
    record::all(ledger, Pass { stop: stop.as_ref(), ..pass }, known, found, outbox).await
}

/// Fails a pass that had no time for all customers that look odd.
fn ensure_all_judged(found: &Found) -> anyhow::Result<()> {
    let unjudged = found.left.unjudged;
    if unjudged > 0 {
        bail!(
            "time ran out in a storm: {unjudged} customers that look odd were not judged; what was found about others is \
             stored, and the next run of this window judges the rest: give the function more memory, or split the run"
        );
    }
    Ok(())
}

async fn dry_run_of_late(ledger: &impl Ledger, pass: Pass<'_>) -> anyhow::Result<RunSummary> {
    let known = incidents(ledger, pass).await?;
    let mut figures = RunFigures::default();
    let found = ledger.candidates(pass, &known, &mut figures).await?;
    summary::of_dry_run(pass, found, &figures.usage)
}

/// If the note fails, the next run judges the hour again and finds its items stored.
async fn note_judged(ledger: &impl Ledger, pass: Pass<'_>) {
    if let Err(error) = ledger.note_judged(pass.request.shard, pass.window.end()).await {
        tracing::warn!(error = error_chain(error.as_ref()), "which hours are judged is not noted");
    }
}

/// The incidents that could matter to a pass: those of its customers, and those of all customers together.
async fn incidents(ledger: &impl Ledger, pass: Pass<'_>) -> anyhow::Result<Known> {
    let Pass { app, window, .. } = pass;
    let chosen: HashSet<&str> = pass.customers.iter().map(CustomerId::as_str).collect();
    let oldest = window.oldest(app.detection.baseline_days);
    let from = window.earlier(oldest).end();
    let from = if pass.policies.has_budgets() { from.min(budgets::since(&window)) } else { from };
    let now = ledger.now()?.min(window.end());
    let mut known = Known::for_window(&window, &app.incidents.rules);
    let see = |item: IncidentItem| {
        let customer = item.incident.subject.key();
        if chosen.is_empty() || customer == ALL_CUSTOMERS || chosen.contains(&*customer) {
            known.see(&item, &app.catalog);
            if let Some(hours) = pass.policies.confirmed_hours(&item.incident) {
                known.confirm(&item.incident, hours, &app.catalog);
            }
        }
    };
    ledger.incidents_since(from, now, see).await?;
    known.arrange();
    Ok(known)
}
