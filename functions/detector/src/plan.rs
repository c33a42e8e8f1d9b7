//! Chooses the single pages of a run. Pure.
//!
//! Caps choose the largest pages, in the same way whatever the order of the stream. So a repeated run decides the same.
//! The digest is stored before the pages that it replaces. The end of an incident is never held back.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use detection::incident::Step;
use detection::{CustomerId, Severity};
use messaging::alerts::AlertConfig;
use store::Totals;

use crate::candidate::Candidate;
use crate::found::Left;

/// The largest anomalies that a digest shows.
pub(crate) const LARGEST: usize = 10;

/// The pages of one run.
#[derive(Debug, Default)]
pub(crate) struct PagePlan {
    chosen: HashSet<(CustomerId, usize)>,
    /// Who has a single page of this run, or of an earlier run of the window.
    paged: HashSet<CustomerId>,
    pub(crate) totals: Totals,
    /// The largest findings without a single page.
    pub(crate) largest: Vec<Candidate>,
}

/// Whether a finding calls for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    No,
    Yes,
    /// An earlier run of this window called for the page. It sent a single page or counted the finding in its digest.
    Settled {
        single: bool,
    },
}

impl Call {
    /// The end of an incident does not count. It is always sent singly, because a pager or a person waits for it.
    pub(crate) fn of(step: &Step) -> Self {
        match step {
            Step::Become { page: Some(event), .. } if !event.is_closing() => Self::Yes,
            Step::Repeated(Some(page)) if !page.event.is_closing() => Self::Settled { single: page.single },
            _ => Self::No,
        }
    }
}

impl PagePlan {
    /// Chooses the largest findings that call for a page, at most `max_per_run` in all and `max_per_customer` of one
    /// customer.
    ///
    /// Looks at every candidate once. Memory holds the chosen ones and [`LARGEST`] others. Decisions of an earlier run
    /// of the window stay and use up their places, so a repeated run does not page as many again.
    ///
    /// * `left`: what an earlier run of the window stored of customers that this run does not judge again. It counts as if they
    ///   were among the candidates.
    pub(crate) fn of(
        candidates: impl Iterator<Item = anyhow::Result<(Candidate, Call)>>,
        config: &AlertConfig,
        left: &Left,
        customer_of: impl Fn(&Candidate) -> CustomerId,
    ) -> anyhow::Result<Self> {
        let mut plan = Self { totals: left.stored, ..Self::default() };
        let mut kept: Vec<Candidate> = Vec::new();
        let mut sent: HashMap<CustomerId, usize> = left.pages.clone();
        for candidate in candidates {
            let (candidate, call) = candidate?;
            let Some(finding) = candidate.finding() else { continue };
            plan.totals.anomalies += 1;
            plan.totals.critical += u64::from(finding.severity == Severity::Critical);
            plan.totals.pages += u64::from(call != Call::No);
            match call {
                Call::No => {}
                Call::Settled { single: true } => {
                    *sent.entry(customer_of(&candidate)).or_default() += 1;
                    plan.paged.insert(candidate.customer_id);
                }
                Call::Settled { single: false } => plan.hold_back(candidate),
                Call::Yes => {
                    let of = customer_of(&candidate);
                    insert(&mut kept, candidate);
                    let is_of_customer = |kept: &Candidate| customer_of(kept) == of;
                    plan.keep_some(&mut kept, is_of_customer, config.max_per_customer);
                    plan.keep(&mut kept, config.max_per_run);
                }
            }
        }
        for (customer, sent) in &sent {
            let is_of_customer = |kept: &Candidate| customer_of(kept) == *customer;
            plan.keep_some(&mut kept, is_of_customer, config.max_per_customer.saturating_sub(*sent));
        }
        plan.keep(&mut kept, config.max_per_run.saturating_sub(sent.values().sum()));
        plan.paged.extend(kept.iter().map(|kept| kept.customer_id.clone()));
        plan.chosen = kept.into_iter().map(|kept| (kept.customer_id, kept.metric)).collect();
        Ok(plan)
    }

    /// The keys of the customers and entities whose pages go out singly.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &CustomerId> {
        self.chosen.iter().map(|(key, _)| key)
    }

    /// Whether a page goes out singly among those of one customer or entity.
    pub(crate) fn has_page(&self, group: &[Candidate]) -> bool {
        group.iter().any(|candidate| self.paged.contains(&candidate.customer_id))
    }

    /// Whether a page about this candidate goes out singly. Otherwise the digest counts it. `planned` is the call that
    /// the plan was made of. A candidate that calls for a page only since then goes out singly, because no digest
    /// counts it.
    pub(crate) fn is_single(&self, candidate: &Candidate, planned: Call) -> bool {
        match planned {
            Call::Yes => self.chosen.contains(&(candidate.customer_id.clone(), candidate.metric)),
            Call::Settled { single } => single,
            Call::No => true,
        }
    }

    /// Holds back the smallest findings beyond `most`.
    fn keep(&mut self, kept: &mut Vec<Candidate>, most: usize) {
        while kept.len() > most
            && let Some(last) = kept.pop()
        {
            self.hold_back(last);
        }
    }

    /// The same for those of one customer. A finding beyond the limit never returns, because larger findings would have to
    /// go first.
    fn keep_some(&mut self, kept: &mut Vec<Candidate>, is_one: impl Fn(&Candidate) -> bool, most: usize) {
        while kept.iter().filter(|kept| is_one(kept)).count() > most
            && let Some(last) = kept.iter().rposition(&is_one)
        {
            self.hold_back(kept.remove(last));
        }
    }

    fn hold_back(&mut self, candidate: Candidate) {
        self.totals.held_back += 1;
        insert(&mut self.largest, candidate);
        self.largest.truncate(LARGEST);
    }
}

/// Inserts into a sorted list, the largest first.
fn insert(list: &mut Vec<Candidate>, candidate: Candidate) {
    let place = list.partition_point(|other| by_size(other, &candidate) == Ordering::Less);
    list.insert(place, candidate);
}

/// The largest comes first. Among equal ones the order is by name, so no two are equal.
fn by_size(a: &Candidate, b: &Candidate) -> Ordering {
    let names = (&a.customer_id, a.metric).cmp(&(&b.customer_id, b.metric));
    b.size().cmp(&a.size()).then(names)
}

#[cfg(test)]
mod tests {
    use detection::incident::{Event, Page, Seen};
    use detection::{Currency, Missing, Series, Settings, Thresholds, Verdict, WindowCost, check};
    use jiff::Timestamp;

    use super::*;

    /// A finding whose z-score grows with `spike`, from a baseline of about 1,000 with a deviation of about 100.
    fn candidate(customer: &str, metric: usize, spike: f64) -> Candidate {
        let windows: Vec<_> = (0..31)
            .map(|age| Some(if age == 0 { 1_000.0 + spike } else { 900.0 + 200.0 * f64::from(age % 2) }))
            .collect();
        let settings = Settings::new(Thresholds { min_change: 1.0, ..Thresholds::default() }).unwrap();
        let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
        else {
            panic!("a spike of {spike} is no anomaly");
        };
        Candidate {
            customer_id: CustomerId::new(customer).unwrap(),
            metric,
            direction: finding.direction,
            seen: Seen::Anomalous(finding.severity),
            comparison: Some(finding.comparison),
            seen_by: 24,
            change: None,
            explanation: None,
            cost: None,
            about: None,
        }
    }

    fn config(max_per_run: usize, max_per_customer: usize) -> AlertConfig {
        AlertConfig {
            topic_arn: String::new(),
            max_per_run,
            max_per_customer,
            pace: messaging::alerts::Pace::default(),
        }
    }

    /// All critical findings call for a page.
    fn critical(candidate: &Candidate) -> Call {
        if candidate.seen == Seen::Anomalous(Severity::Critical) { Call::Yes } else { Call::No }
    }

    fn planned(
        candidates: impl Iterator<Item = Candidate>,
        config: &AlertConfig,
        call: impl Fn(&Candidate) -> Call,
    ) -> PagePlan {
        let calls = candidates.map(|candidate| {
            let call = call(&candidate);
            Ok((candidate, call))
        });
        PagePlan::of(calls, config, &Left::default(), |candidate| candidate.customer_id.split().0).unwrap()
    }

    fn plan(
        candidates: &[Candidate],
        max_per_run: usize,
        max_per_customer: usize,
    ) -> (PagePlan, Vec<String>) {
        let candidates = candidates.iter().cloned();
        let plan = planned(candidates, &config(max_per_run, max_per_customer), critical);
        let mut chosen: Vec<_> =
            plan.chosen.iter().map(|(customer, metric)| format!("{customer}/{metric}")).collect();
        chosen.sort();
        (plan, chosen)
    }

    #[test]
    fn a_finding_without_a_page_is_counted_and_not_chosen() {
        let candidates = [candidate("a", 0, 400.0), candidate("a", 1, 4_000.0)];
        let (counted, chosen) = plan(&candidates, 10, 10);
        let totals = Totals { anomalies: 2, critical: 1, pages: 1, held_back: 0 };
        assert_eq!((counted.totals, chosen), (totals, vec!["a/1".to_owned()]));
        let single = |candidate: &Candidate| counted.is_single(candidate, critical(candidate));
        assert!(candidates.iter().all(single), "nothing is held back");
        let page = |event| Some(Page { event, window_end: Timestamp::UNIX_EPOCH, single: false });
        for (event, call) in [
            (None, Call::No),
            (page(Event::Accepted), Call::No),
            (page(Event::Escalated), Call::Settled { single: false }),
        ] {
            assert_eq!(Call::of(&Step::Repeated(event)), call);
        }
        let inside = Candidate { seen: Seen::Inside, ..candidates[1].clone() };
        assert_eq!(plan(&[inside], 10, 10).0.totals, Totals::default());
    }

    #[test]
    fn the_largest_are_chosen_within_both_caps() {
        let candidates = [
            candidate("a", 0, 4_000.0),
            candidate("a", 1, 3_900.0),
            candidate("a", 2, 5_000.0),
            candidate("b", 0, 3_000.0),
            candidate("c", 0, 2_000.0),
        ];
        let (plan_of_three, chosen) = plan(&candidates, 3, 2);
        assert_eq!(chosen, ["a/0", "a/2", "b/0"]);
        assert_eq!((plan_of_three.totals.pages, plan_of_three.totals.held_back), (5, 2));
        let single = |place: usize, planned: Call| plan_of_three.is_single(&candidates[place], planned);
        assert_eq!([0, 1].map(|place| single(place, critical(&candidates[place]))), [true, false]);
        assert!(single(1, Call::No), "the digest does not tell of what calls for a page only now");
        let held: Vec<_> = plan_of_three.largest.iter().map(|c| (c.customer_id.as_str(), c.metric)).collect();
        assert_eq!(held, [("a", 1), ("c", 0)]);
        assert_eq!(plan(&candidates, 0, 2).1, [""; 0]);
    }

    #[test]
    fn what_an_earlier_run_stored_counts_as_if_it_were_judged_again() {
        let candidates: Vec<_> = (0..9_u32)
            .map(|n| candidate(&format!("c{}", n % 3), n as usize / 3, 4_000.0 - 100.0 * f64::from(n)))
            .collect();
        let limits = config(5, 2);
        let whole = planned(candidates.iter().cloned(), &limits, |_| Call::Yes);
        // The earlier run had time for so many, and each had its place in that run's own plan.
        for judged in 0..=9 {
            let (first, rest) = candidates.split_at(judged);
            let plan = planned(first.iter().cloned(), &limits, |_| Call::Yes);
            let mut left = Left { stored: plan.totals, ..Left::default() };
            for (customer, _) in &plan.chosen {
                *left.pages.entry(customer.clone()).or_default() += 1;
            }
            let calls = rest.iter().map(|candidate| Ok((candidate.clone(), Call::Yes)));
            let again =
                PagePlan::of(calls, &limits, &left, |candidate| candidate.customer_id.clone()).unwrap();
            assert_eq!(again.totals, whole.totals, "{judged}");
            assert_eq!(plan.chosen.len() + again.chosen.len(), 5, "{judged}");
            for customer in ["c0", "c1", "c2"] {
                let of = |plan: &PagePlan| plan.pages().filter(|id| id.as_str() == customer).count();
                assert!(of(&plan) + of(&again) <= 2, "{judged}");
            }
        }
    }

    #[test]
    fn the_most_expensive_come_first_where_prices_are_known() {
        let priced = |customer: &str, spike: f64, amount: f64| {
            let cost = WindowCost { amount, currency: Currency::USD, hours: 24 };
            Candidate { cost: Some(cost), ..candidate(customer, 0, spike) }
        };
        // The cost of a missing usage counts like that of an additional one. Nothing is known of the cost of `a`.
        let candidates = [
            candidate("a", 0, 9_000.0),
            priced("b", 8_000.0, 5.0),
            priced("c", 3_000.0, -700.0),
            priced("d", 4_000.0, 40.0),
        ];
        assert_eq!(plan(&candidates, 2, 2).1, ["c/0", "d/0"]);
        let held = plan(&candidates, 0, 0).0.largest;
        let held: Vec<_> = held.iter().map(|candidate| candidate.customer_id.as_str()).collect();
        assert_eq!(held, ["c", "d", "b", "a"]);
    }

    #[test]
    fn the_entities_of_a_customer_share_its_cap() {
        let candidates = [
            candidate("a\u{1f}nightly", 0, 5_000.0),
            candidate("a\u{1f}import", 0, 4_000.0),
            candidate("b\u{1f}import", 0, 3_000.0),
        ];
        assert_eq!(plan(&candidates, 10, 1).1, ["a\u{1f}nightly/0", "b\u{1f}import/0"]);
    }

    #[test]
    fn the_order_of_the_findings_does_not_matter() {
        let mut candidates: Vec<_> = (0..300_u32)
            .map(|n| {
                candidate(&format!("c{}", n % 40), n as usize / 40, 1_000.0 + f64::from(n * 7_919 % 1_000))
            })
            .collect();
        let (first, chosen) = plan(&candidates, 25, 3);
        for turn in 1..20 {
            candidates.rotate_left(turn * 13 % 300);
            candidates.swap(turn, 299 - turn);
            let (again, chosen_again) = plan(&candidates, 25, 3);
            assert_eq!((&chosen_again, &again.largest), (&chosen, &first.largest));
            assert_eq!((again.totals.pages, again.totals.held_back), (300, 275));
        }
    }

    #[test]
    fn a_run_that_died_on_its_way_is_completed_with_the_same_plan() {
        let candidates: Vec<_> = (0..40_u32)
            .map(|n| {
                candidate(&format!("c{}", n % 4), n as usize / 4, 1_000.0 + 50.0 * f64::from(n * 7 % 40))
            })
            .collect();
        let limits = config(12, 4);
        let all = || candidates.iter().cloned();
        let first = planned(all(), &limits, |_| Call::Yes);
        // The earlier run had stored any number of them, in any order.
        for stored in 0..=40 {
            let settled = |candidate: &Candidate| {
                let place = candidates.iter().position(|other| other == candidate).unwrap();
                match place * 17 % 40 < stored {
                    true => Call::Settled { single: first.is_single(candidate, Call::Yes) },
                    false => Call::Yes,
                }
            };
            let again = planned(all(), &limits, settled);
            assert_eq!((again.totals, &again.largest), (first.totals, &first.largest), "{stored}");
            for candidate in candidates.iter().filter(|candidate| settled(candidate) == Call::Yes) {
                assert_eq!(
                    again.is_single(candidate, Call::Yes),
                    first.is_single(candidate, Call::Yes),
                    "{stored}"
                );
            }
        }
        // A digest does not count pages that were sent singly, even if the caps are lower now.
        let sent = planned(all(), &config(1, 1), |_| Call::Settled { single: true });
        assert_eq!((sent.totals.pages, sent.totals.held_back), (40, 0));
    }

    #[test]
    fn memory_stays_flat_when_everybody_is_anomalous() {
        let one = candidate("a", 0, 5_000.0);
        let many = (0..50_000)
            .map(|n| Candidate { customer_id: CustomerId::new(format!("c{n}")).unwrap(), ..one.clone() });
        let plan = planned(many, &config(5, 5), critical);
        assert_eq!((plan.chosen.len(), plan.largest.len(), plan.totals.held_back), (5, LARGEST, 49_995));
    }
}
