use super::*;

const SERIES: SeriesKey = SeriesKey { subject: Subject::Customer(0), metric: 0, direction: Direction::Spike };

fn machine(direction: Direction, held: &[Option<usize>]) -> Machine<'_> {
    Machine { series: SeriesKey { direction, ..SERIES }, threshold: 5.0, held, delay: 0, first_end: 100 }
}

fn score(by_length: ByLength<f64>) -> Score {
    Score { by_length, lasting: by_length, ..Score::default() }
}

fn events(machine: &Machine<'_>, scores: &[Score]) -> Vec<(Event, usize)> {
    machine.incidents(scores, None).iter().map(|of| (of.event, of.end)).collect()
}

#[test]
fn an_incident_pages_once_and_ends_after_three_calm_runs() {
    let scores = [0.0, 5.0, 9.0, 3.0, 4.0, 3.4, 3.4, 0.0, -7.0, 6.0].map(|of| score([of, 0.0, 0.0, 0.0]));
    let spikes = events(&machine(Direction::Spike, &[]), &scores);
    assert_eq!(spikes, [(Event::Opened, 101), (Event::Resolved, 107), (Event::Opened, 109)]);
    assert_eq!(events(&machine(Direction::Drop, &[]), &scores), [(Event::Opened, 108)]);
}

#[test]
fn a_long_window_that_still_holds_the_incident_keeps_and_opens_nothing() {
    let mut scores = vec![score([9.0, 9.0, 9.0, 9.0]); 2];
    scores.extend(vec![score([0.0, 0.0, 9.0, 9.0]); 24]);
    let found = events(&machine(Direction::Spike, &[]), &scores);
    // The incident was last seen in the run at 101. Windows that began later open another one.
    assert_eq!(found, [(Event::Opened, 100), (Event::Resolved, 104), (Event::Opened, 107)]);
    let only_day = vec![score([0.0, 0.0, 0.0, 9.0]); 30];
    assert_eq!(events(&machine(Direction::Spike, &[]), &only_day), [(Event::Opened, 100)]);
}

#[test]
fn drops_are_held_while_all_have_dropped() {
    let scores = vec![score([-9.0, -9.0, -9.0, -9.0]); 4];
    let held = [Some(100), Some(101), Some(101), Some(101)];
    assert_eq!(events(&machine(Direction::Drop, &held), &scores), [(Event::Opened, 102)]);
}

#[test]
fn runs_in_which_the_incident_would_not_show_do_not_end_it() {
    let mut hot = score([-9.0, 0.0, 0.0, 0.0]);
    hot.change[0] = -0.6;
    let calm = |shows: f64| Score { shows: [[shows, 0.0]; 4], ..Score::default() };
    let scores =
        [&[hot][..], &[calm(0.7); 9], &[calm(0.5); 2], &[calm(f64::INFINITY)], &[calm(0.5)]].concat();
    let ends = events(&machine(Direction::Drop, &[]), &scores);
    assert_eq!(ends, [(Event::Opened, 100), (Event::Resolved, 113)]);
}

#[test]
fn the_incidents_of_a_customer_in_one_direction_are_one_story() {
    let of = |metric, direction, event, opened, end| Notification {
        incident: IncidentKey { series: SeriesKey { metric, direction, ..SERIES }, opened },
        event,
        end,
    };
    use Direction::{Drop, Spike};
    let notifications = vec![
        of(0, Spike, Event::Opened, 1, 1),
        of(1, Spike, Event::Opened, 1, 1),
        of(2, Spike, Event::Opened, 2, 2),
        of(2, Drop, Event::Opened, 3, 3),
        of(0, Spike, Event::Resolved, 1, 4),
        of(1, Spike, Event::Resolved, 1, 5),
        of(2, Spike, Event::Resolved, 2, 7),
        of(2, Spike, Event::Opened, 9, 9),
    ];
    let found: Vec<_> = told(notifications).iter().map(|of| (of.event, of.end)).collect();
    assert_eq!(
        found,
        [
            (Event::Opened, 1),
            (Event::Opened, 1),
            (Event::Opened, 3),
            (Event::Resolved, 7),
            (Event::Opened, 9)
        ]
    );
}

#[test]
fn pages_of_several_metrics_are_one_message() {
    let of = |metric, event, end| Notification {
        incident: IncidentKey { series: SeriesKey { metric, ..SERIES }, opened: 1 },
        event,
        end,
    };
    let notifications = [
        of(0, Event::Opened, 1),
        of(1, Event::Opened, 1),
        of(0, Event::Resolved, 4),
        of(1, Event::Resolved, 5),
    ];
    assert_eq!(messages(&notifications), 3);
}
