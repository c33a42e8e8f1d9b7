//! Judges the hours of a customer one after the other, as runs would.
//!
//! The incidents of a customer and direction are one story, so all series of a customer are judged in an hour before the
//! next hour. Each incident is decided by the incidents as they were before the hour.

use detection::ensemble::Assessment;
use detection::incident::Step;
use detection::model::Peers;
use detection::{Direction, Hour, TimeZone};

use crate::configuration::Configuration;
use crate::days::{Days, DaysByZone};
use crate::flagged::Judged;
use crate::records::InWords;
use crate::span::Span;
use crate::usage::Customer;
use crate::watch::Watch;

/// Customers on their way through a configuration, one by one.
pub struct Replay<'a> {
    span: Span,
    configuration: &'a Configuration,
    peers: &'a Peers,
    days: DaysByZone,
    /// The zone that hours are told in.
    zone: TimeZone,
}

impl<'a> Replay<'a> {
    /// * `peers`: of the weeks that the span names.
    pub fn new(span: Span, configuration: &'a Configuration, peers: &'a Peers) -> Self {
        let (days, zone) = (DaysByZone::new(span, configuration), configuration.zone());
        Self { span, configuration, peers, days, zone }
    }

    /// Judges the series of one customer. Total: any values are judged or left out. Metrics that the catalog does not have
    /// are left out.
    pub fn customer(&self, customer: &Customer) -> Vec<Judged> {
        self.days.with(self.configuration.zone_of(&customer.id), |days| self.through_days(customer, days))
    }

    fn through_days(&self, customer: &Customer, days: &Days) -> Vec<Judged> {
        let of_series = |series| Watch::new(self.span, self.configuration, customer, series);
        let mut watched: Vec<Watch<'_>> = customer.series.iter().filter_map(of_series).collect();
        for newest in self.span.judged_hours() {
            let Some((day, calendar)) = days.of(newest) else { break };
            let assess = |watch: &mut Watch<'_>| {
                let peers = self.peers.of(calendar.day(), watch.metric());
                watch.assess(newest, (day, calendar), peers)
            };
            let assessments: Vec<Assessment> = watched.iter_mut().map(assess).collect();
            for direction in Direction::BOTH {
                self.decide(direction, newest, &assessments, &mut watched);
            }
            for (watch, assessment) in watched.iter_mut().zip(&assessments) {
                watch.note_kept_out(assessment, newest, &self.told_in(watch.unit()));
            }
        }
        watched.into_iter().map(Watch::judged).collect()
    }

    /// What becomes of the incidents of one direction.
    fn decide(
        &self,
        direction: Direction,
        newest: Hour,
        assessments: &[Assessment],
        watched: &mut [Watch<'_>],
    ) {
        let looks: Vec<_> = watched
            .iter()
            .zip(assessments)
            .map(|(watch, assessment)| watch.look(direction, assessment, newest, self.configuration))
            .collect();
        let step = |place: usize| {
            looks[place].as_ref()?;
            let seen = |place: usize| watched[place].seen(direction, looks[place].as_ref());
            let others = (0..watched.len()).filter(|other| *other != place).map(seen);
            Some(seen(place).decide(others, self.configuration.rules()).0)
        };
        let steps: Vec<Option<Step>> = (0..watched.len()).map(step).collect();
        for (place, (look, step)) in looks.into_iter().zip(steps).enumerate() {
            let (watch, assessment) = (&mut watched[place], &assessments[place]);
            let decided = look.zip(step);
            let told = self.told_in(watch.unit());
            watch.note(direction, newest, assessment, decided, (self.configuration.rules(), &told));
        }
    }

    fn told_in<'b>(&'b self, unit: &'b str) -> InWords<'b> {
        InWords { unit, zone: &self.zone }
    }
}
