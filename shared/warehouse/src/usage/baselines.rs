//! Baselines: the earlier windows of each customer, computed from the rollup before they are needed.
//!
//! Of the windows that a run compares, all but the newest were compared before: yesterday's run at this hour needed them
//! too. So they are kept, a row for each customer and hour of the day, and a run reads one row a customer and the hours of
//! one day, instead of those of a month. What keeps that exact:
//!
//! * A build holds what the rollup held when it was begun. A window of it may be read as long as nothing has arrived for
//!   any of its hours since then, or shortly before: an insert may still have been under way.
//! * All other windows are fresh: they are read from the hours, and whatever the baseline says of them is left out. The
//!   newest one always is. So a run reads what the rollup holds now, late events included, and never what it held
//!   yesterday. Where most windows are fresh, as after an import, the hours alone are read.
//! * A build counts once it is noted as complete, with the number of its rows. Builds that broke off, or of two runs at
//!   a time, get in nobody's way, since each has an id of its own and is read by it. Whoever does not find all the rows
//!   that were noted believes none of them: a run reads the hours, and a baseline is built without them.
//!
//! A run that has done its work builds the baseline of the next hour: yesterday's of that hour, a day older, and the
//! window that has closed since, and what was out of date.
//!
//! Nothing depends on it but speed. Where there is no baseline, a run reads the hours.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use clickhouse::Row;
use detection::Window;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use uuid::Uuid;

use super::{QueryContext, SweepRequest, UsageError, UsageReader, classify, sql};
use catalog::BUCKETS;
use catalog::Catalog;

/// Seconds after which whatever was being inserted can be read.
const SETTLING: i64 = 3_600;

/// How long a baseline is kept: until that of the next day was made of it, or that of the day after if it was not.
const KEPT: u32 = 2 * DAY + 4 * 3_600;

const DAY: u32 = 86_400;

/// Windows that are read from the hours beside a baseline, or built by one statement: of a week and a day, they lie in two
/// or three partitions of the rollup. What is built by then is not lost when time runs out.
const MOST_FRESH: usize = 8;

/// Bytes of rows that a build writes at once. By default it would be four times as much: half a gigabyte of memory beside
/// what the join takes.
const BLOCK: usize = 64 * 1024 * 1024;

/// Ids that one statement gives its builds: one for each bucket.
const IDS_A_BUILD: u64 = BUCKETS as u64;

/// Noted in place of a build where there was one that is not to be read any more. Of two notes of the same time, the larger
/// number counts.
const NO_BUILD: u64 = u64::MAX;

/// A baseline that is built, and what has to be read beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Of the hour that it was built for, in Unix seconds.
    pub(super) closes: u32,
    /// Days from then to the run that reads it: its windows are so much older now.
    pub(super) shift: u8,
    pub(super) builds: Vec<u64>,
    /// Of each bucket.
    rows: BTreeMap<u8, u64>,
    /// Ages of the windows that are read from the hours; the newest is always one of them.
    fresh: Vec<u8>,
    /// When it was found, or the last part of it was begun if a clock was ahead, in Unix milliseconds.
    found_ms: i64,
}

/// What ClickHouse knows of the windows of a sweep. Times are in Unix seconds, by its own clock, where they do not say
/// otherwise.
#[derive(Clone, Debug, Default, Row, Deserialize)]
struct State {
    now_ms: i64,
    /// Hours, and when something last arrived for them.
    arrivals: Vec<(u32, u32)>,
    /// Each complete build.
    builds: Vec<Build>,
}

/// End of the window that is compared with it, bucket, id, when it was begun in Unix milliseconds, its rows, and the age of
/// its oldest window.
pub(super) type Build = (u32, u8, u64, i64, u64, u8);

/// One statement that builds a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Windows to make of hours.
    ages: Vec<u8>,
    /// The oldest window that the baseline has after it.
    oldest: u8,
    /// What the others are taken from.
    former: Option<Baseline>,
}

impl UsageReader {
    /// The baseline of a sweep, or `None` where there is none that it pays to read, or it is not found within a third of
    /// the time that the request leaves, so that the hours can be read instead.
    pub async fn baseline(&self, request: &SweepRequest<'_>) -> Result<Option<Baseline>, UsageError> {
        let now = Instant::now();
        let until = now + request.deadline.saturating_duration_since(now) / 3;
        let Ok(state) = timeout_at(until.into(), self.state(request, "state-of-run")).await else {
            return Ok(None);
        };
        let baseline = state?.baseline(request);
        Ok(baseline.filter(|baseline| baseline.fresh.len() <= MOST_FRESH))
    }

    /// Builds the baseline of a sweep as far as its windows are closed and nothing has just arrived for them: before it is
    /// due, all but the newest window. Tells how many windows it computed; what is there as it should be is left alone.
    pub async fn build_baseline(&self, request: &SweepRequest<'_>) -> Result<usize, UsageError> {
        let (mut built, mut last) = (0, None);
        for number in 0..=oldest(request) {
            let state = self.state(request, &format!("state-{number}")).await?;
            // The same once more: what was noted is not seen, as where a replica lags. Whatever is left, a later run builds.
            let Some(step) = state.step(request).filter(|step| !step.repeats(last.as_ref())) else { break };
            if self.build(request, &state, &step, number).await? {
                built += step.ages.len();
            }
            last = Some(step);
        }
        Ok(built)
    }

    /// Whether the baseline of a sweep was built for its own hour, so that tomorrow's can be made of it.
    pub async fn is_baseline_of_hour(&self, request: &SweepRequest<'_>) -> Result<bool, UsageError> {
        let baseline = self.state(request, "state-of-hour").await?.baseline(request);
        Ok(baseline.is_some_and(|baseline| baseline.shift == 0))
    }

    /// Has nobody read a baseline any more: what was noted of it is not what there is.
    pub async fn doubt_baseline(
        &self,
        request: &SweepRequest<'_>,
        baseline: &Baseline,
    ) -> Result<(), UsageError> {
        let notes: Vec<Build> = baseline
            .rows
            .keys()
            .map(|bucket| (baseline.closes, *bucket, NO_BUILD, baseline.found_ms, 0, 0))
            .collect();
        let expires = kept_until(baseline.found_ms);
        self.note(request, &format!("{}-void", request.query_id), expires, &notes).await
    }

    /// Builds a baseline, and notes it unless what it was made of was not all there. Tells whether it did.
    async fn build(
        &self,
        request: &SweepRequest<'_>,
        state: &State,
        step: &Step,
        number: u8,
    ) -> Result<bool, UsageError> {
        let query_id = format!("{}-build-{number}", request.query_id);
        tracing::info!(
            db.query_id = query_id,
            closes = %request.window.end(),
            windows = step.ages.len(),
            windows.oldest = step.oldest,
            on_a_former = step.former.is_some(),
            "building a baseline"
        );
        let metrics: Vec<&str> =
            request.catalog.metrics().iter().map(|metric| metric.name.as_str()).collect();
        let former = step.former.as_ref();
        // Ids are never used twice, for what a build left that broke off has them too.
        let first = Uuid::new_v4().as_u64_pair().0 & !(IDS_A_BUILD - 1);
        let (closes, expires) = (seconds(request.window.end()), kept_until(state.now_ms));
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let time_left = request.deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
        let text = sql::build(request.catalog, &step.ages, request.shard, former.is_some());
        let query = self
            .bare_query(&text, &query_id)
            .await?
            .param("metrics", metrics)
            .param("to", closes)
            .param("first", first)
            .param("expires", expires)
            .param("oldest", step.oldest)
            .param("shift", former.map_or(0, |former| former.shift))
            .param("former", former.map_or(closes, |former| former.closes))
            .param("builds", former.map_or(&[][..], |former| former.builds.as_slice()))
            .with_setting("max_execution_time", time_left.to_string())
            .with_setting("min_insert_block_size_bytes", BLOCK.to_string());
        query.execute().await.map_err(|source| classify(&context, source))?;

        let rows = self.rows_of_builds(request, step, first, number).await?;
        // None where nobody of a bucket used anything in these windows.
        let of = |build: u64| rows.get(&build).copied().unwrap_or_default();
        if let Some(former) = former
            && former.builds.iter().map(|build| of(*build)).sum::<u64>() != former.rows()
        {
            tracing::warn!(
                db.query_id = query_id,
                "a former baseline has other rows than were noted: it is not read any more"
            );
            self.doubt_baseline(request, former).await?;
            return Ok(false);
        }
        let notes: Vec<Build> = request
            .shard
            .buckets()
            .map(|bucket| (bucket, first + u64::from(bucket)))
            .map(|(bucket, id)| (closes, bucket, id, state.now_ms, of(id), step.oldest))
            .collect();
        self.note(request, &format!("{}-note-{number}", request.query_id), expires, &notes).await?;
        Ok(true)
    }

    /// How many rows there are of the builds of a statement, whose ids begin with this one, and of what it was made of.
    async fn rows_of_builds(
        &self,
        request: &SweepRequest<'_>,
        step: &Step,
        first: u64,
        number: u8,
    ) -> Result<HashMap<u64, u64>, UsageError> {
        let query_id = format!("{}-rows-{number}", request.query_id);
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let closes = seconds(request.window.end());
        let mut builds: Vec<u64> = (first..first + IDS_A_BUILD).collect();
        builds.extend(step.former.iter().flat_map(|former| &former.builds));
        let query = self
            .bare_query(&sql::rows_of_builds(request.shard), &query_id)
            .await?
            .param("to", closes)
            .param("former", step.former.as_ref().map_or(closes, |former| former.closes))
            .param("builds", builds);
        let rows = self.within(&context, query.fetch_all::<(u64, u64)>()).await?;
        Ok(rows.into_iter().collect())
    }

    async fn state(&self, request: &SweepRequest<'_>, name: &str) -> Result<State, UsageError> {
        let query_id = format!("{}-{name}", request.query_id);
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let query = self
            .bare_query(&sql::state(), &query_id)
            .await?
            .param("from", seconds(request.window.baseline_start(request.baseline_days)))
            .param("to", seconds(request.window.end()))
            .param("definition", definition(request.catalog));
        self.within(&context, query.fetch_one::<State>()).await
    }

    async fn note(
        &self,
        request: &SweepRequest<'_>,
        query_id: &str,
        expires: u32,
        notes: &[Build],
    ) -> Result<(), UsageError> {
        let context = QueryContext { host: self.host.clone(), query_id: query_id.to_owned() };
        let text = sql::note_builds(&definition(request.catalog), expires, notes);
        self.within(&context, self.bare_query(&text, query_id).await?.execute()).await
    }
}

impl Baseline {
    /// Ages of the windows that are read from the hours.
    pub fn fresh(&self) -> &[u8] {
        &self.fresh
    }

    /// All rows of it.
    pub(super) fn rows(&self) -> u64 {
        self.rows.values().sum()
    }
}

impl State {
    /// The newest baseline that is complete for all customers of a sweep, and the windows that it does not hold as the
    /// rollup holds them now.
    fn baseline(&self, request: &SweepRequest<'_>) -> Option<Baseline> {
        let end = seconds(request.window.end());
        // The newest note of each bucket, by hour.
        let mut hours: BTreeMap<u32, BTreeMap<u8, Build>> = BTreeMap::new();
        for note in &self.builds {
            let (closes, bucket, id, begun, ..) = *note;
            let newest = hours.entry(closes).or_default().entry(bucket).or_insert(*note);
            if (newest.3, newest.2) < (begun, id) {
                *newest = *note;
            }
        }
        let of_sweep = |of_hour: &BTreeMap<u8, Build>| -> Option<Vec<Build>> {
            let of_bucket = |bucket| of_hour.get(&bucket).copied().filter(|(_, _, id, ..)| *id != NO_BUILD);
            request.shard.buckets().map(of_bucket).collect()
        };
        let (closes, notes) =
            hours.iter().rev().find_map(|(closes, of_hour)| Some((*closes, of_sweep(of_hour)?)))?;
        let shift = u8::try_from(end.checked_sub(closes)? / DAY).ok()?;
        let begun = notes.iter().map(|(_, _, _, begun, ..)| *begun).min()?;
        let oldest = notes.iter().map(|(.., oldest)| *oldest).min()?;
        let holds = |age: &u8| {
            *age > shift && age - shift <= oldest && self.settled_ms(&request.window, *age) <= begun
        };
        Some(Baseline {
            closes,
            shift,
            builds: notes.iter().map(|(_, _, id, ..)| *id).collect(),
            rows: notes.iter().map(|(_, bucket, _, _, rows, _)| (*bucket, *rows)).collect(),
            fresh: ages(request).filter(|age| !holds(age)).collect(),
            found_ms: notes.iter().map(|(_, _, _, begun, ..)| *begun).fold(self.now_ms, i64::max),
        })
    }

    /// What to build next; `None` where all is built that can be.
    fn step(&self, request: &SweepRequest<'_>) -> Option<Step> {
        let former = self.baseline(request);
        let fresh: Vec<u8> = match &former {
            Some(former) => former.fresh.clone(),
            None => ages(request).collect(),
        };
        // The window that is compared is not part of its baseline, and what still changes is read from the hours.
        let to_build = |age: &u8| *age > 0 && self.settled_ms(&request.window, *age) <= self.now_ms;
        let mut to_build = fresh.into_iter().filter(to_build);
        let ages: Vec<u8> = to_build.by_ref().take(MOST_FRESH).collect();
        if ages.is_empty() {
            return None;
        }
        // What is out of date and not built now must not be taken over. What still changes may be: something has arrived for
        // it less than an hour before this build is begun, so it is fresh to whoever reads it.
        let oldest = to_build.next().map_or_else(|| oldest(request), |left| left - 1);
        Some(Step { ages, oldest, former })
    }

    /// From when on a build holds all that arrived for a window.
    fn settled_ms(&self, window: &Window, age: u8) -> i64 {
        let start = seconds(window.earlier(usize::from(age)).start());
        let of_window =
            self.arrivals.iter().filter(|(hour, _)| (start..start.saturating_add(DAY)).contains(hour));
        of_window.map(|(_, arrived)| (i64::from(*arrived) + SETTLING) * 1_000).max().unwrap_or_default()
    }
}

impl Step {
    /// Whether it is what was done before it, on the same former builds.
    fn repeats(&self, last: Option<&Self>) -> bool {
        let builds = |step: &Self| step.former.as_ref().map(|former| former.builds.clone());
        last.is_some_and(|last| self.ages == last.ages && builds(self) == builds(last))
    }
}

/// The ages of all windows of a sweep.
fn ages(request: &SweepRequest<'_>) -> impl Iterator<Item = u8> + use<> {
    0..=oldest(request)
}

/// In Unix seconds.
fn kept_until(now_ms: i64) -> u32 {
    u32::try_from(now_ms / 1_000).unwrap_or(u32::MAX).saturating_add(KEPT)
}

fn oldest(request: &SweepRequest<'_>) -> u8 {
    u8::try_from(request.window.baseline_windows(request.baseline_days)).unwrap_or(u8::MAX)
}

pub(super) fn seconds(at: jiff::Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

/// What the values of a window mean: which metric each of them is, and how it is made of events.
fn definition(catalog: &Catalog) -> String {
    let mut digest = Sha256::new();
    for metric in catalog.metrics() {
        digest.update(format!("{}={:?};", metric.name, metric.aggregate));
    }
    hex::encode(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::Shard;

    const END: u32 = 1_795_266_000;
    const NOW: u32 = END + 60;
    const HOUR: u32 = 3_600;
    const HOUR_AGO_MS: i64 = (NOW - HOUR) as i64 * 1_000;

    /// A sweep of twelve windows, of a quarter of the customers: two buckets.
    fn request(catalog: &Catalog) -> SweepRequest<'_> {
        SweepRequest {
            window: Window::closing_at(jiff::Timestamp::from_second(i64::from(END)).unwrap()).unwrap(),
            baseline_days: 11,
            catalog,
            customers: &[],
            shard: Shard::new(1, 4).unwrap(),
            query_id: "q",
            deadline: Instant::now(),
        }
    }

    /// Built at a time when nothing had arrived for an hour.
    fn built(closes: u32, oldest: u8) -> Vec<Build> {
        [1, 5]
            .map(|bucket| (closes, bucket, u64::from(closes) + u64::from(bucket), HOUR_AGO_MS, 100, oldest))
            .to_vec()
    }

    fn state(builds: Vec<Build>) -> State {
        State { now_ms: i64::from(NOW) * 1_000, arrivals: Vec::new(), builds }
    }

    /// Which baseline is read and which windows are fresh.
    fn read(state: &State) -> Option<(u32, u8, Vec<u8>)> {
        let baseline = state.baseline(&request(&Catalog::built_in().unwrap()))?;
        assert_eq!((baseline.builds.len(), baseline.rows()), (2, 200));
        Some((baseline.closes, baseline.shift, baseline.fresh))
    }

    /// Which windows are built, up to which one, and on which baseline.
    fn step(state: &State) -> Option<(Vec<u8>, u8, Option<u32>)> {
        let step = state.step(&request(&Catalog::built_in().unwrap()))?;
        Some((step.ages, step.oldest, step.former.map(|former| former.closes)))
    }

    #[test]
    fn beside_a_baseline_of_its_hour_only_the_newest_window_is_fresh() {
        let state = state(built(END, 11));
        assert_eq!((read(&state), step(&state)), (Some((END, 0, vec![0])), None));
    }

    #[test]
    fn yesterdays_baseline_is_a_day_older_and_the_next_one_is_made_of_it() {
        let yesterday = END - DAY;
        let state = state([built(yesterday, 11), built(END - 2 * DAY, 11)].concat());
        assert_eq!(read(&state), Some((yesterday, 1, vec![0, 1])));
        assert_eq!(step(&state), Some((vec![1], 11, Some(yesterday))));
    }

    #[test]
    fn without_a_baseline_the_newest_windows_are_built_first() {
        assert_eq!(read(&state(Vec::new())), None);
        assert_eq!(step(&state(Vec::new())), Some(((1..=8).collect(), 8, None)));
        let begun = state(built(END, 8));
        assert_eq!(read(&begun), Some((END, 0, vec![0, 9, 10, 11])));
        assert_eq!(step(&begun), Some((vec![9, 10, 11], 11, Some(END))));
    }

    #[test]
    fn what_arrived_after_a_build_or_shortly_before_makes_a_window_fresh() {
        let first_hour = END - 3 * DAY;
        for (hour, arrived, fresh, built_now) in [
            (first_hour, NOW - 2 * HOUR, None, None),
            (first_hour, NOW - 2 * HOUR + 1, Some(2), Some(2)),
            (first_hour + 23 * HOUR, NOW - HOUR, Some(2), Some(2)),
            (first_hour + 23 * HOUR, NOW - HOUR + 1, Some(2), None),
            (first_hour + 24 * HOUR, NOW, Some(1), None),
            (first_hour - HOUR, NOW, Some(3), None),
            (first_hour - 25 * HOUR, NOW - HOUR, Some(4), Some(4)),
            (first_hour - 20 * DAY, NOW, None, None),
        ] {
            let state = State { arrivals: vec![(hour, arrived)], ..state(built(END, 11)) };
            let expected = [0].into_iter().chain(fresh).collect();
            assert_eq!(read(&state), Some((END, 0, expected)), "{hour} {arrived}");
            assert_eq!(step(&state), built_now.map(|age| (vec![age], 11, Some(END))), "{hour} {arrived}");
        }
    }

    #[test]
    fn nothing_that_is_out_of_date_is_taken_over() {
        // Hours of the windows of the ages 2 to 11 arrived after the build, an hour ago.
        let arrivals: Vec<_> = (2..12).map(|age| (END - age * DAY - HOUR, NOW - HOUR)).collect();
        let state = State { arrivals, ..state(built(END, 11)) };
        assert_eq!(step(&state), Some(((2..=9).collect(), 9, Some(END))));
    }

    #[test]
    fn a_baseline_without_one_of_its_buckets_is_none() {
        let mut state = state([built(END, 11), built(END - DAY, 11)].concat());
        state.builds.remove(1);
        assert_eq!(read(&state), Some((END - DAY, 1, vec![0, 1])));
    }

    #[test]
    fn of_two_builds_the_newest_is_read_and_none_that_was_taken_back() {
        let mut state = state([built(END, 11), built(END - DAY, 11)].concat());
        let at = |begun, id| [1, 5].map(|bucket| (END, bucket, id, begun, 100, 11));
        state.builds.extend(at(HOUR_AGO_MS - 1, 7));
        state.builds.extend(at(HOUR_AGO_MS + 1, 8));
        assert_eq!(state.baseline(&request(&Catalog::built_in().unwrap())).unwrap().builds, [8, 8]);
        state.builds.extend(at(HOUR_AGO_MS + 1, NO_BUILD));
        assert_eq!(read(&state), Some((END - DAY, 1, vec![0, 1])));
    }

    #[test]
    fn shards_that_built_apart_are_read_together_as_far_as_both_go() {
        let mut state = state(built(END, 11));
        state.builds[1] = (END, 5, 7, HOUR_AGO_MS - 3_600_000, 50, 9);
        state.arrivals = vec![(END - 3 * DAY, NOW - 3 * HOUR + 1)];
        let baseline = state.baseline(&request(&Catalog::built_in().unwrap())).unwrap();
        assert_eq!((baseline.rows(), baseline.fresh), (150, vec![0, 2, 10, 11]));
        assert_eq!(baseline.builds, [u64::from(END) + 1, 7]);
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
