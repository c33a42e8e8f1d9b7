//! Judges the shapes of one part of the entities after the other, so that memory holds what was kept of one entity, and the changes of
//! one part.

use std::collections::HashMap;

use catalog::{MetricRule, MetricSpec, Shard};
use detection::rules::unseen_shape::DAY;
use detection::rules::{Rule, UnseenShape};
use detection::{CustomerId, Window};
use platform::telemetry::error_chain;
use warehouse::usage::{
    EntitiesRequest, EntitySamples, KeptBlock, KeptSamples, MOST_AT_ONCE, NewBlock, UsageError,
};

use super::super::read;
use super::Found;
use super::newest::{NEWEST, Newest, Samples, metrics, of_sample, samples};
use super::past::{Changed, Past};
use crate::known::Known;
use crate::pass::Pass;
use crate::sweep::named;

/// Samples that the rollup of minutes holds.
const HELD: usize = 3 * DAY;

/// Series whose samples a run makes of all that the rollup holds, at least those of one entity. The others wait for the next run.
const MOST_NEW: usize = 350;

/// Judges all parts. An error leaves the verdicts on the parts before it. Their samples are kept, so no later run would find them new.
pub(super) async fn judge(
    pass: Pass<'_>,
    window: Window,
    known: &Known,
    newest: Newest,
    found: &mut Found,
) -> anyhow::Result<()> {
    let mut newest = newest.or_read(pass, window).await?.0;
    let shard = pass.request.shard;
    let parts: Vec<Shard> = match newest.len() as u64 {
        ..=MOST_AT_ONCE => vec![shard],
        _ => shard.buckets().map(Shard::of_bucket).collect(),
    };
    let judge = Judge { pass, window, known };
    let (mut room, mut keeps) = (MOST_NEW, !pass.request.dry_run);
    for (part, shard) in parts.into_iter().enumerate() {
        let (judged, new) = judge.known((part, shard), &newest).await?;
        judged.shown.iter().for_each(|id| drop(newest.remove(id)));
        judge.finish((&part.to_string(), shard), judged, new, (&mut room, &mut keeps), found).await?;
    }
    // Of the others nothing was kept.
    let new = newest.iter().filter_map(|(id, samples)| {
        let places = judge.add(&mut Judged::default(), id, samples, &[], |_| false);
        (!places.is_empty()).then(|| NewEntity { id: id.clone(), places, kept: Vec::new() })
    });
    let (new, judged) = (new.collect(), Judged::default());
    judge.finish(("new", shard), judged, new, (&mut room, &mut keeps), found).await
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
    /// What was not kept before, by entity and place of the metric.
    changed: Vec<(CustomerId, usize, Vec<Changed>)>,
    /// The entities of which anything was kept.
    shown: Vec<CustomerId>,
}

/// An entity with new metrics.
struct NewEntity {
    id: CustomerId,
    /// The places of these metrics.
    places: Vec<usize>,
    /// What was kept of them.
    kept: Vec<KeptBlock>,
}

impl Judge<'_> {
    /// Judges the entities of a part by what was kept. Returns those with new metrics, too.
    async fn known(
        &self,
        (part, shard): (usize, Shard),
        newest: &HashMap<CustomerId, Samples>,
    ) -> anyhow::Result<(Judged, Vec<NewEntity>)> {
        let Self { pass, window, .. } = *self;
        read(pass, window, 0, &format!("kept-samples-{part}"), async |request| {
            let (mut judged, mut new) = (Judged::default(), Vec::new());
            let show = |KeptSamples { key, blocks }: KeptSamples| {
                let Some((id, samples)) = named(&key).and_then(|id| newest.get_key_value(&id)) else {
                    return;
                };
                let places = self.add(&mut judged, id, samples, &blocks, |past| past.is_recent(NEWEST));
                if !places.is_empty() {
                    let is_new = |block: &KeptBlock| places.contains(&usize::from(block.place));
                    let kept = blocks.into_iter().filter(is_new).collect();
                    new.push(NewEntity { id: id.clone(), places, kept });
                }
                judged.shown.push(id.clone());
            };
            pass.app.usage.kept_samples(&EntitiesRequest { shard, ..*request }, NEWEST, show).await?;
            Ok((judged, new))
        })
        .await
    }

    /// Judges the new metrics of a part, too, as far as there is room, and keeps what has changed.
    async fn finish(
        &self,
        (part, shard): (&str, Shard),
        mut judged: Judged,
        new: Vec<NewEntity>,
        (room, keeps): (&mut usize, &mut bool),
        found: &mut Found,
    ) -> anyhow::Result<()> {
        self.add_new((part, shard), &mut judged, new, room).await?;
        found.extend(judged.verdicts);
        if !*keeps || judged.changed.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.keep(part, &judged.changed).await {
            // The next part would fail alike.
            *keeps = false;
            tracing::error!(
                error = error_chain(&error),
                source.name = self.pass.app.catalog.name(),
                "the samples of entities are not kept"
            );
        }
        Ok(())
    }

    /// Judges the metrics of an entity by their newest samples and by what was kept. Returns the places of those that are left out.
    ///
    /// * `is_judged`: whether a metric is judged by what was kept of it.
    fn add(
        &self,
        judged: &mut Judged,
        id: &CustomerId,
        samples: &Samples,
        kept: &[KeptBlock],
        is_judged: impl Fn(&Past) -> bool,
    ) -> Vec<usize> {
        let mut left_out = Vec::new();
        let end = self.window.end().as_second();
        for ((place, spec), newest) in metrics(self.pass).zip(samples) {
            // Nothing would be kept of a metric without a value, and it would be new for ever.
            if newest.iter().all(|value| !value.is_finite()) {
                continue;
            }
            let mut past = Past::of(end, kept.iter().filter(|block| usize::from(block.place) == place));
            if !is_judged(&past) {
                left_out.push(place);
                continue;
            }
            past.add(newest);
            let changed = past.changed();
            if !changed.is_empty() {
                judged.changed.push((id.clone(), place, changed));
            }
            self.tell(judged, id, (place, spec), &past);
        }
        left_out
    }

    /// Adds the verdict on a metric, if it has one.
    fn tell(&self, judged: &mut Judged, id: &CustomerId, (place, spec): (usize, &MetricSpec), past: &Past) {
        let Pass { policies, app, .. } = self.pass;
        let rule: Option<&UnseenShape> = MetricRule::unseen_shape(policies.rules(id, spec));
        let incidents = self.known.of(id.as_str(), app.catalog.modelled().len() + place);
        let verdict = rule.and_then(|rule| {
            let verdict = past.verdict(rule, incidents.of_shape(), spec.never_negative())?;
            let raised = policies.raised(id, &spec.name).map_or(1.0, |raised| raised.factor);
            Some(Rule::UnseenShape(*rule).raised(verdict, raised))
        });
        judged.verdicts.extend(verdict.map(|verdict| ((id.clone(), place), verdict)));
    }

    /// Judges new metrics by all that the rollup of minutes holds of them.
    ///
    /// * `room`: how many the run may still judge.
    async fn add_new(
        &self,
        (part, shard): (&str, Shard),
        judged: &mut Judged,
        mut new: Vec<NewEntity>,
        room: &mut usize,
    ) -> anyhow::Result<()> {
        new.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        let all = new.len();
        let mut taken = HashMap::new();
        for entity in new {
            // An entity with more new metrics than that must not wait for ever.
            if entity.places.len() > *room && *room < MOST_NEW {
                break;
            }
            *room = room.saturating_sub(entity.places.len());
            taken.insert(entity.id, (entity.places, entity.kept));
        }
        if taken.len() < all {
            let entities = all - taken.len();
            tracing::info!(entities, "new metrics of entities wait until their shapes are judged");
        }
        if taken.is_empty() {
            return Ok(());
        }
        let Self { pass, window, .. } = *self;
        let keys: Vec<CustomerId> = taken.keys().cloned().collect();
        let name = format!("held-samples-{part}");
        let held = read(pass, window, 0, &name, async |request| {
            let mut held = Vec::new();
            let show = |of: EntitySamples| {
                held.extend(named(&of.key).map(|id| (id, samples(pass, window, &of, HELD))));
            };
            let request = EntitiesRequest { keys: &keys, shard, ..*request };
            pass.app.usage.windows_of_part(&request, HELD * of_sample(window), show).await?;
            Ok(held)
        });
        for (id, mut samples) in held.await? {
            let Some((places, kept)) = taken.get(&id) else { continue };
            // The others are judged already.
            let others = metrics(pass).zip(&mut samples).filter(|((place, _), _)| !places.contains(place));
            others.for_each(|(_, samples)| samples.clear());
            self.add(judged, &id, &samples, kept, |_| true);
        }
        Ok(())
    }

    async fn keep(
        &self,
        part: &str,
        changed: &[(CustomerId, usize, Vec<Changed>)],
    ) -> Result<(), UsageError> {
        let Pass { app, writer, deadline, .. } = self.pass;
        let end = self.window.end().as_second();
        let all = changed
            .iter()
            .flat_map(|(id, place, blocks)| blocks.iter().map(move |block| (id, *place, block)));
        let rows = all.filter_map(|(id, place, block)| {
            Some(NewBlock {
                customer_id: id.as_str(),
                metric: app.catalog.ruled().get(place)?.name.as_str(),
                block: block.first,
                version: u32::try_from(end).ok()?,
                means: &block.means,
                two_hours: &block.two_hours,
                four_hours: &block.four_hours,
            })
        });
        let name = format!("{}-keep-samples-{end}-{part}", writer.run_id);
        app.usage.keep_samples(&app.catalog, rows, (&name, deadline)).await
    }
}
