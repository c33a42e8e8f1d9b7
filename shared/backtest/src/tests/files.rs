//! Rows in any order, and what is assumed of their metrics.

use detection::{CustomerId, Hour, MetricName};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::made::{FIRST, add, catalog, configuration, id, report, start, usual};
use crate::{Cell, Rows, SpanError, derive};

fn row(customer: &str, metric: &str, hour: i64, value: f64, line: u64) -> (CustomerId, MetricName, Cell) {
    (id(customer), MetricName::new(metric).unwrap(), Cell { hour: start().plus(hour), value, line })
}

fn rows(of: impl IntoIterator<Item = (CustomerId, MetricName, Cell)>) -> Rows {
    let mut rows = Rows::default();
    of.into_iter().for_each(|(customer, metric, cell)| rows.push(customer, metric, cell));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_order_of_rows_does_not_matter(
        values in prop::collection::vec((0..3_usize, 0..2_usize, 0..400_i64, 0.0..1e6_f64), 1..200),
        seed in any::<u64>(),
    ) {
        let metrics = ["calls", "traffic"];
        let mut of: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(line, (customer, metric, hour, value))| {
                row(&format!("c{customer}"), metrics[*metric], *hour, *value, line as u64)
            })
            .collect();
        of.sort_by_key(|(customer, metric, cell)| (customer.clone(), metric.clone(), cell.hour));
        of.dedup_by_key(|(customer, metric, cell)| (customer.clone(), metric.clone(), cell.hour));
        let mut ordered = rows(of.clone());
        of.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut shuffled = rows(of);
        prop_assert_eq!((ordered.refuse_duplicates(), shuffled.refuse_duplicates()), (Ok(()), Ok(())));
        // A text, because a gap is not equal to itself.
        let text = |rows: &Rows| format!("{:?} {:?}", rows.usage(&catalog(), 3), derive(rows).unwrap().1);
        prop_assert_eq!(text(&ordered), text(&shuffled));
    }
}

#[test]
fn a_leak_pages_whatever_the_order_of_its_rows() {
    let mut ordered = Rows::default();
    add(&mut ordered, "acme", "calls", 1, |place| {
        usual(place) * if place == FIRST + 40 { 10.0 } else { 1.0 }
    });
    let mut of: Vec<_> = ordered
        .of_metric(&MetricName::new("calls").unwrap())
        .flatten()
        .map(|cell| (id("acme"), MetricName::new("calls").unwrap(), *cell))
        .collect();
    of.reverse();
    let configuration = configuration("{}");
    let of_ordered = report(&ordered, &configuration);
    assert_eq!(of_ordered.pages.len(), 1);
    assert_eq!(of_ordered, report(&rows(of), &configuration));
}

#[test]
fn two_values_for_an_hour_are_refused_with_both_lines() {
    let mut good =
        rows([row("a", "calls", 0, 1.0, 2), row("a", "calls", 1, 1.0, 3), row("b", "calls", 0, 1.0, 4)]);
    assert_eq!(good.refuse_duplicates(), Ok(()));
    let mut bad = rows([
        row("b", "calls", 5, 1.0, 9),
        row("b", "calls", 5, 1.0, 8),
        row("a", "calls", 0, 1.0, 20),
        row("a", "calls", 0, 1.0, 2),
    ]);
    let duplicate = bad.refuse_duplicates().unwrap_err();
    assert_eq!((duplicate.first, duplicate.line), (8, 9));
    assert_eq!(
        duplicate.to_string(),
        "line 9: \"b\" has a second value of calls for 2026-10-17T05:00:00Z; the first one is on line 8"
    );
}

#[test]
fn days_without_a_week_before_them_cannot_be_judged() {
    assert_eq!(Rows::default().usage(&catalog(), 1), Err(SpanError::Empty));
    let of = |hours: i64, days: u16| {
        let usage = rows([row("a", "calls", 0, 1.0, 2), row("a", "calls", hours - 1, 1.0, 3)]);
        usage
            .usage(&catalog(), days)
            .map(|usage| (usage.span.days(), usage.span.first))
            .map_err(|error| error.to_string())
    };
    assert_eq!(of(24 * 37, 30), Ok((30, start())));
    let refusal = of(24 * 37 - 1, 30).unwrap_err();
    assert!(refusal.contains("887 h, and 30 days") && refusal.contains("at most 29 days"), "{refusal}");
    assert!(of(24 * 7, 1).unwrap_err().contains("more hours are needed"));
    assert!(of(24 * 8 + 5, 3).unwrap_err().contains("at most 1 day can"));
    // Hours that no model reaches back to are left out.
    let (days, first) = of(24 * 365, 30).unwrap();
    let reached = 30 + 1 + detection::Calendar::SPAN_DAYS as i64;
    assert_eq!((days, first.since(start())), (30, (365 - reached) * 24));
}

#[test]
fn an_hour_without_a_row_is_a_gap_in_the_values() {
    let usage = rows([
        row("a", "calls", 0, 5.0, 2),
        row("a", "calls", 24 * 10, 7.0, 3),
        row("b", "traffic", 3, 1.0, 4),
    ])
    .usage(&catalog(), 1)
    .unwrap();
    let places: Vec<_> = usage.customers.iter().map(|of| (of.id.as_str(), of.series[0].metric)).collect();
    assert_eq!(places, [("a", 0), ("b", 1)]);
    let known: Vec<_> = usage.customers[0].series[0].values.iter().map(|value| !value.is_nan()).collect();
    assert_eq!(known.iter().filter(|known| **known).count(), 2);
    assert!(known[0] && known[24 * 10] && known.len() == 24 * 10 + 1);
    assert_eq!(usage.span.hour(24 * 10), Hour::holding("2026-10-27T00:00:00Z".parse().unwrap()));
}

#[test]
fn metrics_are_described_by_their_values() {
    let hours = |metric: &str, value: fn(i64) -> f64| {
        (0..48).map(|hour| row("a", metric, hour, value(hour), 1)).collect::<Vec<_>>()
    };
    let all = [
        hours("api_calls_v2", |_| 100.0),
        hours("gigabytes", |hour| 0.5 + hour as f64),
        hours("balance", |hour| hour as f64 - 3.0),
        hours("nothing", |_| 0.0),
    ];
    let (catalog, derived) = derive(&rows(all.concat())).unwrap();
    let of: Vec<_> = derived.iter().map(|of| (of.metric.as_str(), of.aggregate, of.min_change)).collect();
    assert_eq!(
        of,
        [
            ("api_calls_v2", "count", 120.0),
            ("balance", "avg", 1.0),
            ("gigabytes", "sum", 29.0),
            ("nothing", "count", 0.0)
        ]
    );
    assert_eq!(catalog.get("api_calls_v2").unwrap().unit, "api calls v2");
    assert!(!catalog.get("balance").unwrap().never_negative());
    assert!(derive(&Rows::default()).is_err());
}

#[test]
fn any_values_can_be_described() {
    for value in [1e100, -1e100, 1e-300, 5e-324, 0.1, 1e15] {
        let described = derive(&rows([row("a", "m", 0, value, 1)])).unwrap().1;
        let least = described[0].min_change;
        assert!(least.is_finite() && least >= 0.0, "{value} {least}");
    }
}
