//! Configurations beside each other.

use detection::Sensitivity;

use super::made::{FIRST, add, configuration, report, usual};
use crate::{Difference, Report, Rows};

/// Leaks of growing size, a day apart.
fn fleet() -> Rows {
    let mut rows = Rows::default();
    for (customer, factor) in [("a", 1.7), ("b", 2.5), ("c", 10.0)] {
        let seed = customer.as_bytes()[0].into();
        add(&mut rows, customer, "calls", seed, |place| {
            let is_leak = (FIRST + 60..FIRST + 66).contains(&place);
            usual(place) * if is_leak { factor } else { 1.0 }
        });
    }
    rows
}

fn at(factor: f64) -> Report {
    report(&fleet(), &configuration("{}").with_sensitivity(Sensitivity::new(factor).unwrap()))
}

#[test]
fn a_configuration_has_no_difference_from_itself() {
    let report = at(1.0);
    assert!(report.pages.len() >= 3, "{:?}", report.pages);
    let difference = Difference::between(&report, &report);
    assert!(difference.is_none());
    assert_eq!(difference.same, report.pages.len());
}

#[test]
fn stricter_pages_are_gone_and_laxer_ones_new() {
    let (usual, strict) = (at(1.0), at(4.0));
    let stricter = Difference::between(&usual, &strict);
    assert!(!stricter.is_none() && stricter.new.is_empty() && !stricter.gone.is_empty(), "{stricter:?}");
    let laxer = Difference::between(&strict, &usual);
    assert_eq!((&laxer.new, &laxer.gone), (&stricter.gone, &stricter.new));
    assert_eq!(laxer.same + laxer.new.len() + laxer.moved.len(), usual.pages.len());
}

#[test]
fn a_page_at_another_hour_is_moved() {
    let report = at(1.0);
    let mut later = report.clone();
    let page = &mut later.pages[0];
    page.at += jiff::SignedDuration::from_hours(2);
    let difference = Difference::between(&report, &later);
    assert_eq!((difference.new.len(), difference.gone.len(), difference.moved.len()), (0, 0, 1));
    assert_eq!((difference.moved[0].from, difference.same), (report.pages[0].at, report.pages.len() - 1));
    // Two days later it is another page.
    later.pages[0].at += jiff::SignedDuration::from_hours(48);
    let difference = Difference::between(&report, &later);
    assert_eq!((difference.new.len(), difference.gone.len(), difference.moved.len()), (1, 1, 0));
}
