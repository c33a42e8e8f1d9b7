//! Judges the shapes of entities: the last hours of a metric beside two weeks of them.
//!
//! A sample is the mean of the windows in five minutes. The rollup of minutes holds three days, so a run keeps each new sample with its
//! distances. It then needs one search for the newest sample, and the peaks of the days before come from what was kept. An entity
//! without newest samples that were kept is new, or nobody judged it for some time: its samples are made of the rollup, as far as that
//! reaches.
//!
//! A shape is judged every five minutes. In between, a usual verdict of other rules on the metric ends no incident. If a shape could not
//! be judged, such a verdict ends no incident of a shape.

use std::collections::HashMap;

use catalog::{MetricRule, MetricSpec, Shard};
use detection::rules::unseen_shape::{DAY, DAYS, SAMPLES, STEP};
use detection::rules::{DayOfShapes, Nearest, Rule, Shapes, UnseenShape};
use detection::{About, CustomerId, Direction, Verdict, Window};
use platform::emf::UsageFigures;
use platform::telemetry::error_chain;
use warehouse::usage::{EntitiesRequest, EntitySamples, KeptDay, KeptSample, KeptSamples, UsageError};

use super::vote::values;
use super::{note, of_verdict, read, weight};
use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::Pass;
use crate::sweep::named;

/// Newest samples that each run makes of the rollup: two hours.
const NEWEST: usize = 24;

/// Samples that the rollup of minutes holds.
const HELD: usize = 3 * DAY;

/// Metrics of entities whose samples a run makes of all that the rollup holds, at least of one entity. The others wait for the next run.
const MOST_NEW: usize = 350;

/// What the rule says of the metrics of a pass.
pub(super) enum Verdicts {
    /// No metric has the rule.
    Unused,
    /// It says nothing in this window.
    Silent,
    /// By key and place of the metric among those that rules judge.
    Known(HashMap<(CustomerId, usize), Verdict>),
}

impl Verdicts {
    /// The verdict on a metric of this rule and of its others together. `None` if the others say less than an open incident needs.
    ///
    /// * `is_open`: whether an incident of a shape is open. A usual verdict of others does not end it unless the shape was judged.
    pub(super) fn beside(
        &mut self,
        (spec, place): (&MetricSpec, usize),
        id: &CustomerId,
        others: Verdict,
        is_open: bool,
    ) -> Option<Verdict> {
        let odd = Some(others).filter(|of| of.finding().is_some());
        match self {
            Self::Known(known) => match known.remove(&(id.clone(), place)) {
                None | Some(Verdict::Undetermined(_)) if is_open && spec.unseen_shape().is_some() => odd,
                own => own.into_iter().chain([others]).max_by_key(weight),
            },
            Self::Silent if spec.unseen_shape().is_some() => odd,
            Self::Silent | Self::Unused => Some(others),
        }
    }

    /// The candidates among the metrics that no other rule judged.
    pub(super) fn rest(self, pass: Pass<'_>, known: &Known, usage: &mut UsageFigures) -> Vec<Candidate> {
        let (Self::Known(verdicts), catalog) = (self, &pass.app.catalog) else { return Vec::new() };
        let mut verdicts: Vec<_> = verdicts.into_iter().collect();
        verdicts.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let candidates = verdicts.into_iter().flat_map(|((id, place), verdict)| {
            usage.series += 1;
            note(usage, &catalog.ruled()[place], &verdict);
            of_verdict(known, &id, catalog.modelled().len() + place, &verdict, &About::of(catalog.name()))
        });
        candidates.collect()
    }
}

/// The verdicts of a pass on the entities with such metrics. The samples are kept, unless it is a trial.
///
/// What cannot be read or kept is logged, and the other rules judge without. Their runs must not end with a table that is missing.
pub(super) async fn verdicts(pass: Pass<'_>, window: Window, known: &Known) -> Verdicts {
    if pass.app.catalog.ruled().iter().all(|spec| spec.unseen_shape().is_none()) {
        return Verdicts::Unused;
    }
    if pass.app.is_between(&window) || window.end().as_second().rem_euclid(STEP) != 0 {
        return Verdicts::Silent;
    }
    let mut found = Found::new();
    if let Err(error) = judge(pass, window, known, &mut found).await {
        tracing::error!(
            error = error_chain(error.as_ref()),
            source.name = pass.app.catalog.name(),
            judged = found.len(),
            "the shapes of entities are not judged: is `meterflow migrate` up to date, and may the detector's user read the table \
             `_samples` of the source?"
        );
    }
    Verdicts::Known(found)
}

type Found = HashMap<(CustomerId, usize), Verdict>;

/// The newest samples of the metrics with the rule. Oldest first, NaN for gaps.
type Samples = Vec<Vec<f32>>;

/// Judges one part of the entities after the other, so that memory holds the samples of one part only.
///
/// What was judged before an error counts: its samples are kept, so a later run would not call it news.
async fn judge(pass: Pass<'_>, window: Window, known: &Known, found: &mut Found) -> anyhow::Result<()> {
    let judge = Judge { pass, window, known };
    let count = NEWEST * judge.of_sample();
    let parts = read(pass, window, 0, "parts-of-samples", async |request| {
        pass.app.usage.parts_of_windows(request, count).await
    });
    let mut room = (MOST_NEW / judge.metrics().count().max(1)).max(1);
    for (part, shard) in parts.await?.into_iter().enumerate() {
        let Judged { verdicts, kept } = judge.part((part, shard), &mut room).await?;
        found.extend(verdicts);
        if pass.request.dry_run || kept.is_empty() {
            continue;
        }
        if let Err(error) = judge.keep(part, &kept).await {
            tracing::error!(
                error = error_chain(&error),
                source.name = pass.app.catalog.name(),
                "samples are not kept: may the detector's user insert into the table `_samples` of the source?"
            );
        }
    }
    Ok(())
}

/// What a pass judges by.
struct Judge<'a> {
    pass: Pass<'a>,
    window: Window,
    known: &'a Known,
}

/// What is known of a part of the entities.
#[derive(Default)]
struct Judged {
    verdicts: Found,
    /// The samples that were not kept before, by entity, each with the place of its metric.
    kept: Vec<(CustomerId, Vec<(usize, New)>)>,
}

impl Judge<'_> {
    /// The metrics with the rule, each with its place among those that rules judge.
    fn metrics(&self) -> impl Iterator<Item = (usize, &MetricSpec)> {
        let all = self.pass.app.catalog.ruled().iter().enumerate();
        all.filter(|(_, spec)| spec.unseen_shape().is_some())
    }

    /// Windows of a sample.
    fn of_sample(&self) -> usize {
        usize::try_from(STEP / self.window.length().as_secs().max(1)).unwrap_or(1).max(1)
    }

    /// Judges a part of the entities.
    ///
    /// * `room`: how many new ones the run may still judge.
    async fn part(&self, (part, shard): (usize, Shard), room: &mut usize) -> anyhow::Result<Judged> {
        let Self { pass, window, .. } = *self;
        let name = format!("newest-samples-{part}");
        let newest = read(pass, window, 0, &name, async |request| {
            self.newest(&EntitiesRequest { shard, ..*request }, NEWEST).await
        });
        let newest: HashMap<CustomerId, Samples> = newest.await?.into_iter().collect();
        let (mut judged, new) = read(pass, window, 0, &format!("kept-samples-{part}"), async |request| {
            let (mut judged, mut new) = (Judged::default(), Vec::new());
            let mut rest: HashMap<_, _> = newest.iter().collect();
            let show = |kept: KeptSamples| {
                let Some((id, samples)) = named(&kept.key).and_then(|id| rest.remove_entry(&id)) else {
                    return;
                };
                match is_recent(&kept.days) {
                    true => self.add(&mut judged, id, samples, &kept.days),
                    false => new.push((id.clone(), kept.days)),
                }
            };
            pass.app.usage.kept_samples(&EntitiesRequest { shard, ..*request }, show).await?;
            new.extend(rest.into_keys().map(|id| (id.clone(), Vec::new())));
            Ok((judged, new))
        })
        .await?;
        self.add_new((part, shard), &mut judged, new, room).await?;
        Ok(judged)
    }

    /// So many newest samples of each entity, from the rollup of minutes.
    async fn newest(
        &self,
        request: &EntitiesRequest<'_>,
        samples: usize,
    ) -> Result<Vec<(CustomerId, Samples)>, UsageError> {
        let of_sample = self.of_sample();
        let count = samples * of_sample;
        let mut all = Vec::new();
        let show = |_, of: EntitySamples| {
            let Some(id) = named(&of.key) else { return };
            let of_metric = |(place, spec): (usize, &MetricSpec)| {
                let windows = of.metrics.get(place).map_or(&[][..], |of| of.windows.as_slice());
                values(spec, windows, count).chunks(of_sample).map(mean).collect()
            };
            let samples: Samples = self.metrics().map(of_metric).collect();
            // Nothing would be kept of an entity without a value, and it would be new for ever.
            if samples.iter().flatten().any(|value| value.is_finite()) {
                all.push((id, samples));
            }
        };
        self.pass.app.usage.newest_windows(request, count, u64::MAX, show).await?;
        Ok(all)
    }

    /// Judges an entity by its newest samples and those that were kept.
    fn add(&self, judged: &mut Judged, id: &CustomerId, samples: &Samples, kept: &[KeptDay]) {
        let Pass { policies, app, .. } = self.pass;
        let mut all = Vec::new();
        for ((place, spec), newest) in self.metrics().zip(samples) {
            let mut past = Past::of(kept.iter().filter(|day| usize::from(day.place) == place));
            let new = past.add(newest);
            all.extend(new.into_iter().map(|new| (place, new)));
            let Some(rule) = MetricRule::unseen_shape(policies.rules(id, spec)) else { continue };
            let incidents = self.known.of(id.as_str(), app.catalog.modelled().len() + place);
            let Some(verdict) = past.verdict(rule, incidents.of_shape(), spec.never_negative()) else {
                continue;
            };
            let raised = policies.raised(id, &spec.name).map_or(1.0, |raised| raised.factor);
            judged.verdicts.insert((id.clone(), place), Rule::UnseenShape(*rule).raised(verdict, raised));
        }
        if !all.is_empty() {
            judged.kept.push((id.clone(), all));
        }
    }

    /// Judges entities by all that the rollup of minutes holds.
    async fn add_new(
        &self,
        (part, shard): (usize, Shard),
        judged: &mut Judged,
        mut new: Vec<(CustomerId, Vec<KeptDay>)>,
        room: &mut usize,
    ) -> anyhow::Result<()> {
        if new.len() > *room {
            tracing::info!(entities = new.len() - *room, "new entities wait until their shapes are judged");
            new.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            new.truncate(*room);
        }
        if new.is_empty() {
            return Ok(());
        }
        *room -= new.len();
        let kept: HashMap<CustomerId, Vec<KeptDay>> = new.into_iter().collect();
        let keys: Vec<CustomerId> = kept.keys().cloned().collect();
        let name = format!("held-samples-{part}");
        let held = read(self.pass, self.window, 0, &name, async |request| {
            self.newest(&EntitiesRequest { keys: &keys, shard, ..*request }, HELD).await
        });
        for (id, samples) in held.await? {
            self.add(judged, &id, &samples, kept.get(&id).map_or(&[], Vec::as_slice));
        }
        Ok(())
    }

    async fn keep(&self, part: usize, kept: &[(CustomerId, Vec<(usize, New)>)]) -> Result<(), UsageError> {
        let Pass { app, writer, deadline, .. } = self.pass;
        let end = self.window.end().as_second();
        let all =
            kept.iter().flat_map(|(id, samples)| samples.iter().map(move |(place, new)| (id, place, new)));
        let rows = all.filter_map(|(id, place, New { ago, value, distances: [two_hours, four_hours] })| {
            Some(KeptSample {
                customer_id: id.as_str(),
                metric: app.catalog.ruled().get(*place)?.name.as_str(),
                sample: u32::try_from(end - STEP * (*ago as i64 + 1)).ok()?,
                value: *value,
                two_hours: *two_hours,
                four_hours: *four_hours,
            })
        });
        let name = format!("{}-keep-samples-{end}-{part}", writer.run_id);
        app.usage.keep_samples(&app.catalog, &rows.collect::<Vec<_>>(), (&name, deadline)).await
    }
}

/// The mean of the windows of a sample that are known. NaN without any.
fn mean(windows: &[f64]) -> f32 {
    let known = || windows.iter().filter(|value| value.is_finite());
    (known().sum::<f64>() / known().count() as f64) as f32
}

/// Whether one of the samples that a run makes anew was kept before.
fn is_recent(days: &[KeptDay]) -> bool {
    days.iter().flat_map(|day| &day.ago).any(|ago| usize::from(*ago) < NEWEST)
}

/// A sample that was not kept before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct New {
    ago: usize,
    value: f32,
    /// Zero without a distance.
    distances: [f32; 2],
}

/// The samples of a metric that are known.
struct Past {
    /// Oldest first, NaN for gaps. The last one is judged.
    values: Vec<f32>,
    /// The newest first.
    days: [DayOfShapes; DAYS],
    /// What the search for the newest sample found.
    newest: Option<(Shapes, [Option<Nearest>; 2])>,
}

impl Past {
    fn of<'a>(kept: impl Iterator<Item = &'a KeptDay>) -> Self {
        let mut past = Self { values: vec![f32::NAN; SAMPLES], days: Default::default(), newest: None };
        for KeptDay { day, ago, values, two_hours, four_hours, .. } in kept {
            for (ago, value) in ago.iter().zip(values) {
                if let Some(place) = SAMPLES.checked_sub(usize::from(*ago) + 1) {
                    past.values[place] = *value;
                }
            }
            let before = usize::from(*day).checked_sub(1);
            if let Some(day) = before.and_then(|before| past.days.get_mut(before)) {
                *day = DayOfShapes { samples: ago.len(), largest: [*two_hours, *four_hours] };
            }
        }
        past
    }

    /// Adds newest samples, oldest first, and returns those that were not known.
    fn add(&mut self, newest: &[f32]) -> Vec<New> {
        let mut new = Vec::new();
        for (number, value) in newest.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let ago = newest.len() - 1 - number;
            let Some(place) = SAMPLES.checked_sub(ago + 1).filter(|place| self.values[*place].is_nan())
            else {
                continue;
            };
            self.values[place] = *value;
            let found = Shapes::of(&self.values[..=place]).map(|shapes| (shapes.nearest(), shapes));
            let nearest = found.as_ref().map(|(nearest, _)| *nearest).unwrap_or_default();
            if ago == 0 {
                self.newest = found.map(|(nearest, shapes)| (shapes, nearest));
            }
            let distances = nearest.map(|nearest| nearest.map_or(0.0, |nearest| nearest.distance));
            if let Some(day) = ago.checked_sub(1).and_then(|before| self.days.get_mut(before / DAY)) {
                day.note(distances);
            }
            new.push(New { ago, value: *value, distances });
        }
        new
    }

    /// `None` without a newest sample.
    fn verdict(
        &self,
        rule: &UnseenShape,
        active: Option<Direction>,
        never_negative: bool,
    ) -> Option<Verdict> {
        let judge = |(shapes, nearest): (&Shapes, &[Option<Nearest>; 2])| {
            rule.judge((shapes, nearest), &self.days, active, never_negative)
        };
        match &self.newest {
            Some((shapes, nearest)) => Some(judge((shapes, nearest))),
            // The sample was kept by an earlier run.
            None => {
                let shapes = Shapes::of(&self.values)?;
                Some(judge((&shapes, &shapes.nearest())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern of a day, with noise.
    fn sample(place: usize) -> f32 {
        (place % DAY) as f32 / 10.0 + (place * 7_919 % 101) as f32 / 50.0
    }

    fn kept(new: &[New]) -> Vec<KeptDay> {
        let day = |day: u8| {
            let of_day = || new.iter().filter(move |new| new.ago.div_ceil(DAY) == usize::from(day));
            let largest = |length: usize| of_day().map(|new| new.distances[length]).fold(0.0, f32::max);
            KeptDay {
                place: 0,
                day,
                ago: of_day().map(|new| new.ago as u16).collect(),
                values: of_day().map(|new| new.value).collect(),
                two_hours: largest(0),
                four_hours: largest(1),
            }
        };
        (0..=DAYS as u8).map(day).filter(|day| !day.ago.is_empty()).collect()
    }

    #[test]
    fn samples_that_were_kept_give_the_same_verdict_as_those_of_the_rollup() {
        let mut samples: Vec<f32> = (0..HELD).map(sample).collect();
        samples[HELD - 12..].iter_mut().for_each(|value| *value += 90.0);
        let mut whole = Past::of([].iter());
        assert_eq!(whole.add(&samples).len(), HELD);
        let rule = UnseenShape::default();
        let verdict = whole.verdict(&rule, None, true).unwrap();
        assert!(verdict.finding().is_some(), "{verdict:?}");
        // The run before kept all but the newest one.
        let mut before = Past::of([].iter());
        let new: Vec<New> =
            before.add(&samples[..HELD - 1]).into_iter().map(|new| New { ago: new.ago + 1, ..new }).collect();
        let mut next = Past::of(kept(&new).iter());
        let added = next.add(&samples[HELD - NEWEST..]);
        assert_eq!(added.iter().map(|new| new.ago).collect::<Vec<_>>(), [0]);
        assert_eq!(next.verdict(&rule, None, true), Some(verdict));
        assert!(is_recent(&kept(&new)) && !is_recent(&kept(&new[..HELD - 100])) && !is_recent(&[]));
    }

    #[test]
    fn gaps_are_not_kept_and_give_no_verdict() {
        let mut past = Past::of([].iter());
        assert_eq!(
            past.add(&[1.0, f32::NAN, 2.0, f32::NAN]).iter().map(|new| new.ago).collect::<Vec<_>>(),
            [3, 1]
        );
        assert_eq!(past.verdict(&UnseenShape::default(), None, true), None);
        assert!(mean(&[f64::NAN, f64::NAN]).is_nan());
        assert_eq!(mean(&[1.0, f64::NAN, 3.0]), 2.0);
    }

    #[test]
    fn between_two_samples_a_usual_verdict_ends_nothing() {
        let text = "[[source]]\nname = \"machines\"\ntable = \"samples\"\nentity = \"host\"\nwindow = \"1m\"\n\
             [[metric]]\nname = \"cpu\"\nsource = \"machines\"\nunit = \"%\"\nmissing = \"gap\"\nmin_change = 1\n\
             aggregate = \"avg\"\nvalue = \"cpu\"\n[[metric.rule]]\ntype = \"unseen_shape\"";
        let catalog = catalog::Catalog::parse(text, "a").unwrap();
        let (spec, id) = (catalog.find("cpu").unwrap(), CustomerId::new("acme").unwrap());
        let samples: Vec<f32> = (0..HELD).map(sample).collect();
        let mut odd = samples.clone();
        odd[HELD - 12..].iter_mut().for_each(|value| *value += 90.0);
        let [usual, found] = [samples, odd].map(|samples| {
            let mut past = Past::of([].iter());
            past.add(&samples);
            past.verdict(&UnseenShape::default(), None, true).unwrap()
        });
        let beside = |mut verdicts: Verdicts, others| verdicts.beside((spec, 0), &id, others, false);
        assert_eq!((beside(Verdicts::Silent, usual), beside(Verdicts::Silent, found)), (None, Some(found)));
        assert_eq!(beside(Verdicts::Unused, usual), Some(usual));
        let known = || Verdicts::Known([((id.clone(), 0), found)].into());
        assert_eq!(
            (beside(known(), usual), beside(known(), super::super::NO_DATA)),
            (Some(found), Some(found))
        );
        assert_eq!(beside(Verdicts::Known(HashMap::new()), usual), Some(usual));
        // While an incident of a shape is open, nothing usual ends it unless the shape was judged.
        let open = |own: Option<Verdict>, others| {
            let own = own.map(|own| ((id.clone(), 0), own)).into_iter().collect();
            Verdicts::Known(own).beside((spec, 0), &id, others, true)
        };
        assert_eq!((open(None, usual), open(Some(super::super::NO_DATA), usual)), (None, None));
        assert_eq!((open(None, found), open(Some(usual), usual)), (Some(found), Some(usual)));
    }
}
