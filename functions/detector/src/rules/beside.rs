//! What some rules need beside the figures of a metric. Only the queries of rules that the catalog has are made.

use std::collections::HashMap;

use detection::Window;
use detection::rules::HourOfDay;
use warehouse::usage::{DistinctTexts, FailedInARow, Outcomes};

use super::{NEWEST, STREAK_HOURS, needs_outcomes, read};
use crate::pass::Pass;

/// What rules need of one metric of an entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Beside {
    /// The newest events that failed in a row. None without an event in the newest hour.
    pub(crate) streak: Option<FailedInARow>,
    /// How many different texts there are.
    pub(crate) distinct: Option<DistinctTexts>,
    pub(crate) hour: Option<HourOfDay>,
}

/// By the place of the metric and the key of the entity.
type ByEntity<T> = HashMap<(usize, Vec<u8>), T>;

/// What rules need of all entities of a pass.
pub(super) struct AllBeside {
    window: Window,
    outcomes: ByEntity<Outcomes>,
    distinct: ByEntity<DistinctTexts>,
    hours: ByEntity<HourOfDay>,
}

impl AllBeside {
    /// * `hours`: those before the window that it is compared with.
    pub(super) async fn read(pass: Pass<'_>, window: Window, hours: i64) -> anyhow::Result<Self> {
        let usage = &pass.app.usage;
        let mut outcomes = HashMap::new();
        let ruled = pass.app.catalog.ruled().iter().enumerate();
        for (place, spec) in ruled.filter(|(_, spec)| needs_outcomes(spec)) {
            let name = format!("streaks-{place}");
            let of_metric = read(pass, window, STREAK_HOURS, &name, async |request| {
                usage.outcomes(request, spec, NEWEST).await
            });
            outcomes.extend(of_metric.await?.into_iter().map(|found| ((place, found.key.clone()), found)));
        }
        let distinct =
            read(pass, window, hours, "texts", async |request| usage.distinct_texts(request).await).await?;
        let of_day =
            read(pass, window, hours, "off-hours", async |request| usage.entity_hours(request).await).await?;
        Ok(Self {
            window,
            outcomes,
            distinct: distinct.into_iter().map(|found| ((found.metric, found.key.clone()), found)).collect(),
            hours: of_day.into_iter().map(|found| ((found.metric, found.key), found.hour)).collect(),
        })
    }

    pub(super) fn of(&self, metric: usize, key: &[u8]) -> Beside {
        let place = (metric, key.to_vec());
        let newest = self.outcomes.get(&place);
        Beside {
            streak: newest.map(|newest| newest.streak(self.window.start())),
            distinct: self.distinct.get(&place).cloned(),
            hour: self.hours.get(&place).copied(),
        }
    }
}
