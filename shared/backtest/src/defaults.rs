//! A catalog for rows whose metrics nobody described.

use catalog::{Catalog, CatalogError};
use detection::MetricName;
use serde::Serialize;

use crate::rounded::nearest;
use crate::rows::{Cell, Rows};

/// What was assumed of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derived {
    pub metric: MetricName,
    /// `count`, `sum` or `avg`, as a catalog writes it.
    pub aggregate: &'static str,
    /// Least change of a day, in the unit of the values.
    pub min_change: f64,
    /// The middle customer's usual day, in the unit of the values.
    pub usual_day: f64,
}

/// The least change, as a share of the usual day of the middle customer.
const SHARE: f64 = 0.05;

/// Describes the metrics of rows. Whole numbers are counts, other numbers are sums. With a negative number they are
/// levels, whose missing hours are gaps. The least change is a twentieth of the middle customer's usual day.
///
/// # Errors
///
/// When there is no row.
pub fn derive(rows: &Rows) -> Result<(Catalog, Vec<Derived>), CatalogError> {
    let derived: Vec<Derived> = rows.metrics().into_iter().map(|metric| of_metric(rows, metric)).collect();
    let entries: Vec<String> = derived.iter().map(entry).collect();
    let catalog = Catalog::parse(&entries.join("\n"), "the catalog derived from the rows")?;
    Ok((catalog, derived))
}

fn of_metric(rows: &Rows, metric: &MetricName) -> Derived {
    let values = || rows.of_metric(metric).flatten().map(|cell| cell.value);
    let aggregate = if values().any(|value| value < 0.0) {
        "avg"
    } else if values().all(|value| value.fract() == 0.0) {
        "count"
    } else {
        "sum"
    };
    let mut days: Vec<f64> =
        rows.of_metric(metric).map(|cells| usual_day(cells, aggregate == "avg")).collect();
    let middle = middle(&mut days);
    Derived {
        metric: metric.clone(),
        aggregate,
        min_change: nearest(SHARE * middle),
        usual_day: nearest(middle),
    }
}

/// The entry of a catalog.
fn entry(derived: &Derived) -> String {
    let Derived { metric, aggregate, min_change, .. } = derived;
    let unit = metric.as_str().replace('_', " ");
    let missing = if *aggregate == "avg" { "gap" } else { "zero" };
    let value = if *aggregate == "count" { "" } else { "value = \"value\"\n" };
    format!(
        "[[metric]]\nname = \"{metric}\"\nunit = \"{unit}\"\naggregate = \"{aggregate}\"\nmissing = \"{missing}\"\n\
         min_change = {min_change:?}\n{value}"
    )
}

/// A customer's sum over its days, or the size of a level.
fn usual_day(cells: &[Cell], is_level: bool) -> f64 {
    let hours = cells.iter().map(|cell| cell.hour);
    let (Some(first), Some(last)) = (hours.clone().min(), hours.max()) else { return 0.0 };
    let days = (last.since(first) + 1) as f64 / 24.0;
    let divisor = if is_level { cells.len() as f64 } else { days.max(1.0) };
    // Divided first, so that large values do not overflow.
    cells.iter().map(|cell| cell.value.abs() / divisor).sum()
}

/// The upper median; zero of nothing.
fn middle(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().filter(|value| value.is_finite()).unwrap_or(0.0)
}
