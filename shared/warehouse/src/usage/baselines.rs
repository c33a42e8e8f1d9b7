//! Baselines: the earlier windows of each customer, computed from the rollup before a run needs them.
//!
//! Thirty of the 31 windows of a run were compared by yesterday's run of this hour. A row of `usage_baselines` holds
//! the earlier windows of a customer for one hour of the day. A run reads one row per customer and the hours of one
//! day, instead of the hours of a month. These rules keep the result exact:
//!
//! * A build holds the content of the rollup at its begin. A window of a build may be read if nothing has arrived for
//!   any of its hours since then or shortly before, because an insert may have been under way.
//! * All other windows are fresh. They are read from the hours, and their values in the baseline are ignored. The
//!   newest window is always fresh. If most windows are fresh, as after an import, only the hours are read.
//! * A build has an id of its own and counts once it is noted as complete, with its number of rows. So builds that
//!   broke off, and two builds at a time, do no harm, and there is no lock. A reader that finds fewer rows ignores the
//!   build and takes the note back. A note of forgetting ends all builds that began before it.
//!
//! After its own work, a run builds the baseline of the next hour. It takes yesterday's baseline of that hour, a day
//! older, and adds the window that has closed since and the windows that were out of date. The detector builds it and
//! not a refreshing view: the run knows the needed windows and waits for no other schedule.
//!
//! A baseline only saves time. Without one, a run reads the hours.

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

/// How long a baseline is kept: until the next day's baseline was made of it, or the one of the day after.
const KEPT: u32 = 2 * DAY + 4 * 3_600;

/// Bytes of rows that a build writes at once. The default is four times as much: half a gigabyte of memory beside the
/// join.
const BLOCK: usize = 64 * 1024 * 1024;

/// Ids of one statement's builds: one for each bucket, and a power of two.
const IDS_A_BUILD: u64 = (BUCKETS as u64).next_power_of_two();

impl UsageReader {
    /// The baseline of a sweep. `None` if reading it does not pay, or if it is not found within a third of the
    /// request's time. Then enough time is left for the hours.
    pub async fn baseline(&self, request: &SweepRequest<'_>) -> Result<Option<Baseline>, UsageError> {
        let now = Instant::now();
        let until = now + request.deadline.saturating_duration_since(now) / 3;
        let Ok(state) = timeout_at(until.into(), self.state(request, "state-of-run")).await else {
            return Ok(None);
        };
        let baseline = state?.baseline(request);
        Ok(baseline.filter(|baseline| baseline.fresh.len() <= MOST_FRESH))
    }

    /// Builds the baseline of a sweep for all windows that are closed and have no recent arrivals. Before it is due,
    /// these are all but the newest window. Returns the number of computed windows. Windows that are up to date stay.
    pub async fn build_baseline(&self, request: &SweepRequest<'_>) -> Result<usize, UsageError> {
        let (mut built, mut last) = (0, None);
        for number in 0..=oldest(request) {
            let state = self.state(request, &format!("state-{number}")).await?;
            // The step repeats: the note is not visible, for example because a replica is behind. A later run builds
            // the rest.
            let Some(step) = state.step(request).filter(|step| !step.repeats(last.as_ref())) else { break };
            if self.build(request, &state, &step, number).await? {
                built += step.ages.len();
            }
            last = Some(step);
        }
        Ok(built)
    }

    /// Whether the baseline of a sweep was built for its own hour. Tomorrow's baseline can then be made of it.
    pub async fn is_baseline_of_hour(&self, request: &SweepRequest<'_>) -> Result<bool, UsageError> {
        let baseline = self.state(request, "state-of-hour").await?.baseline(request);
        Ok(baseline.is_some_and(|baseline| baseline.shift == 0))
    }

    /// Keeps all readers from a baseline whose rows differ from its note.
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

    /// Builds a baseline. Notes it only if its sources were complete. Returns whether it was noted.
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
        // Ids are never used twice, because a build that broke off leaves rows with its ids.
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
        // None if no customer of a bucket had usage in these windows.
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

    /// The number of rows of a statement's builds, whose ids begin with this one, and of the builds that it was made
    /// of.
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
