//! The incidents that a run knows when it begins: incidents that may go on or end, and incidents whose hours models leave
//! out. An incident may change before the run writes to it. Then the run decides again.
//!
//! There may be hundreds of thousands of incidents, and nearly all are past. A run keeps 32 bytes of each, and 176 more
//! of one that may go on. Customers are kept as keyed hashes of 128 bits. Texts stay in the store, and are read again
//! for the few incidents that change.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use catalog::Catalog;
use detection::incident::{self, Course, Incident, Rules, Subject};
use detection::text::rules::is_of_unseen_shape;
use detection::{CustomerId, Direction, Hour, Mark, Severity, Window};
use jiff::Timestamp;
use store::IncidentItem;

use crate::looks::Looks;

mod kept;
mod latest;

use kept::{Kept, Rare};
pub(crate) use latest::Latest;

pub struct Known {
    /// The window of the run.
    window: Window,
    rules: Rules,
    hashers: [RandomState; 2],
    /// Sorted by customer and then by series.
    entries: Vec<Entry>,
    /// The incidents that may go on.
    kept: Vec<Kept>,
    /// What few of them have, by the places that they know.
    rare: Rare,
    /// The hours of incidents that people confirmed, by customer and metric. They are few.
    confirmed: Vec<Confirmed>,
    /// The incidents of budgets, which are of no series.
    budgets: HashMap<Subject, IncidentItem>,
    /// The active incidents of entities that are judged by their samples. An entity without samples is in no answer, so only they
    /// tell its key.
    sampled: BTreeSet<SampledSeries>,
}

/// The key of an entity, a metric's place in the catalog, and the direction of an incident.
pub(crate) type SampledSeries = (CustomerId, usize, Direction);

/// The known incidents of one customer and metric.
#[derive(Clone, Copy)]
pub struct OfSeries<'a> {
    known: &'a Known,
    entries: &'a [Entry],
    confirmed: &'a [Confirmed],
}

/// What an earlier run of the window stored of a series and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The severity of its anomaly, if it is odd.
    pub anomaly: Option<Severity>,
    /// Whether its page of the window goes out singly. `None` if it has none. The end of an incident does not count.
    pub page: Option<bool>,
}

/// A customer, a metric's place in the catalog, and hours that people confirmed as odd.
type Confirmed = (Customer, usize, Range<Hour>);

/// A customer's id as two hashes with keys of this process. The ids themselves would be most of the memory. Two of a
/// billion customers have the same 128 bits with a chance of one to 10^20. Nobody can choose such ids, because the keys
/// are secret.
type Customer = [u64; 2];

/// An incident in as few bytes as possible.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    customer: Customer,
    last: Last,
    /// Metric and direction.
    series: u16,
    out: Out,
}

/// The hours of an incident that models may leave out, counted back from the newest hour of the run's window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Out {
    oldest: u8,
    newest: u8,
}

/// Whether the incident is the latest of its customer and series, and what the run keeps of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    /// A later incident exists.
    No,
    /// The latest incident is past. Only the conditions of a change need it. The opening is in Unix seconds.
    Past { opened_at: u32, version: u32 },
    /// The place among the incidents that may go on.
    Kept(u32),
}

impl Known {
    /// Knows no incident yet. Window and rules decide which incidents are kept.
    pub(crate) fn for_window(window: &Window, rules: &Rules) -> Self {
        let hashers = <[RandomState; 2]>::default();
        Self {
            window: *window,
            rules: *rules,
            hashers,
            entries: Vec::new(),
            kept: Vec::new(),
            rare: Rare::default(),
            confirmed: Vec::new(),
            budgets: HashMap::new(),
            sampled: BTreeSet::new(),
        }
    }

    /// Adds an incident. Incidents of metrics that left the catalog are ignored.
    pub(crate) fn see(&mut self, item: &IncidentItem, catalog: &Catalog) {
        let Subject { metric, .. } = &item.incident.subject;
        if Mark::of_subject(&item.incident.subject).is_some() && catalog.entities().is_none() {
            return self.see_budget(item);
        }
        if let Some(metric) = catalog.metrics().iter().position(|spec| spec.name == *metric) {
            self.add(item, metric);
            self.see_sampled(item, metric, catalog);
        }
    }

    fn see_sampled(&mut self, item: &IncidentItem, metric: usize, catalog: &Catalog) {
        let Some(spec) =
            metric.checked_sub(catalog.modelled().len()).and_then(|place| catalog.ruled().get(place))
        else {
            return;
        };
        let is_sampled = spec.vote().is_some() || spec.unseen_shape().is_some();
        let Subject { direction, .. } = item.incident.subject;
        if (is_sampled || is_of_unseen_shape(&item.description)) && item.incident.over_at.is_none() {
            self.sampled.extend(
                CustomerId::new(&*item.incident.subject.key()).ok().map(|key| (key, metric, direction)),
            );
        }
    }

    /// The active incidents of series that are judged by their samples.
    pub(crate) fn sampled(&self) -> impl Iterator<Item = &SampledSeries> {
        // The index may show an incident twice, open and closed.
        self.sampled
            .iter()
            .filter(|(key, metric, direction)| self.of(key.as_str(), *metric).is_active(*direction))
    }

    /// Adds the incident of a budget. The index may show it twice, and the greater version is the later one.
    fn see_budget(&mut self, item: &IncidentItem) {
        let known = self.budgets.get(&item.incident.subject);
        if known.is_none_or(|known| known.version < item.version) {
            self.budgets.insert(item.incident.subject.clone(), item.clone());
        }
    }

    /// The incidents of budgets, by subject.
    pub(crate) fn budgets(&self) -> &HashMap<Subject, IncidentItem> {
        &self.budgets
    }

    /// Adds the hours of an incident that people confirmed.
    pub(crate) fn confirm(&mut self, incident: &Incident, hours: Range<Hour>, catalog: &Catalog) {
        let metric = &incident.subject.metric;
        if let Some(metric) = catalog.metrics().iter().position(|spec| spec.name == *metric) {
            self.confirmed.push((self.key(&incident.subject.key()), metric, hours));
        }
    }

    fn add(&mut self, item: &IncidentItem, metric: usize) {
        let IncidentItem { incident, version, .. } = item;
        let Some(series) = series(metric, incident.subject.direction) else { return };
        let is_past = incident.is_past(self.window.end(), &self.rules) && !self.may_hold(incident);
        let past = is_past.then(|| Last::past(incident, *version)).flatten();
        let last = past.unwrap_or_else(|| {
            self.kept.push(Kept::of(item, &mut self.rare));
            // Memory cannot hold so many incidents.
            Last::Kept(u32::try_from(self.kept.len() - 1).unwrap_or(u32::MAX))
        });
        let out = Out::of(incident, self.newest());
        let customer = self.key(&incident.subject.key());
        self.entries.push(Entry { customer, last, series, out });
    }

    /// Whether the window may hold usage of an incident.
    fn may_hold(&self, incident: &Incident) -> bool {
        self.window.start() < incident.last_seen
    }

    /// Sorts the added incidents, and drops those that cannot matter.
    pub(crate) fn arrange(&mut self) {
        let Self { entries, kept, .. } = self;
        entries.sort_unstable_by_key(|entry| (entry.customer, entry.series, entry.last.order(kept)));
        for i in 1..entries.len() {
            if entries[i - 1].is_of_series_of(&entries[i]) {
                entries[i - 1].last = Last::No;
            }
        }
        entries.retain(|entry| entry.last != Last::No || entry.out.is_any());
        entries.shrink_to_fit();
        kept.shrink_to_fit();
        self.confirmed.sort_unstable_by_key(|(customer, metric, _)| (*customer, *metric));
    }

    /// The incidents of a customer and of the metric at this place of the catalog.
    pub fn of(&self, customer: &str, metric: usize) -> OfSeries<'_> {
        let [Some(first), Some(last)] = Direction::BOTH.map(|direction| series(metric, direction)) else {
            return OfSeries { known: self, entries: &[], confirmed: &[] };
        };
        if self.entries.is_empty() && self.confirmed.is_empty() {
            return OfSeries { known: self, entries: &[], confirmed: &[] };
        }
        let customer = self.key(customer);
        let order = |of: &Confirmed| (of.0, of.1);
        let begin = self.confirmed.partition_point(|of| order(of) < (customer, metric));
        let end = self.confirmed.partition_point(|of| order(of) <= (customer, metric));
        let start = self.entries.partition_point(|entry| (entry.customer, entry.series) < (customer, first));
        let of_customer = &self.entries[start..];
        let is_of_series = |entry: &&Entry| entry.customer == customer && entry.series <= last;
        let count = of_customer.iter().take_while(is_of_series).count();
        OfSeries { known: self, entries: &of_customer[..count], confirmed: &self.confirmed[begin..end] }
    }

    /// The end of the run's window.
    pub(crate) fn window_end(&self) -> Timestamp {
        self.window.end()
    }

    /// The newest hour of the run's window.
    fn newest(&self) -> Hour {
        Hour::holding(self.window.end()).plus(-1)
    }

    fn key(&self, customer: &str) -> Customer {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(customer))
    }
}

impl<'a> OfSeries<'a> {
    /// Whether the latest incident of a direction is active.
    pub(crate) fn is_active(self, direction: Direction) -> bool {
        self.kept(direction).is_some_and(Kept::is_active)
    }

    /// The direction of an active incident whose newest anomaly is of the rule `unseen_shape`.
    pub(crate) fn of_shape(self) -> Option<Direction> {
        Direction::BOTH.into_iter().find(|direction| self.kept(*direction).is_some_and(Kept::is_shape))
    }

    /// The course of the latest incident of a direction. None if it is past.
    pub(crate) fn course(self, direction: Direction) -> Option<Course> {
        self.kept(direction).map(Kept::course)
    }

    /// What an earlier run of the window stored of a direction. `None` if it did not change the incident.
    pub fn stored(self, direction: Direction) -> Option<Stored> {
        self.kept(direction)?.stored(self.known.window.end())
    }

    /// Whether an earlier run of the window stored what a series that looks so comes to, and a change of each incident that goes on.
    pub fn is_stored(self, looks: Looks) -> bool {
        Direction::BOTH.into_iter().all(|direction| match (self.stored(direction), looks) {
            (Some(stored), Looks::Odd(odd)) if odd == direction => stored.anomaly.is_some(),
            (None, Looks::Odd(odd) | Looks::Near(odd)) if odd == direction => false,
            (stored, _) => stored.is_some() || !self.is_active(direction),
        })
    }

    /// The latest incident of a subject of this customer and metric.
    pub(crate) fn latest(self, subject: &Subject) -> Option<Latest> {
        match self.last(subject.direction)? {
            Last::No => None,
            Last::Past { opened_at, version } => Some(Latest::past(subject, opened_at, version)),
            Last::Kept(_) => self.kept(subject.direction).map(|kept| kept.latest(subject, &self.known.rare)),
        }
    }

    /// Whether models of these days may leave hours out.
    pub(crate) fn takes_hours_out(self) -> bool {
        !self.confirmed.is_empty() || self.entries.iter().any(|entry| entry.out.is_any())
    }

    /// Whether an hour stays out of the model of a day, because an incident of either direction was active then. An hour
    /// that people confirmed as odd stays out for good.
    pub(crate) fn stays_out(self, hour: Hour, day: Hour) -> bool {
        let of_each = self.entries.iter().filter_map(|entry| entry.out.hours(self.known.newest()));
        self.confirmed.iter().any(|(_, _, hours)| hours.contains(&hour))
            || of_each.into_iter().any(|hours| incident::stays_out(&hours, hour, day))
    }

    fn last(self, direction: Direction) -> Option<Last> {
        let is_latest =
            |entry: &&Entry| entry.last != Last::No && entry.series % 2 == direction_bit(direction);
        self.entries.iter().find(is_latest).map(|entry| entry.last)
    }

    fn kept(self, direction: Direction) -> Option<&'a Kept> {
        match self.last(direction)? {
            Last::Kept(place) => self.known.kept.get(usize::try_from(place).ok()?),
            Last::No | Last::Past { .. } => None,
        }
    }
}

impl Out {
    const NONE: Self = Self { oldest: 0, newest: 1 };

    /// Only hours that some model may leave out.
    fn of(incident: &Incident, newest: Hour) -> Self {
        let reach = i64::from(u8::MAX);
        let Some(hours) = incident::hours(incident, newest.plus(1).start()) else { return Self::NONE };
        let (oldest, end) = (newest.since(hours.start), newest.since(hours.end));
        match u8::try_from((end + 1).max(0)) {
            Ok(last) if oldest >= i64::from(last) => {
                Self { oldest: u8::try_from(oldest.min(reach)).unwrap_or(u8::MAX), newest: last }
            }
            _ => Self::NONE,
        }
    }

    fn is_any(self) -> bool {
        self.oldest >= self.newest
    }

    fn hours(self, newest: Hour) -> Option<Range<Hour>> {
        let ago = |hours: u8| newest.plus(-i64::from(hours));
        self.is_any().then(|| ago(self.oldest)..ago(self.newest).plus(1))
    }
}

impl Entry {
    fn is_of_series_of(&self, other: &Self) -> bool {
        (self.customer, self.series) == (other.customer, other.series)
    }
}

impl Last {
    /// None if a number does not fit. Then the incident is kept in full, which only costs memory.
    fn past(incident: &Incident, version: u64) -> Option<Self> {
        let opened_at = incident.opened_at;
        let seconds = u32::try_from(opened_at.as_second()).ok()?;
        let is_whole = opened_at.subsec_nanosecond() == 0;
        is_whole.then_some(Self::Past { opened_at: seconds, version: u32::try_from(version).ok()? })
    }

    /// The latest incident is the one that was opened last. While the index follows the table, it may show one incident
    /// twice, open and closed. Then the greater version is the later one.
    fn order(self, kept: &[Kept]) -> (i64, u64) {
        match self {
            Self::No => (i64::MIN, 0),
            Self::Past { opened_at, version } => (1_000 * i64::from(opened_at), version.into()),
            Self::Kept(place) => {
                let kept = usize::try_from(place).ok().and_then(|place| kept.get(place));
                kept.map_or((i64::MIN, 0), Kept::order)
            }
        }
    }
}

/// A metric and a direction as one number. The directions of a metric are neighbours. No catalog has more metrics than
/// there are such numbers.
fn series(metric: usize, direction: Direction) -> Option<u16> {
    u16::try_from(metric).ok()?.checked_mul(2)?.checked_add(direction_bit(direction))
}

fn direction_bit(direction: Direction) -> u16 {
    u16::from(direction != Direction::BOTH[0])
}

#[cfg(test)]
mod tests;
