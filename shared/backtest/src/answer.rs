//! A report that is short enough to be stored: totals, and the newest of what was odd.

use catalog::Catalog;
use detection::{CustomerId, MetricName};
use serde::Serialize;

use crate::budget::Proposal;
use crate::difference::{Difference, Moved};
use crate::flagged::Flagged;
use crate::report::{Count, Page, Report, Totals};

/// What a configuration makes of usage, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    pub totals: Totals,
    pub pages: usize,
    pub by_metric: Vec<Count>,
    /// Those with the most pages first.
    pub by_customer: Listed<Count>,
    /// Hours that looked odd, the newest first.
    pub flagged: Listed<FlaggedHour>,
    /// Beside the other settings, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<ShortDifference>,
    /// Settings within the budget, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Proposal>,
}

/// All that an answer is made of.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    pub report: &'a Report,
    pub difference: Option<&'a Difference>,
    pub budget: Option<&'a Proposal>,
}

/// The first of a list, and the number of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Listed<T> {
    pub total: usize,
    pub listed: Vec<T>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlaggedHour {
    pub customer: CustomerId,
    pub metric: MetricName,
    #[serde(flatten)]
    pub hour: Flagged,
}

/// A [`Difference`] whose newest pages are listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShortDifference {
    pub new: Listed<Page>,
    pub gone: Listed<Page>,
    pub moved: Listed<Moved>,
    pub same: usize,
}

/// Entries of a list, unless they are too long together.
const MOST_LISTED: usize = 200;

impl Answer {
    /// The JSON text of an answer that lists as much as fits into so many bytes.
    ///
    /// # Errors
    ///
    /// When the answer cannot be written as JSON.
    pub fn text(found: Found<'_>, catalog: &Catalog, bytes: usize) -> serde_json::Result<String> {
        let mut most = MOST_LISTED;
        loop {
            let text = serde_json::to_string(&Self::listing(found, catalog, most))?;
            if text.len() <= bytes || most == 0 {
                return Ok(text);
            }
            most /= 2;
        }
    }

    /// An answer whose lists have at most so many entries each.
    pub fn listing(found: Found<'_>, catalog: &Catalog, most: usize) -> Self {
        let Found { report, difference, budget } = found;
        let mut flagged: Vec<(&CustomerId, usize, &Flagged)> = report
            .judged
            .iter()
            .flat_map(|series| series.flagged.iter().map(|hour| (&series.customer, series.metric, hour)))
            .collect();
        // The order of customers decides between hours of the same time.
        flagged.sort_by_key(|(.., hour)| std::cmp::Reverse(hour.at));
        let hour = |(customer, metric, hour): &(&CustomerId, usize, &Flagged)| {
            let metric = catalog.metrics().get(*metric)?.name.clone();
            Some(FlaggedHour { customer: (*customer).clone(), metric, hour: (*hour).clone() })
        };
        Self {
            totals: report.totals.clone(),
            pages: report.pages.len(),
            by_metric: report.by_metric.clone(),
            by_customer: Listed::first(&report.by_customer, most),
            flagged: Listed {
                total: flagged.len(),
                listed: flagged.iter().take(most).filter_map(hour).collect(),
            },
            difference: difference.map(|of| ShortDifference {
                new: Listed::newest(&of.new, most),
                gone: Listed::newest(&of.gone, most),
                moved: Listed::newest(&of.moved, most),
                same: of.same,
            }),
            budget: budget.cloned(),
        }
    }
}

impl<T: Clone> Listed<T> {
    fn first(all: &[T], most: usize) -> Self {
        Self { total: all.len(), listed: all.iter().take(most).cloned().collect() }
    }

    /// Of a list in the order of time.
    fn newest(all: &[T], most: usize) -> Self {
        Self { total: all.len(), listed: all.iter().rev().take(most).cloned().collect() }
    }
}
