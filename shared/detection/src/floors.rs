//! The least change that matters, whatever a detector says.
//!
//! A score alone would page for every unusual action of a tiny customer. So a change must also exceed the floors: one in the
//! metric's unit, one relative to the mean, and one in money if the metric has a price.
//!
//! The floor in money is an amount of the metric, `min_cost / price`, that holds for a window of any length. The floor in the
//! unit is that of a day, and lower for shorter windows.

use crate::money::{MOST, Price};
use crate::thresholds::{SettingsError, Thresholds, require};

/// All floors. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floors {
    min_change: f64,
    min_relative_change: f64,
    min_cost: f64,
    /// The change that costs `min_cost`, in the metric's unit.
    costs_enough: f64,
}

impl Floors {
    /// A change of this many times the least one is large.
    pub const LARGE: f64 = 10.0;

    /// Least change from the mean, in the metric's unit.
    pub fn min_change(&self) -> f64 {
        self.min_change
    }

    /// Least change from the mean, as a share of the mean.
    pub fn min_relative_change(&self) -> f64 {
        self.min_relative_change
    }

    /// Least cost of a change, in the currency of the catalog.
    pub fn min_cost(&self) -> f64 {
        self.min_cost
    }

    /// The change that costs [`Self::min_cost`], in the metric's unit. 0 without that floor.
    pub fn costs_enough(&self) -> f64 {
        self.costs_enough
    }

    /// Whether a change from a mean is large enough to matter.
    pub fn pass(&self, change: f64, mean: f64) -> bool {
        let (change, mean) = (change.abs(), mean.abs());
        change >= self.least() && change >= self.min_relative_change * mean
    }

    /// Least change of a window of so many hours. The noise of a window grows with the root of its length, and the floor
    /// in the unit is that of a day. Money is money, whatever the length.
    pub fn min_change_of(&self, hours: usize) -> f64 {
        (self.min_change * (hours as f64 / 24.0).sqrt()).max(self.costs_enough)
    }

    /// Least change of a day, in the metric's unit: that of the floor in the unit or in money.
    pub fn least(&self) -> f64 {
        self.min_change.max(self.costs_enough)
    }

    /// Whether a change is ten times the least change that matters.
    pub fn is_large(&self, change: f64) -> bool {
        change.abs() >= Self::LARGE * self.least()
    }
}

impl TryFrom<&Thresholds> for Floors {
    type Error = SettingsError;

    fn try_from(thresholds: &Thresholds) -> Result<Self, SettingsError> {
        let Thresholds { min_change, min_relative_change, price, min_cost, .. } = *thresholds;
        let is_floor = |value: f64| value.is_finite() && value >= 0.0;
        let allowed = "a finite number that is not negative";
        require(is_floor(min_change), "min_change", min_change, allowed)?;
        require(is_floor(min_relative_change), "min_relative_change", min_relative_change, allowed)?;
        let as_written = price.unwrap_or(0.0);
        require(Price::is_valid(as_written), "price", as_written, Price::ALLOWED)?;
        require((0.0..=MOST).contains(&min_cost), "min_cost", min_cost, "from 0 to 1e15")?;
        let price = price.and_then(Price::new);
        require(price.is_some() || min_cost == 0.0, "min_cost", min_cost, WITHOUT_PRICE)?;
        let costs_enough = price.map_or(0.0, |price| min_cost / price.get());
        Ok(Self { min_change, min_relative_change, min_cost, costs_enough })
    }
}

/// Why a floor in money is refused.
const WITHOUT_PRICE: &str =
    "0 for a metric whose `price` is not set or is 0: set a price, or take the floor out";

#[cfg(test)]
mod tests {
    use super::*;

    fn floors(min_change: f64, price: f64, min_cost: f64) -> Floors {
        let price = Some(price);
        Floors::try_from(&Thresholds { min_change, price, min_cost, ..Thresholds::default() }).unwrap()
    }

    #[test]
    fn the_floor_in_money_is_that_of_a_window_of_any_length() {
        // 50 USD are 2,000 units.
        let floors = floors(100.0, 0.025, 50.0);
        assert_eq!((floors.costs_enough(), floors.least()), (2_000.0, 2_000.0));
        assert_eq!([1, 6, 24].map(|hours| floors.min_change_of(hours)), [2_000.0; 3]);
        assert!(floors.pass(-2_000.0, 10_000.0) && !floors.pass(1_999.0, 10_000.0));
        assert!(floors.is_large(20_000.0) && !floors.is_large(19_999.0));
    }

    #[test]
    fn the_larger_floor_holds() {
        let floors = floors(100.0, 1.0, 50.0);
        assert_eq!(floors.least(), 100.0);
        assert_eq!([6, 24].map(|hours| floors.min_change_of(hours)), [50.0, 100.0]);
        assert_eq!(floors.min_change_of(1), 50.0);
    }
}
