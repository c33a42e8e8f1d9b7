//! The shape of a day of all customers: what stands for the past of series in their first days.
//!
//! It is made of a week of hours of some hundred customers, so the cost does not grow with their number. The detector keeps it
//! among the models, under the name of all customers. That is a cache like they are: whatever is missing is made again.

use std::time::Instant;

use catalog::{Catalog, Shard};
use detection::model::{PeerWeek, Profile, Shapes};
use detection::{ALL_CUSTOMERS, CustomerId, Window};

use super::error::UsageError;
use super::models::{ModelRow, definition_number, insert_of_models, seconds};
use super::reader::UsageReader;
use super::request::HoursRequest;
use super::tries::{Patience, Tries};
use crate::rollup::Tables;

/// Customers whose hours make a profile.
const SAMPLE: usize = 500;

/// A bucket of fewer customers is no sample of all. There are a few thousand of them then.
const FEWEST_OF_A_BUCKET: usize = 100;

/// Of the buckets, the one that stands for all.
const BUCKET: u8 = 0;

/// Stands in place of a bucket. No customer has it.
const NO_BUCKET: u8 = u8::MAX;

/// Seconds that the profiles of a week are kept after its end: for the last model that they serve, and for late runs.
const KEPT: u32 = 12 * 86_400;

impl UsageReader {
    /// The profiles of a week, by metric of the catalog, made of the hours of customers.
    pub async fn made_profiles(
        &self,
        catalog: &Catalog,
        week: PeerWeek,
        (name, patience): (&str, Patience),
        deadline: Instant,
    ) -> Result<Vec<Profile>, UsageError> {
        let mut tries = Tries::new(self, name, patience, deadline);
        loop {
            match self.make_profiles(catalog, week, &tries.query_id(), deadline).await {
                Ok(profiles) => return Ok(profiles),
                Err(error) => tries.again(error, false).await?,
            }
        }
    }

    /// The profiles that were kept. `None` if they are missing.
    pub async fn kept_profiles(
        &self,
        catalog: &Catalog,
        week: PeerWeek,
        query_id: &str,
    ) -> Result<Option<Vec<Profile>>, UsageError> {
        let table = Tables::of(catalog).models;
        let text = format!(
            "SELECT numbers FROM {table}
WHERE hour = toDateTime({{end:UInt32}}, 'UTC') AND bucket = {NO_BUCKET} AND customer_id = '{ALL_CUSTOMERS}'
    AND fit = {{definition:UInt64}} AND expires > now('UTC') + 3600
ORDER BY expires DESC
LIMIT 1
SETTINGS select_sequential_consistency = 1"
        );
        let query = self
            .bare_query(&text, query_id)
            .await?
            .param("end", seconds(week.end()))
            .param("definition", definition_number(catalog));
        let numbers = self.within(&self.context(query_id), query.fetch_optional::<Vec<f32>>()).await?;
        Ok(numbers.and_then(|numbers| {
            let profiles = numbers.chunks(Profile::NUMBERS).map(Profile::of_numbers);
            profiles.collect::<Option<Vec<_>>>().filter(|of| of.len() == catalog.modelled().len())
        }))
    }

    /// Keeps the profiles of a week.
    pub async fn keep_profiles(
        &self,
        catalog: &Catalog,
        week: PeerWeek,
        profiles: &[Profile],
        query_id: &str,
    ) -> Result<(), UsageError> {
        let end = seconds(week.end());
        let row = ModelRow {
            hour: end,
            bucket: NO_BUCKET,
            customer_id: ALL_CUSTOMERS,
            fit: definition_number(catalog),
            zone: "",
            expires: end.saturating_add(KEPT),
            numbers: profiles.iter().flat_map(|profile| profile.to_numbers()).collect(),
        };
        let context = self.context(query_id);
        let mut insert = insert_of_models(self, catalog, query_id).await?;
        let written = async {
            insert.write(&row).await?;
            insert.end().await
        };
        self.within(&context, written).await
    }

    async fn make_profiles(
        &self,
        catalog: &Catalog,
        week: PeerWeek,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<Profile>, UsageError> {
        let metrics = catalog.modelled();
        let mut shapes = vec![Shapes::default(); metrics.len()];
        // Weeks beyond the range of time stamps have no hours.
        let (Ok(first_day), Ok(period)) = (
            Window::between(week.first().start(), week.first().plus(24).start()),
            Window::between(week.first().start(), week.end().start()),
        ) else {
            return Ok(profiles(&shapes));
        };
        let query_id = format!("{name}-bucket");
        let of_bucket = self.customers(catalog, &first_day, Shard::of_bucket(BUCKET), &query_id).await?;
        let all = if of_bucket.len() >= FEWEST_OF_A_BUCKET {
            of_bucket
        } else {
            self.customers(catalog, &first_day, Shard::WHOLE, &format!("{name}-all")).await?
        };
        let customers = sample(all);
        if customers.is_empty() {
            return Ok(profiles(&shapes));
        }
        let request = HoursRequest {
            period,
            catalog,
            customers: &customers,
            shard: Shard::WHOLE,
            // Sums of numbers depend on their order.
            in_order: true,
            query_id: name,
            deadline,
        };
        let mut stream = self.hours(&request).await?;
        while let Some(customer) = stream.next().await? {
            let since = customer.known(week.first(), week.first()).customer_since;
            for ((spec, values), shapes) in metrics.iter().zip(customer.series()).zip(&mut shapes) {
                shapes.add(&spec.hours(week.first(), values, since), week);
            }
        }
        if stream.may_be_cut() {
            return Err(self.truncated(name, customers.len() as u64));
        }
        Ok(profiles(&shapes))
    }
}

fn profiles(shapes: &[Shapes]) -> Vec<Profile> {
    shapes.iter().map(Shapes::profile).collect()
}

/// At most [`SAMPLE`] of these customers, evenly from the order of their ids.
fn sample(customers: Vec<CustomerId>) -> Vec<CustomerId> {
    let step = customers.len().div_ceil(SAMPLE).max(1);
    customers.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_even_and_not_too_large() {
        let customers =
            |number: usize| (0..number).map(|id| CustomerId::new(format!("{id:06}")).unwrap()).collect();
        for (number, first, second, size) in [
            (0, None, None, 0),
            (7, Some("000000"), Some("000001"), 7),
            (500, Some("000000"), Some("000001"), 500),
            (501, Some("000000"), Some("000002"), 251),
            (41_667, Some("000000"), Some("000084"), 497),
        ] {
            let sample = sample(customers(number));
            let found = (sample.first(), sample.get(1));
            let of = |id: Option<&str>| id.map(|id| CustomerId::new(id).unwrap());
            assert_eq!(found, (of(first).as_ref(), of(second).as_ref()), "{number}");
            assert_eq!(sample.len(), size, "{number}");
        }
    }
}
