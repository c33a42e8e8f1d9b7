//! The hours in which the data of all customers stopped, and the drops of single customers that they hold back.

use detection::{Direction, Mute, Window};
use jiff::Timestamp;

/// The hours in which the data stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    from: Timestamp,
    until: Timestamp,
    mute: Mute,
}

impl Stop {
    /// * `from`, `until`: the first instant of the stop, and the first one after it.
    pub(crate) fn new((from, until): (Timestamp, Timestamp)) -> Self {
        let mute = Mute {
            metric: None,
            from: Some(from),
            until: Some(until),
            rrule: None,
            time_zone: None,
            reason: "the data of all customers stopped".to_owned(),
        };
        Self { from, until, mute }
    }

    /// The mute of a single customer's deviation. `None` unless it is a drop, and the window that shows it holds an hour of
    /// the stop.
    pub(crate) fn mute_of(&self, direction: Direction, shown: &Window) -> Option<&Mute> {
        let is_held = direction == Direction::Drop && shown.start() < self.until && self.from < shown.end();
        is_held.then_some(&self.mute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_holds_an_hour_of_the_stop_is_held_back() {
        let at = |hour: &str| format!("2026-11-24T{hour}:00:00Z").parse::<Timestamp>().unwrap();
        let stop = Stop::new((at("09"), at("11")));
        let held = |direction, from, until| {
            stop.mute_of(direction, &Window::between(at(from), at(until)).unwrap()).is_some()
        };
        assert!(held(Direction::Drop, "09", "10") && held(Direction::Drop, "10", "13"));
        assert!(held(Direction::Drop, "07", "10"));
        assert!(!held(Direction::Drop, "11", "12") && !held(Direction::Drop, "08", "09"));
        assert!(!held(Direction::Spike, "09", "10"));
    }
}
