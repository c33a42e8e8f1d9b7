//! The calendars of a run.

use std::collections::HashMap;
use std::sync::Arc;

use detection::{Calendar, Hour, TimeZone, Window};

/// The calendars of a run, made when they are needed. The models of a customer begin at the hour of the day that its
/// bucket names. Of a customer without a declared time zone, the models find out whether its clocks changed.
pub struct Calendars {
    newest: Hour,
    undeclared: [Option<Arc<Calendar>>; Calendar::HOURS],
    /// By bucket and the name of the zone.
    declared: HashMap<(u8, String), Arc<Calendar>>,
}

/// Calendars of declared zones that are kept at the same time: about 5 MB.
const KEPT: usize = 64;

impl Calendars {
    /// For the run of this window.
    pub fn of(window: &Window) -> Self {
        Self::at(Hour::holding(window.end()).plus(-1))
    }

    /// For models that judge an hour.
    pub fn at(newest: Hour) -> Self {
        Self { newest, undeclared: [const { None }; Calendar::HOURS], declared: HashMap::new() }
    }

    /// The calendar of the customers of a bucket and of a zone.
    pub fn of_bucket(&mut self, bucket: u8, zone: Option<&TimeZone>) -> &Arc<Calendar> {
        let Self { newest, undeclared, declared } = self;
        let bucket = bucket % Calendar::HOURS as u8;
        let day = newest.latest_at(bucket);
        let Some(zone) = zone else {
            return undeclared[usize::from(bucket)]
                .get_or_insert_with(|| Arc::new(Calendar::undeclared(day)));
        };
        let key = (bucket, zone.name().to_owned());
        if declared.len() >= KEPT && !declared.contains_key(&key) {
            declared.clear();
        }
        declared.entry(key).or_insert_with(|| Arc::new(Calendar::new(zone, day)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_a_zone_have_a_calendar_of_their_own() {
        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        let mut calendars = Calendars::of(&window);
        let zones = ["Europe/Berlin", "Asia/Tokyo"].map(|name| TimeZone::named(name).unwrap());
        // More than are kept.
        for _ in 0..2 {
            for bucket in 0..Calendar::HOURS as u8 {
                for zone in [None, Some(&zones[0]), Some(&zones[1])] {
                    let found = calendars.of_bucket(bucket, zone);
                    let day = Hour::holding(window.end()).plus(-1).latest_at(bucket);
                    let expected = Calendar::declared(zone, day);
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{bucket} {zone:?}");
                }
            }
        }
        for number in 0..200 {
            calendars.of_bucket(number % 24, Some(&zones[usize::from(number) % 2]));
        }
        assert!(calendars.declared.len() <= KEPT);
    }
}
