//! The days of the models: which hours serve which calendar.

use std::collections::HashMap;

use detection::{Calendar, Hour, TimeZone};

use crate::Configuration;
use crate::span::Span;

/// The calendars of the judged hours. The models of all customers begin at the same hour of the day as the judged hours.
pub(crate) struct Days {
    first: Hour,
    calendars: Vec<Calendar>,
}

/// The days of the zones that customers have.
pub(crate) struct DaysByZone {
    span: Span,
    kept: HashMap<String, Days>,
}

impl DaysByZone {
    /// Zones whose days are kept: about 40 MB. The days of other zones are made for each customer.
    const KEPT: usize = 16;

    pub(crate) fn new(span: Span, configuration: &Configuration) -> Self {
        let mut kept = HashMap::new();
        for zone in configuration.zones() {
            if kept.len() < Self::KEPT {
                kept.entry(key(zone)).or_insert_with(|| Days::new(span, zone));
            }
        }
        Self { span, kept }
    }

    /// Calls `work` with the days of customers with a zone, or without one.
    pub(crate) fn with<R>(&self, zone: Option<&TimeZone>, work: impl FnOnce(&Days) -> R) -> R {
        match self.kept.get(&key(zone)) {
            Some(days) => work(days),
            None => work(&Days::new(self.span, zone)),
        }
    }
}

fn key(zone: Option<&TimeZone>) -> String {
    zone.map_or("", TimeZone::name).to_owned()
}

impl Days {
    fn new(span: Span, zone: Option<&TimeZone>) -> Self {
        let (first, day) = (span.judged, Calendar::HOURS as i64);
        let number = usize::try_from((span.end.since(first) + day - 1) / day).unwrap_or(0);
        let calendar = |number: usize| Calendar::declared(zone, first.plus(day * number as i64));
        Self { first, calendars: (0..number).map(calendar).collect() }
    }

    /// The number of the day that holds an hour, and its calendar. `None` for an hour that is not judged.
    pub(crate) fn of(&self, hour: Hour) -> Option<(usize, &Calendar)> {
        let number = usize::try_from(hour.since(self.first)).ok()? / Calendar::HOURS;
        Some((number, self.calendars.get(number)?))
    }
}
