//! Reading usage: streams of all customers and all metrics, and small queries for a single customer.
//!
//! A run reads one row per customer, with the hours of all metrics. The query groups by bucket and customer, the prefix of the
//! rollup's key, so ClickHouse aggregates in key order with little memory. It copies the hours, and the reader joins rows of
//! the same hour.
//! The newest day and the rows of models are two streams that the detector merges, not a join in ClickHouse: neither side
//! holds all customers, and a join took one and a half times as long.
//!
//! Only sums, counts, maxima and minima are computed in ClickHouse. Its `stddevSamp` loses all precision near 1e15.
//!
//! A stream counts as read if two things hold: it ended without an error, and it brought at least the declared number
//! of customers. The same query declares the number, or the note of the fit does. An exception in mid-stream, a
//! cut connection and a stream that was cut at a row are all errors. The caller must then discard every row.

mod entities;
mod error;
mod examples;
mod hours;
mod hours_of_events;
mod intake;
mod kept;
mod models;
mod months;
mod off_hours;
mod past;
mod peers;
mod reader;
mod replicas;
mod request;
mod rows;
mod samples;
mod seen;
mod shards;
mod sql;
mod sweep;
mod texts;
mod tries;
mod windows_before;

pub use entities::{EntitiesRequest, EntityFigures, EventFigures, FailedInARow, FinishedEvent, Outcomes};
pub(crate) use error::exception_code;
pub use error::{QueryContext, UsageError, UsageErrorKind, refuses_login};
pub use examples::{ExamplesRequest, Wanted};
pub use hours::{CustomerHours, HoursOfCustomers, KnownHours};
pub use hours_of_events::EventsOfHour;
pub use intake::{Overflowing, PollError};
pub use kept::{BLOCK, KeptBlock, KeptSamples, NewBlock};
pub use models::{CustomerModel, Fit, ModelWriter, ModelsOfCustomers};
pub use months::{MonthsRequest, OfAll, UsedSince};
pub use off_hours::EntityHour;
pub use reader::UsageReader;
pub use request::{HoursRequest, StepsRequest, SweepRequest, UsageStep};
pub use samples::{EntitySamples, MOST_AT_ONCE, MetricSamples};
pub use seen::{Chosen, EntityEvents, SeenEntity, SeenRequest};
pub use shards::{AgainstParts, CommonBucket, MONTH_READ, MOST_BEHIND};
pub use sweep::{CustomerUsage, Sweep};
pub use texts::{DistinctTexts, NewText, NewTexts};
pub use tries::{Patience, Tries};
pub use windows_before::WindowsBefore;
