//! What incidents see of windows of several lengths, and the windows that they take out.

use super::*;

#[test]
fn baselines_leave_out_the_windows_of_incidents() {
    let window = Window::closing_at(hour(24 * 20 + 5)).unwrap();
    let incident = |from: i64, to: i64| play(&rules(), None, &format!("{from}:! {to}:!")).0.unwrap();
    let ages = |incidents: &[Incident]| {
        let excluded = excluded(incidents, &window, window.oldest(BaselineDays::default()));
        (0..=90_usize).filter(|age| excluded.holds(Age::new(*age).unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(ages(&[]), [0; 0]);
    // From 16 days ago at 5:00 to 14 days ago at 4:00; and one of the last hour, which is in no earlier window.
    assert_eq!(ages(&[incident(24 * 4 + 5, 24 * 6 + 4)]), [15, 16]);
    assert_eq!(ages(&[incident(24 * 4 + 6, 24 * 5 + 5)]), [15]);
    assert_eq!(ages(&[incident(24 * 19 + 6, 24 * 20 + 5)]), [0; 0]);
    assert_eq!(ages(&[Incident { state: IncidentState::Accepted, ..incident(24 * 4, 24 * 6) }]), [0; 0]);
}

#[test]
fn verdicts_as_observations() {
    use crate::{Missing, Series, check};
    let settings = Settings::new(Thresholds { min_change: 20.0, ..Thresholds::default() }).unwrap();
    let seen = |current: f64, direction| {
        // Mean 100, standard deviation about 10.
        let windows: Vec<_> = std::iter::once(current)
            .chain((0..30).map(|age| if age % 2 == 0 { 90.0 } else { 110.0 }))
            .map(Some)
            .collect();
        let verdict = check(&Series::new(&windows, 30, Missing::Zero, true), &settings);
        Observation::of(&verdict, hour(0), &settings, direction).seen
    };
    use Direction::{Drop, Spike};
    for (current, direction, expected) in [
        (200.0, Spike, Seen::Anomalous(Severity::Critical)),
        (135.0, Spike, Seen::Anomalous(Severity::Warning)),
        (200.0, Drop, Seen::Inside),
        (40.0, Drop, Seen::Anomalous(Severity::Critical)),
        (40.0, Spike, Seen::Inside),
        (125.0, Spike, Seen::Between),
        (125.0, Drop, Seen::Inside),
        (75.0, Drop, Seen::Between),
        (119.0, Spike, Seen::Inside),
        (100.0, Spike, Seen::Inside),
    ] {
        assert_eq!(seen(current, direction), expected, "{current} {direction:?}");
    }
    let none = Observation::of(&Verdict::Undetermined(crate::Reason::NoData), hour(0), &settings, Spike);
    assert_eq!((none.seen, none.figures), (Seen::Undetermined, Figures::NONE));
}

#[test]
fn deviations_of_windows_of_several_lengths_are_not_compared() {
    let page = |lengths: [u8; 2]| {
        let [first, second] =
            [(10, 50.0, lengths[0]), (11, 150.0, lengths[1])].map(|(at, deviation, seen_by)| Observation {
                seen_by,
                ..observation(at, Seen::Anomalous(Severity::Critical), deviation)
            });
        let step = advance(None, &subject(), &first, &Around::default(), &rules());
        let Step::Become { mut incident, page: Some(event) } = step else { panic!("{step:?}") };
        incident.note_page(event, true, &first);
        let step = advance(Some(&incident), &subject(), &second, &Around::default(), &rules());
        let Step::Become { incident, page } = step else { panic!("{step:?}") };
        (page, incident.seen_by)
    };
    assert_eq!(page([24, 24]), (Some(Event::Escalated), 24));
    assert_eq!(page([1, 3]), (None, 1));
    assert_eq!(page([24, 3]), (None, 3));
    assert_eq!(page([3, 24]), (None, 3));
}

#[test]
fn the_shortest_window_that_saw_it_at_its_worst_counts() {
    use Severity::{Critical, Warning};
    let seen_by = |observations: &[(i64, Severity, u8)]| {
        let mut incident: Option<Incident> = None;
        for (at, severity, seen_by) in observations {
            let change = Some(*at as f64);
            let seen = Seen::Anomalous(*severity);
            let observation = Observation { seen_by: *seen_by, change, ..observation(*at, seen, 50.0) };
            let step = advance(incident.as_ref(), &subject(), &observation, &Around::default(), &rules());
            let Step::Become { incident: next, .. } = step else { panic!("{step:?}") };
            incident = Some(*next);
        }
        let incident = incident.unwrap();
        (incident.seen_by, incident.change)
    };
    assert_eq!(seen_by(&[(1, Critical, 3), (2, Critical, 1), (3, Critical, 3)]), (1, Some(2.0)));
    assert_eq!(seen_by(&[(1, Critical, 3), (2, Critical, 3)]), (3, Some(2.0)), "its newest change");
    assert_eq!(seen_by(&[(1, Critical, 24), (2, Warning, 1)]), (24, Some(1.0)));
    assert_eq!(seen_by(&[(1, Warning, 1), (2, Critical, 24)]), (24, Some(2.0)));
    // In another order all but the change is the same.
    assert_eq!(seen_by(&[(3, Critical, 3), (2, Critical, 1)]), (1, Some(2.0)));
    assert_eq!(seen_by(&[(2, Critical, 24), (1, Warning, 1)]), (24, Some(2.0)));
    assert_eq!(seen_by(&[(2, Critical, 3), (1, Critical, 3)]), (3, Some(2.0)));
}
