//! What a pass found, and what it leaves aside in a storm.

use std::collections::HashMap;

use detection::{CustomerId, Direction, Severity};
use store::Totals;

use crate::candidate::Candidate;
use crate::known::{OfSeries, Stored};
use crate::spool::Spool;
use crate::storm::Storm;

/// The candidates of a pass.
#[derive(Default)]
pub struct Found {
    pub candidates: Spool<Candidate>,
    pub left: Left,
}

/// What a pass leaves aside in a storm.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Customers that look odd, and that the run has no time to judge.
    pub unjudged: u64,
    /// What an earlier run of the window stored of customers that are not judged again.
    pub stored: Totals,
    /// The single pages of these customers in this window. They are few, because runs page few.
    pub pages: HashMap<CustomerId, usize>,
}

impl Found {
    /// Adds those of another part of the customers.
    pub(crate) fn add(&mut self, mut other: Self) -> anyhow::Result<()> {
        self.left.add(other.left);
        if self.candidates.is_empty() {
            self.candidates = other.candidates;
            return Ok(());
        }
        for candidate in other.candidates.read()? {
            self.candidates.push(&candidate?)?;
        }
        Ok(())
    }

    /// Whether the pass is one of a storm. Runs that repeat a window may differ in that: an incident keeps what its opening found.
    pub(crate) fn is_in(&self, storm: &Storm) -> bool {
        self.candidates.len() + self.left.unjudged + self.left.stored.anomalies > storm.most as u64
    }
}

impl Left {
    fn add(&mut self, other: Self) {
        self.unjudged += other.unjudged;
        self.stored.add(other.stored);
        for (customer, pages) in other.pages {
            *self.pages.entry(customer).or_default() += pages;
        }
    }

    /// Counts what an earlier run of the window stored of a series that is not judged again.
    pub fn note_stored(&mut self, customer: &CustomerId, series: OfSeries<'_>) {
        for Stored { anomaly, page } in Direction::BOTH.into_iter().filter_map(|of| series.stored(of)) {
            let Some(severity) = anomaly else { continue };
            self.stored.anomalies += 1;
            self.stored.critical += u64::from(severity == Severity::Critical);
            self.stored.pages += u64::from(page.is_some());
            match page {
                None => {}
                Some(true) => *self.pages.entry(customer.clone()).or_default() += 1,
                Some(false) => self.stored.held_back += 1,
            }
        }
    }
}

impl From<Spool<Candidate>> for Found {
    fn from(candidates: Spool<Candidate>) -> Self {
        Self { candidates, left: Left::default() }
    }
}
