//! Reads the values of the newest windows of entities one by one, and those of the hours before, for the rules `vote` and `unseen_shape`.
//!
//! An entity has thousands of values. So entities are read one after the other, and in a large fleet ClickHouse makes those of one
//! bucket at a time.

use std::cell::Cell;

use catalog::{MetricSpec, Shard};
use clickhouse::Row;
use detection::vote::SAMPLES;
use detection::{Histogram, Missing};
use serde::Deserialize;

use super::entities::EntitiesRequest;
use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// More entities are read in several queries, one for each bucket.
pub const MOST_AT_ONCE: u64 = 300;

/// The samples of the metrics of an entity. Windows and hours without events are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntitySamples {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// By the place of the metric among those that rules judge. Empty for metrics without any.
    pub metrics: Vec<MetricSamples>,
}

/// The values of a metric of an entity: means of a metric whose aggregate is `avg`, and so on. None of them is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricSamples {
    /// Each with how many windows ago it was: 0 is the judged one.
    pub windows: Vec<(usize, f64)>,
    /// The full hours before the end of the judged window, each with its first instant, in seconds since 1970. Of a metric whose
    /// aggregate is among the values, only the hours of the day that the season of the windows needs.
    pub hours: Vec<(i64, f64)>,
    /// The days of UTC before that of the judged window, each with its first instant, its smallest and its largest value. Only of a
    /// metric whose aggregate is among the values.
    pub days: Vec<(i64, f64, f64)>,
}

/// Place of the metric, number of the window or hour, value, and the histogram of a percentile.
type Sample = (u16, i64, f64, Vec<(i16, u64)>);

#[derive(Row, Deserialize)]
struct SamplesRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    samples: Vec<Sample>,
    /// Place of the metric, first instant, smallest and largest value.
    days: Vec<(u16, i64, f64, f64)>,
}

#[derive(Row, Deserialize)]
struct CountRow {
    entities: u64,
    declared: u64,
}

impl Declaring for SamplesRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl Declaring for CountRow {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl MetricSamples {
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.hours.is_empty() && self.days.is_empty()
    }
}

impl UsageReader {
    /// Shows the samples of each entity that detectors vote on, in no order.
    pub async fn samples(
        &self,
        request: &EntitiesRequest<'_>,
        mut show: impl FnMut(EntitySamples),
    ) -> Result<(), UsageError> {
        let EntitiesRequest { shard, query_id, .. } = *request;
        let entities = self.count_of_samples(request, SAMPLES).await?;
        if entities <= MOST_AT_ONCE {
            return self.samples_of(request, SAMPLES, (shard, query_id), &mut show).await;
        }
        for bucket in shard.buckets() {
            let name = format!("{query_id}-{bucket}");
            self.samples_of(request, SAMPLES, (Shard::of_bucket(bucket), &name), &mut show).await?;
        }
        Ok(())
    }

    /// Shows the newest windows of entities that detectors vote on, without the hours before: those of all, or of enough buckets for
    /// `most` entities. Returns how many entities were shown. Each comes with about how many that will be.
    pub async fn newest_windows(
        &self,
        request: &EntitiesRequest<'_>,
        windows: usize,
        most: u64,
        mut show: impl FnMut(u64, EntitySamples),
    ) -> Result<u64, UsageError> {
        let EntitiesRequest { shard, query_id, .. } = *request;
        let all = self.count_of_samples(request, windows).await?;
        let shown = Cell::new(0);
        let mut show = |samples| {
            shown.set(shown.get() + 1);
            show(all.min(most), samples);
        };
        if all <= most {
            self.samples_of(request, windows, (shard, query_id), &mut show).await?;
            return Ok(shown.get());
        }
        for bucket in shard.buckets() {
            let name = format!("{query_id}-{bucket}");
            self.samples_of(request, windows, (Shard::of_bucket(bucket), &name), &mut show).await?;
            if shown.get() >= most {
                break;
            }
        }
        Ok(shown.get())
    }

    /// Shows the newest windows of a part of the entities, or of chosen ones, by one query.
    pub async fn windows_of_part(
        &self,
        request: &EntitiesRequest<'_>,
        windows: usize,
        mut show: impl FnMut(EntitySamples),
    ) -> Result<(), UsageError> {
        self.samples_of(request, windows, (request.shard, request.query_id), &mut show).await
    }

    /// How many entities have one of the newest windows.
    async fn count_of_samples(
        &self,
        request: &EntitiesRequest<'_>,
        windows: usize,
    ) -> Result<u64, UsageError> {
        let EntitiesRequest { catalog, window, keys, shard, query_id, deadline, .. } = *request;
        let count = sql::count_of_samples(catalog, (&window, windows), shard, !keys.is_empty());
        let Some(count) = count else { return Ok(0) };
        let name = format!("{query_id}-count");
        let query = self.query(&count, (window.start(), window.end()), catalog, keys, &name).await?;
        let mut rows = self.start::<CountRow>(query, &name, deadline)?;
        Ok(rows.next().await?.map_or(0, |row| row.entities))
    }

    /// The samples of a part of the entities, by one query. The hours before come with as many windows as a vote looks at.
    async fn samples_of(
        &self,
        request: &EntitiesRequest<'_>,
        windows: usize,
        (shard, query_id): (Shard, &str),
        show: &mut impl FnMut(EntitySamples),
    ) -> Result<(), UsageError> {
        let EntitiesRequest { catalog, window, from, keys, deadline, .. } = *request;
        let has_hours = windows == SAMPLES;
        let text = sql::samples(catalog, (&window, windows), has_hours, shard, !keys.is_empty());
        let Some(text) = text else { return Ok(()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<SamplesRow<'static>>(query, query_id, deadline)?;
        while let Some(row) = rows.next().await? {
            let mut samples = EntitySamples {
                key: row.customer_id.to_vec(),
                metrics: vec![MetricSamples::default(); catalog.ruled().len()],
            };
            for (place, slot, level, shape) in row.samples {
                let place = usize::from(place);
                let (Some(spec), Some(of_metric)) =
                    (catalog.ruled().get(place), samples.metrics.get_mut(place))
                else {
                    continue;
                };
                let Some(value) = value(spec, level, shape) else { continue };
                match usize::try_from(slot) {
                    Ok(ago) if ago < windows => of_metric.windows.push((ago, value)),
                    _ => of_metric.hours.push((slot, value)),
                }
            }
            for (place, day, least, most) in row.days {
                if let Some(of_metric) = samples.metrics.get_mut(usize::from(place)) {
                    of_metric.days.push((day, least, most));
                }
            }
            show(samples);
        }
        Ok(())
    }
}

/// The value of a window or an hour with events. `None` for a gap.
///
/// * `level`: the value, if it is made of no histogram. NaN if it is not known.
fn value(spec: &MetricSpec, level: f64, shape: Vec<(i16, u64)>) -> Option<f64> {
    let known = match spec.aggregate.percentile() {
        Some(share) => shape.into_iter().collect::<Histogram>().percentile(share),
        None => Some(level).filter(|level| !level.is_nan()),
    };
    known.or((spec.missing == Missing::Zero).then_some(0.0))
}
