use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{CustomerId, Direction, Figures, MetricName, Severity};

fn end(hour: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour)
}

fn subject(metric: &str) -> Subject {
    Subject {
        customer_id: CustomerId::new("acme").unwrap(),
        entity: None,
        metric: MetricName::new(metric).unwrap(),
        direction: Direction::Spike,
    }
}

fn rules(min_severity: Severity) -> Rules {
    let hours = SignedDuration::from_hours;
    Rules {
        resolve_after: 3,
        reopen_within: hours(6),
        accept_after: hours(72),
        repeat_interval: hours(24),
        min_severity,
    }
}

/// Plays the hours of a customer's metrics, a letter an hour: `!` is critical, `w` a warning, `.` is inside, `~` would
/// not show it, and `m` is a muted critical one. Returns the pages as `hour metric event`, and the incidents at the end.
/// The writes of an hour come in the order of the metrics, or in the opposite one.
fn play(
    metrics: &[(&str, &str)],
    rules: &Rules,
    backwards: bool,
) -> (Vec<String>, BTreeMap<String, Incident>) {
    let mut latest: BTreeMap<String, Incident> = BTreeMap::new();
    let mut pages = Vec::new();
    for hour in 0..metrics[0].1.len() {
        let see = |(metric, letters): &(&str, &str)| {
            let letter = letters.as_bytes()[hour];
            let seen = match letter {
                b'!' | b'm' => Seen::Anomalous(Severity::Critical),
                b'w' => Seen::Anomalous(Severity::Warning),
                b'~' => Seen::Hidden,
                _ => Seen::Inside,
            };
            let (window_end, figures) = (end(hour as i64), Figures::NONE);
            let observation = Observation { window_end, seen, figures, seen_by: 1, change: None, cost: None };
            (subject(metric), observation, letter == b'm')
        };
        let seen: Vec<_> = metrics.iter().map(see).collect();
        let mut places: Vec<usize> = (0..seen.len()).collect();
        if backwards {
            places.reverse();
        }
        let mut of_hour = Vec::new();
        for place in places {
            let watch = |place: usize| {
                let (subject, observation, muted) = &seen[place];
                let latest = latest.get(subject.metric.as_str());
                Watched { subject, latest, observation: Some(observation), muted: *muted, recurring: None }
            };
            let others = (0..seen.len()).filter(|other| *other != place).map(watch);
            let (subject, observation, _) = &seen[place];
            if let (Step::Become { mut incident, page }, _) = watch(place).decide(others, rules) {
                if let Some(event) = page {
                    incident.note_page(event, true, observation);
                    of_hour.push(format!("{hour} {} {}", subject.metric, event.as_str()));
                }
                latest.insert(subject.metric.to_string(), *incident);
            }
        }
        of_hour.sort();
        pages.append(&mut of_hour);
    }
    (pages, latest)
}

#[test]
fn a_story_is_told_once() {
    for (metrics, pages) in [
        (&[("a", "!!!......."), ("b", ".!!!!.....")][..], &["0 a opened", "7 a resolved"][..]),
        // What opens in the same hour is paged as well, and ends with the story.
        (
            &[("a", "!........."), ("b", "!!!!!.....")],
            &["0 a opened", "0 b opened", "7 a resolved", "7 b resolved"],
        ),
        (&[("a", "!...!....."), ("b", ".!!.......")], &["0 a opened", "7 a resolved"]),
        // The next one begins another story.
        (
            &[("a", "!........."), ("b", "....!.....")],
            &["0 a opened", "3 a resolved", "4 b opened", "7 b resolved"],
        ),
        // One that opens in the hour in which the first would end goes on with its story.
        (&[("a", "!........."), ("b", "...!......")], &["0 a opened", "6 a resolved"]),
        // The others are calm, and hours that would not show the last one keep it open.
        (&[("a", "!........."), ("b", ".!~~~...~.")], &["0 a opened", "7 a resolved"]),
        // A story that goes on is told of once an end was told.
        (&[("a", "!...~~...."), ("b", ".!........")], &["0 a opened", "4 a resolved"]),
        // A mute hides an incident, and its story does not wait for it.
        (&[("a", "!........."), ("b", ".mmmm.....")], &["0 a opened", "3 a resolved"]),
        (
            &[("a", "!........."), ("b", ".mmm!.....")],
            &["0 a opened", "3 a resolved", "4 b opened", "7 b resolved"],
        ),
    ] {
        for backwards in [false, true] {
            let (told, latest) = play(metrics, &rules(Severity::Critical), backwards);
            assert_eq!(told, pages, "{metrics:?} {backwards}");
            assert!(latest.values().all(|incident| !incident.is_open()), "{metrics:?} {latest:?}");
        }
    }
}

#[test]
fn a_story_that_lasts_is_accepted_once() {
    let of = |silent: usize, lasting: usize| ".".repeat(silent) + &"!".repeat(lasting);
    for (began, pages) in [
        (5, &["0 a opened", "24 a reminder", "48 a reminder", "72 a accepted"][..]),
        (36, &["0 a opened", "24 a reminder", "48 a reminder", "72 a accepted"]),
        // One that has just begun is not normal yet.
        (70, &["0 a opened", "24 a reminder", "48 a reminder", "72 a accepted", "72 b opened"]),
    ] {
        let metrics = [("a", &*of(0, 80)), ("b", &*of(began, 80 - began))];
        for backwards in [false, true] {
            let (told, latest) = play(&metrics, &rules(Severity::Critical), backwards);
            assert_eq!(told, pages, "{began} {backwards}");
            let is_normal = latest["b"].state == IncidentState::Accepted;
            assert_eq!(is_normal, began < 70, "{began} {backwards}");
        }
    }
}

#[test]
fn a_page_that_nobody_repeats_tells_of_others_until_a_reminder_would_be_due() {
    let (burst, leak) = ("!".to_owned() + &".".repeat(49), ".".to_owned() + &"!".repeat(49));
    let metrics = [("a", &*burst), ("b", &*leak)];
    for backwards in [false, true] {
        let (told, _) = play(&metrics, &rules(Severity::Critical), backwards);
        assert_eq!(told, ["0 a opened", "24 b opened", "48 b reminder"], "{backwards}");
        let never = Rules { repeat_interval: SignedDuration::ZERO, ..rules(Severity::Critical) };
        assert_eq!(play(&metrics, &never, backwards).0, ["0 a opened"], "{backwards}");
    }
}

#[test]
fn an_acknowledged_incident_tells_of_others_without_a_reminder() {
    let rules = rules(Severity::Critical);
    let (_, latest) = play(&[("a", "!!!"), ("b", ".!!")], &rules, false);
    let step = latest["a"].after(crate::Action::Acknowledge, end(2));
    let crate::incident::Handled::Become { incident: known, .. } = step else { panic!("it is open") };
    let a = subject("a");
    for (incident, is_told) in [(&*known, true), (&latest["a"], false)] {
        let other =
            Watched { subject: &a, latest: Some(incident), observation: None, muted: false, recurring: None };
        assert_eq!(Story::around(end(30), [other], &rules).told.is_some(), is_told);
    }
}

#[test]
fn warnings_that_nobody_is_paged_about_are_no_part_of_a_story() {
    let metrics = [("a", "!......"), ("b", ".wwwwww")];
    let (told, _) = play(&metrics, &rules(Severity::Critical), false);
    assert_eq!(told, ["0 a opened", "3 a resolved"]);
}

#[test]
fn one_that_is_worse_than_people_know_escalates() {
    for backwards in [false, true] {
        let metrics = [("a", "www......."), ("b", ".w!......."), ("c", "..w.......")];
        let (told, latest) = play(&metrics, &rules(Severity::Warning), backwards);
        assert_eq!(told, ["0 a opened", "2 b escalated", "5 a resolved", "5 b resolved"], "{backwards}");
        let of = |metric: &str| latest[metric].story.as_ref().map(|story| story.as_str().to_owned());
        let first = latest["a"].id().to_string();
        assert_eq!([of("a"), of("b"), of("c")], [None, Some(first.clone()), Some(first)]);
    }
}

#[test]
fn one_that_goes_on_after_a_person_resolved_the_story_pages() {
    let rules = rules(Severity::Critical);
    let (_, latest) = play(&[("a", "!!!"), ("b", ".!!")], &rules, false);
    let crate::incident::Handled::Become { incident, .. } = latest["a"].after(crate::Action::Resolve, end(2))
    else {
        panic!("it is open")
    };
    let seen = Seen::Anomalous(Severity::Critical);
    let observation = Observation {
        window_end: end(3),
        seen,
        figures: Figures::NONE,
        seen_by: 1,
        change: None,
        cost: None,
    };
    let (a, b) = (subject("a"), subject("b"));
    let other = Watched {
        subject: &a,
        latest: Some(&incident),
        observation: Some(&observation),
        muted: false,
        recurring: None,
    };
    let story = Story::around(end(3), [other], &rules);
    assert_eq!(story, Story::default());
    let around = Around { story, ..Around::default() };
    let step = advance(latest.get("b"), &b, &observation, &around, &rules);
    assert!(matches!(step, Step::Become { page: Some(Event::Opened), .. }), "{step:?}");
}

#[test]
fn a_recurring_one_pages_nobody_and_is_no_part_of_a_story() {
    let rules = rules(Severity::Critical);
    let seen = Seen::Anomalous(Severity::Critical);
    let observation = Observation {
        window_end: end(3),
        seen,
        figures: Figures::NONE,
        seen_by: 1,
        change: None,
        cost: None,
    };
    let subject = subject("a");
    let recurring = Around { recurring: Some(2), ..Around::default() };
    let step = advance(None, &subject, &observation, &recurring, &rules);
    let Step::Become { incident, page: None } = step else { panic!("{step:?}") };
    assert_eq!(incident.recurring, Some(2));
    // One that lasts for a day is no longer like the earlier ones. A window of a day holds a cause for a day longer.
    for (seen_by, hours, pages) in
        [(1, 23, None), (1, 24, Some(Event::Opened)), (24, 46, None), (24, 47, Some(Event::Opened))]
    {
        let first = Incident { seen_by, ..(*incident).clone() };
        let later = Observation { window_end: end(3 + hours), seen_by, ..observation };
        let step = advance(Some(&first), &subject, &later, &Around::default(), &rules);
        assert!(matches!(step, Step::Become { page, .. } if page == pages), "{seen_by} {hours} {step:?}");
    }
    // Also later, when a decision does not look at earlier ones any more.
    let next = Observation { window_end: end(4), ..observation };
    let step = advance(Some(&incident), &subject, &next, &Around::default(), &rules);
    assert!(matches!(step, Step::Become { page: None, .. }), "{step:?}");
    for latest in [None, Some(&*incident)] {
        let observation = Some(&next);
        let other = Watched { subject: &subject, latest, observation, muted: false, recurring: Some(2) };
        assert_eq!(Story::around(end(4), [other], &rules), Story::default());
    }
}
