//! Amounts of money, and what an incident costs, as people read them.

use super::units;
use crate::{Costs, Currency};

/// The smallest amount that is told.
const CENT: f64 = 0.01;

/// The label of the fact and its text, such as "Costs" and "about 412 USD so far, about 9,900 USD a month at this rate". For
/// usage that is missing the label is "Misses".
///
/// * `is_over`: whether the incident has ended. Then it has no rate any more.
pub fn fact(costs: &Costs, is_over: bool) -> (&'static str, String) {
    let Costs { so_far, a_month, currency } = *costs;
    let about = |value: f64| about(value.abs(), currency);
    let label = if so_far < 0.0 { "Misses" } else { "Costs" };
    let text = match is_over {
        true => format!("{} in all", about(so_far)),
        false => format!("{} so far, {} a month at this rate", about(so_far), about(a_month)),
    };
    (label, text)
}

/// The same as a sentence: "Costs about 412 USD so far, about 9,900 USD a month at this rate."
pub fn sentence(costs: &Costs, is_over: bool) -> String {
    let (label, text) = fact(costs, is_over);
    format!("{label} {text}.")
}

/// The cost of a month at the present rate: "costs about 9,900 USD a month at this rate".
pub fn rate(costs: &Costs) -> String {
    let verb = if costs.a_month < 0.0 { "misses" } else { "costs" };
    format!("{verb} {} a month at this rate", about(costs.a_month.abs(), costs.currency))
}

fn about(value: f64, currency: Currency) -> String {
    match value > 0.0 && value < CENT {
        true => format!("less than {CENT} {currency}"),
        false => format!("about {}", amount(value, currency)),
    }
}

/// An amount with its currency: "0.25 USD", "412 USD", "9,900 EUR", "1.2 million USD".
pub fn amount(value: f64, currency: Currency) -> String {
    format!("{} {currency}", units::amount(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_read_like_a_bill() {
        let of = |so_far, a_month| Costs { so_far, a_month, currency: Currency::USD };
        for (costs, is_over, expected) in [
            (of(412.3, 9_900.4), false, "Costs about 412 USD so far, about 9,900 USD a month at this rate."),
            (of(412.3, 9_900.4), true, "Costs about 412 USD in all."),
            (
                of(-81.5, -2_400.0),
                false,
                "Misses about 81.5 USD so far, about 2,400 USD a month at this rate.",
            ),
            (of(0.004, 3.0), false, "Costs less than 0.01 USD so far, about 3 USD a month at this rate."),
            (
                of(1.2e6, 3.4e9),
                false,
                "Costs about 1.2 million USD so far, about 3.4 billion USD a month at this rate.",
            ),
            (of(0.0, 0.0), true, "Costs about 0 USD in all."),
        ] {
            assert_eq!(sentence(&costs, is_over), expected);
        }
        assert_eq!(rate(&of(-1.0, -12.0)), "misses about 12 USD a month at this rate");
    }
}
