//! The calendars of a run.

use detection::{Calendar, Hour, Window};

/// The calendars of a run, made when they are needed. The models of a customer begin at the hour of the day that its
/// bucket names. Nobody can declare a time zone yet, so the models find out whether a customer's clocks changed.
pub struct Calendars {
    newest: Hour,
    by_bucket: [Option<Calendar>; Calendar::HOURS],
}

impl Calendars {
    /// For the run of this window.
    pub fn of(window: &Window) -> Self {
        let newest = Hour::holding(window.end()).plus(-1);
        Self { newest, by_bucket: [const { None }; Calendar::HOURS] }
    }

    /// The calendar of the customers of a bucket.
    pub fn of_bucket(&mut self, bucket: u8) -> &Calendar {
        let Self { newest, by_bucket } = self;
        let bucket = bucket % Calendar::HOURS as u8;
        by_bucket[usize::from(bucket)].get_or_insert_with(|| Calendar::undeclared(newest.latest_at(bucket)))
    }
}
