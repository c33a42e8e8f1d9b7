//! The hourly rollup of usage: its tables, the materialized views that feed it, and its backfill.
//!
//! One row of `usage_hourly` holds a customer's events of one metric in one hour, reduced in every way that a catalog
//! can ask for (number, sum, largest, smallest), so that an aggregate can change without a new table. A materialized
//! view a metric adds to it as events are inserted; an event that arrives late lands in the hour of its own time.
//!
//! Migration converges and has no memory: it looks at what is there, makes what is missing, replaces what was made
//! from another definition, and recomputes the hours of which the rollup holds fewer events than there are. Running it
//! again after it was cut off goes on from there. Two things it never does by itself:
//!
//! * It takes nothing out of the rollup, unless somebody agreed to what it lists.
//! * It replaces no hour by one of fewer events, unless somebody asked for a rebuild: events that are missing may have
//!   expired.
//!
//! Beside it stand tables of baselines, which runs of the detector compute from the rollup and use as long as nothing new
//! has arrived for their hours; a migration that takes anything out of the rollup has them forgotten.

mod apply;
mod backfill;
mod definition;
mod deletion;
mod error;
mod events;
mod inspect;
mod migrate;
mod plan;
mod reason;
mod refusal;
pub mod sample;
pub mod statements;
pub mod trial;
mod uninstall;

pub use apply::apply;
pub use backfill::{Day, Difference, differences};
pub use definition::ViewState;
pub use deletion::Deletion;
pub use error::MigrationError;
pub(crate) use events::events_as_usage;
pub use inspect::{Newest, RollupView, newest, views};
pub use migrate::{Outcome, Told, migrate};
pub use plan::{Options, Plan, plan};
pub use reason::one_line;
pub use refusal::Refusal;
pub use uninstall::{leftovers, uninstall};

/// The table that holds the rollup.
pub const TABLE: &str = "usage_hourly";

/// When something last arrived for an hour.
pub(crate) const ARRIVALS_TABLE: &str = "usage_arrivals";

/// Baselines that were computed from the rollup, and which computations of them are complete.
pub(crate) const BASELINES_TABLE: &str = "usage_baselines";
pub(crate) const BUILDS_TABLE: &str = "usage_baseline_builds";

/// All tables that a migration makes, but that of the events.
pub const TABLES: [&str; 4] = [TABLE, ARRIVALS_TABLE, BASELINES_TABLE, BUILDS_TABLE];

/// What a note has for a definition that says: nothing that was begun before it is to be read.
pub(crate) const FORGOTTEN: &str = "forgotten";

/// For how many days the rollup keeps an hour, where nobody said otherwise.
pub const DEFAULT_KEEP_DAYS: u16 = 400;

/// The least of these days: a baseline reaches back 90 days, and what is compared with it two more.
pub const LEAST_KEEP_DAYS: u16 = 100;

/// The most of them: thirty years. The rollup has a partition a week and 96 of them. Beyond 672 days a partition holds hours
/// of two years, so the newest day takes longer to read.
pub const MOST_KEEP_DAYS: u16 = 10_950;

const DAY_SECONDS: u32 = 86_400;

const HOUR_SECONDS: u32 = 3_600;

/// The client without a database, for statements about databases.
fn server(client: &clickhouse::Client) -> clickhouse::Client {
    client.clone().with_database("system")
}
