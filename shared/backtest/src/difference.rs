//! Two configurations beside each other: which pages are new, gone or at another time.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::report::{Page, Report};

/// The pages of a configuration beside those of another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Pages that the other configuration does not have.
    pub new: Vec<Page>,
    /// Pages that only the other one has.
    pub gone: Vec<Page>,
    pub moved: Vec<Moved>,
    /// Pages of the same customer and hour.
    pub same: usize,
}

/// A page about a series of which the other configuration pages earlier or later.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    pub page: Page,
    /// The time of the other configuration's page.
    pub from: Timestamp,
}

/// Pages further apart are about something else.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24);

impl Difference {
    /// * `present`: what the configuration is compared with.
    pub fn between(present: &Report, changed: &Report) -> Self {
        let is_same = |a: &Page, b: &Page| (a.at, &a.customer) == (b.at, &b.customer);
        let is_in = |page: &&Page, pages: &[Page]| pages.iter().any(|other| is_same(page, other));
        let mut new: Vec<Page> =
            changed.pages.iter().filter(|page| !is_in(page, &present.pages)).cloned().collect();
        let mut gone: Vec<Page> =
            present.pages.iter().filter(|page| !is_in(page, &changed.pages)).cloned().collect();
        let same = changed.pages.len() - new.len();
        let mut moved = Vec::new();
        new.retain(|page| {
            let nearest = gone
                .iter()
                .enumerate()
                .filter(|(_, other)| other.shares_series(page))
                .map(|(place, other)| (page.at.duration_since(other.at).abs(), place))
                .filter(|(apart, _)| *apart <= FARTHEST)
                .min();
            let Some((_, place)) = nearest else { return true };
            moved.push(Moved { page: page.clone(), from: gone.remove(place).at });
            false
        });
        Self { new, gone, moved, same }
    }

    /// Whether both configurations page for the same customers in the same hours.
    pub fn is_none(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty() && self.moved.is_empty()
    }
}
