//! The windows of customers, from the hours of the rollup, or from single events.

use catalog::{Catalog, Shard};
use detection::{BaselineDays, Window};

use super::UNKNOWN_TOLD;
use super::source::{Source, bucket};
use super::values::{aggregates, place, values};

/// ClickHouse aggregates rows of a customer as it reads them, in the order of the table, so it holds a few thousand
/// customers at once. Small blocks keep its memory flat: at 400,000 customers they need less than a quarter of the
/// memory and the same time. The grouping is by bucket and customer, as the table is sorted. Rows of earlier versions are
/// sorted by customer, which serves as well.
pub(super) const IN_ORDER: &str =
    "optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000";

/// One row per customer, from the hours of the rollup or from single events: the values of its windows by age, where age 0
/// is the current one.
///
/// The grouping reads the table itself, so each server of a cluster groups its own rows and sends one row a customer.
///
/// The `-Resample` combinator fills all windows of a customer in one pass. A value's place, its slot, is
/// `age * metrics + metric`. Rows of unknown metrics, and rows between two windows, get a slot beyond the last one. The
/// combinator leaves them out.
pub(in crate::usage) fn sweep(
    catalog: &Catalog,
    window: &Window,
    baseline_days: BaselineDays,
    shard: Shard,
    some_customers: bool,
) -> String {
    let windows = window.baseline_windows(baseline_days) + 1;
    let metrics = catalog.modelled().len();
    let slots = windows * metrics;
    let source = Source::of(catalog, window, shard, some_customers);
    let Declared { counted, column } = Declared::of(catalog, window, shard, some_customers);
    let (time, unit, rows) = (source.time, source.unit_ms, source.rows);
    let stride = window.stride().as_millis() / unit;
    let length = window.length().as_millis() / unit;
    // Windows as long as their stride leave nothing between them, so that their values tell the first use of each metric.
    let (between, uses, first_uses) = if window.fills_its_stride() {
        (String::new(), String::new(), "CAST([], 'Array(Int64)')".to_owned())
    } else {
        (
            format!(" OR (closing - at - 1) % {stride} >= {length}"),
            format!("minResample(0, {metrics}, 1)(at, place) AS uses,\n        "),
            format!("arrayMap(use -> toInt64(use) * {unit}, uses)"),
        )
    };
    let bucket = bucket();
    let place = place(catalog);
    let aggregates = aggregates(catalog, slots);
    let values = values(catalog, slots, &format!("slot % {metrics}"));
    format!(
        "WITH
    {counted}intDiv({{end:Int64}}, {unit}) AS closing
SELECT
    customer_id,
    {column} AS declared,
    toInt64(oldest) * {unit} AS first_event_ms,
    {first_uses} AS first_uses_ms,
    unknown,
    {values} AS values
FROM
(
    WITH
        {time} AS at,
        {place} AS place,
        intDiv(closing - at - 1, {stride}) AS age,
        if(place = {metrics}{between}, {slots}, age * {metrics} + place) AS slot
    SELECT
        customer_id,
        min(at) AS oldest,
        {uses}groupUniqArrayIf({UNKNOWN_TOLD})(toValidUTF8(toString(metric)), place = {metrics}) AS unknown,
        {aggregates}
    FROM {rows}
    GROUP BY {bucket}, customer_id
)
SETTINGS {IN_ORDER}"
    )
}

/// How each row of an answer says of how many rows the answer is.
pub(super) struct Declared {
    /// For the head of the query: the number of all customers, which are counted before the first row is sent.
    pub(super) counted: String,
    /// The expression of the number.
    pub(super) column: &'static str,
}

impl Declared {
    /// All customers are counted first, so that their rows need no memory. Chosen customers are few: the rows are held
    /// until all of them are there, and the table is read once.
    pub(super) fn of(catalog: &Catalog, window: &Window, shard: Shard, some_customers: bool) -> Self {
        if some_customers {
            return Self { counted: String::new(), column: "count() OVER ()" };
        }
        let count = count_customers(catalog, window, shard, false);
        Self { counted: format!("assumeNotNull(({count})) AS number,\n    "), column: "number" }
    }
}

/// The number of customers with usage in the time of a sweep.
pub(in crate::usage) fn count_customers(
    catalog: &Catalog,
    window: &Window,
    shard: Shard,
    some_customers: bool,
) -> String {
    let rows = Source::of(catalog, window, shard, some_customers).rows;
    format!("SELECT count() FROM (SELECT customer_id FROM {rows} GROUP BY {}, customer_id)", bucket())
}
