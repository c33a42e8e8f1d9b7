//! Judges the metrics that look for new texts: an error, a client or an operation that an entity never had.
//!
//! The new texts of an entity are one anomaly, because its key is customer, entity, metric and window. Its sentence names
//! them. A release may bring hundreds of new texts, so a run names [`MOST`] of a customer, the most frequent ones. The first of
//! their anomalies says how many more there are.

use std::collections::HashMap;

use catalog::MetricSpec;
use detection::rules::{Novelty, Rule, Sighting};
use detection::{About, CustomerId, Verdict, Window};
use platform::emf::UsageFigures;
use warehouse::usage::{NewText, NewTexts};

use super::{note, of_verdict, read, weight};
use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::Pass;
use crate::sweep::{named, quarantine};

/// New texts of a customer that a run names.
const MOST: usize = 10;

/// An entity whose texts were judged.
#[derive(Debug, PartialEq)]
struct Judged {
    key: CustomerId,
    customer: CustomerId,
    /// The place among the metrics that rules judge.
    metric: usize,
    verdict: Verdict,
    events: u64,
    /// New texts with their events, the most frequent one first.
    new: Vec<(String, u64)>,
    /// New texts beside these.
    others: u64,
    /// New texts of the customer that no anomaly names. Only the first of its anomalies tells them.
    more: u64,
}

/// The candidates of a pass among these metrics.
pub(super) async fn candidates(
    pass: Pass<'_>,
    window: Window,
    known: &Known,
    usage: &mut UsageFigures,
) -> anyhow::Result<Vec<Candidate>> {
    let catalog = &pass.app.catalog;
    let back = catalog.ruled().iter().flat_map(rules).map(|rule| rule.days_back()).max();
    let Some(days) = back else { return Ok(Vec::new()) };
    // One day more, so that an entity that is known for all of them has an event before.
    let hours = 24 * (i64::from(days) + 1);
    let found =
        read(pass, window, hours, "new-texts", async |request| pass.app.usage.new_texts(request).await)
            .await?;
    let mut judged = Vec::new();
    for of_entity in found {
        let Some(spec) = catalog.ruled().get(of_entity.metric) else { continue };
        let Some(key) = named(&of_entity.key) else {
            quarantine(usage, "invalid_customer_id", 1, &of_entity.key, spec.name.as_str());
            continue;
        };
        let customer = catalog.who(&key).0;
        judged.push(judge(spec, key, customer, of_entity));
    }
    usage.series += judged.len() as u64;
    let (metrics, mut candidates) = (catalog.modelled().len(), Vec::new());
    for Judged { key, metric, verdict, events, new, more, .. } in limited(judged, MOST) {
        note(usage, &catalog.ruled()[metric], &verdict);
        let about = About {
            events: Some(events),
            values: new.into_iter().map(|(text, _)| text).collect(),
            more_values: Some(more).filter(|more| *more > 0),
            ..About::of(catalog.name())
        };
        candidates.extend(of_verdict(known, &key, metrics + metric, &verdict, &about));
    }
    Ok(candidates)
}

fn rules(spec: &MetricSpec) -> impl Iterator<Item = &Novelty> {
    spec.rules.iter().filter_map(|of| match &of.rule {
        Rule::Novelty(rule) => Some(rule),
        _ => None,
    })
}

fn judge(spec: &MetricSpec, key: CustomerId, customer: CustomerId, found: NewTexts) -> Judged {
    let NewTexts { metric, events, known_days, number, texts, .. } = found;
    let of = |sighting: Sighting| rules(spec).map(|rule| rule.judge(sighting)).max_by_key(weight);
    let is_new = |text: &NewText| of(text.sighting).is_some_and(|verdict| verdict.finding().is_some());
    // The texts that were read and are not new, such as those that came once only, are all there are.
    let unread = number.saturating_sub(texts.len() as u64);
    let new: Vec<NewText> = texts.into_iter().filter(is_new).collect();
    // Without a new text all are known, if anything is.
    let usual = Sighting { events, last_seen_days: Some(0), known_days };
    let verdict = of(new.first().map_or(usual, |text| text.sighting));
    Judged {
        key,
        customer,
        metric,
        verdict: verdict.unwrap_or(super::NO_DATA),
        events,
        others: if new.is_empty() { 0 } else { unread },
        new: new.into_iter().map(|text| (text.text, text.sighting.events)).collect(),
        more: 0,
    }
}

/// The same with at most so many new texts of each customer, the most frequent ones. Entities of which no text is left are left
/// out.
fn limited(mut judged: Vec<Judged>, most: usize) -> Vec<Judged> {
    let mut by_customer: HashMap<CustomerId, Vec<(u64, usize, usize)>> = HashMap::new();
    for (place, of) in judged.iter().enumerate().filter(|(_, of)| !of.new.is_empty()) {
        let texts = of.new.iter().enumerate().map(|(number, (_, events))| (*events, place, number));
        by_customer.entry(of.customer.clone()).or_default().extend(texts);
    }
    let mut is_left_out = vec![false; judged.len()];
    for mut texts in by_customer.into_values() {
        // By events, and otherwise in the order of the answer, in which a second run of the window finds them too.
        texts.sort_by_key(|(events, place, number)| (std::cmp::Reverse(*events), *place, *number));
        let mut kept: HashMap<usize, usize> = HashMap::new();
        texts.iter().take(most).for_each(|(_, place, _)| *kept.entry(*place).or_default() += 1);
        let first = texts[0].1;
        let mut more = 0;
        let mut places: Vec<usize> = texts.iter().map(|(_, place, _)| *place).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let (of, kept) = (&mut judged[place], kept.get(&place).copied().unwrap_or_default());
            more += of.others + (of.new.len() - kept) as u64;
            of.new.truncate(kept);
            is_left_out[place] = kept == 0;
        }
        judged[first].more = more;
    }
    let mut is_left_out = is_left_out.into_iter();
    judged.retain(|_| !is_left_out.next().unwrap_or_default());
    judged
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use detection::Reason;

    use super::*;

    fn spec(rule: &str) -> MetricSpec {
        let text = format!(
            "[[source]]\nname = \"jobs\"\ntable = \"runs\"\nentity = \"job\"\n[[metric]]\nname = \"m\"\nsource = \"jobs\"\n\
             unit = \"errors\"\nmissing = \"gap\"\nmin_change = 1\nvalue = \"error\"\naggregate = \"novel\"\n\
             [[metric.rule]]\ntype = \"novelty\"\n{rule}"
        );
        Catalog::parse(&text, "a").unwrap().find("m").unwrap().clone()
    }

    fn id(text: &str) -> CustomerId {
        CustomerId::new(text).unwrap()
    }

    fn judged(key: &str, known_days: u32, texts: &[(&str, u64)], number: u64) -> Judged {
        let text = |(text, events): &(&str, u64)| NewText {
            text: (*text).to_owned(),
            sighting: Sighting { events: *events, last_seen_days: None, known_days },
        };
        let found = NewTexts {
            key: key.into(),
            metric: 0,
            events: 100,
            known_days,
            number,
            texts: texts.iter().map(text).collect(),
        };
        judge(&spec(""), id(key), id(&key[..1]), found)
    }

    fn shown(judged: &[Judged]) -> Vec<String> {
        let texts = |of: &Judged| of.new.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>().join(", ");
        judged.iter().map(|of| format!("{}: {} and {} more", of.key, texts(of), of.more)).collect()
    }

    #[test]
    fn a_text_is_new_if_it_comes_twice() {
        let found = judged("a1", 30, &[("timeout of *", 3), ("once", 1)], 2);
        assert_eq!(found.new, [("timeout of *".to_owned(), 3)]);
        assert_eq!((found.verdict.finding().unwrap().comparison.current, found.others), (3.0, 0));
        for (known_days, texts) in [(30, &[("once", 1)][..]), (30, &[])] {
            let found = judged("a1", known_days, texts, 0);
            assert!(matches!(found.verdict, Verdict::Normal(_)) && found.new.is_empty(), "{found:?}");
        }
        let first = judged("a1", 6, &[("timeout of *", 3)], 1);
        assert_eq!(first.verdict, Verdict::Undetermined(Reason::InsufficientData));
        assert!(first.new.is_empty());
    }

    #[test]
    fn a_customer_has_so_many_new_texts_and_a_number_of_others() {
        let all = vec![
            judged("a1", 30, &[("rare", 2)], 1),
            judged("a2", 30, &[("often", 9), ("less", 4), ("least", 2)], 120),
            judged("a3", 30, &[], 0),
            judged("b1", 30, &[("own", 2)], 1),
        ];
        let found = limited(all, 2);
        // 117 were not read, and two of those that were read are over the limit.
        assert_eq!(shown(&found), ["a2: often, less and 119 more", "a3:  and 0 more", "b1: own and 0 more"]);
        let all = vec![judged("a1", 30, &[("rare", 2)], 1), judged("a2", 30, &[("often", 9)], 1)];
        assert_eq!(shown(&limited(all, 2)), ["a1: rare and 0 more", "a2: often and 0 more"]);
    }
}
