//! Closed windows: computed from the rollup once, read by the runs of the next days.
//!
//! Of the windows that a run compares, all but the newest were compared before: yesterday's run at this hour needed them
//! too. So they are kept, a row for each customer and window, and a run reads 31 rows a customer instead of some
//! thousands of hours. What keeps that exact:
//!
//! * A build of a window holds what the rollup held when it was begun. It may be used as long as nothing has arrived for
//!   any of its hours since then, or shortly before: an insert may still have been under way.
//! * What a run finds missing or out of date it builds itself, before it reads. So it reads what the rollup holds now,
//!   late events included, and never what it held yesterday.
//! * The window that has just closed, and any other that something arrived for in the last hour, is built
//!   provisionally: for the run that builds it and for nobody else. Where that would be most of them, as after an
//!   import, the hours are read.
//! * A build counts once it is noted as complete, with the number of its rows. Builds that broke off, or of two runs at
//!   a time, get in nobody's way, since each has ids of its own and is read by them. A sweep that does not find all the
//!   rows that were noted is an error: the hours are read instead, and the next run builds these windows anew.
//!
//! A run that has done its work builds what the next hour's will need. So that one finds all but the newest window
//! built, and builds one window before it reads.
//!
//! Nothing depends on it but speed. Where windows cannot be built, a run reads the hours.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use clickhouse::Row;
use detection::Window;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use uuid::Uuid;

use super::{QueryContext, SweepRequest, UsageError, UsageReader, classify, sql};
use crate::catalog::Catalog;
use crate::shard::BUCKETS;

/// Seconds after which whatever was being inserted can be read.
const SETTLING: u32 = 3_600;

/// Days that windows are kept for longer than they are compared: runs that are late need them too.
const SPARE_DAYS: u32 = 3;

const DAY: u32 = 86_400;

/// Windows that are built by one statement, so that what is there already is not lost when time runs out. Of one week
/// and a day of it, they lie in two partitions of the rollup.
const WINDOWS_A_BUILD: usize = 8;

/// Ids that one statement gives its builds: one for each window and bucket.
const IDS_A_BUILD: u64 = 0x1000;

/// Noted in place of a build where there was one that is not to be read any more. Of two notes of the same second, the
/// larger number counts.
pub(super) const NO_BUILD: u64 = u64::MAX;

/// The builds that hold all windows of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builds {
    pub(super) ids: Vec<u64>,
    /// The rows that all of them have.
    pub(super) rows: u64,
}

/// What ClickHouse knows of the windows of a sweep. Times are in Unix seconds, by its own clock.
#[derive(Clone, Debug, Default, Row, Deserialize)]
struct State {
    now: u32,
    /// Hours, and when something last arrived for them.
    arrivals: Vec<(u32, u32)>,
    /// Each complete build.
    builds: Vec<Build>,
}

/// Start, bucket, id, when it was begun, and its rows.
pub(super) type Build = (u32, u8, u64, u32, u64);

/// What a run may read and what it has to build.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    current: Builds,
    missing: Vec<Missing>,
}

/// A window that no build holds as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing {
    age: u16,
    provisional: bool,
}

impl UsageReader {
    /// Makes sure that all windows of a sweep are built, and tells which builds hold them. `None` where that does not
    /// pay yet, or time is too short for it; what was built by then is found by the next run.
    ///
    /// Takes no longer than a third of the time that the request leaves, so that the hours can be read instead.
    pub async fn prepare_windows(&self, request: &SweepRequest<'_>) -> Result<Option<Builds>, UsageError> {
        let now = Instant::now();
        let until = now + request.deadline.saturating_duration_since(now) / 3;
        let request = &SweepRequest { deadline: until, ..*request };
        let built = async {
            let windows = windows_of(request);
            let (state, Plan { current, missing }) = self.plan_windows(request).await?;
            if 2 * missing.iter().filter(|missing| missing.provisional).count() > windows {
                return Ok(None);
            }
            let built = self.build_windows(request, &state, &missing).await?;
            Ok(Some(current.and(built)))
        };
        timeout_at(until.into(), built).await.unwrap_or(Ok(None))
    }

    /// Builds what a sweep an hour after this one will read and what can be built by now: all but the window that closes
    /// in that hour, and those that something has just arrived for. Tells how many.
    pub async fn build_windows_ahead(&self, request: &SweepRequest<'_>) -> Result<usize, UsageError> {
        let (window, query_id) = (request.window.an_hour_later(), format!("{}-ahead", request.query_id));
        let request = &SweepRequest { window, query_id: &query_id, ..*request };
        let (state, Plan { mut missing, .. }) = self.plan_windows(request).await?;
        missing.retain(|missing| missing.age > 0 && !missing.provisional);
        self.build_windows(request, &state, &missing).await?;
        Ok(missing.len())
    }

    /// Has all windows of a sweep built anew by the next run: what was noted of them is not what there is.
    pub async fn doubt_windows(&self, request: &SweepRequest<'_>) -> Result<(), UsageError> {
        let query_id = format!("{}-void-0", request.query_id);
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let query = self.about_windows(&sql::void_builds(request.shard), &query_id, request).await?;
        self.within(&context, query.execute()).await
    }

    async fn plan_windows(&self, request: &SweepRequest<'_>) -> Result<(State, Plan), UsageError> {
        let state = self.state_of_windows(request).await?;
        let buckets: Vec<u8> = request.shard.buckets().collect();
        let plan = state.plan(&request.window, windows_of(request), &buckets);
        Ok((state, plan))
    }

    /// Builds what is missing, and notes what is settled.
    async fn build_windows(
        &self,
        request: &SweepRequest<'_>,
        state: &State,
        missing: &[Missing],
    ) -> Result<Builds, UsageError> {
        let mut all = Builds::default();
        for (number, chunk) in chunks(missing).into_iter().enumerate() {
            // Ids are never used twice, for what a build left that broke off has them too.
            let first = Uuid::new_v4().as_u64_pair().0 & !(IDS_A_BUILD - 1);
            self.build(request, state, chunk, first, number).await?;
            let rows = self.rows_of_builds(request, chunk, first, number).await?;
            let mut notes = Vec::new();
            for missing in chunk {
                let start = start_of(&request.window, missing.age);
                let expires = state.expires(missing.age, windows_of(request));
                for bucket in request.shard.buckets() {
                    let id = first + u64::from(missing.age) * u64::from(BUCKETS) + u64::from(bucket);
                    // Nobody of this bucket used anything in that window.
                    let rows = rows.get(&id).copied().unwrap_or_default();
                    all = all.and(Builds { ids: vec![id], rows });
                    if !missing.provisional {
                        notes.push(((start, bucket, id, state.now, rows), expires));
                    }
                }
            }
            if !notes.is_empty() {
                let text = sql::note_builds(&definition(request.catalog), &notes);
                self.carry_out(&text, &format!("{}-note-{number}", request.query_id)).await?;
            }
        }
        Ok(all)
    }

    /// How many rows there are of each build of a chunk, whose ids begin with this one.
    async fn rows_of_builds(
        &self,
        request: &SweepRequest<'_>,
        chunk: &[Missing],
        first: u64,
        number: usize,
    ) -> Result<HashMap<u64, u64>, UsageError> {
        let query_id = format!("{}-rows-{number}", request.query_id);
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let provisional = chunk.iter().all(|missing| missing.provisional);
        let text = sql::rows_of_builds(&request.window, request.shard, provisional);
        let query = self.bare_query(&text, &query_id).await?;
        let query = query.param("first", first).param("last", first + (IDS_A_BUILD - 1));
        let rows = self.within(&context, query.fetch_all::<(u64, u64)>()).await?;
        Ok(rows.into_iter().collect())
    }

    async fn state_of_windows(&self, request: &SweepRequest<'_>) -> Result<State, UsageError> {
        let query_id = format!("{}-windows", request.query_id);
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let query = self.about_windows(&sql::state_of_windows(), &query_id, request).await?;
        self.within(&context, query.fetch_one::<State>()).await
    }

    /// A question about the windows of a sweep.
    async fn about_windows(
        &self,
        text: &str,
        query_id: &str,
        request: &SweepRequest<'_>,
    ) -> Result<clickhouse::query::Query, UsageError> {
        let query = self.bare_query(text, query_id).await?;
        Ok(query
            .param("from", seconds(request.window.baseline_start(request.baseline_days)))
            .param("to", seconds(request.window.end()))
            .param("definition", definition(request.catalog)))
    }

    /// Builds windows that lie one after the other.
    async fn build(
        &self,
        request: &SweepRequest<'_>,
        state: &State,
        chunk: &[Missing],
        first: u64,
        number: usize,
    ) -> Result<(), UsageError> {
        let query_id = format!("{}-build-{number}", request.query_id);
        let ages = chunk.iter().map(|missing| missing.age);
        let (newest, oldest) = (ages.clone().min().unwrap_or(0), ages.max().unwrap_or(0));
        let provisional: Vec<u16> =
            chunk.iter().filter(|missing| missing.provisional).map(|missing| missing.age).collect();
        tracing::info!(
            db.query_id = query_id,
            windows = chunk.len(),
            windows.newest = newest,
            windows.oldest = oldest,
            windows.provisional = provisional.len(),
            "building windows"
        );
        let metrics: Vec<&str> =
            request.catalog.metrics().iter().map(|metric| metric.name.as_str()).collect();
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let time_left = request.deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
        let query = self
            .bare_query(&sql::build_windows(request.catalog, chunk.len(), request.shard), &query_id)
            .await?
            .param("metrics", metrics)
            .param("newest", newest)
            .param("from", start_of(&request.window, oldest))
            .param("to", start_of(&request.window, newest).saturating_add(DAY))
            .param("build", first)
            .param("provisional", provisional)
            .param("expires", state.now.saturating_add(2 * DAY))
            .param("oldest_expires", state.expires(0, windows_of(request)))
            .with_setting("max_execution_time", time_left.to_string());
        query.execute().await.map_err(|source| classify(&context, source))
    }

    async fn carry_out(&self, text: &str, query_id: &str) -> Result<(), UsageError> {
        let context = QueryContext { host: self.host.clone(), query_id: query_id.to_owned() };
        self.within(&context, self.bare_query(text, query_id).await?.execute()).await
    }
}

impl Builds {
    fn and(mut self, others: Self) -> Self {
        self.ids.extend(others.ids);
        Self { ids: self.ids, rows: self.rows + others.rows }
    }
}

impl State {
    /// Which windows are there as the rollup holds them now, and which are not.
    fn plan(&self, window: &Window, windows: usize, buckets: &[u8]) -> Plan {
        let mut arrivals = BTreeMap::new();
        for (hour, arrived) in &self.arrivals {
            arrivals.insert(*hour, *arrived);
        }
        let mut builds: HashMap<(u32, u8), (u32, u64, u64)> = HashMap::new();
        for (start, bucket, id, begun, rows) in &self.builds {
            let newest = builds.entry((*start, *bucket)).or_default();
            *newest = (*newest).max((*begun, *id, *rows));
        }
        let mut plan = Plan::default();
        for age in 0..u16::try_from(windows).unwrap_or(u16::MAX) {
            let start = start_of(window, age);
            let arrived = arrivals.range(start..start.saturating_add(DAY)).map(|(_, at)| *at).max();
            let settled = arrived.map_or(0, |at| at.saturating_add(SETTLING));
            let of_bucket = |bucket: &u8| {
                builds.get(&(start, *bucket)).filter(|(begun, id, _)| *begun >= settled && *id != NO_BUILD)
            };
            match buckets.iter().map(of_bucket).collect::<Option<Vec<_>>>() {
                Some(of_buckets) => {
                    let ids = of_buckets.iter().map(|(_, id, _)| *id).collect();
                    let rows = of_buckets.iter().map(|(.., rows)| rows).sum();
                    plan.current = std::mem::take(&mut plan.current).and(Builds { ids, rows });
                }
                None => plan.missing.push(Missing { age, provisional: self.now < settled }),
            }
        }
        plan
    }

    /// When a settled window of this age is needed no more.
    fn expires(&self, age: u16, windows: usize) -> u32 {
        let days = u32::try_from(windows).unwrap_or(u32::MAX).saturating_add(SPARE_DAYS);
        self.now.saturating_add(days.saturating_sub(u32::from(age)).saturating_mul(DAY))
    }
}

/// Windows that one statement can build: no more than a few, and without one between them that is there already.
fn chunks(missing: &[Missing]) -> Vec<&[Missing]> {
    let runs = missing.chunk_by(|one, next| one.age + 1 == next.age);
    // Oldest first: they are settled, and stay built if time runs out.
    let mut chunks: Vec<_> = runs.flat_map(|run| run.chunks(WINDOWS_A_BUILD)).collect();
    chunks.reverse();
    chunks
}

pub(super) fn windows_of(request: &SweepRequest<'_>) -> usize {
    request.window.baseline_windows(request.baseline_days) + 1
}

fn start_of(window: &Window, age: u16) -> u32 {
    seconds(window.earlier(usize::from(age)).start())
}

fn seconds(at: jiff::Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

/// What the values of a window mean: which metric each of them is, and how it is made of events.
fn definition(catalog: &Catalog) -> String {
    let mut digest = Sha256::new();
    for metric in catalog.metrics() {
        digest.update(format!("{}={:?};", metric.name, metric.aggregate));
    }
    digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u32 = 1_795_266_000;
    const NOW: u32 = END + 60;
    const HOUR: u32 = 3_600;

    fn window() -> Window {
        Window::closing_at(jiff::Timestamp::from_second(i64::from(END)).unwrap()).unwrap()
    }

    /// All windows built for both buckets at a time when nothing had arrived for an hour.
    fn all_built(windows: u32) -> State {
        let start = |age: u32| END - (age + 1) * DAY;
        let build = |age: u32, bucket: u8| {
            (start(age), bucket, u64::from(age * 10) + u64::from(bucket), NOW - HOUR, 100)
        };
        let builds = (0..windows).flat_map(|age| [build(age, 0), build(age, 1)]).collect();
        State { now: NOW, arrivals: Vec::new(), builds }
    }

    fn plan(state: &State) -> (Vec<u64>, Vec<(u16, bool)>) {
        let plan = state.plan(&window(), 4, &[0, 1]);
        assert_eq!(plan.current.rows, 100 * plan.current.ids.len() as u64);
        (plan.current.ids, plan.missing.iter().map(|missing| (missing.age, missing.provisional)).collect())
    }

    #[test]
    fn what_is_built_and_still_true_is_read() {
        assert_eq!(plan(&all_built(4)), (vec![0, 1, 10, 11, 20, 21, 30, 31], vec![]));
        assert_eq!(plan(&all_built(3)).1, [(3, false)]);
        assert_eq!(
            plan(&State { now: NOW, ..State::default() }).1,
            [(0, false), (1, false), (2, false), (3, false)]
        );
    }

    #[test]
    fn a_window_without_one_of_its_buckets_is_built_anew() {
        let mut state = all_built(4);
        state.builds.retain(|(_, _, id, ..)| *id != 21);
        assert_eq!(plan(&state), (vec![0, 1, 10, 11, 30, 31], vec![(2, false)]));
    }

    #[test]
    fn what_arrived_after_a_build_or_shortly_before_makes_it_out_of_date() {
        let first_hour = END - 3 * DAY;
        for (hour, arrived, missing) in [
            (first_hour, NOW - 2 * HOUR, None),
            (first_hour, NOW - 2 * HOUR + 1, Some((2, false))),
            (first_hour + 23 * HOUR, NOW - HOUR, Some((2, false))),
            (first_hour + 23 * HOUR, NOW - HOUR + 1, Some((2, true))),
            (first_hour + 24 * HOUR, NOW, Some((1, true))),
            (first_hour - HOUR, NOW, Some((3, true))),
            (first_hour - 25 * HOUR, NOW, None),
        ] {
            let state = State { arrivals: vec![(hour, arrived)], ..all_built(4) };
            assert_eq!(plan(&state).1, Vec::from_iter(missing), "{hour} {arrived}");
        }
    }

    #[test]
    fn the_newest_build_of_a_window_is_read() {
        let mut state = all_built(4);
        state.builds.extend([(END - DAY, 0, 7_000, NOW, 100), (END - DAY, 0, 8_000, NOW - 2 * HOUR, 99)]);
        assert_eq!(plan(&state).0[..2], [7_000, 1]);
    }

    #[test]
    fn a_later_note_without_a_build_takes_back_what_was_noted() {
        let mut state = all_built(4);
        state
            .builds
            .extend([(END - DAY, 0, NO_BUILD, NOW, 0), (END - 2 * DAY, 0, NO_BUILD, NOW - 2 * HOUR, 0)]);
        assert_eq!(plan(&state), (vec![10, 11, 20, 21, 30, 31], vec![(0, false)]));
    }

    #[test]
    fn windows_are_built_together_where_they_lie_together() {
        let missing = |age| Missing { age, provisional: false };
        let ages: Vec<_> = [0, 1].into_iter().chain(5..15).chain([20]).map(missing).collect();
        let chunks: Vec<Vec<u16>> =
            chunks(&ages).iter().map(|chunk| chunk.iter().map(|missing| missing.age).collect()).collect();
        assert_eq!(chunks, [vec![20], vec![13, 14], (5..13).collect(), vec![0, 1]]);
    }

    #[test]
    fn windows_are_kept_as_long_as_they_are_compared() {
        let state = all_built(4);
        assert_eq!((state.expires(0, 31) - NOW) / DAY, 34);
        assert_eq!((state.expires(30, 31) - NOW) / DAY, 4);
    }

    #[test]
    fn another_order_of_the_metrics_is_another_definition() {
        let text = |first: &str, second: &str| {
            let metric = |name: &str| {
                format!(
                    "[[metric]]\nname = \"{name}\"\ntable = \"events\"\naggregate = \"count\"\nunit = \"calls\"\nmissing = \"zero\"\nmin_change = 1\n"
                )
            };
            metric(first) + &metric(second)
        };
        let of = |text: String| definition(&Catalog::parse(&text, "a").unwrap());
        assert_eq!(of(text("a", "b")), of(text("a", "b")));
        assert_ne!(of(text("a", "b")), of(text("b", "a")));
    }
}
