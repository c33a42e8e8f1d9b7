//! Reads what customers used in the month so far, of metrics that have budgets.

use std::time::Instant;

use catalog::Catalog;
use detection::budget::WEEK;
use detection::{CustomerId, Hour};
use jiff::Timestamp;
use serde_bytes::ByteBuf;

use super::error::UsageError;
use super::reader::UsageReader;
use super::sql;
use super::tries::{Patience, Tries};

/// The hours that are summed up, and the customers and metrics that matter.
#[derive(Clone, Copy, Debug)]
pub struct MonthsRequest<'a> {
    /// The metrics of customers.
    pub catalog: &'a Catalog,
    /// The first hour of each sum. The first is that of the month of all customers, and the second that of the last week.
    pub starts: &'a [Hour],
    /// The first hour after all sums.
    pub until: Hour,
    /// The metrics that anybody has a budget of.
    pub metrics: &'a [&'a str],
    /// The budgets of customers without one of their own.
    pub of_all: &'a [OfAll<'a>],
    /// The customers with budgets of their own, in any order.
    pub customers: &'a [&'a CustomerId],
    /// The beginning of the names of the query in ClickHouse's own logs.
    pub name: &'a str,
    pub deadline: Instant,
}

/// When the sums of a customer without a budget of its own matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfAll<'a> {
    pub metric: &'a str,
    /// From this usage of the month on.
    pub least: f64,
    /// Or if the month and so many hours of the pace of the last week come to the quota.
    pub hours: f64,
    pub quota: f64,
}

/// The usage of one metric of a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct UsedSince {
    pub customer_id: CustomerId,
    pub metric: String,
    /// Since each start, in their order. Not finite where the data are broken.
    pub sums: Vec<f64>,
}

/// Customers that one request names. Beyond that ClickHouse tells all customers, because an address has no more room.
const MOST_CUSTOMERS: usize = 5_000;

/// Stands for an amount that nobody uses.
const MOST_AMOUNT: f64 = 1e300;

type Row = (ByteBuf, String, Vec<f64>);

impl UsageReader {
    /// What customers used, one row for each customer and metric that matters. The answer arrives whole or not at all.
    pub async fn months(&self, request: &MonthsRequest<'_>) -> Result<Vec<UsedSince>, UsageError> {
        let mut tries = Tries::new(self, request.name, Patience::OF_A_RUN, request.deadline);
        loop {
            match self.read_months(request, &tries.query_id()).await {
                Ok(rows) => return Ok(rows),
                Err(error) => tries.again(error, false).await?,
            }
        }
    }

    async fn read_months(
        &self,
        request: &MonthsRequest<'_>,
        query_id: &str,
    ) -> Result<Vec<UsedSince>, UsageError> {
        let MonthsRequest { catalog, starts, until, metrics, of_all, customers, .. } = *request;
        let starts: Vec<u32> = starts.iter().map(|hour| seconds(hour.start())).collect();
        let first = starts.iter().copied().min().unwrap_or(0);
        let everybody = customers.len() > MOST_CUSTOMERS;
        // No list is empty, and no customer and no metric has an empty name.
        let named = customers.iter().filter(|_| !everybody).map(|customer| customer.as_str());
        let named: Vec<&str> = named.chain([""]).collect();
        let nobody = OfAll { metric: "", least: f64::MAX, hours: 0.0, quota: f64::MAX };
        let everything = metrics.iter().filter(|_| everybody).map(|metric| OfAll { metric, ..nobody });
        let of_all: Vec<OfAll<'_>> = of_all.iter().copied().chain(everything).chain([nobody]).collect();
        let all = |number: fn(&OfAll<'_>) -> f64| of_all.iter().map(number).collect::<Vec<f64>>();
        let query = self
            .trusted_query(&sql::months(catalog), query_id)
            .await?
            .param("starts", starts)
            .param("first", first)
            .param("until", seconds(until.start()))
            .param("budgeted", metrics)
            .param("of_all", of_all.iter().map(|of| of.metric).collect::<Vec<_>>())
            .param("least", all(|of| of.least.min(MOST_AMOUNT)))
            .param("hours", all(|of| of.hours))
            .param("quotas", all(|of| of.quota.min(MOST_AMOUNT)))
            .param("week", WEEK as f64)
            .param("customers", named)
            .param("everybody", everybody);
        let rows = self.within(&self.context(query_id), query.fetch_one::<Vec<Row>>()).await?;
        let used = |(key, metric, sums): Row| {
            let customer_id = CustomerId::new(String::from_utf8(key.into_vec()).ok()?).ok()?;
            Some(UsedSince { customer_id, metric, sums })
        };
        Ok(rows.into_iter().filter_map(used).collect())
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}
