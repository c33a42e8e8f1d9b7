//! The shapes of days of all customers, for series in their first days.
//!
//! A week of hours makes them, in a cluster those of all shards. After a run, the fit keeps what the next run needs. A run that
//! finds nothing makes it, so a verdict never depends on what was kept.

use std::time::Instant;

use detection::model::{PeerWeek, Peers, Profile};
use detection::{Calendar, Hour};
use platform::telemetry::error_chain;
use tokio::sync::OnceCell;
use uuid::Uuid;
use warehouse::usage::{CustomerHours, Patience, UsageError};

use crate::app::App;

const PATIENCE: Patience = Patience::OF_A_RUN;

/// The profiles for the models that judge an hour. They are read when the first customer needs them.
pub(crate) struct LazyPeers<'a> {
    app: &'a App,
    /// Keeps the profiles, and shows what it keeps.
    keeper: App,
    newest: Hour,
    name: String,
    missing: Missing,
    deadline: Instant,
    read: OnceCell<Peers>,
    none: Peers,
}

/// Whether profiles that are missing are kept once they are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Kept,
    /// A run writes nothing before it has read all.
    Made,
}

impl<'a> LazyPeers<'a> {
    /// * `name`: the beginning of the names of the queries.
    pub(crate) fn new(app: &'a App, newest: Hour, name: &str, missing: Missing, deadline: Instant) -> Self {
        let (name, read, none) = (name.to_owned(), OnceCell::new(), Peers::default());
        let keeper = app.each_server().swap_remove(0);
        Self { app, keeper, newest, name, missing, deadline, read, none }
    }

    /// The profiles that a customer is judged by: none, if all of its series are older than their first days.
    ///
    /// * `read_from`: the first hour that was read of the customer.
    /// * `day`: the first hour of its models.
    pub(crate) async fn of(
        &self,
        customer: &CustomerHours,
        read_from: Hour,
        day: Hour,
    ) -> Result<&Peers, UsageError> {
        if !customer.has_young_series(read_from, day) {
            return Ok(&self.none);
        }
        self.read.get_or_try_init(|| self.read()).await
    }

    async fn read(&self) -> Result<Peers, UsageError> {
        let Self { app, newest, missing, deadline, .. } = *self;
        let keeper = &self.keeper;
        let mut peers = Peers::default();
        for week in weeks(newest) {
            // Another try must not have the name of one that failed.
            let name = format!("{}-peers-{}", self.name, Uuid::new_v4().simple());
            let profiles = match kept(keeper, week, &name).await {
                Some(kept) => kept,
                None => {
                    let made =
                        app.usage.made_profiles(&app.catalog, week, (&name, PATIENCE), deadline).await?;
                    if missing == Missing::Kept {
                        let query_id = format!("{name}-keep");
                        keeper.usage.keep_profiles(&keeper.catalog, week, &made, &query_id).await?;
                    }
                    made
                }
            };
            peers.insert(week, profiles);
        }
        Ok(peers)
    }
}

/// The weeks of the models that judge an hour: their days begin up to a day before.
fn weeks(newest: Hour) -> impl Iterator<Item = PeerWeek> {
    let (first, last) = (PeerWeek::of(newest.plus(1 - Calendar::HOURS as i64)), PeerWeek::of(newest));
    std::iter::once(first).chain(Some(last).filter(|last| *last != first))
}

/// The profiles that were kept. Without an answer, they are made from the hours.
async fn kept(app: &App, week: PeerWeek, name: &str) -> Option<Vec<Profile>> {
    match app.usage.kept_profiles(&app.catalog, week, &format!("{name}-kept")).await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(
                error = error_chain(&error),
                "no profiles of customers can be read, so they are made from hours: may the detector's user read usage_models?"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_hours_need_one_week() {
        // The weeks of models change at midnight of Fridays.
        let hour = |at: &str| Hour::holding(at.parse().unwrap());
        for (newest, number) in [
            ("2026-11-26T23:00:00Z", 1),
            ("2026-11-27T00:00:00Z", 2),
            ("2026-11-27T22:00:00Z", 2),
            ("2026-11-27T23:00:00Z", 1),
        ] {
            let newest = hour(newest);
            let weeks: Vec<_> = weeks(newest).collect();
            assert_eq!(weeks.len(), number, "{newest:?}");
            for bucket in 0..24 {
                assert!(weeks.contains(&PeerWeek::of(newest.latest_at(bucket))), "{bucket}");
            }
        }
    }
}
