//! Judges the shapes of entities: the last hours of a metric beside two weeks of them.
//!
//! A sample is the mean of the windows in five minutes. The rollup of minutes holds three days, so a run keeps each new sample with its
//! distances. It then needs one search for the newest sample, and the peaks of the days before come from what was kept. A series, which is
//! a metric of an entity, without newest samples that were kept is new, or nobody judged it for some time: its samples are made of the
//! rollup, as far as that reaches.
//!
//! A shape is judged every five minutes. In between, a usual verdict of other rules on the metric ends no incident. If a shape could not
//! be judged, such a verdict ends no incident of a shape.

use std::collections::HashMap;

use catalog::MetricSpec;
use detection::rules::unseen_shape::STEP;
use detection::{About, CustomerId, Verdict, Window};
use platform::emf::UsageFigures;
use platform::telemetry::error_chain;

use super::{note, of_verdict, weight};
use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::Pass;

mod judge;
mod newest;
mod past;

use judge::judge;
pub(super) use newest::Newest;

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

    /// Whether shapes are not due in this window. Then an incident without a verdict waits for the next window.
    pub(super) fn are_silent(&self) -> bool {
        matches!(self, Self::Silent)
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
///
/// * `newest`: what the vote has read. It reads the samples of all metrics with this rule, too.
pub(super) async fn verdicts(pass: Pass<'_>, window: Window, known: &Known, newest: Newest) -> Verdicts {
    if pass.app.catalog.ruled().iter().all(|spec| spec.unseen_shape().is_none()) {
        return Verdicts::Unused;
    }
    if !is_due(pass, window) {
        return Verdicts::Silent;
    }
    let mut found = Found::new();
    if let Err(error) = judge(pass, window, known, newest, &mut found).await {
        tracing::error!(
            error = error_chain(error.as_ref()),
            source.name = pass.app.catalog.name(),
            judged = found.len(),
            "the shapes of entities are not judged"
        );
    }
    Verdicts::Known(found)
}

/// Whether a window ends a sample.
fn is_due(pass: Pass<'_>, window: Window) -> bool {
    !pass.app.is_between(&window) && window.end().as_second().rem_euclid(STEP) == 0
}

type Found = HashMap<(CustomerId, usize), Verdict>;

#[cfg(test)]
mod tests {
    use detection::rules::UnseenShape;

    use super::past::Past;
    use super::past::tests::samples;
    use super::*;

    #[test]
    fn between_two_samples_a_usual_verdict_ends_nothing() {
        let text = "[[source]]\nname = \"machines\"\ntable = \"samples\"\nentity = \"host\"\nwindow = \"1m\"\n\
             [[metric]]\nname = \"cpu\"\nsource = \"machines\"\nunit = \"%\"\nmissing = \"gap\"\nmin_change = 1\n\
             aggregate = \"avg\"\nvalue = \"cpu\"\n[[metric.rule]]\ntype = \"unseen_shape\"";
        let catalog = catalog::Catalog::parse(text, "a").unwrap();
        let (spec, id) = (catalog.find("cpu").unwrap(), CustomerId::new("acme").unwrap());
        let [usual, found] = [0.0, 90.0].map(|by| {
            let mut past = Past::of(0, [].iter());
            past.add(&samples(by));
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
