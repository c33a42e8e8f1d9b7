//! Customers that look odd by the rows of their models. Each is read with its month of hours and judged in full.
//!
//! In a storm there are more of them than a run has time for. Then the run judges some, stores and pages what it found, and
//! fails. A run that repeats the window judges the others:
//!
//! - First come the customers without an incident that deviate most, the largest first, because pages are chosen among the largest.
//! - Then come all others without an incident, and then those with incidents that go on or end. Each run begins with them at
//!   another place, so none of them is always the last.
//! - Last come customers that rows take for calm. They have an incident: a past one, or one that goes on and neither looks odd nor
//!   ends. If time runs out, the verdict of the rows holds. So a run has time in the week after a storm.
//! - A run leaves out each customer of whom an earlier run of the window stored all that looks odd. Each run judges again the
//!   customers who look odd and change no incident.

use std::cell::Cell;
use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::time::{Duration, Instant};

use catalog::Shard;
use detection::{CustomerId, Direction, Together};
use futures::{StreamExt, TryStreamExt, stream};
use platform::emf::UsageFigures;

use super::Tally;
use super::full::in_full;
use crate::candidate::{Odd, Screened};
use crate::found::{Found, Left};
use crate::known::Known;
use crate::looks::Looks;
use crate::pass::{Order, Pass};
use crate::peers::LazyPeers;
use crate::size::Size;

/// Customers that are read by one query.
const CUSTOMERS_A_QUERY: usize = 250;

/// ClickHouse reads the customers of the next query while those of one are judged.
const QUERIES_AT_ONCE: usize = 2;

/// One part of so many of the time is kept for all else that a run does, and never less than a publish may take.
const KEPT: u32 = 10;

/// Customers that look odd, in the order of the table.
#[derive(Default)]
pub(super) struct Suspects {
    all: Vec<Suspect>,
    /// By metric of the catalog: their newest hours, as far as rows tell.
    together: Vec<Together>,
}

struct Suspect {
    id: CustomerId,
    /// That of its largest deviation, as far as rows tell.
    size: Size,
    state: State,
}

/// What a series asks for. That of a customer is the first one of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// No incident goes on.
    New,
    /// An incident goes on, and may change.
    Active,
    /// The row takes it for calm, or no change of it is stored.
    Calm,
    /// An earlier run of the window stored what it comes to.
    Stored,
}

impl State {
    /// * `is_stored`: whether an earlier run of the window stored what it comes to.
    fn of(looks: Looks, is_active: bool, is_stored: bool, order: Order) -> Self {
        match looks {
            Looks::Calm => Self::Calm,
            // No incident ends then.
            Looks::Ending if order == Order::Ahead => Self::Calm,
            Looks::Odd(_) | Looks::Near(_) | Looks::Ending if is_stored => Self::Stored,
            Looks::Odd(_) | Looks::Near(_) | Looks::Ending | Looks::Unknown if is_active => Self::Active,
            Looks::Odd(_) | Looks::Near(_) | Looks::Ending | Looks::Unknown => Self::New,
        }
    }
}

/// What a pass judges of its suspects, and in which order.
struct Turns {
    judged: Vec<CustomerId>,
    /// So many of the judged ones, the last, may be left to their rows.
    calm: usize,
    /// Left out.
    stored: Vec<CustomerId>,
}

impl Suspects {
    /// Adds a customer of whom rows tell nothing.
    pub(super) fn push_unknown(&mut self, id: CustomerId) {
        self.all.push(Suspect { id, size: Size::UNKNOWN, state: State::New });
    }

    /// Adds a customer by the looks at its series, in the order of the catalog.
    pub(super) fn push(&mut self, pass: Pass<'_>, known: &Known, id: CustomerId, screened: &[Screened]) {
        let (mut size, mut state) = (Size::UNKNOWN, State::Stored);
        self.together.resize(screened.len(), Together::default());
        for (metric, series) in screened.iter().enumerate() {
            let newest = match series {
                Screened::Calm(judged) => &judged.newest,
                Screened::Odd(Odd { size: of_series, looks, newest }) => {
                    let incidents = known.of(id.as_str(), metric);
                    let is_active =
                        Direction::BOTH.into_iter().any(|direction| incidents.is_active(direction));
                    size = size.max(*of_series);
                    state = state.min(State::of(*looks, is_active, incidents.is_stored(*looks), pass.order));
                    newest
                }
            };
            self.together[metric].join(newest);
        }
        self.all.push(Suspect { id, size, state });
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds those of another share.
    pub(super) fn add(&mut self, other: Self) {
        self.all.extend(other.all);
        self.together.resize(self.together.len().max(other.together.len()), Together::default());
        self.together.iter_mut().zip(&other.together).for_each(|(all, newest)| all.join(newest));
    }

    /// Without a storm, all of them in the order of the table: neighbours are read together.
    fn in_order(self) -> Turns {
        let judged = self.all.into_iter().map(|suspect| suspect.id).collect();
        Turns { judged, calm: 0, stored: Vec::new() }
    }

    /// The turns of a storm.
    ///
    /// * `most`: so many of the largest come first.
    /// * `begin`: where the order begins among customers that are alike.
    fn turns(self, most: usize, begin: usize) -> Turns {
        let ids = |suspects: Vec<Suspect>| suspects.into_iter().map(|suspect| suspect.id);
        let (mut new, mut active, mut calm, mut stored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for suspect in self.all {
            match suspect.state {
                State::New => new.push(suspect),
                State::Active => active.push(suspect),
                State::Calm => calm.push(suspect),
                State::Stored => stored.push(suspect),
            }
        }
        let least = least_of_largest(&new, most);
        let (mut largest, mut new): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|suspect| least.is_none_or(|least| suspect.size > least));
        largest.sort_by_key(|suspect| Reverse(suspect.size));
        for alike in [&mut new, &mut active, &mut calm] {
            let begin = begin % alike.len().max(1);
            alike.rotate_left(begin);
        }
        let number = calm.len();
        let judged = ids(largest).chain(ids(new)).chain(ids(active)).chain(ids(calm)).collect();
        Turns { judged, calm: number, stored: ids(stored).collect() }
    }
}

/// The size that at most so many suspects exceed. `None` if there are no more of them.
fn least_of_largest(suspects: &[Suspect], most: usize) -> Option<Size> {
    let mut sizes: Vec<Size> = suspects.iter().map(|suspect| suspect.size).collect();
    let place = Some(most).filter(|place| *place < sizes.len())?;
    Some(*sizes.select_nth_unstable_by(place, |a, b| b.cmp(a)).1)
}

/// Judges the suspects of a server, in a storm as far as time allows.
///
/// * `is_storm`: whether those of all servers are a storm.
/// * `found`: the candidates of the pass so far, of all servers.
/// * `name`: the beginning of the names of the queries.
pub(super) async fn judge(
    pass: Pass<'_>,
    (known, peers): (&Known, &LazyPeers<'_>),
    (suspects, is_storm): (Suspects, bool),
    found: &Cell<u64>,
    name: &str,
) -> anyhow::Result<(Found, Tally)> {
    let (mut all, mut tally) = (Found::default(), Tally::default());
    let (together, storm) = (suspects.together.clone(), &pass.app.storm);
    let Turns { judged, calm, stored } = match is_storm {
        true => suspects.turns(storm.most, begin(pass.writer.run_id)),
        false => suspects.in_order(),
    };
    let begun = Instant::now();
    let kept = pass.app.alerting.pace.send().max(pass.deadline.saturating_duration_since(begun) / KEPT);
    let time = Time { begun, deadline: pass.deadline, storing: storm.storing, kept };
    let done = &Cell::new(0);
    let read = |(number, some)| async move {
        let name = format!("{name}-full-{number}");
        in_full(pass, (known, peers), Shard::WHOLE, some, &name).await.map(|read| (some.len(), read))
    };
    let has_time =
        |_: &(usize, &[CustomerId])| std::future::ready(!is_storm || time.is_left(done.get(), found.get()));
    let queries = stream::iter(judged.chunks(CUSTOMERS_A_QUERY).enumerate()).take_while(has_time);
    let mut queries = pin!(queries.map(read).buffered(QUERIES_AT_ONCE));
    while let Some((customers, (candidates, of_some))) = queries.try_next().await? {
        done.set(done.get() + customers);
        found.set(found.get() + candidates.len());
        all.add(candidates.into())?;
        tally.add(of_some);
    }
    let first_calm = judged.len() - calm;
    all.left.unjudged = first_calm.saturating_sub(done.get()) as u64;
    let left_calm = &judged[done.get().max(first_calm)..];
    if !left_calm.is_empty() {
        tracing::warn!(
            usage.customers = left_calm.len(),
            "no time was left to read the month of customers that look calm and have incidents: they are judged by their models, \
             which know the hours of these incidents"
        );
    }
    for customer in left_calm.iter().chain(&stored) {
        note_left(pass, known, customer, &mut tally.figures, &mut all.left);
    }
    if done.get() < judged.len() || !stored.is_empty() {
        // The stop of the data of all customers must show, whoever was judged.
        tally.together = together;
    }
    Ok((all, tally))
}

/// Counts a customer that is not judged again, and what an earlier run of the window stored of it.
fn note_left(pass: Pass<'_>, known: &Known, id: &CustomerId, figures: &mut UsageFigures, left: &mut Left) {
    let (catalog, window) = (&pass.app.catalog, pass.window.newest_hours(1).unwrap_or(pass.window));
    let customer = catalog.who(id).0;
    figures.customers += 1;
    figures.series += catalog.modelled().len() as u64;
    for (metric, spec) in catalog.modelled().iter().enumerate() {
        let series = known.of(id.as_str(), metric);
        left.note_stored(&customer, series);
        let stored = Direction::BOTH.into_iter().filter_map(|direction| series.stored(direction));
        for severity in stored.filter_map(|stored| stored.anomaly) {
            *figures.anomalies.entry((spec.name.to_string(), severity.as_str())).or_default() += 1;
            figures.muted += u64::from(pass.policies.mute(id, &spec.name, &window).is_some());
        }
    }
}

/// The time of a pass for its suspects.
struct Time {
    begun: Instant,
    deadline: Instant,
    /// That is kept for storing an anomaly.
    storing: Duration,
    /// That is kept for all else.
    kept: Duration,
}

impl Time {
    /// Whether another query begins, after so many customers were judged. It takes as long as those before, and what was found
    /// must be stored in the time that is left then.
    fn is_left(&self, done: usize, found: u64) -> bool {
        if done == 0 {
            return true;
        }
        let Self { begun, deadline, storing, kept } = *self;
        let now = Instant::now();
        let each = now.duration_since(begun).as_secs_f64() / done as f64;
        let under_way = (CUSTOMERS_A_QUERY * QUERIES_AT_ONCE) as f64 * each;
        let needed = under_way + found as f64 * storing.as_secs_f64() + kept.as_secs_f64();
        needed < deadline.saturating_duration_since(now).as_secs_f64()
    }
}

/// Where the order of a storm begins: anywhere, and elsewhere in each run.
fn begin(run_id: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    run_id.hash(&mut hasher);
    usize::try_from(hasher.finish() >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests;
