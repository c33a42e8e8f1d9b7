//! The ClickHouse side: tables, views, and the age of the newest usage.

use catalog::{Catalog, Feed, MetricSpec};
use jiff::Timestamp;
use warehouse::rollup::{self, Newest, RollupView, Tables, ViewState};

use super::Finding;
use crate::connection::Server;
use crate::output::counted;

/// Hours without an event after which a metric is reported.
const QUIET_HOURS: i64 = 24;

/// The source of the metrics of customers. Every version has its tables.
const USAGE: &str = "usage";

const MIGRATE: &str = "Run `meterflow migrate` with the catalog of the stack";

pub(super) async fn look(server: &Server, catalog: &Catalog, now: Timestamp) -> Vec<Finding> {
    let Server { url, version, .. } = server;
    let mut findings = vec![Finding::right(format!("ClickHouse {version} answers at {url}"))];
    for catalog in catalog.all() {
        findings.extend(of_source(server, catalog, now).await);
    }
    findings.extend(left_sources(server, catalog).await);
    findings
}

/// Sources that left the catalog. Their views still run within each insert into people's tables.
async fn left_sources(server: &Server, catalog: &Catalog) -> Vec<Finding> {
    let sources = match rollup::sources(&server.client, &server.database).await {
        Ok(sources) => sources,
        Err(error) => return vec![Finding::unknown("sources", error.to_string())],
    };
    let left = sources.into_iter().filter(|name| name != USAGE && catalog.of(name).is_none());
    let finding = |name: String| {
        Finding::wrong(
            format!("the catalog has no source `{name}`, and its views still run within inserts"),
            format!("Name the catalog that has it, or run `meterflow uninstall --source {name} --yes`"),
        )
    };
    left.map(finding).collect()
}

/// The tables, views and newest events of one source.
async fn of_source(server: &Server, catalog: &Catalog, now: Timestamp) -> Vec<Finding> {
    let Server { client, database, user, .. } = server;
    let (mut findings, tables) = (Vec::new(), &Tables::of(catalog));
    let text =
        "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {table:String}";
    for table in tables.needed(catalog) {
        let query = client.clone().with_database("system").query_raw(text);
        let count = query.param("database", database).param("table", table).fetch_one::<u64>().await;
        match count {
            Ok(0) => findings.push(Finding::wrong(
                format!("there is no table {database}.{table}, or {user} may not see it"),
                MIGRATE,
            )),
            Ok(_) => {}
            Err(error) => {
                findings
                    .push(Finding::unknown(format!("table {database}.{table}"), rollup::one_line(&error)));
            }
        }
    }
    match rollup::views(client, database, tables).await {
        Ok(views) => {
            findings.extend(catalog.metrics().iter().map(|metric| of_view(metric, tables, &views)));
            findings.extend(views.iter().filter_map(|view| left_over(catalog, tables, view)));
        }
        Err(error) => findings.push(Finding::unknown("views", error.to_string())),
    }
    match rollup::newest(client, database, catalog).await {
        Ok(newest) => {
            findings.extend(catalog.metrics().iter().map(|metric| of_usage(metric, &newest, now)));
        }
        Err(error) => findings.push(Finding::unknown("newest usage", error.to_string())),
    }
    findings
}

fn of_view(metric: &MetricSpec, tables: &Tables, views: &[RollupView]) -> Finding {
    let (name, table) = (&metric.name, &metric.table);
    let view = views.iter().find(|view| view.metric(tables) == name.as_str());
    let is_polled = metric.entities.as_ref().is_some_and(|entities| entities.feed == Feed::Poll);
    match view.map(|view| view.state(Some(metric))) {
        Some(ViewState::Current) if is_polled => {
            Finding::right(format!("{name}: each run reads the rows of `{table}` that changed"))
        }
        Some(ViewState::Current) => Finding::right(format!("{name}: a view on `{table}` feeds the rollup")),
        Some(ViewState::OlderText) => {
            Finding::wrong(format!("{name}: an older version of this program made its view"), MIGRATE)
        }
        Some(ViewState::OtherMeaning) => Finding::wrong(
            format!("{name}: its view was made from another definition than the catalog's"),
            MIGRATE,
        ),
        Some(ViewState::Foreign) => Finding::wrong(
            format!("{name}: a view of its name was not made by `meterflow migrate`"),
            "Give the view another name, and then run `meterflow migrate`",
        ),
        None => Finding::wrong(format!("{name}: no view feeds the rollup"), MIGRATE),
    }
}

fn left_over(catalog: &Catalog, tables: &Tables, view: &RollupView) -> Option<Finding> {
    let is_known = catalog.get(view.metric(tables)).is_some();
    (!is_known && view.state(None) != ViewState::Foreign).then(|| {
        Finding::wrong(format!("the view {} belongs to no metric of the catalog", view.name), MIGRATE)
    })
}

fn of_usage(metric: &MetricSpec, newest: &[Newest], now: Timestamp) -> Finding {
    let (name, table) = (&metric.name, &metric.table);
    let fed = format!("Check that events still arrive in `{table}`, and check the filter in the catalog");
    let Some(found) = newest.iter().find(|newest| newest.metric == name.as_str()) else {
        return Finding::wrong(format!("{name}: the rollup holds no usage"), fed);
    };
    let hours = (now.as_second() - i64::from(found.hour)).div_euclid(3_600);
    let (customers, away) = (counted(found.customers, "customer"), counted(hours.unsigned_abs(), "hour"));
    match hours {
        ..0 => Finding::wrong(
            format!("{name}: its newest event lies {away} in the future"),
            "Check the clocks of the senders",
        ),
        QUIET_HOURS.. => Finding::wrong(format!("{name}: its newest event is {away} old"), fed),
        _ => Finding::right(format!("{name}: usage of {customers}, the newest {away} ago")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_a_view_has_its_remedy() {
        let catalog = Catalog::built_in().unwrap();
        let metric = catalog.get("api_calls").unwrap();
        let view = |comment: &str| RollupView {
            name: "usage_hourly_api_calls".to_owned(),
            comment: comment.to_owned(),
            made: 0,
        };
        let of = |comment: &str| match of_view(metric, &Tables::of(&catalog), &[view(comment)]) {
            Finding::Wrong(what, _) => what,
            other => panic!("{other:?}"),
        };
        assert!(of("b8091f3c2ed52f05").contains("older version"));
        assert!(of("0123456789abcdef 0123456789abcdef").contains("another definition"));
        assert!(of("mine").contains("not made by"));
        assert!(
            matches!(of_view(metric, &Tables::of(&catalog), &[]), Finding::Wrong(what, _) if what.contains("no view feeds"))
        );
        let foreign = RollupView { name: "usage_hourly_gone".to_owned(), ..view("0123456789abcdef") };
        assert!(left_over(&catalog, &Tables::of(&catalog), &foreign).is_some());
        assert_eq!(left_over(&catalog, &Tables::of(&catalog), &view("0123456789abcdef")), None);
    }

    #[test]
    fn usage_that_is_old_or_of_the_future_is_wrong() {
        let catalog = Catalog::built_in().unwrap();
        let metric = catalog.get("api_calls").unwrap();
        let now: Timestamp = "2026-11-21T13:30:00Z".parse().unwrap();
        let of = |hours: i64| {
            let hour = u32::try_from(now.as_second() - 1_800 - hours * 3_600).unwrap();
            of_usage(metric, &[Newest { metric: "api_calls".to_owned(), hour, customers: 3 }], now)
        };
        assert!(matches!(of(0), Finding::Right(_)) && matches!(of(23), Finding::Right(_)));
        assert!(matches!(of(24), Finding::Wrong(..)) && matches!(of(-2), Finding::Wrong(..)));
        assert!(matches!(of_usage(metric, &[], now), Finding::Wrong(..)));
    }
}
