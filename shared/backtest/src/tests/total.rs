//! Any values give a report.

use catalog::Catalog;
use detection::TimeZone;
use proptest::prelude::*;

use super::made::{deployment, id, report_of, start};
use crate::{Configuration, Customer, Series, Span, Usage};

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1e4_f64,
        2 => Just(0.0),
        2 => Just(f64::NAN),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, 1e100, -1.0, 5e-324, f64::MIN]),
        1 => any::<f64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_values_give_finite_numbers(
        values in prop::collection::vec(prop::collection::vec(any_value(), 0..400), 5),
        days in 0..6_i64,
        zone in prop::sample::select(vec!["UTC", "Asia/Kolkata", "Pacific/Auckland"]),
    ) {
        let entry = |(place, aggregate): (usize, &str)| {
            let value = if aggregate == "count" { "" } else { "value = \"v\"" };
            let missing = if place < 2 { "zero" } else { "gap" };
            format!(
                "[[metric]]\nname = \"m{place}\"\nunit = \"u\"\naggregate = \"{aggregate}\"\nmissing = \"{missing}\"\n\
                 min_change = 0\n{value}"
            )
        };
        let entries: Vec<_> = ["count", "sum", "max", "min", "avg"].into_iter().enumerate().map(entry).collect();
        let catalog = Catalog::parse(&entries.join("\n"), "tests").unwrap();
        let zone = TimeZone::named(zone).unwrap();
        let configuration = Configuration::new(catalog, None, deployment(), Some(zone)).unwrap();
        let series = values.into_iter().enumerate().map(|(metric, values)| Series { metric, values }).collect();
        let end = start().plus(400);
        let usage = Usage {
            span: Span { first: start(), judged: end.plus(-24 * days), end },
            customers: vec![Customer { id: id("any"), series }],
        };
        let report = report_of(&usage, &configuration);
        prop_assert!(report.totals.pages_a_customer_month.is_finite());
        for flagged in report.judged.iter().flat_map(|judged| &judged.flagged) {
            let numbers = [flagged.score, flagged.value, flagged.expected];
            let nearest = flagged.nearest.map_or([0.0; 2], |nearest| [nearest.figure, nearest.limit]);
            prop_assert!(numbers.iter().chain(&nearest).all(|number| number.is_finite()), "{flagged:?}");
        }
        serde_json::to_string(&report).unwrap();
    }
}
