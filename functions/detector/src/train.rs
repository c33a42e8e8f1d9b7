//! Trains the networks of a source anew, on the windows that ClickHouse still keeps, and writes them as a new version.
//!
//! The windows of an entity during an incident are left out, so that no fault becomes normal. The last fifth of the time is held out.
//! A few thousand stretches of all entities are enough, because neighbours are nearly the same. The networks share the time: each
//! training ends with the epoch in which its part of the time is over.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use catalog::{Catalog, MetricSpec, Shard};
use detection::Window;
use detection::detectors::autoencoder::DAY;
use detection::detectors::autoencoder::training::{Plan, train_on};
use detection::vote::models::{Models, ModelsFile, TrainedNetwork, Training};
use detection::vote::{self, SAMPLES};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use warehouse::usage::{EntitiesRequest, EntitySamples};

use crate::app::App;
use crate::pass::millis;
use crate::rules::vote::values;
use crate::sweep::named;

/// The event that asks for a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainRequest {
    /// Nothing after it is read.
    pub time: Timestamp,
    pub source: String,
}

/// What a training made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TrainSummary {
    /// `None` if no network could be trained. Then nothing was written.
    pub version: Option<String>,
    pub place: Option<String>,
    /// Entities that were read.
    pub entities: u64,
    /// Samples of all metrics that were left out, because their entity had an incident.
    pub samples_left_out: usize,
    pub networks: BTreeMap<String, NetworkSummary>,
    /// Why networks are missing, or stay as in the version before.
    pub left_out: BTreeMap<String, String>,
    pub duration_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NetworkSummary {
    /// The mean squared error on what was held out.
    pub error: f64,
    pub trained_on: usize,
    pub held_out: usize,
    pub epochs: u16,
}

/// What the rollup of minutes keeps.
const PERIOD: SignedDuration = SignedDuration::from_hours(72);

/// Entities that are read. Beyond that number those of some buckets are.
const MOST_ENTITIES: u64 = 60;

/// Stretches of a network. The training itself thins out what is more than it needs.
const MOST_STRETCHES: usize = 10_000;

/// One of so many parts of the time is held out.
const HELD_OUT: usize = 5;

/// Time that is kept back to write the file.
const WRITING: Duration = Duration::from_secs(25);

#[derive(Deserialize)]
struct Event {
    time: Option<Timestamp>,
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    train: bool,
    source: String,
}

impl TrainRequest {
    /// The request in an event. `None` for an event that asks for something else.
    ///
    /// # Errors
    ///
    /// When the event asks for a training and cannot be understood.
    pub fn from_event(event: &Value) -> anyhow::Result<Option<Self>> {
        if event.pointer("/detail/train").is_none() {
            return Ok(None);
        }
        let event = Event::deserialize(event).context("the training cannot be understood")?;
        let time = event.time.context("the event has no `time`: samples until then are trained on")?;
        if !event.detail.train {
            bail!("`train` is false: leave it out for a run");
        }
        Ok(Some(Self { time, source: event.detail.source }))
    }
}

/// The stretches of a network, each with the place of its newest sample.
type Stretches = Vec<(usize, [f32; DAY])>;

/// Trains all networks of a source before `deadline`, and writes them.
///
/// # Errors
///
/// When the source has no networks, the usage or the incidents could not be read, or the file could not be written.
pub async fn train(app: &App, request: &TrainRequest, deadline: Instant) -> anyhow::Result<TrainSummary> {
    let started = Instant::now();
    let metrics = metrics(app)?;
    let due = request.time.checked_sub(app.delay()).context("the event's time is out of range")?;
    let window = Window::closing_at_step(due, app.step()).context("the event's time cannot be used")?;
    let window = app.newest(&window);
    let step = window.length().as_secs();
    let windows = usize::try_from(PERIOD.as_secs() / step)?;
    let faults = faults(app, &window).await?;
    let Read { entities, samples_left_out, stretches } =
        read(app, &metrics, (&window, windows), &faults, deadline).await?;
    let digest = digest(&stretches);
    let mut summary = TrainSummary { entities, samples_left_out, ..TrainSummary::default() };
    let mut networks = BTreeMap::new();
    let until = deadline.checked_sub(WRITING).unwrap_or(started);
    let mut left = u32::try_from(metrics.len())?;
    let plan = Plan::default();
    for ((_, spec), stretches) in metrics.iter().zip(stretches) {
        let name = spec.network.as_ref().context("a network")?.to_string();
        let time = until.saturating_duration_since(Instant::now()) / left;
        left -= 1;
        let trained = tokio::task::spawn_blocking(move || network(stretches, &plan, time)).await?;
        match trained {
            Ok((network, figures)) => {
                tracing::info!(
                    network = name,
                    network.error = figures.error,
                    epochs = figures.epochs,
                    "a network is trained"
                );
                summary.networks.insert(name.clone(), figures);
                networks.insert(name, network);
            }
            Err(reason) => {
                tracing::warn!(network = name, reason, "a network is not trained: it stays as it is");
                summary.left_out.insert(name, reason);
            }
        }
    }
    if !networks.is_empty() {
        let from = window.end().checked_sub(PERIOD)?;
        let newest = Offset::UTC.to_datetime(window.start()).strftime("%Y%m%dT%H%M%SZ");
        let training = Training {
            samples_sha256: hex::encode(digest),
            from: from.to_string(),
            until: window.start().to_string(),
            step_seconds: u64::try_from(step)?,
            seed: plan.seed(),
            epochs: plan.epochs(),
        };
        let version = format!("{newest}-{}", hex::encode(&digest[..4]));
        let file = ModelsFile { format: Models::FORMAT, version: version.clone(), training, networks };
        summary.place = Some(app.networks.write(file).await?);
        summary.version = Some(version);
    }
    summary.duration_ms = millis(started.elapsed());
    tracing::info!(
        models.version = summary.version,
        entities,
        samples_left_out,
        networks = summary.networks.len(),
        duration_ms = summary.duration_ms,
        "training ended"
    );
    Ok(summary)
}

/// The metrics that have a network, with their places.
fn metrics(app: &App) -> anyhow::Result<Vec<(usize, &MetricSpec)>> {
    if !app.networks.are_expected() {
        bail!("MACHINE_MODELS is not set: say where the networks are written");
    }
    let ruled = app.catalog.ruled().iter().enumerate();
    let metrics: Vec<_> = ruled.filter(|(_, spec)| spec.network.is_some()).collect();
    if metrics.is_empty() {
        bail!("no metric of the source {} names a `network` in the catalog", app.catalog.name());
    }
    Ok(metrics)
}

/// When entities had an incident, by key.
type Faults = HashMap<String, Vec<(Timestamp, Timestamp)>>;

async fn faults(app: &App, window: &Window) -> anyhow::Result<Faults> {
    let from = window.end().checked_sub(PERIOD)?;
    let mut faults = Faults::new();
    let now = app.now()?.min(window.end());
    app.store
        .incidents_since(from, now, |item| {
            let incident = item.incident;
            let until = incident.last_window.max(incident.last_seen);
            // The incident was opened at the end of its first window.
            let since = incident.opened_at - window.length();
            faults.entry(incident.subject.key().into_owned()).or_default().push((since, until));
        })
        .await
        .context("the incidents were not read, and without them a fault would become normal")?;
    Ok(faults)
}

/// What is trained on.
struct Read {
    entities: u64,
    samples_left_out: usize,
    /// Of each network, oldest first.
    stretches: Vec<Stretches>,
}

async fn read(
    app: &App,
    metrics: &[(usize, &MetricSpec)],
    (window, windows): (&Window, usize),
    faults: &Faults,
    deadline: Instant,
) -> anyhow::Result<Read> {
    let catalog: &Catalog = &app.catalog;
    let query_id = format!("{}-training", Uuid::new_v4());
    let request = EntitiesRequest {
        catalog,
        window: *window,
        windows: 1,
        from: window.start(),
        keys: &[],
        shard: Shard::WHOLE,
        query_id: &query_id,
        deadline,
    };
    let (mut all, mut number, mut samples_left_out) = (vec![Stretches::new(); metrics.len()], 0, 0);
    let show = |entities: u64, samples: EntitySamples| {
        let faults = named(&samples.key).and_then(|id| faults.get(id.as_str()));
        let faulty = faults.map_or(&[][..], Vec::as_slice);
        for ((place, spec), stretches) in metrics.iter().zip(&mut all) {
            let Some(of_metric) = samples.metrics.get(*place) else { continue };
            let mut values = values(spec, &of_metric.windows, windows);
            samples_left_out += leave_out(&mut values, window, faulty);
            stretches.extend(of_entity(&values, number, entities));
        }
        number += 1;
    };
    let read = app.usage.newest_windows(&request, windows, MOST_ENTITIES, show).await;
    let entities = read.with_context(|| format!("the samples of {} were not read", catalog.name()))?;
    for stretches in &mut all {
        stretches.sort_by_key(|(place, _)| *place);
    }
    Ok(Read { entities, samples_left_out, stretches: all })
}

/// Makes gaps of the samples during faults, and returns their number.
fn leave_out(values: &mut [f64], window: &Window, faults: &[(Timestamp, Timestamp)]) -> usize {
    let known = |values: &[f64]| values.iter().filter(|value| value.is_finite()).count();
    let before = known(values);
    let (step, end) = (window.length().as_millis() as i64, window.end().as_millisecond());
    let count = values.len() as i64;
    // The sample at a place ends so many steps before the end of the window.
    let first_after = |at: Timestamp| count - (end - at.as_millisecond()).div_euclid(step);
    for (since, until) in faults {
        let from = first_after(*since).clamp(0, count);
        let to = first_after(*until).clamp(from, count);
        values[from as usize..to as usize].fill(f64::NAN);
    }
    before - known(values)
}

/// The stretches of one of so many entities, thinned out so that those of all together are not too many.
fn of_entity(values: &[f64], number: usize, entities: u64) -> impl Iterator<Item = (usize, [f32; DAY])> {
    let possible = values.len().saturating_sub(SAMPLES) + 1;
    let step = (possible * entities as usize).div_ceil(MOST_STRETCHES).max(1);
    vote::training_inputs_at(values).filter(move |(place, _)| place % step == number % step)
}

/// SHA-256 of all stretches.
fn digest(all: &[Stretches]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (place, stretch) in all.iter().flatten() {
        digest.update((*place as u64).to_be_bytes());
        stretch.iter().for_each(|value| digest.update(value.to_be_bytes()));
    }
    digest.finalize().into()
}

/// Trains one network for so long at most. The error says why it cannot be trained.
fn network(
    stretches: Stretches,
    plan: &Plan,
    time: Duration,
) -> Result<(TrainedNetwork, NetworkSummary), String> {
    let (known, held_out) = parts(stretches);
    if known.iter().all(|stretch| stretch.iter().all(|value| *value == 0.0)) && !known.is_empty() {
        return Err("its samples are all zero".to_owned());
    }
    let started = Instant::now();
    let mut epochs = 0;
    let trained = train_on(&known, &held_out, plan, |epoch| {
        epochs = epoch.number;
        // The next epoch takes as long as those before.
        let next = started.elapsed() / u32::from(epoch.number) * u32::from(epoch.number + 1);
        if next > time { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let trained = trained.map_err(|error| error.to_string())?;
    let (error, trained_on, held_out) = (trained.error, trained.trained_on, trained.held_out);
    let network = TrainedNetwork { error, trained_on, held_out, weights: trained.file };
    Ok((network, NetworkSummary { error, trained_on, held_out, epochs }))
}

/// The stretches of the time before, and those of the last fifth. Those between are left out, so that no value is in both.
fn parts(stretches: Stretches) -> (Vec<[f32; DAY]>, Vec<[f32; DAY]>) {
    let split = stretches.len() - stretches.len() / HELD_OUT;
    let Some(first_held_out) = stretches.get(split).map(|(place, _)| *place) else {
        return (stretches.into_iter().map(|(_, stretch)| stretch).collect(), Vec::new());
    };
    let (mut known, mut held_out) = (Vec::new(), Vec::new());
    for (place, stretch) in stretches {
        if place + DAY <= first_held_out {
            known.push(stretch);
        } else if place >= first_held_out {
            held_out.push(stretch);
        }
    }
    (known, held_out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TIME: &str = "2026-11-21T13:05:00Z";

    fn window() -> Window {
        let end: Timestamp = TIME.parse().unwrap();
        Window::between(end - SignedDuration::from_mins(1), end).unwrap()
    }

    #[test]
    fn an_event_asks_for_a_training() {
        let of = |event: Value| TrainRequest::from_event(&event).map_err(|error| format!("{error:#}"));
        let request = TrainRequest { time: TIME.parse().unwrap(), source: "machines".to_owned() };
        let asked = json!({ "time": TIME, "detail": { "source": "machines", "train": true } });
        assert_eq!(of(asked), Ok(Some(request)));
        assert_eq!(of(json!({ "time": TIME, "detail": { "source": "machines" } })), Ok(None));
        assert_eq!(of(json!({ "time": TIME })), Ok(None));
        for (event, expected) in [
            (json!({ "detail": { "source": "machines", "train": true } }), "no `time`"),
            (json!({ "time": TIME, "detail": { "source": "machines", "train": false } }), "`train` is false"),
            (json!({ "time": TIME, "detail": { "train": true } }), "missing field `source`"),
            (
                json!({ "time": TIME, "detail": { "source": "a", "train": true, "dry_run": true } }),
                "unknown field `dry_run`",
            ),
        ] {
            let error = of(event.clone()).unwrap_err();
            assert!(error.contains(expected), "{event}: {error}");
        }
    }

    #[test]
    fn samples_during_a_fault_are_gaps() {
        let end = window().end();
        let ago = |minutes| end - SignedDuration::from_mins(minutes);
        let left_out = |faults: &[(Timestamp, Timestamp)]| {
            let mut values = [1.0; 10];
            let count = leave_out(&mut values, &window(), faults);
            let places: Vec<_> = (0..10).filter(|place| values[*place].is_nan()).collect();
            assert_eq!(places.len(), count);
            places
        };
        // The sample of the last minute has the place 9.
        assert_eq!(left_out(&[(ago(1), end)]), [9]);
        assert_eq!(left_out(&[(ago(4), ago(2)), (ago(100), ago(9))]), [0, 6, 7]);
        assert_eq!(left_out(&[(ago(100), ago(50))]), [0; 0]);
        assert_eq!(left_out(&[(ago(100), end + SignedDuration::from_hours(1))]).len(), 10);
    }

    #[test]
    fn stretches_of_both_parts_share_no_value() {
        let stretches: Stretches =
            (0..200).flat_map(|place| [(place, [0.0; DAY]), (place, [1.0; DAY])]).collect();
        let (known, held_out) = parts(stretches);
        assert_eq!((known.len(), held_out.len()), (2 * (160 - DAY + 1), 80));
        assert_eq!(parts(Vec::new()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn many_entities_give_no_more_stretches_than_few() {
        let values: Vec<f64> =
            (0..4_320).map(|minute| 40.0 + f64::from(minute * 7_919 % 101) / 10.0).collect();
        let of = |entities| entities as usize * of_entity(&values, 0, entities).count();
        assert_eq!(of(1), 4_320 - SAMPLES + 1);
        // Every second stretch of three machines is far fewer than those of all.
        for entities in [3, 7, MOST_ENTITIES] {
            assert!((6_000..=MOST_STRETCHES + 60).contains(&of(entities)), "{}", of(entities));
        }
        // Entities give those of different times.
        let first = |number| of_entity(&values, number, 60).next().unwrap().0;
        assert_ne!(first(0), first(1));
    }

    #[test]
    fn a_network_is_trained_for_so_long_at_most() {
        let values: Vec<f64> =
            (0..1_000).map(|minute| 40.0 + f64::from(minute * 7_919 % 101) / 10.0).collect();
        let stretches: Stretches = vote::training_inputs_at(&values).collect();
        let (network, figures) = network(stretches.clone(), &Plan::default(), Duration::ZERO).unwrap();
        assert_eq!((figures.epochs, network.held_out), (1, stretches.len() / HELD_OUT));
        let few = super::network(stretches[..40].to_vec(), &Plan::default(), Duration::from_secs(60));
        assert!(few.unwrap_err().contains("too few"));
        let zero = super::network(vec![(0, [0.0; DAY]); 10], &Plan::default(), Duration::ZERO);
        assert!(zero.is_err());
    }
}
