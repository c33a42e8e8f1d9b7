//! The values of metrics, made of the rollup's columns.

use catalog::{Aggregate, Catalog, MetricSpec};

/// A row's metric as its place in the catalog, or the place after the last one. This is a lookup in a constant table.
/// `indexOf` would cost as much as the whole aggregation.
pub(super) fn place(catalog: &Catalog) -> String {
    let metrics = catalog.modelled().len();
    let places: Vec<_> = (0..metrics).map(|place| place.to_string()).collect();
    format!("transform(metric, {{metrics:Array(String)}}, [{}], {metrics})", places.join(", "))
}

/// The needs of a catalog's metrics: column of the rollup, aggregate function and its name.
pub(super) fn needed(catalog: &Catalog) -> Vec<(&'static str, &'static str, &'static str)> {
    let any = |aggregates: &[Aggregate]| {
        catalog.modelled().iter().any(|metric| aggregates.contains(&metric.aggregate))
    };
    let mut needed = vec![("events", "sum", "counts")];
    if any(&[Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min]) {
        needed.push(("total", "sum", "totals"));
    }
    if any(&[Aggregate::Avg]) {
        needed.push(("corrections", "sum", "all_corrections"));
    }
    if any(&[Aggregate::Max]) {
        needed.push(("peak", "max", "peaks"));
    }
    if any(&[Aggregate::Min]) {
        needed.push(("low", "min", "lows"));
    }
    needed
}

/// The arrays by slot that the values are made of.
pub(super) fn aggregates(catalog: &Catalog, slots: usize) -> String {
    let array =
        |(column, function, name)| format!("{function}Resample(0, {slots}, 1)({column}, slot) AS {name}");
    let arrays: Vec<_> = needed(catalog).into_iter().map(array).collect();
    arrays.join(",\n        ")
}

/// The values by slot. `place_of_slot` is the expression of a `slot`'s metric, as its place in the catalog.
///
/// Negative values of a sum are corrections. They cancel no usage, because the total excludes them.
///
/// A NaN or infinity among a metric's values always shows in their total. So a sum that is not finite replaces maxima
/// and minima: broken data must not hide in a comparison.
pub(super) fn values(catalog: &Catalog, slots: usize, place_of_slot: &str) -> String {
    let needed = needed(catalog);
    let names: Vec<_> = needed.iter().map(|(column, _, _)| *column).collect();
    let arrays: Vec<_> = needed.iter().map(|(_, _, array)| *array).collect();
    let places = format!("arrayMap(slot -> {place_of_slot}, range({slots}))");
    let branches: Vec<_> = catalog
        .modelled()
        .iter()
        .enumerate()
        .map(|(place, metric)| {
            format!(
                "place = {place}, {}, ",
                value(metric, "toFloat64(events)", "total", "total + corrections", extreme(metric))
            )
        })
        .collect();
    let value = format!("multiIf({}nan)", branches.concat());
    format!(
        "arrayMap(({}, place) -> if(events = 0, nan, ifNotFinite({value}, inf)), {}, {places})",
        names.join(", "),
        arrays.join(", ")
    )
}

/// The value of one row of the rollup, of the metric at its `place`: a part of the value of its hour. The parts of an average
/// are sums of values. Infinity is broken data.
pub(super) fn value_of_row(catalog: &Catalog) -> String {
    let branches: Vec<_> = catalog
        .modelled()
        .iter()
        .enumerate()
        .map(|(place, metric)| {
            let value = match metric.aggregate {
                Aggregate::Avg => "total + corrections".to_owned(),
                Aggregate::Last => "finalizeAggregation(newest)".to_owned(),
                _ => value(metric, "toFloat64(events)", "total", "", extreme(metric)),
            };
            format!("place = {place}, {value}, ")
        })
        .collect();
    format!("ifNotFinite(multiIf({}inf), inf)", branches.concat())
}

/// Whether a value of an hour can only be told from all of its rows.
pub(super) fn needs_whole_hours(catalog: &Catalog) -> bool {
    catalog.modelled().iter().any(|metric| metric.aggregate == Aggregate::Last)
}

/// A metric's value, made of the number of events, their total without and with corrections, and their maximum or
/// minimum.
pub(super) fn value(metric: &MetricSpec, events: &str, total: &str, net: &str, extreme: &str) -> String {
    match metric.aggregate {
        Aggregate::Count => events.to_owned(),
        Aggregate::Sum => total.to_owned(),
        Aggregate::Avg => format!("({net}) / {events}"),
        Aggregate::Max | Aggregate::Min => format!("if(isFinite({total}), {extreme}, {total})"),
        // No model judges them by such values. Infinity is broken data.
        Aggregate::P50
        | Aggregate::P95
        | Aggregate::P99
        | Aggregate::Rate
        | Aggregate::Ratio
        | Aggregate::Last
        | Aggregate::Distinct
        | Aggregate::Novel => "inf".to_owned(),
    }
}

/// The column of the rollup with the extreme value that a metric needs.
pub(super) fn extreme(metric: &MetricSpec) -> &'static str {
    if metric.aggregate == Aggregate::Max { "peak" } else { "low" }
}
