//! What deviations cost: prices, currencies, and the cost of a window and of an incident.
//!
//! A window costs `(value - expected) * price` beyond the usual. `value` and `expected` are in the metric's unit, and the price
//! is that of one unit. The amount is negative for a drop: usage that is missing.
//!
//! An incident is seen by windows that overlap: of 1, 3, 6 and 24 hours, each hour again. No hour counts twice:
//!
//! - The first window adds its whole amount.
//! - A later window adds its hours since the newest window before it, at its mean amount an hour. Hours that no anomalous window
//!   held add nothing.
//! - A window that is judged late adds nothing, as everywhere in an incident.
//!
//! A month has [`HOURS_A_MONTH`] hours (8,760 / 12). An incident costs the mean amount an hour of its newest window for so many
//! hours. No amount is larger than [`MOST`] either way, so none is infinite.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::figures::number;

/// Hours of a month: those of a year of 365 days, divided by twelve.
pub const HOURS_A_MONTH: f64 = 730.0;

/// The largest amount.
pub const MOST: f64 = 1e15;

/// A currency by the three capital letters of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that names no currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no currency: give the three capital letters of ISO 4217, such as USD or EUR")]
pub struct CurrencyError(String);

/// The price of one unit of a metric, from [`Price::LEAST`] to [`Price::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Price(f64);

/// What a window costs beyond the usual.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Cost {
    /// `(value - expected) * price`. Negative for usage that is missing.
    pub amount: f64,
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "USD"))]
    pub currency: Currency,
}

/// The cost of a window, with what the cost of its incident needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowCost {
    /// As in [`Cost`].
    pub amount: f64,
    pub currency: Currency,
    /// The length of the window.
    pub hours: u8,
}

/// What an incident costs beyond the usual.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = IncidentCost))]
pub struct Costs {
    /// Of all hours that its anomalous windows hold, each hour once. Negative for usage that is missing.
    pub so_far: f64,
    /// Of a month of 730 hours, at the rate of its newest anomalous window.
    pub a_month: f64,
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "USD"))]
    pub currency: Currency,
}

impl Currency {
    /// The currency of a catalog that names none.
    pub const USD: Self = Self(*b"USD");

    /// # Errors
    ///
    /// When the text is not three capital letters.
    pub fn parse(text: &str) -> Result<Self, CurrencyError> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].into_iter().all(u8::is_ascii_uppercase) => Ok(Self([*a, *b, *c])),
            _ => Err(CurrencyError(text.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("USD")
    }
}

impl Price {
    pub const LEAST: f64 = 1e-12;
    pub const MOST: f64 = 1e9;

    /// What a refusal says.
    pub const ALLOWED: &str = "the price of one unit, from 1e-12 to 1e9, or 0 for usage that costs nothing";

    /// Whether a number is a price, or the 0 of usage that costs nothing.
    pub fn is_valid(price: f64) -> bool {
        price == 0.0 || (Self::LEAST..=Self::MOST).contains(&price)
    }

    /// The price of usage that costs something.
    pub fn new(price: f64) -> Option<Self> {
        (price != 0.0 && Self::is_valid(price)).then_some(Self(price))
    }

    pub fn get(self) -> f64 {
        self.0
    }

    /// What an amount of the metric costs.
    pub fn of(self, amount: f64) -> f64 {
        bounded(amount * self.0)
    }
}

impl WindowCost {
    /// The cost of a window of so many hours beyond what is expected. `None` for values that are no numbers.
    pub fn new(
        (value, expected): (f64, f64),
        hours: usize,
        price: Price,
        currency: Currency,
    ) -> Option<Self> {
        let deviation = value - expected;
        (!deviation.is_nan()).then(|| Self {
            amount: price.of(deviation),
            currency,
            hours: u8::try_from(hours).unwrap_or(u8::MAX).max(1),
        })
    }

    /// The cost alone.
    pub fn cost(&self) -> Cost {
        Cost { amount: self.amount, currency: self.currency }
    }

    /// The mean amount of an hour.
    fn an_hour(&self) -> f64 {
        self.amount / f64::from(self.hours.max(1))
    }

    /// What the same rate costs in a month.
    pub fn a_month(&self) -> f64 {
        bounded(self.an_hour() * HOURS_A_MONTH)
    }
}

impl Costs {
    /// The cost of an incident that one window has seen.
    pub fn of(window: &WindowCost) -> Self {
        Self { so_far: window.amount, a_month: window.a_month(), currency: window.currency }
    }

    /// The cost after another window, which ends so many hours after the newest before it. Amounts of another currency cannot
    /// be added, so a new currency begins again.
    #[must_use]
    pub fn after(self, window: &WindowCost, hours_since: f64) -> Self {
        if self.currency != window.currency {
            return Self::of(window);
        }
        let hours = hours_since.clamp(0.0, f64::from(window.hours));
        Self { so_far: bounded(self.so_far + window.an_hour() * hours), ..Self::of(window) }
    }
}

/// The amount within [`MOST`]. An amount that a table cannot hold because it is too small becomes zero.
fn bounded(amount: f64) -> f64 {
    number(amount.clamp(-MOST, MOST))
}

impl Default for Currency {
    fn default() -> Self {
        Self::USD
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(text: String) -> Result<Self, CurrencyError> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(value: f64, hours: usize) -> WindowCost {
        WindowCost::new((value, 100.0), hours, Price::new(0.5).unwrap(), Currency::USD).unwrap()
    }

    #[test]
    fn no_hour_counts_twice() {
        // A day is 240 above: 120 USD, 5 an hour, 3,650 a month.
        let first = Costs::of(&window(340.0, 24));
        assert_eq!(first, Costs { so_far: 120.0, a_month: 3_650.0, currency: Currency::USD });
        // An hour later the same window holds one new hour.
        let second = first.after(&window(340.0, 24), 1.0);
        assert_eq!((second.so_far, second.a_month), (125.0, 3_650.0));
        // A shorter window knows the newest hour better.
        let third = second.after(&window(120.0, 1), 1.0);
        assert_eq!((third.so_far, third.a_month), (135.0, 7_300.0));
        // After a gap only the hours of the window itself count.
        let gap = third.after(&window(160.0, 3), 9.0);
        assert_eq!(gap.so_far, 165.0);
        // The same window again adds nothing.
        assert_eq!(gap.after(&window(160.0, 3), 0.0), gap);
        // Usage that is missing.
        let drop = Costs::of(&window(76.0, 24)).after(&window(76.0, 24), 1.0);
        assert_eq!((drop.so_far, drop.a_month), (-12.5, -365.0));
    }

    #[test]
    fn another_currency_begins_again() {
        let euro = Currency::parse("EUR").unwrap();
        let of = |currency| WindowCost::new((10.0, 0.0), 1, Price::new(1.0).unwrap(), currency).unwrap();
        let changed = Costs::of(&of(Currency::USD)).after(&of(euro), 1.0);
        assert_eq!(changed, Costs { so_far: 10.0, a_month: 7_300.0, currency: euro });
    }

    #[test]
    fn currencies_are_three_capital_letters() {
        for text in ["USD", "EUR", "JPY", "XXX"] {
            assert_eq!(Currency::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "usd", "US", "USDT", "U$D", "ÄÖ", "€", "US D", " USD"] {
            let refusal = serde_json::from_value::<Currency>(text.into()).unwrap_err().to_string();
            assert!(refusal.starts_with(&format!("`{text}` is no currency: give the three")), "{refusal}");
        }
    }

    #[test]
    fn prices_are_numbers_that_a_bill_can_have() {
        for price in [0.0, 1e-12, 0.001, 1.0, 1e9] {
            assert!(Price::is_valid(price), "{price}");
        }
        for price in [-0.01, 1e-13, 2e9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!Price::is_valid(price) && Price::new(price).is_none(), "{price}");
        }
        assert_eq!(Price::new(0.0), None, "usage that costs nothing has no cost to tell");
    }

    proptest! {
        #[test]
        fn no_amount_is_infinite(
            windows in prop::collection::vec((any::<f64>(), any::<f64>(), 0_usize..400, any::<f64>()), 1..8),
            price in prop_oneof![Just(1e-12), Just(1e9), 1e-12..1e9_f64],
        ) {
            let mut costs: Option<Costs> = None;
            for (value, expected, hours, since) in windows {
                let price = Price::new(price).unwrap();
                let Some(window) = WindowCost::new((value, expected), hours, price, Currency::USD) else { continue };
                let since = if since.is_nan() { 0.0 } else { since };
                costs = Some(costs.map_or(Costs::of(&window), |costs| costs.after(&window, since)));
            }
            for amount in costs.into_iter().flat_map(|costs| [costs.so_far, costs.a_month]) {
                prop_assert!(amount.abs() <= MOST, "{amount}");
            }
        }
    }
}
