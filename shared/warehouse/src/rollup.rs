//! The hourly rollup of usage: its tables, the materialized views that feed it, and its backfill.
//!
//! One row of `usage_hourly` holds a customer's events of one metric in one hour: their number, sum, largest, smallest
//! and corrections. A changed aggregate needs no new table. One materialized view per metric adds to it at each insert
//! of events. A late event goes into the hour of its own time.
//!
//! The rollup is partitioned by week. A run reads one day without a month around it, and a check of one customer reads
//! six parts. Customers are LowCardinality and codecs are light (LZ4). The rollup is larger then, and reading takes
//! little more than half of the time. Models are ZSTD, because LZ4's high mode takes seven times as long to write.
//!
//! Migration converges and keeps no version table. It compares views by the digest of their definition, and days by
//! their number of events. It makes missing parts, replaces views of another definition, and computes the hours again
//! in which the rollup has too few events. A migration that was cut off continues when it runs again. It has two
//! limits:
//!
//! * It takes nothing out of the rollup, unless somebody agreed to the listed deletions.
//! * It replaces no hour by one of fewer events, unless somebody asked for a rebuild. Missing events may have expired.
//!
//! Runs of the detector fit models from the rollup. A migration that takes anything out of the rollup makes all models
//! invalid.

mod apply;
mod backfill;
mod behind;
mod cluster;
mod counters;
mod definition;
mod deletion;
mod differences;
mod error;
mod events;
mod figures;
mod forget;
mod forget_events;
mod found;
mod inspect;
mod layout;
mod leaving;
mod listing;
mod look;
mod migrate;
mod minutes;
mod overflow;
mod place;
mod plan;
mod poll;
mod reason;
mod refusal;
mod replace;
mod run;
pub mod sample;
mod sql;
pub mod statements;
mod tables;
pub mod trial;
mod uninstall;
mod versions;

pub use apply::apply;
pub use cluster::{Address, Cluster};
pub(crate) use counters::rows as steps_of_counters;
pub use definition::ViewState;
pub use deletion::Deletion;
pub use differences::{Day, Difference, differences};
pub use error::MigrationError;
pub(crate) use events::events_as_usage;
pub use forget::{CustomerRows, Forgotten, forget, rows_of};
pub use forget_events::{CustomerEvents, events_of};
pub use inspect::{Newest, newest, sources, views};
pub use listing::RollupView;
pub use look::{columns, values};
pub use migrate::{Outcome, Told, migrate};
pub(crate) use overflow::overflowing;
pub use place::Place;
pub use plan::{Options, Order, Plan, Step, plan};
pub(crate) use poll::poll;
pub use reason::one_line;
pub use refusal::Refusal;
pub(crate) use sql::number;
pub use tables::Tables;
pub use uninstall::{leftovers, uninstall};

/// A view of earlier versions, and all that they made and that nothing reads any more, the view first. These held only values
/// that were computed from the rollup.
const RETIRED_VIEW: &str = "usage_arrivals_view";
const RETIRED: [&str; 4] = [RETIRED_VIEW, "usage_arrivals", "usage_baselines", "usage_baseline_builds"];

/// Definition of a note that ends all fits that began before it.
pub(crate) const FORGOTTEN: &str = "forgotten";

/// How many days the rollup keeps an hour by default.
pub const DEFAULT_KEEP_DAYS: u16 = 400;

/// The least number of these days. A check of a period compares with 90 days, and the period itself has two more.
pub const LEAST_KEEP_DAYS: u16 = 100;

/// The most of these days: thirty years. The rollup has one partition per week, and 96 of them. Beyond 672 days a
/// partition holds hours of two years, so the newest day takes longer to read.
pub const MOST_KEEP_DAYS: u16 = 10_950;

const DAY_SECONDS: u32 = 86_400;

const HOUR_SECONDS: u32 = 3_600;

/// The client without a database, for statements about databases.
fn server(client: &clickhouse::Client) -> clickhouse::Client {
    client.clone().with_database("system")
}
