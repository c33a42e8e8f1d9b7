//! Plays a month through the detector: one run an hour, as if the schedule had made it, with the table and the topic in
//! memory. Check, incidents, plan of pages and outbox are the detector's own code.

use std::time::{Duration, Instant};

use anyhow::Context;
use catalog::Shard;
use detector::outbox::Outbox;
use detector::{App, Request};
use fleet::record::{Judge, Record};
use fleet::usage::Month;
use jiff::SignedDuration;
use platform::emf::RunFigures;

use books::Books;
use judging::Usage;

#[cfg(test)]
mod backtested;
mod books;
mod judging;

/// A rule by which usage is judged: settings of the detector under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: String,
    /// Environment variables of the detector, with their values.
    pub variables: Vec<(String, String)>,
}

impl Judge for Rule {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, month: &Month) -> anyhow::Result<Record> {
        replay(month, self)
    }
}

/// A run comes so long after the window has closed.
const AFTER_THE_HOUR: SignedDuration = SignedDuration::from_mins(5);

/// More than any run in memory takes.
const RUN_TIME: Duration = Duration::from_secs(600);

/// What the rule does with the month.
///
/// # Errors
///
/// When the settings of the rule are refused, when the catalog does not have the metrics of the month, or when a run fails.
pub fn replay(month: &Month, rule: &Rule) -> anyhow::Result<Record> {
    let variables: Vec<_> =
        rule.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let app = simulation::app_with(&variables).with_context(|| format!("the settings of {}", rule.name))?;
    let usage = Usage::of(month, &app)?;
    let mut books = Books::new(&app, &usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot start a runtime")?;
    for end in month.runs() {
        runtime.block_on(run(&app, &mut books, end)).with_context(|| format!("the run of hour {end}"))?;
    }
    Ok(books.record())
}

/// The run for the window that ends with this hour.
async fn run(app: &App, books: &mut Books<'_>, end: usize) -> anyhow::Result<()> {
    let time = books.usage.month.at(end) + app.detection.window_delay + AFTER_THE_HOUR;
    books.begin(end, time);
    let request = Request {
        time,
        source: None,
        dry_run: false,
        customers: Vec::new(),
        shard: Shard::WHOLE,
        detection_id: None,
    };
    let (mut figures, mut outbox) = (RunFigures::default(), Outbox::default());
    let deadline = Instant::now() + RUN_TIME;
    detector::steps(app, &*books, &request, &books.run_id(), deadline, &mut figures, &mut outbox).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use detection::incident::Event;
    use detection::{CustomerId, Direction, MetricName};
    use jiff::Timestamp;

    use fleet::record::{IncidentKey, Notification};
    use fleet::usage::{Customer, Metric, SeriesKey, Subject};

    use super::*;

    /// 31 days of history and three days of runs. The second customer has a spike in two hours.
    fn month() -> Month {
        let usual = |hour: usize| 100.0 + 10.0 * (hour * 7 % 5) as f64 + (hour / 24 * 13 % 7) as f64;
        let customer = |id: &str, spike: f64| Customer {
            id: CustomerId::new(id).unwrap(),
            kind: String::from("steady"),
            time_zone: None,
            delay: 0,
            usage: vec![
                (0..34 * 24).map(|hour| usual(hour) * if hour / 2 == 378 { spike } else { 1.0 }).collect(),
            ],
        };
        Month {
            start: Timestamp::constant(1_791_158_400, 0),
            hours: 34 * 24,
            history: 31 * 24,
            metrics: vec![Metric::new(MetricName::new("api_calls").unwrap(), 100.0)],
            customers: vec![customer("a", 1.0), customer("b", 20.0)],
            causes: Vec::new(),
        }
    }

    const CLASSICAL: (&str, &str) = ("DETECTORS", "z_score");

    fn rule(variables: &[(&str, &str)]) -> Rule {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Rule { name: String::from("tried"), variables }
    }

    #[test]
    fn a_spike_is_paged_at_its_first_hour_and_is_over_when_it_has_left_the_window() {
        let record = replay(&month(), &rule(&[CLASSICAL])).unwrap();
        let series = SeriesKey { subject: Subject::Customer(1), metric: 0, direction: Direction::Spike };
        let incident = IncidentKey { series, opened: 757 };
        assert_eq!(record.notifications[0], Notification { incident, event: Event::Opened, end: 757 });
        // The last hour of the spike is 757, so the window that ends with 782 is the first one without it.
        let last = record.notifications.last().unwrap();
        assert_eq!((last.incident, last.event), (incident, Event::Resolved));
        assert!((782..=784).contains(&last.end), "{last:?}");
        assert!(record.notifications.iter().all(|notification| notification.incident == incident));
        assert_eq!(record.messages, record.notifications.len());
    }

    #[test]
    fn models_of_the_week_tell_the_end_of_a_spike_hours_after_it() {
        let record = replay(&month(), &rule(&[])).unwrap();
        let events: Vec<_> = record.notifications.iter().map(|of| (of.event, of.end)).collect();
        // The last hour of the spike is 757. The windows of an hour are calm from 759 on.
        assert_eq!(events, [(Event::Opened, 757), (Event::Resolved, 761)]);
    }

    #[test]
    fn a_rule_is_its_variables() {
        let blind =
            replay(&month(), &rule(&[CLASSICAL, ("THRESHOLD", "100"), ("CRITICAL_THRESHOLD", "100")]))
                .unwrap();
        assert_eq!((blind.notifications.len(), blind.messages), (0, 0));
        let refused = replay(&month(), &rule(&[("THRESHOLD", "no")])).unwrap_err();
        assert!(format!("{refused:#}").contains("THRESHOLD=no"), "{refused:#}");
    }

    #[test]
    fn usage_that_has_not_arrived_is_not_seen() {
        let mut late = month();
        late.customers[1].delay = 5;
        let record = replay(&late, &rule(&[CLASSICAL])).unwrap();
        let of_spike =
            record.notifications.iter().find(|of| of.incident.series.direction == Direction::Spike);
        assert_eq!(of_spike.unwrap().end, 757 + 5);
    }

    #[test]
    fn the_generated_metrics_are_those_of_the_built_in_catalog() {
        let app = simulation::app_with(&[]).unwrap();
        for (name, min_change) in fleet::generate::METRICS {
            let spec = app.catalog.metrics().iter().find(|spec| spec.name.as_str() == name).unwrap();
            assert_eq!(spec.min_change, min_change, "{name}");
        }
    }

    #[test]
    fn a_metric_that_the_catalog_does_not_have_is_refused() {
        let month = Month { metrics: vec![Metric::new(MetricName::new("unknown").unwrap(), 1.0)], ..month() };
        let refused = replay(&month, &rule(&[])).unwrap_err();
        assert!(refused.to_string().contains("unknown"), "{refused}");
    }
}
