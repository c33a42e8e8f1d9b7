use std::collections::BTreeSet;
use std::mem::size_of;
use std::time::Duration;

use detection::incident::{Around, Event, Figures, IncidentState, Observation, Page, Seen, Step, advance};
use detection::{Action, AnomalyKind, Costs, Currency, CustomerId, IncidentId, MetricName, Severity};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use store::{HistoryEntry, Previous};

use super::*;

/// A day longer than a month after the first hour.
fn window() -> Window {
    Window::closing_at(hour(31 * 24)).unwrap()
}

fn hour(n: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(n)
}

fn rules() -> Rules {
    Rules {
        resolve_after: 2,
        reopen_within: SignedDuration::from_hours(6),
        accept_after: SignedDuration::from_hours(72),
        repeat_interval: SignedDuration::from_hours(24),
        min_severity: Severity::Warning,
    }
}

fn any<T: Copy>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}

fn number(rng: &mut ChaCha8Rng) -> f64 {
    let sizes = [0.0, -1e-90, 1.0, 1e15];
    any(rng, &sizes) * rng.random_range(-1.0..1.0_f64)
}

fn subject(rng: &mut ChaCha8Rng) -> Subject {
    let customer = any(rng, &["a", "A", "a ", "customer/1", "customer/2"]);
    Subject {
        customer_id: CustomerId::new(customer).unwrap(),
        entity: None,
        metric: MetricName::new(format!("m{}", rng.random_range(0..3))).unwrap(),
        direction: any(rng, &Direction::BOTH),
    }
}

/// Any incident that the store could hold, and some that it never holds.
fn item(rng: &mut ChaCha8Rng) -> IncidentItem {
    use IncidentState::{Accepted, Acknowledged, Open, Resolved, Stale};
    let severities = [Severity::Warning, Severity::Critical];
    let events = [
        Event::Opened,
        Event::Escalated,
        Event::Reopened,
        Event::Reminder,
        Event::Accepted,
        Event::Resolved,
        Event::Acknowledged,
        Event::Confirmed,
        Event::Stale,
    ];
    // Most are past. Some reach beyond the window, as incidents do for a late run.
    let opened = rng.random_range(0..31 * 24 + 3);
    let seen = opened + rng.random_range(0..60);
    let last = seen + rng.random_range(0..4);
    let state = any(rng, &[Open, Acknowledged, Resolved, Resolved, Resolved, Stale, Accepted, Accepted]);
    let is_over = !matches!(state, Open | Acknowledged) && rng.random_bool(0.8);
    let by_hand = SignedDuration::from_millis(rng.random_range(0..3_600_000));
    let page = Page {
        event: any(rng, &events),
        window_end: hour(rng.random_range(opened..=last)),
        single: rng.random_bool(0.5),
    };
    let incident = Incident {
        subject: subject(rng),
        state,
        severity: any(rng, &severities),
        opened_at: hour(opened),
        level_since: hour(rng.random_range(opened..=seen)),
        level_at_start: rng.random_bool(0.5).then(|| number(rng)),
        unjudged_since: rng.random_bool(0.2).then(|| hour(last)),
        last_seen: hour(seen),
        last_window: hour(last),
        closed_at: rng.random_bool(0.5).then(|| hour(seen) + by_hand),
        over_at: is_over.then(|| hour(last)),
        anomalies: rng.random_range(1..100),
        recovery: rng.random_range(0..4),
        peak_z_score: number(rng),
        latest: Figures {
            current_value: number(rng),
            baseline_mean: number(rng),
            baseline_stddev: number(rng),
            z_score: number(rng),
        },
        level: number(rng),
        latest_severity: any(rng, &severities),
        notified: rng.random_bool(0.5).then(|| any(rng, &severities)),
        alerting: rng.random_bool(0.5),
        last_page: rng.random_bool(0.7).then_some(page),
        seen_by: any(rng, &[1, 3, 24]),
        change: rng.random_bool(0.5).then(|| number(rng)),
        recurring: rng.random_bool(0.1).then_some(2),
        story: rng.random_bool(0.2).then(|| IncidentId::of(hour(opened), &subject(rng))),
        costs: rng.random_bool(0.2).then(|| Costs {
            so_far: number(rng),
            a_month: number(rng),
            currency: Currency::USD,
        }),
    };
    let entry = HistoryEntry {
        action: Action::Acknowledge.into(),
        actor: "somebody".to_owned(),
        at: 0,
        note: None,
        by_customer: false,
    };
    let history = if rng.random_bool(0.3) { vec![entry] } else { Vec::new() };
    let version = any(rng, &[1, 2, 30, u64::from(u32::MAX), u64::from(u32::MAX) + 1]);
    let previous = Previous { version: version - 1, description: None, kind: None, history: Some(history) };
    let description = Some("a sentence".to_owned());
    let kind = any(rng, &[None, Some(AnomalyKind::UsageAnomaly), Some(AnomalyKind::ShapeChange)]);
    IncidentItem::following(Some(previous), incident, "ms", description, Duration::from_secs(1)).of_kind(kind)
}

fn known(items: &[IncidentItem]) -> Known {
    let mut known = Known::for_window(&window(), &rules());
    for item in items {
        known.add(item, place(&item.incident.subject));
    }
    known.arrange();
    known
}

fn place(subject: &Subject) -> usize {
    subject.metric.as_str()[1..].parse().unwrap()
}

/// The step of a run for an incident, if the run could store it.
fn step(latest: Option<&Incident>, subject: &Subject, seen: Seen, deviation: f64) -> Step {
    let figures = Figures {
        current_value: 100.0 + deviation,
        baseline_mean: 100.0,
        baseline_stddev: 10.0,
        z_score: deviation / 10.0,
    };
    let observation =
        Observation { window_end: window().end(), seen, figures, seen_by: 24, change: None, cost: None };
    advance(latest, subject, &observation, &Around::default(), &rules())
}

#[test]
fn an_incident_keeps_all_but_its_texts() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut rare = Rare::default();
    for _ in 0..2_000 {
        let item = item(&mut rng);
        let latest = Kept::of(&item, &mut rare).latest(&item.incident.subject, &rare);
        let expected = Latest {
            former: item.former(),
            history: item.history.is_empty().then(Vec::new),
            description: None,
            kind: item.kind,
            incident: Some(item.incident),
        };
        assert_eq!(latest, expected);
    }
}

#[test]
fn a_run_knows_what_an_earlier_one_stored_of_its_window() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (end, of) = (window().end(), subject(&mut rng));
    let mut seen = BTreeSet::new();
    for _ in 0..4_000 {
        let items = Direction::BOTH.map(|direction| {
            let IncidentItem { mut incident, .. } = item(&mut rng);
            incident.subject = Subject { direction, ..of.clone() };
            // Of this window, the one before or the one after.
            let ends = [end, hour(31 * 24 - 1), hour(31 * 24 + 1)];
            incident.opened_at = any(&mut rng, &ends).min(incident.opened_at);
            (incident.last_window, incident.last_seen) = (any(&mut rng, &ends), any(&mut rng, &ends));
            incident.last_page.iter_mut().for_each(|page| page.window_end = any(&mut rng, &ends));
            IncidentItem::following(None, incident, "ms", Some(String::new()), Duration::from_secs(1))
        });
        let number = rng.random_range(0..=2);
        let known = known(&items[..number]);
        let of_series = known.of(of.customer_id.as_str(), place(&of));
        let stored = Direction::BOTH.map(|direction| {
            let item = items[..number].iter().find(|item| item.incident.subject.direction == direction);
            let is_judged = |incident: &&Incident| {
                let is_later = incident.last_window > end && incident.opened_at <= end;
                incident.last_window == end || is_later
            };
            let incident = item.map(|item| &item.incident).filter(is_judged);
            incident.map(|incident| Stored {
                anomaly: Some(incident.latest_severity).filter(|_| incident.last_seen >= end),
                page: incident
                    .last_page
                    .filter(|page| page.window_end == end && !page.event.is_closing())
                    .map(|page| page.single),
            })
        });
        assert_eq!(Direction::BOTH.map(|direction| of_series.stored(direction)), stored);
        let waits =
            |direction: usize| stored[direction].is_none() && of_series.is_active(Direction::BOTH[direction]);
        let has_anomaly = |of: usize| stored[of].is_some_and(|stored: Stored| stored.anomaly.is_some());
        for (looks, is_stored) in [
            (Looks::Ending, !waits(0) && !waits(1)),
            (Looks::Odd(Direction::BOTH[0]), has_anomaly(0) && !waits(1)),
            (Looks::Odd(Direction::BOTH[1]), has_anomaly(1) && !waits(0)),
            (Looks::Near(Direction::BOTH[0]), stored[0].is_some() && !waits(1)),
        ] {
            assert_eq!(of_series.is_stored(looks), is_stored);
            seen.insert(format!("{looks:?} {is_stored} {stored:?}"));
        }
    }
    assert!(seen.len() > 100, "{seen:?}");
}

#[test]
fn a_run_decides_as_if_it_had_the_whole_items() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut past, mut kept, mut shadowed, mut left_out) = (0, 0, 0, 0);
    for _ in 0..1_000 {
        let mut items: Vec<_> = (0..rng.random_range(0..25)).map(|_| item(&mut rng)).collect();
        // No two incidents have the same id.
        let mut ids = BTreeSet::new();
        items.retain(|item| ids.insert(item.id()));
        let known = known(&items);
        for _ in 0..20 {
            let subject = subject(&mut rng);
            let of_series = known.of(subject.customer_id.as_str(), place(&subject));
            let whole = items.iter().map(|item| &item.incident).filter(|incident| {
                let of = &incident.subject;
                (&of.customer_id, &of.metric) == (&subject.customer_id, &subject.metric)
            });
            let newest = Hour::holding(window().end()).plus(-1);
            let hours: Vec<_> =
                whole.filter_map(|incident| incident::hours(incident, window().end())).collect();
            for day in [newest, newest.plus(-23)] {
                let out = |hour: Hour| hours.iter().any(|hours| incident::stays_out(hours, hour, day));
                let reach = (0..300).map(|ago| newest.plus(-ago));
                let differing: Vec<_> =
                    reach.filter(|hour| of_series.stays_out(*hour, day) != out(*hour)).collect();
                assert!(differing.is_empty(), "{differing:?} of {hours:?}");
                left_out += usize::from((0..300).any(|ago| out(newest.plus(-ago))));
            }

            let of_subject = || items.iter().filter(|item| item.incident.subject == subject);
            let whole = of_subject().max_by_key(|item| item.incident.opened_at);
            let latest = of_series.latest(&subject);
            assert_eq!(
                latest.as_ref().map(|latest| &latest.former),
                whole.map(IncidentItem::former).as_ref()
            );
            let is_active = whole.is_some_and(|item| item.incident.over_at.is_none());
            assert_eq!(of_series.is_active(subject.direction), is_active);

            let incident = latest.as_ref().and_then(|latest| latest.incident.as_ref());
            let seen = [Severity::Warning, Severity::Critical].map(Seen::Anomalous);
            // A value that is no anomaly changes no past incident, and makes no candidate.
            let seen = seen.into_iter().chain(
                [Seen::Inside, Seen::Between, Seen::Hidden, Seen::Undetermined]
                    .into_iter()
                    .filter(|_| is_active),
            );
            for seen in seen {
                for deviation in [0.5, 1e14] {
                    let expected = step(whole.map(|item| &item.incident), &subject, seen, deviation);
                    assert_eq!(step(incident, &subject, seen, deviation), expected, "{whole:?} and {seen:?}");
                }
            }
            past += usize::from(latest.is_some() && incident.is_none());
            kept += usize::from(incident.is_some());
            shadowed += of_subject().count().saturating_sub(1);
        }
    }
    assert!(past > 500 && kept > 500 && shadowed > 500, "{past} {kept} {shadowed}");
    assert!(left_out > 500, "{left_out}");
}

#[test]
fn the_later_version_of_a_doubled_incident_counts() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let open = item(&mut rng);
    let open =
        IncidentItem { incident: Incident { state: IncidentState::Open, ..open.incident.clone() }, ..open };
    let mut closed = open.clone();
    closed.version += 1;
    closed.incident.state = IncidentState::Resolved;
    let subject = &open.incident.subject;
    for items in [[open.clone(), closed.clone()], [closed.clone(), open.clone()]] {
        let latest = known(&items).of(subject.customer_id.as_str(), place(subject)).latest(subject);
        assert_eq!(latest.unwrap().former, closed.former());
    }
}

#[test]
fn a_customer_without_incidents_has_none() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let items: Vec<_> = (0..100).map(|_| item(&mut rng)).collect();
    let known = known(&items);
    for (customer, metric) in [("b", 0), ("", 0), ("customer/", 0), ("a", 3), ("a", 40_000)] {
        let of_series = known.of(customer, metric);
        assert!(of_series.entries.is_empty(), "{customer} {metric}");
        assert!(!of_series.takes_hours_out());
        assert!(Direction::BOTH.into_iter().all(|direction| !of_series.is_active(direction)));
    }
    assert!(!known.of("a", 0).entries.is_empty());
}

#[test]
fn an_open_incident_is_of_a_shape_if_its_newest_anomaly_is() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let of = |text: &str, over_at, rng: &mut ChaCha8Rng| {
        let mut item = item(rng);
        (item.incident.state, item.incident.over_at) = (IncidentState::Open, over_at);
        item.description = text.to_owned();
        let Subject { customer_id, direction, .. } = item.incident.subject.clone();
        let place = place(&item.incident.subject);
        let shape = known(&[item]).of(customer_id.as_str(), place).of_shape();
        shape.map(|of| of == direction)
    };
    let shape = "m0: the last 2 hours are like none of the two weeks before: 40 % away";
    assert_eq!(of(shape, None, &mut rng), Some(true));
    assert_eq!(of(shape, Some(hour(0)), &mut rng), None);
    assert_eq!(of("m0: 3 of 4 detectors flag it", None, &mut rng), None);
}

#[test]
fn an_active_incident_of_samples_is_known_by_its_key() {
    let text = "[[source]]\nname = \"machines\"\ntable = \"samples\"\nentity = \"host\"\nwindow = \"1m\"\n\
         [[metric]]\nname = \"m0\"\nsource = \"machines\"\nunit = \"%\"\nmissing = \"gap\"\nmin_change = 1\n\
         aggregate = \"avg\"\nvalue = \"cpu\"\n[[metric.rule]]\ntype = \"vote\"\n\
         [[metric]]\nname = \"m1\"\nsource = \"machines\"\nunit = \"%\"\nmissing = \"gap\"\nmin_change = 1\n\
         aggregate = \"avg\"\nvalue = \"cpu\"\n[[metric.rule]]\ntype = \"threshold\"\nwarning = 5\ncritical = 9";
    let catalog = Catalog::parse(text, "a").unwrap();
    let catalog = catalog.of("machines").unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut of = |metric: &str, description: &str, ends: &[Option<Timestamp>]| {
        let first = item(&mut rng);
        let mut known = Known::for_window(&window(), &rules());
        for (number, over_at) in ends.iter().enumerate() {
            let mut item = first.clone();
            item.version = 10 + number as u64;
            item.description = description.to_owned();
            item.incident.subject.metric = MetricName::new(metric).unwrap();
            item.incident.over_at = *over_at;
            known.see(&item, catalog);
        }
        known.arrange();
        let Subject { customer_id, direction, .. } = first.incident.subject;
        let place = catalog.metrics().iter().position(|spec| spec.name.as_str() == metric).unwrap();
        known.sampled().map(|of| *of == (customer_id.clone(), place, direction)).collect::<Vec<_>>()
    };
    let shape = "m1: the last 2 hours are like none of the two weeks before: 40 % away";
    assert_eq!(of("m0", "m0: 3 of 4 detectors flag it", &[None]), [true]);
    // The rule that opened it is gone, and the others do not judge samples.
    assert_eq!(of("m1", shape, &[None]), [true]);
    assert!(of("m1", "m1: 7, above 5", &[None]).is_empty());
    // The index may show one incident twice.
    assert!(of("m0", "m0", &[None, Some(hour(20))]).is_empty());
}

/// The whole items took about a kilobyte each.
#[test]
fn one_that_is_past_takes_32_bytes_and_one_that_is_not_176_more() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let past_or_not = |n: usize, rng: &mut ChaCha8Rng| {
        let mut item = item(rng);
        item.version = 30;
        let incident = &mut item.incident;
        incident.subject.customer_id = CustomerId::new(format!("{n:036}")).unwrap();
        (incident.opened_at, incident.last_seen, incident.last_window) = (hour(100), hour(123), hour(125));
        (incident.state, incident.over_at) = (IncidentState::Resolved, Some(hour(125)));
        if n.is_multiple_of(10) {
            (incident.state, incident.over_at) = (IncidentState::Open, None);
        }
        item
    };
    let items: Vec<_> = (0..1_000).map(|n| past_or_not(n, &mut rng)).collect();
    let known = known(&items);
    assert_eq!((known.entries.capacity(), known.kept.capacity()), (1_000, 100));
    // Both types are `Copy`, so neither has anything on the heap.
    assert_eq!((size_of::<Entry>(), size_of::<Kept>()), (32, 176));
}
