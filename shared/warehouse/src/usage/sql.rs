//! The text of the usage queries, made from the validated catalog. Values are bound on the server.
//!
//! A window's values are in one array, in the order of the catalog. Two values have a special meaning: NaN is a window
//! without events of the metric, and infinity is broken data. ClickHouse's arrays of plain numbers need half the time
//! of nullable ones.

mod entities;
mod examples;
mod figures;
mod hours;
mod hours_of_events;
mod kept;
mod months;
mod off_hours;
mod past;
mod rows;
mod ruled;
mod samples;
mod seen;
mod source;
mod steps;
mod sweep;
mod texts;
mod values;

pub(super) use entities::{event, outcomes};
pub(super) use examples::examples;
pub(super) use figures::{days_of, figures, windows_before};
pub(super) use hours::hours;
pub(super) use hours_of_events::hours_of_events;
pub(super) use kept::kept_samples;
pub(super) use months::months;
pub(super) use off_hours::off_hours;
pub(super) use past::{buckets, customers, has_bucket, held, newest_hour};
pub(super) use samples::{count_of_samples, samples};
pub(super) use seen::{entities_seen, entity_events};
pub(super) use steps::steps;
pub(super) use sweep::{count_customers, sweep};
pub(super) use texts::{distinct, new_texts};

/// Unknown metrics that are named per customer.
pub(super) const UNKNOWN_TOLD: usize = 8;

#[cfg(test)]
mod tests {
    use catalog::{Catalog, Shard};
    use detection::{BaselineDays, Window};

    use super::*;

    fn window(start: &str, end: &str) -> Window {
        Window::between(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    fn days(days: u16) -> BaselineDays {
        BaselineDays::new(days).unwrap()
    }

    fn day() -> Window {
        window("2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z")
    }

    #[test]
    fn the_sweep_of_the_built_in_catalog() {
        insta::assert_snapshot!(sweep(&Catalog::built_in().unwrap(), &day(), days(30), Shard::WHOLE, false));
    }

    #[test]
    fn a_period_off_the_hour() {
        let window = window("2026-11-21T11:30:00Z", "2026-11-21T13:15:00Z");
        insta::assert_snapshot!(sweep(&Catalog::built_in().unwrap(), &window, days(7), Shard::WHOLE, true));
    }

    #[test]
    fn only_some_customers() {
        let text = sweep(&Catalog::built_in().unwrap(), &day(), days(30), Shard::WHOLE, true);
        assert_eq!(text.matches("SELECT arrayJoin({customers:Array(String)})").count(), 1);
        assert_eq!(text.matches("count() OVER ()").count(), 1);
    }

    #[test]
    fn a_shard_reads_its_customers_only() {
        let (catalog, shard) = (Catalog::built_in().unwrap(), Shard::new(1, 4).unwrap());
        let condition = " AND cityHash64(customer_id) % 24 IN (1, 5, 9, 13, 17, 21)";
        assert_eq!(sweep(&catalog, &day(), days(30), shard, false).matches(condition).count(), 2);
        assert_eq!(hours(&catalog, &day(), shard, false, false).matches(condition).count(), 2);
    }

    #[test]
    fn a_column_that_no_metric_needs_is_not_read() {
        let text = sweep(&Catalog::built_in().unwrap(), &day(), days(30), Shard::WHOLE, false);
        assert!(text.contains("peak") && !text.contains("low"));
    }

    #[test]
    fn the_hours_of_two_days() {
        let window = window("2026-11-19T13:00:00Z", "2026-11-21T13:00:00Z");
        insta::assert_snapshot!(hours(&Catalog::built_in().unwrap(), &window, Shard::WHOLE, true, true));
    }

    #[test]
    fn the_month_so_far() {
        insta::assert_snapshot!(months(&Catalog::built_in().unwrap()));
    }

    #[test]
    fn usage_in_steps() {
        let catalog = Catalog::built_in().unwrap();
        insta::assert_snapshot!(steps(catalog.get("storage_peak").unwrap()));
    }
}
