use crate::{CustomerId, Direction, MetricName};

use super::*;

/// 21 November 2026, 13:00.
const OPENED: i64 = 1_795_266_000;

struct Made {
    id: IncidentId,
    subject: Subject,
    opened_at: Timestamp,
    hours: Vec<f64>,
}

impl Made {
    /// A day's shape with some noise, and a burst that began so many hours before the end.
    fn new(customer: &str, metric: &str, opened: i64, burst: Option<usize>, noise: u64) -> Self {
        let subject = Subject {
            customer_id: CustomerId::new(customer).unwrap(),
            entity: None,
            metric: MetricName::new(metric).unwrap(),
            direction: Direction::Spike,
        };
        let opened_at = Timestamp::from_second(OPENED + opened * 3_600).unwrap();
        let value = |hour: usize| {
            let shape = 1_000.0 * (1.0 + (hour % DAY) as f64);
            let noise = (hour as u64 * (7_919 + noise) + noise) % 101;
            let bursts = burst.is_some_and(|ago| (ago..ago + 3).contains(&(COMPARED - hour)));
            shape + noise as f64 + if bursts { 50_000.0 } else { 0.0 }
        };
        Self {
            id: IncidentId::of(opened_at, &subject),
            opened_at,
            hours: (0..COMPARED).map(value).collect(),
            subject,
        }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate { id: &self.id, subject: &self.subject, opened_at: self.opened_at, hours: &self.hours }
    }
}

#[test]
fn the_hour_links_incidents_of_a_customer_and_of_a_metric() {
    let incident = Made::new("a", "api_calls", 0, None, 0);
    for (customer, metric, opened, expected) in [
        ("a", "bandwidth", 0, vec![Link::Customer]),
        ("b", "api_calls", 0, vec![Link::Metric]),
        ("b", "bandwidth", 0, vec![]),
        ("a", "bandwidth", -1, vec![]),
        ("b", "api_calls", 1, vec![]),
    ] {
        let other = Made::new(customer, metric, opened, None, 5);
        let found = related(&incident.candidate(), &[other.candidate(), incident.candidate()]);
        let links: Vec<Link> = found.into_iter().flat_map(|found| found.links).collect();
        assert_eq!(links, expected, "{customer} {metric} {opened}");
    }
}

#[test]
fn what_moved_three_hours_before_is_the_first_mover() {
    let incident = Made::new("a", "api_calls", 0, Some(4), 0);
    let before = Made::new("a", "bandwidth", 0, Some(7), 5);
    let found = related(&incident.candidate(), &[before.candidate()]);
    assert_eq!(found[0].links, [Link::Customer, Link::Lead]);
    let movement = found[0].movement.unwrap();
    assert_eq!(movement.lead_hours, 3);
    assert!(movement.correlation > 0.99, "{movement:?}");
    assert_eq!(first_mover(&incident.candidate(), &found), Some(&before.id));
    // From the other side it follows.
    let found = related(&before.candidate(), &[incident.candidate()]);
    assert_eq!(found[0].movement.unwrap().lead_hours, -3);
    assert_eq!(first_mover(&before.candidate(), &found), Some(&before.id));
}

#[test]
fn an_earlier_incident_is_related_only_if_its_series_led() {
    let incident = Made::new("a", "api_calls", 0, Some(4), 0);
    for (opened, burst, is_related) in [(-3, Some(7), true), (-3, None, false), (-7, Some(7), false)] {
        let other = Made::new("a", "bandwidth", opened, burst, 5);
        let found = related(&incident.candidate(), &[other.candidate()]);
        assert_eq!(!found.is_empty(), is_related, "{opened} {burst:?}");
        if is_related {
            assert_eq!(found[0].links, [Link::Lead]);
        }
    }
}

#[test]
fn the_shape_of_the_day_is_no_correlation() {
    let (incident, other) =
        (Made::new("a", "api_calls", 0, None, 0), Made::new("a", "bandwidth", 0, None, 5));
    let plain = correlation(shifted(&incident.hours, &other.hours, 0)).unwrap();
    assert!(plain > 0.99, "{plain}");
    assert_eq!(related(&incident.candidate(), &[other.candidate()])[0].movement, None);
}

#[test]
fn of_several_in_the_same_hour_none_was_first() {
    let incident = Made::new("b", "api_calls", 0, None, 0);
    let (same, other) = (Made::new("a", "api_calls", 0, None, 5), Made::new("c", "api_calls", 0, None, 9));
    let found = related(&incident.candidate(), &[other.candidate(), same.candidate()]);
    assert_eq!(found.len(), 2);
    assert_eq!(first_mover(&incident.candidate(), &found), None);
    assert_eq!(first_mover(&incident.candidate(), &[]), None);
}

#[test]
fn unknown_constant_and_huge_values_give_no_nonsense() {
    let mut huge = Made::new("a", "bandwidth", 0, Some(4), 5);
    huge.hours.iter_mut().for_each(|value| *value *= 1e300);
    let incident = Made::new("a", "api_calls", 0, Some(4), 0);
    let movement = related(&incident.candidate(), &[huge.candidate()])[0].movement.unwrap();
    assert_eq!(movement.lead_hours, 0);
    assert!(movement.correlation > 0.99 && movement.correlation <= 1.0, "{movement:?}");
    for hours in [vec![], vec![f64::NAN; COMPARED], vec![3.0; COMPARED], vec![f64::INFINITY; COMPARED]] {
        let other = Made { hours, ..Made::new("a", "bandwidth", 0, None, 5) };
        let found = related(&incident.candidate(), &[other.candidate()]);
        assert_eq!((found[0].movement, &found[0].links[..]), (None, &[Link::Customer][..]));
    }
}
