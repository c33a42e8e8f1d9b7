use super::*;
use crate::storm::Storm;

/// More are a storm.
const STORM: usize = 5_000;

fn suspects(number: usize, of: impl Fn(usize) -> (Size, State)) -> Suspects {
    let suspect = |place: usize| {
        let (size, state) = of(place);
        Suspect { id: CustomerId::new(format!("c{place}")).unwrap(), size, state }
    };
    Suspects { all: (0..number).map(suspect).collect(), together: Vec::new() }
}

fn size(score: usize) -> Size {
    Size { score: score as f64, ..Size::UNKNOWN }
}

fn places(ids: &[CustomerId]) -> Vec<usize> {
    ids.iter().map(|id| id.as_str()[1..].parse().unwrap()).collect()
}

#[test]
fn without_a_storm_all_are_judged_in_the_order_of_the_table() {
    let states = [State::Stored, State::New, State::Active, State::Calm];
    let few = suspects(STORM, |place| (size(place * 7 % 100), states[place % 4]));
    let Turns { judged, calm, stored } = few.in_order();
    assert_eq!((places(&judged), calm, stored.len()), ((0..STORM).collect(), 0, 0));
}

#[test]
fn a_series_is_judged_until_what_it_comes_to_is_stored() {
    use State::{Active, Calm, New, Stored};
    let spike = Direction::Spike;
    // By whether an incident goes on, and whether what it comes to is stored: neither, the first, the second, both.
    for (looks, states) in [
        (Looks::Odd(spike), [New, Active, Stored, Stored]),
        (Looks::Near(spike), [New, Active, Stored, Stored]),
        (Looks::Ending, [New, Active, Stored, Stored]),
        (Looks::Calm, [Calm, Calm, Calm, Calm]),
        (Looks::Unknown, [New, Active, New, Active]),
    ] {
        let all = [(false, false), (true, false), (false, true), (true, true)];
        for (order, ending) in [(Order::InOrder, states), (Order::Ahead, [Calm; 4])] {
            let expected = if looks == Looks::Ending { ending } else { states };
            assert_eq!(all.map(|(active, stored)| State::of(looks, active, stored, order)), expected);
        }
    }
    // That of a customer.
    assert_eq!([Stored, Active, New, Calm].into_iter().min(), Some(New));
    assert_eq!([Stored, Calm].into_iter().min(), Some(Calm));
}

#[test]
fn in_a_storm_the_largest_come_first_and_what_is_stored_is_left_out() {
    let number = 3 * STORM;
    let state = |place: usize| match place % 10 {
        0 => State::Stored,
        1 => State::Active,
        2 => State::Calm,
        _ => State::New,
    };
    // The last ones of the table are the largest.
    let order = |begin| suspects(number, |place| (size(place), state(place))).turns(STORM, begin);
    let of = |wanted: State| (0..number).filter(move |place| state(*place) == wanted).collect::<Vec<_>>();
    let [new, active, calm] = [of(State::New), of(State::Active), of(State::Calm)];
    let others = new.len() - STORM;
    for begin in [0, 1, others + 2, usize::MAX] {
        let Turns { judged, calm: last, stored } = order(begin);
        let judged = places(&judged);
        assert_eq!(places(&stored), of(State::Stored));
        let largest: Vec<_> = new[others..].iter().rev().copied().collect();
        assert_eq!(judged[..STORM], largest);
        let turned =
            |places: &[usize]| [&places[begin % places.len()..], &places[..begin % places.len()]].concat();
        assert_eq!(judged[STORM..new.len()], turned(&new[..others]));
        let first_calm = new.len() + active.len();
        assert_eq!(judged[new.len()..first_calm], turned(&active));
        assert_eq!((&judged[first_calm..], last), (&*turned(&calm), calm.len()));
    }
}

#[test]
fn few_new_ones_among_many_come_first_too() {
    let state = |place: usize| if place.is_multiple_of(100) { State::New } else { State::Active };
    let number = 2 * STORM;
    let Turns { judged, .. } = suspects(number, |place| (size(place), state(place))).turns(STORM, 12);
    let new: Vec<_> = (0..number).filter(|place| state(*place) == State::New).rev().collect();
    assert_eq!(places(&judged)[..new.len()], new);
}

#[test]
fn of_equal_ones_none_is_the_largest_and_all_are_judged() {
    let Turns { judged, .. } = suspects(2 * STORM, |_| (size(3), State::New)).turns(STORM, 1);
    let judged = places(&judged);
    assert_eq!((judged[0], judged[2 * STORM - 1], judged.len()), (1, 0, 2 * STORM));
}

#[test]
fn time_is_kept_for_storing_what_was_found() {
    let seconds = |number: u64| Duration::from_secs(number);
    let now = Instant::now();
    // 100 of 300 s are gone.
    let time = Time { begun: now - seconds(100), deadline: now + seconds(200), ..a_storm() };
    // 50,000 customers took 2 ms each, so those under way take 1 s.
    assert!(time.is_left(50_000, 0) && time.is_left(50_000, 168_000));
    assert!(!time.is_left(50_000, 170_000) && !time.is_left(50_000, u64::MAX));
    // Those under way take 250 s.
    assert!(!time.is_left(200, 0));
    // The first queries always begin.
    let over = Time { begun: now, deadline: now, ..a_storm() };
    assert!(over.is_left(0, 0) && !over.is_left(1, 0));
}

fn a_storm() -> Time {
    let (storing, kept) = (Storm::default().storing, Duration::from_secs(30));
    Time { begun: Instant::now(), deadline: Instant::now(), storing, kept }
}

#[test]
fn each_run_begins_elsewhere() {
    assert_ne!(begin("run-1") % 1_000, begin("run-2") % 1_000);
    assert_eq!(begin("run-1"), begin("run-1"));
}
