//! Judges the entities that detectors vote on: all metrics of an entity together, by their newest samples.
//!
//! A sample is the value of a window. The hours before tell the season of the day and the peaks of earlier days. Where no network is
//! known, the weight of the autoencoder is shared among the other detectors.

use std::sync::Arc;
use std::time::Instant;

use catalog::{Aggregate, MetricRule, MetricSpec};
use detection::rules::Vote;
use detection::vote::models::Models;
use detection::vote::{self, DAYS_OF_PEAKS, Judgement, Level, Peaks, SAMPLES, Samples, season};
use detection::{About, CustomerId, Hour, Missing, Reason, Verdict, Window, entity};
use platform::emf::{NetworkFigures, RunFigures};
use warehouse::usage::{EntitySamples, MetricSamples};

use super::{note, of_verdict, read};
use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::{Order, Pass};
use crate::sweep::{named, quarantine};

const DAY: usize = 24;

/// An entity that was read, and the vote on it.
struct Judged {
    key: Vec<u8>,
    /// `None` for a key that is no name.
    id: Option<CustomerId>,
    /// The places of the metrics with samples.
    metrics: Vec<usize>,
    judgement: Option<Judgement>,
}

/// The votes of a pass on the entities with such metrics.
pub(super) struct Votes<'a> {
    /// The metrics, each with its place among those that rules judge.
    voted: Vec<(usize, &'a MetricSpec)>,
    entities: Vec<Judged>,
    models: Option<Arc<Models>>,
    /// `None` without networks.
    networks: Option<NetworkFigures>,
}

/// Reads the entities, and lets detectors vote on them.
///
/// * `see`: sees the samples of each entity. It sees an entity again if reading begins again.
pub(super) async fn read_votes<'a>(
    pass: Pass<'a>,
    window: Window,
    see: impl Fn(&EntitySamples),
) -> anyhow::Result<Votes<'a>> {
    let catalog = &pass.app.catalog;
    let voted: Vec<(usize, &MetricSpec)> =
        catalog.ruled().iter().enumerate().filter(|(_, spec)| spec.vote().is_some()).collect();
    if voted.is_empty() {
        return Ok(Votes { voted, entities: Vec::new(), models: None, networks: None });
    }
    let has_networks =
        pass.app.networks.are_expected() && voted.iter().any(|(_, spec)| spec.network.is_some());
    let (mut networks, mut models) = (None, None);
    if has_networks {
        let newest = pass.app.networks.newest(Instant::now()).await;
        models = newest.models;
        networks = Some(NetworkFigures { refused: newest.refused, ..NetworkFigures::default() });
    }
    let hours = (season::DAYS * DAY) as i64;
    let mut entities = read(pass, window, hours, "samples", async |request| {
        let mut judged = Vec::new();
        pass.app
            .usage
            .samples(request, |samples| {
                see(&samples);
                judged.push(Judged::of(pass, &voted, &window, samples, models.as_deref()));
            })
            .await?;
        Ok(judged)
    })
    .await?;
    entities.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Ok(Votes { voted, entities, models, networks })
}

impl Votes<'_> {
    /// Their candidates.
    ///
    /// * `beside`: what this verdict on a metric and that of its other rule are together. `None` makes no candidate.
    pub(super) fn candidates(
        self,
        pass: Pass<'_>,
        known: &Known,
        figures: &mut RunFigures,
        mut beside: impl FnMut((&MetricSpec, usize), &CustomerId, Verdict) -> Option<Verdict>,
    ) -> Vec<Candidate> {
        let Self { voted, entities, models, mut networks } = self;
        let (catalog, usage) = (&pass.app.catalog, &mut figures.usage);
        usage.customers = usage.customers.max(entities.len() as u64);
        let mut candidates = Vec::new();
        for Judged { key, id, metrics, judgement } in &entities {
            let Some(id) = id else {
                quarantine(usage, "invalid_customer_id", metrics.len() as u64, key, voted[0].1.name.as_str());
                continue;
            };
            if let Some(judgement) = judgement.as_ref().filter(|of| of.level == Some(Level::Info)) {
                let metric = voted[judgement.metric].1.name.as_str();
                let score = judgement.score;
                tracing::info!(entity = id.as_str(), metric, score, "an entity is slightly odd");
            }
            let with_samples = voted.iter().enumerate().filter(|(_, (place, _))| metrics.contains(place));
            for (number, (place, spec)) in with_samples {
                usage.series += 1;
                let verdict = match judgement {
                    Some(judgement) => judgement.verdict(number),
                    None => Verdict::Undetermined(Reason::InsufficientData),
                };
                let Some(verdict) = beside((*spec, *place), id, verdict) else { continue };
                note(usage, spec, &verdict);
                let about = About::of(catalog.name());
                candidates.extend(of_verdict(known, id, catalog.modelled().len() + place, &verdict, &about));
            }
            if let (Some(judgement), Some(models), Some(networks)) = (judgement, &models, &mut networks) {
                compare(judgement, &voted, models, networks);
            }
        }
        // A trial or a missed window must not say how the networks do now.
        if let Some(networks) = networks.filter(|_| pass.request.is_whole() && pass.order != Order::Missed) {
            figures.networks.get_or_insert_default().add(networks);
        }
        candidates
    }
}

/// Notes the errors of the networks on an entity, beside those of their training.
fn compare(
    judgement: &Judgement,
    voted: &[(usize, &MetricSpec)],
    models: &Models,
    figures: &mut NetworkFigures,
) {
    for (number, (_, spec)) in voted.iter().enumerate() {
        let Some(name) = &spec.network else { continue };
        let errors = (judgement.reconstruction_error(number), models.error_of(name.as_str()));
        if let (Some(error), Some(held_out)) = errors {
            figures.note(name.as_str(), error, held_out);
        }
    }
}

impl Judged {
    fn of(
        pass: Pass<'_>,
        voted: &[(usize, &MetricSpec)],
        window: &Window,
        samples: EntitySamples,
        models: Option<&Models>,
    ) -> Self {
        let EntitySamples { key, metrics } = samples;
        let id = named(&key);
        let judgement = id.as_ref().and_then(|id| {
            let ruled = voted.iter().filter_map(|(place, spec)| {
                Some((*place, *spec, MetricRule::vote(pass.policies.rules(id, spec))?))
            });
            judged(&ruled.collect::<Vec<_>>(), &metrics, window, id, models)
        });
        let with_samples = metrics.iter().enumerate().filter(|(_, of)| !of.is_empty());
        Self { metrics: with_samples.map(|(place, _)| place).collect(), key, id, judgement }
    }
}

/// The vote on an entity by the rules that policies give its metrics.
fn judged(
    voted: &[(usize, &MetricSpec, &Vote)],
    of_entity: &[MetricSamples],
    window: &Window,
    id: &CustomerId,
    models: Option<&Models>,
) -> Option<Judgement> {
    let parameters = voted.first()?.2.parameters()?;
    let pasts: Vec<Past> =
        voted.iter().map(|(place, spec, _)| Past::of(spec, of_entity.get(*place), window)).collect();
    let samples = voted.iter().zip(&pasts).map(|((_, spec, rule), past)| {
        Some(Samples {
            values: &past.values,
            season: &past.season,
            floors: rule.floors()?,
            never_negative: spec.never_negative(),
            peaks: past.peaks.filter(|_| rule.peaks),
            network: spec.network.as_ref().and_then(|name| models?.of(name.as_str())),
        })
    });
    let samples: Vec<Samples<'_>> = samples.collect::<Option<_>>()?;
    let day = Hour::holding(window.start()).latest_at(0);
    vote::judge(&samples, entity::seed(id.as_str(), day), &parameters)
}

/// What the samples of a metric are beside.
struct Past {
    /// Oldest first, NaN for gaps.
    values: Vec<f64>,
    season: Vec<f64>,
    peaks: Option<Peaks>,
}

impl Past {
    fn of(spec: &MetricSpec, samples: Option<&MetricSamples>, window: &Window) -> Self {
        let Some(samples) = samples.filter(|samples| !samples.is_empty()) else {
            return Self { values: vec![f64::NAN; SAMPLES], season: Vec::new(), peaks: None };
        };
        let values = values(spec, &samples.windows, SAMPLES);
        let length = window.length();
        let first = window.end() - length * SAMPLES as i32;
        let hours = Hours::of(spec, &samples.hours, window);
        let season = season::daily(hours.before(Hour::holding(first)), first, length, SAMPLES);
        let today = Hour::holding(window.start());
        let days =
            if spec.aggregate.is_among_values() { days(&samples.days, today) } else { hours.days(today) };
        Self { values, season, peaks: Peaks::of(&days) }
    }
}

/// So many samples in order. Before its first one a metric is unknown, and after it a gap may be zero.
pub(crate) fn values(spec: &MetricSpec, windows: &[(usize, f64)], count: usize) -> Vec<f64> {
    let mut values = vec![f64::NAN; count];
    for (ago, value) in windows {
        if let Some(place) = count.checked_sub(*ago + 1) {
            values[place] = *value;
        }
    }
    if spec.missing == Missing::Zero {
        values
            .iter_mut()
            .skip_while(|value| value.is_nan())
            .filter(|value| value.is_nan())
            .for_each(|gap| *gap = 0.0);
    }
    values
}

/// The extremes of each day of UTC before that of an hour, oldest first.
fn days(known: &[(i64, f64, f64)], hour: Hour) -> Vec<(f64, f64)> {
    let mut days = vec![UNKNOWN; DAYS_OF_PEAKS];
    for (start, least, most) in known {
        let ago =
            jiff::Timestamp::from_second(*start).map(|start| hour.latest_at(0).since(Hour::holding(start)));
        let place = ago.ok().and_then(|ago| days.len().checked_sub(usize::try_from(ago).ok()? / DAY));
        if let Some(day) = place.and_then(|place| days.get_mut(place)) {
            *day = (*least, *most);
        }
    }
    days
}

/// The level in a sample of the hours before a window.
struct Hours {
    first: Hour,
    levels: Vec<f64>,
}

const UNKNOWN: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

impl Hours {
    /// The thirty days until the hour of the window.
    fn of(spec: &MetricSpec, hours: &[(i64, f64)], window: &Window) -> Self {
        let count = season::DAYS * DAY;
        let first = Hour::holding(window.start()).plus(-(count as i64));
        let within_an_hour = (3_600 / window.length().as_secs()).max(1) as f64;
        let is_added_up = matches!(spec.aggregate, Aggregate::Count | Aggregate::Sum);
        let share = if is_added_up { within_an_hour } else { 1.0 };
        let mut all = Self { first, levels: vec![f64::NAN; count] };
        for (at, value) in hours {
            let at = jiff::Timestamp::from_second(*at).map(|at| Hour::holding(at).since(first));
            let place = at.ok().and_then(|place| usize::try_from(place).ok()).filter(|place| *place < count);
            if let Some(place) = place {
                all.levels[place] = *value / share;
            }
        }
        all
    }

    /// The levels until an hour.
    fn before(&self, hour: Hour) -> &[f64] {
        let count = usize::try_from(hour.since(self.first)).unwrap_or_default();
        &self.levels[..count.min(self.levels.len())]
    }

    /// The extremes of the levels of each day of UTC before that of an hour, oldest first.
    fn days(&self, hour: Hour) -> Vec<(f64, f64)> {
        let until = usize::try_from(hour.latest_at(0).since(self.first)).unwrap_or_default();
        let whole = &self.levels[until % DAY..until.min(self.levels.len())];
        // A minimum with NaN is the other one.
        let of_day = |day: &[f64]| {
            day.iter().fold(UNKNOWN, |(least, most), level| (least.min(*level), most.max(*level)))
        };
        whole.chunks(DAY).map(of_day).collect()
    }
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn window() -> Window {
        let end: Timestamp = "2026-11-21T13:05:00Z".parse().unwrap();
        Window::between(end - SignedDuration::from_mins(1), end).unwrap()
    }

    fn cpu() -> MetricSpec {
        let text = "[[source]]\nname = \"machines\"\ntable = \"samples\"\nentity = \"host\"\nwindow = \"1m\"\n\
             [[metric]]\nname = \"cpu\"\nsource = \"machines\"\nunit = \"%\"\nmissing = \"gap\"\nmin_change = 1\n\
             aggregate = \"avg\"\nvalue = \"cpu\"\n[[metric.rule]]\ntype = \"vote\"";
        Catalog::parse(text, "a").unwrap().find("cpu").unwrap().clone()
    }

    /// The newest value beside usual ones, with hours of so many days.
    fn samples(newest: f64, days: i64) -> MetricSamples {
        let usual = |ago: usize| 40.0 + (ago * 7_919 % 101) as f64 / 20.0;
        let windows = (0..SAMPLES).map(|ago| (ago, if ago == 0 { newest } else { usual(ago) }));
        let noon = Hour::holding(window().start());
        let hours = (1..days * 24).map(|ago| (noon.plus(-ago).start().as_second(), 42.0));
        let days = (1..days).map(|ago| (noon.latest_at(0).plus(-24 * ago).start().as_second(), 42.0, 42.0));
        MetricSamples { windows: windows.collect(), hours: hours.collect(), days: days.collect() }
    }

    fn verdict(samples: MetricSamples) -> Option<Verdict> {
        let (spec, id) = (cpu(), CustomerId::new("acme").unwrap());
        Some(judged(&[(0, &spec, spec.vote().unwrap())], &[samples], &window(), &id, None)?.verdict(0))
    }

    #[test]
    fn an_entity_is_judged_by_its_newest_samples() {
        assert!(matches!(verdict(samples(42.0, 10)), Some(Verdict::Normal(_))));
        let found = verdict(samples(95.0, 10)).unwrap();
        assert_eq!(found.finding().map(|found| found.comparison.current), Some(95.0));
        let mut young = samples(95.0, 1);
        young.windows.truncate(60);
        assert_eq!(verdict(young), None);
    }

    #[test]
    fn a_peak_of_three_days_is_no_news() {
        let mut of = samples(95.0, 10);
        for day in 1..4 {
            of.days[day].2 = 94.0;
        }
        assert!(matches!(verdict(of), Some(Verdict::Normal(_))));
    }

    #[test]
    fn samples_are_in_order_and_gaps_may_be_zero() {
        let windows = [(0, 5.0), (3, 7.0), (900, 1.0)];
        let found = values(&cpu(), &windows, SAMPLES);
        assert_eq!((found[SAMPLES - 1], found[SAMPLES - 4]), (5.0, 7.0));
        assert!(found[SAMPLES - 2].is_nan() && found[0].is_nan());
        let zero = MetricSpec { missing: Missing::Zero, ..cpu() };
        let found = values(&zero, &windows, SAMPLES);
        assert!(found[SAMPLES - 2] == 0.0 && found[SAMPLES - 5].is_nan());
    }

    #[test]
    fn hours_end_before_the_samples_and_days_are_of_utc() {
        let noon = Hour::holding(window().start());
        let at = |ago: i64| noon.plus(-ago).start().as_second();
        // The window is at 13:04. So 13 hours ago it was midnight, and 14 hours ago the day before.
        let hours = [(at(13), 1.0), (at(14), 9.0), (at(20), 3.0), (at(2), 4.0)];
        let hours = Hours::of(&cpu(), &hours, &window());
        assert_eq!(hours.days(noon).last(), Some(&(3.0, 9.0)));
        let midnight = noon.latest_at(0);
        let of = |day: i64| (midnight.plus(-24 * day).start().as_second(), day as f64, 50.0 + day as f64);
        let days = days(&[of(1), of(28), of(29), of(0), of(3)], noon);
        let known: Vec<_> = days.iter().enumerate().filter(|(_, day)| **day != UNKNOWN).collect();
        assert_eq!(known, [(0, &(28.0, 78.0)), (25, &(3.0, 53.0)), (27, &(1.0, 51.0))]);
        assert_eq!(hours.before(noon).len(), season::DAYS * 24);
        assert_eq!(hours.before(noon.plus(-1)).last(), Some(&4.0));
    }
}
