//! The source of a sweep's usage, and its customers.

use catalog::{BUCKETS, Catalog, Shard};
use detection::Window;

use crate::rollup::{self, TABLE};

/// The source of usage, in the columns of the rollup.
pub(super) struct Source {
    pub(super) rows: String,
    /// Expression of a row's time, counted in units of `unit_ms` since 1970.
    pub(super) time: &'static str,
    pub(super) unit_ms: i128,
}

impl Source {
    /// The hourly rollup, or the events themselves for windows off the hour. Events have the shape of the rollup's
    /// rows, by the expressions of its views, so the rest of the query is the same. This costs more, and is only for
    /// chosen customers.
    pub(super) fn of(catalog: &Catalog, window: &Window, shard: Shard, some_customers: bool) -> Self {
        let only = |column: &str| match some_customers {
            true => format!(" AND {column} IN {{customers:Array(String)}}"),
            false => String::new(),
        };
        if window.is_on_the_hour() {
            let rows = format!(
                "{TABLE} WHERE hour >= toDateTime(intDiv({{start:Int64}}, 1000), 'UTC') \
                 AND hour < toDateTime(intDiv({{end:Int64}}, 1000), 'UTC'){}{}",
                only("customer_id"),
                of_shard(shard, &bucket())
            );
            return Self { rows, time: "toInt64(toUnixTimestamp(hour))", unit_ms: 1_000 };
        }
        let events: Vec<String> = catalog
            .metrics()
            .iter()
            .map(|metric| {
                let (time, customer) = (metric.time_sql(), metric.customer_sql());
                rollup::events_as_usage(
                    metric,
                    &format!(
                        " AND {time} >= fromUnixTimestamp64Milli({{start:Int64}}, 'UTC') \
                         AND {time} < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC'){}",
                        only(&format!("toString({customer})"))
                    ),
                )
            })
            .collect();
        Self { rows: format!("(\n{}\n)", events.join("\nUNION ALL\n")), time: "time_ms", unit_ms: 1 }
    }
}

/// The bucket of a customer. Each shard has its own buckets.
pub(super) fn bucket() -> String {
    format!("cityHash64(customer_id) % {BUCKETS}")
}

/// The condition on a shard's customers. `bucket` is the expression of their bucket.
pub(super) fn of_shard(shard: Shard, bucket: &str) -> String {
    if shard.is_whole() {
        return String::new();
    }
    let buckets: Vec<_> = shard.buckets().map(|bucket| bucket.to_string()).collect();
    format!(" AND {bucket} IN ({})", buckets.join(", "))
}
