//! Stores the findings of a window and the changes of incidents, with many writes in flight, and sends the alerts.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use detection::incident::{Event, Incident, IncidentState, Step};
use detection::related::{OneCause, Openings};
use detection::{Finding, describe};
use futures::stream::{self, StreamExt, TryStreamExt};
use store::{AlertItem, AnomalyItem, Change, Changed, IncidentItem, JudgedBy, Notice, Previous, Recorded};

use crate::anomaly::anomaly;
use crate::candidate::Candidate;
use crate::decide::{Decision, Group, by_customer, is_newest, observation, subject};
use crate::digest;
use crate::found::Found;
use crate::heard::excess;
use crate::known::{Known, Latest};
use crate::ledger::Ledger;
use crate::openings;
use crate::outbox::Outbox;
use crate::pass::{Order, Pass, ensure_time_left};
use crate::plan::PagePlan;
use crate::recurring;

/// Writes in flight at once: enough to hide the few milliseconds of each, few enough for one small function.
const CONCURRENT_WRITES: usize = 64;

/// Tries against other runs and people who change the same incident at the same time.
const ATTEMPTS: u32 = 6;

/// The result of storing.
#[derive(Default)]
struct Records {
    counts: Counts,
    /// Pending alerts of this window. The plan bounds the alerts that open incidents. The closing alerts are bounded by
    /// the open incidents.
    pending: Vec<AlertItem>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Anomalies that this run stored.
    pub(crate) recorded: u64,
    /// Anomalies that were stored before.
    pub(crate) already_recorded: u64,
    /// Changes of incidents by their kind.
    pub(crate) incidents: BTreeMap<&'static str, u64>,
}

/// The result of one candidate.
enum Settled {
    /// The anomaly is stored, by this run or another.
    Anomaly(Recorded, Option<&'static str>),
    /// The anomaly was stored before, and no alert of it can be pending.
    StoredBefore,
    /// An incident has changed without an anomaly.
    Incident(Option<AlertItem>, Option<&'static str>),
    Nothing,
}

/// Stores every finding once, and every change of an incident, and sends the alerts. Stops with an error at the first write
/// that cannot be completed, and at the deadline. The next run finds the items that are stored by then.
///
/// Customers with a single page come first, and their pages are sent before anything else is stored. So a storm that takes
/// longer than the run delays no page.
pub(crate) async fn all(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    known: &Known,
    found: &mut Found,
    outbox: &mut Outbox,
) -> anyhow::Result<Counts> {
    let Pass { app, writer, deadline, .. } = pass;
    let recurring = recurring::among(ledger, pass, known, found).await?;
    let Found { candidates, left } = found;
    let recurring = &recurring;
    let calls = by_customer(candidates.read()?).flat_map(|group| match group {
        Ok(candidates) => {
            Group::new(pass, known, recurring, candidates).planned().into_iter().map(Ok).collect()
        }
        Err(error) => vec![Err(error)],
    });
    let customer_of = |candidate: &Candidate| app.catalog.who(&candidate.customer_id).0;
    let plan = PagePlan::of(calls, &app.alerting, left, customer_of)?;
    // The digest is first. If a run died before it stored the digest, incidents would look as if people were notified,
    // and nobody was.
    let mut records = Records { pending: digest::record(ledger, pass, &plan).await?, ..Records::default() };
    records.counts.already_recorded = left.stored.anomalies;
    let openings = openings::of(pass, known, recurring, candidates, &plan)?;
    let (total, mut done) = (candidates.len(), 0);
    let (plan, openings) = (&plan, &openings);
    for is_paged in [true, false] {
        let is_now = |group: &anyhow::Result<Vec<Candidate>>| {
            group.as_ref().map_or(true, |group| plan.has_page(group) == is_paged)
        };
        // The incidents of one customer depend on each other, so their writes would meet.
        let mut writes = stream::iter(by_customer(candidates.read()?).filter(is_now))
            .map(|group| async move {
                let mut group = Group::new(pass, known, recurring, group?);
                let mut settled = Vec::with_capacity(group.candidates().len());
                // Before any incident is read again: the plan knew no more.
                let planned = group.planned();
                for (candidate, planned) in planned {
                    let single = plan.is_single(&candidate, planned);
                    let page = Page { single, openings };
                    settled.push(settle(ledger, pass, page, &mut group, candidate).await?);
                }
                anyhow::Ok(settled)
            })
            .buffer_unordered(CONCURRENT_WRITES);
        let stored = async {
            while let Some(settled) = writes.try_next().await? {
                done += settled.len() as u64;
                settled.into_iter().for_each(|settled| records.add(settled));
                if done < total {
                    ensure_time_left(deadline, "storing anomalies", done, total)?;
                }
            }
            anyhow::Ok(())
        };
        let stored = stored.await;
        drop(writes);
        let pending = std::mem::take(&mut records.pending);
        if is_paged && done < total {
            outbox.publish_ahead(ledger, pending, writer.run_id, deadline).await;
        } else {
            outbox.publish(ledger, pending, writer.run_id, deadline).await;
        }
        stored?;
    }
    Ok(records.counts)
}

/// A page, if a candidate calls for one.
#[derive(Clone, Copy)]
struct Page<'a> {
    /// Whether it goes out singly. Otherwise the digest of the run counts it.
    single: bool,
    /// What else opens in the window.
    openings: &'a Openings,
}

/// Stores one candidate with its change of an incident.
async fn settle(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    plan: Page<'_>,
    group: &mut Group<'_>,
    candidate: Candidate,
) -> anyhow::Result<Settled> {
    if pass.order == Order::Ahead && candidate.finding().is_none() {
        return Ok(Settled::Nothing);
    }
    if let Some(finding) = candidate.first_use() {
        let item = anomaly_item(pass, &candidate, &finding, None);
        return Ok(Settled::Anomaly(ledger.record(item, pass.writer).await?, None));
    }
    if let Step::Become { incident, .. } = group.decide(&candidate).step
        && group.latest(&candidate).is_some_and(|before| !is_enough(pass, &candidate, &before, &incident))
    {
        read(ledger, pass, group, &candidate).await?;
    }
    for attempt in 0..ATTEMPTS {
        let (before, Decision { step, told_by }) = (group.latest(&candidate), group.decide(&candidate));
        let (incident, page) = match step {
            Step::Stay => return Ok(Settled::Nothing),
            Step::Repeated(page) => {
                let Some(finding) = candidate.finding() else { return Ok(Settled::Nothing) };
                // The anomaly was stored together with its incident. A run that repeats a storm has no time to store all of
                // it again.
                if page.is_none_or(|page| !page.single) {
                    return Ok(Settled::StoredBefore);
                }
                // The question is whether its alert is still pending.
                let incident = before.as_ref().and_then(|before| before.incident.as_ref());
                let item = anomaly_item(pass, &candidate, &finding, incident);
                return Ok(Settled::Anomaly(ledger.record(item, pass.writer).await?, None));
            }
            Step::Become { incident, page } => (*incident, page),
        };
        let beside = || openings::beside(pass, plan.openings, group, &candidate);
        let one_cause = page.filter(|page| *page == Event::Opened).and_then(|_| beside());
        let to = Changing { incident, page, single: plan.single, one_cause };
        let (to, alert) = change(pass, &candidate, before.as_ref(), to);
        let from = before.as_ref().map(|before| &before.former);
        let change = Change { from, to: &to, alert: alert.as_ref(), told_by: told_by.as_ref() };
        if ends(before.as_ref(), &to.incident) {
            // The anomalies close before their incident. A run that dies in between finds the incident open and does
            // both again.
            ledger.close_anomalies(&to.incident).await?;
        }
        match ledger.change(change, pass.writer).await? {
            Changed::Done => {
                let became = transition(before.as_ref(), &to);
                return Ok(match (candidate.finding(), alert) {
                    (Some(_), Some(alert)) => Settled::Anomaly(Recorded::of(alert), became),
                    (_, alert) => Settled::Incident(alert, became),
                });
            }
            Changed::Already(recorded) if candidate.finding().is_some() => {
                return Ok(Settled::Anomaly(recorded, None));
            }
            Changed::Already(recorded) => return Ok(Settled::Incident(recorded.pending, None)),
            Changed::Overtaken => {
                ledger.pause(Duration::from_millis(20) * attempt).await;
                read(ledger, pass, group, &candidate).await?;
                for beside in group.beside(&candidate) {
                    read(ledger, pass, group, &beside).await?;
                }
                if group.may_recur(&candidate) {
                    let earlier = recurring::of(ledger, pass, &candidate).await?;
                    group.note_recurring((candidate.metric, candidate.direction), earlier);
                }
            }
        }
    }
    bail!("an incident of {:?} was changed by others again and again", candidate.customer_id.as_str())
}

/// Reads the latest incident of a candidate's subject again.
async fn read(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    group: &mut Group<'_>,
    candidate: &Candidate,
) -> anyhow::Result<()> {
    let now = ledger.now()?.min(pass.window.end());
    let item = ledger.latest_incident(&subject(pass.app, candidate), now).await?;
    group.note_read((candidate.metric, candidate.direction), item.map(Latest::from));
    Ok(())
}

/// Whether a change of an incident can be written without reading the incident again.
fn is_enough(pass: Pass<'_>, candidate: &Candidate, before: &Latest, to: &Incident) -> bool {
    let described = before.description.is_some() || is_newest(pass, candidate, to);
    !before.former.is(to) || (described && before.history.is_some())
}

/// What a candidate makes of its incident.
struct Changing {
    incident: Incident,
    page: Option<Event>,
    single: bool,
    one_cause: Option<OneCause>,
}

/// The items of a decision: the incident, and its anomaly or notice.
fn change(
    pass: Pass<'_>,
    candidate: &Candidate,
    before: Option<&Latest>,
    to: Changing,
) -> (IncidentItem, Option<AlertItem>) {
    let Changing { mut incident, page, single, one_cause } = to;
    let Pass { app, window, writer, .. } = pass;
    let (unit, retention) = (&app.catalog.metrics()[candidate.metric].unit, app.store.retention());
    // The closing page of an incident is always sent singly, because a pager or a person waits for it.
    let single = page.is_some_and(Event::is_closing) || single;
    if let Some(event) = page {
        incident.note_page(event, single, &observation(pass, candidate));
    }
    let (alert, description, kind) = if let Some(finding) = candidate.finding() {
        let item = anomaly_item(pass, candidate, &finding, Some(&incident));
        let description = item.description.clone();
        let item = match page.filter(|_| single) {
            Some(event) => item.alerting(event, incident.clone(), one_cause),
            None => item,
        };
        let kind = item.kind;
        (Some(AlertItem::Anomaly(Box::new(item))), Some(description), Some(kind))
    } else {
        let notice = page.map(|event| {
            let text = match event {
                Event::Stale => describe::stale(&incident),
                _ => describe::back_to_normal(unit, &incident, candidate.hours()),
            };
            Notice::new(event, &incident, unit, text, window.end(), retention, writer.run_id)
        });
        (notice.map(|notice| AlertItem::Notice(Box::new(notice))), None, None)
    };
    let previous = before.filter(|before| before.former.is(&incident)).map(Previous::from);
    let is_newest = is_newest(pass, candidate, &incident);
    let item =
        IncidentItem::following(previous, incident, unit, description.filter(|_| is_newest), retention);
    (item.of_kind(kind.filter(|_| is_newest)), alert)
}

/// Whether a change closes an incident, or finds the end of one that a person has closed.
fn ends(before: Option<&Latest>, to: &Incident) -> bool {
    let before = before.filter(|before| before.former.is(to)).and_then(|before| before.incident.as_ref());
    before.is_some_and(|before| {
        (before.is_open() && !to.is_open()) || (before.over_at.is_none() && to.over_at.is_some())
    })
}

/// The kind of a change, for counting.
fn transition(before: Option<&Latest>, to: &IncidentItem) -> Option<&'static str> {
    let before = before.filter(|before| before.former.is(&to.incident));
    let before = before.and_then(|before| before.incident.as_ref()).map(|incident| incident.state);
    match (before, to.incident.state) {
        (None, _) => Some("opened"),
        (Some(before), now) if before.is_open() == now.is_open() => None,
        (Some(_), IncidentState::Resolved) => Some("resolved"),
        (Some(_), IncidentState::Accepted) => Some("accepted"),
        (Some(_), IncidentState::Stale) => Some("stale"),
        (Some(_), IncidentState::Open | IncidentState::Acknowledged) => Some("reopened"),
    }
}

fn anomaly_item(
    pass: Pass<'_>,
    candidate: &Candidate,
    finding: &Finding,
    incident: Option<&Incident>,
) -> AnomalyItem {
    let Pass { app, window, policies, writer, .. } = pass;
    let (opinion, spec) = (&finding.comparison.opinion, &app.catalog.metrics()[candidate.metric]);
    let judged_by = JudgedBy {
        detector: opinion.detail.name(),
        excess: excess(policies, candidate, spec, opinion).map(|(excess, _)| excess),
        catalog_version: app.catalog.version(),
        config_version: policies.version(&candidate.customer_id),
        mute: candidate.mute(pass),
    };
    let anomaly = anomaly(app, window, candidate, finding, policies);
    AnomalyItem::new(&anomaly, incident, &judged_by, app.store.retention(), writer.run_id)
}

impl Counts {
    /// Adds those of another pass.
    pub(crate) fn add(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.already_recorded += other.already_recorded;
        for (became, number) in other.incidents {
            *self.incidents.entry(became).or_default() += number;
        }
    }
}

impl Records {
    fn add(&mut self, settled: Settled) {
        let became = match settled {
            Settled::Anomaly(recorded, became) => {
                match recorded.new {
                    true => self.counts.recorded += 1,
                    false => self.counts.already_recorded += 1,
                }
                self.pending.extend(recorded.pending);
                became
            }
            Settled::Incident(pending, became) => {
                self.pending.extend(pending);
                became
            }
            Settled::StoredBefore => {
                self.counts.already_recorded += 1;
                None
            }
            Settled::Nothing => None,
        };
        if let Some(became) = became {
            *self.counts.incidents.entry(became).or_default() += 1;
        }
    }
}
