//! The days of the models: which hours serve which calendar.

use detection::{Calendar, Hour};

use crate::Configuration;

/// The calendars of the judged hours. The models of all customers begin at the same hour of the day as the judged hours.
pub(crate) struct Days {
    first: Hour,
    calendars: Vec<Calendar>,
}

impl Days {
    pub(crate) fn new(configuration: &Configuration, first: Hour, end: Hour) -> Self {
        let day = Calendar::HOURS as i64;
        let number = usize::try_from((end.since(first) + day - 1) / day).unwrap_or(0);
        let calendar = |number: usize| configuration.calendar(first.plus(day * number as i64));
        Self { first, calendars: (0..number).map(calendar).collect() }
    }

    /// The number of the day that holds an hour, and its calendar. `None` for an hour that is not judged.
    pub(crate) fn of(&self, hour: Hour) -> Option<(usize, &Calendar)> {
        let number = usize::try_from(hour.since(self.first)).ok()? / Calendar::HOURS;
        Some((number, self.calendars.get(number)?))
    }
}
