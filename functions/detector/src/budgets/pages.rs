//! Which pages of budgets go out singly. Pure.

use std::collections::HashSet;

use detection::Severity;
use detection::incident::Subject;
use store::{Digest, DigestEntry, Totals};

use super::Marked;
use super::settle::anomaly;
use crate::known::Known;
use crate::pass::Pass;
use crate::plan::{Call, LARGEST};

/// The name of the digest of budgets beside that of the anomalies.
const NAME: &str = "budgets";

pub(super) struct Plan {
    pub(super) single: HashSet<Subject>,
    /// What the limit of single pages holds back.
    pub(super) digest: Option<Digest>,
}

/// The most used budgets page singly.
///
/// * `marked`: the most used first.
pub(super) fn plan(pass: Pass<'_>, known: &Known, marked: &[Marked<'_>]) -> Plan {
    let calls: Vec<Call> = marked.iter().map(|marked| Call::of(&marked.step(known, pass))).collect();
    let chosen = choose(&calls, pass.app.alerting.max_per_run);
    let of = |wanted: Chosen| {
        marked.iter().zip(&chosen).filter(move |(_, chosen)| **chosen == wanted).map(|(marked, _)| marked)
    };
    let called = || marked.iter().zip(&calls).filter(|(_, call)| **call != Call::No);
    let held = of(Chosen::HeldBack).count() as u64;
    let digest = (held > 0).then(|| {
        let is_critical = |(marked, _): &(&Marked<'_>, &Call)| marked.mark.severity() == Severity::Critical;
        let pages = called().count() as u64;
        let critical = called().filter(is_critical).count() as u64;
        let totals = Totals { anomalies: pages, critical, pages, held_back: held };
        let largest = of(Chosen::HeldBack).filter_map(|marked| entry(pass, marked)).take(LARGEST).collect();
        Digest::new(pass.window, pass.request.shard, totals, largest).of_source(NAME)
    });
    Plan { single: of(Chosen::Single).map(|marked| marked.subject.clone()).collect(), digest }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    /// It calls for no page, or an earlier run of the window sent it singly.
    Settled,
    Single,
    HeldBack,
}

/// The first `most` calls go out singly. Decisions of an earlier run of the window stay and use up their places. So a repeated
/// run counts as many in its digest, and finds the one that is stored.
fn choose(calls: &[Call], most: usize) -> Vec<Chosen> {
    let sent = calls.iter().filter(|call| **call == Call::Settled { single: true }).count();
    let mut places = most.saturating_sub(sent);
    let choice = |call: &Call| match call {
        Call::Yes if places > 0 => {
            places -= 1;
            Chosen::Single
        }
        Call::Yes | Call::Settled { single: false } => Chosen::HeldBack,
        Call::No | Call::Settled { single: true } => Chosen::Settled,
    };
    calls.iter().map(choice).collect()
}

fn entry(pass: Pass<'_>, marked: &Marked<'_>) -> Option<DigestEntry> {
    let anomaly = anomaly(pass, marked)?;
    Some(DigestEntry {
        anomaly_id: anomaly.id().to_string(),
        customer_id: anomaly.customer_id.into(),
        description: anomaly.description,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_died_on_its_way_is_completed_with_the_same_digest() {
        let first = choose(&[Call::Yes; 40], 25);
        let held = |chosen: &[Chosen]| chosen.iter().filter(|of| **of == Chosen::HeldBack).count();
        assert_eq!((held(&first), first[24], first[25]), (15, Chosen::Single, Chosen::HeldBack));
        // The earlier run had stored any number of them, in any order.
        for stored in 0..=40 {
            let call = |place: usize| match place * 17 % 40 < stored {
                true => Call::Settled { single: first[place] == Chosen::Single },
                false => Call::Yes,
            };
            let calls: Vec<_> = (0..40).map(call).collect();
            let again = choose(&calls, 25);
            assert_eq!(held(&again), 15, "{stored}");
            for place in (0..40).filter(|place| calls[*place] == Call::Yes) {
                assert_eq!(again[place], first[place], "{stored} {place}");
            }
        }
        assert_eq!(choose(&[Call::No, Call::Yes], 0), [Chosen::Settled, Chosen::HeldBack]);
    }
}
