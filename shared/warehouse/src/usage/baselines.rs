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

use std::collections::HashMap;
use std::time::Instant;

use catalog::BUCKETS;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::baseline::{Baseline, DAY, MOST_FRESH, State, Step, definition, oldest, seconds};
use super::error::{QueryContext, UsageError, classify};
use super::note::{Build, NO_BUILD};
use super::reader::UsageReader;
use super::request::SweepRequest;
use super::sql;

/// How long a baseline is kept: until that of the next day was made of it, or that of the day after if it was not.
const KEPT: u32 = 2 * DAY + 4 * 3_600;

/// Bytes of rows that a build writes at once. By default it would be four times as much: half a gigabyte of memory beside
/// what the join takes.
const BLOCK: usize = 64 * 1024 * 1024;

/// Ids that one statement gives its builds: one for each bucket.
const IDS_A_BUILD: u64 = BUCKETS as u64;

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

/// In Unix seconds.
fn kept_until(now_ms: i64) -> u32 {
    u32::try_from(now_ms / 1_000).unwrap_or(u32::MAX).saturating_add(KEPT)
}
