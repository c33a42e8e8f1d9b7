//! How the tables of a source lie: on one server, or on the servers of a cluster.
//!
//! In a cluster each server has its rows in a table `X_local`. A table `X` of engine `Distributed` over it reads all
//! servers, and sends each new row to the server of its customer. All queries name `X`, as on one server. Changes of
//! what is stored must name `X_local`, because `X` stores nothing: a mutation of it fails, and `TRUNCATE` of it does
//! nothing.

use super::sql::MARK;

/// The layout of the tables that a migration makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One server has all rows.
    Single,
    /// Each server of this cluster has some of the rows.
    Cluster {
        name: String,
        database: String,
        /// Whether several servers have the same rows.
        is_replicated: bool,
        shards: usize,
    },
}

/// Ends the names of the tables with the rows of one server.
pub(super) const LOCAL: &str = "_local";

impl Layout {
    /// The table that has the rows of a server, for a table as queries name it.
    pub(super) fn local(&self, table: &str) -> String {
        match self {
            Self::Single => table.to_owned(),
            Self::Cluster { .. } => format!("{table}{LOCAL}"),
        }
    }

    /// The statements that each server runs in the place of one that names the tables `names` as queries do.
    pub(super) fn spread(&self, statement: &str, names: &[&str]) -> Vec<String> {
        let Self::Cluster { .. } = self else { return vec![statement.to_owned()] };
        let Some((head, table, stored)) = with_local_name(statement, names) else {
            return vec![statement.to_owned()];
        };
        if head == CREATE {
            return vec![self.replicated(&stored, table), self.distributed(table, statement)];
        }
        // The table that reads all servers has the same columns, and goes with the last of the rows.
        let is_of_both = head == DROP || head == ALTER && statement.contains("ADD COLUMN");
        // At once, so that a table of the same name finds no trace of its replicas.
        let stored = if head == DROP { format!("{stored} SYNC") } else { stored };
        let both = [Some(stored), is_of_both.then(|| statement.to_owned())];
        both.into_iter().flatten().collect()
    }

    /// Whether a statement of a server changes a table, and its replicas do the same by themselves.
    pub(super) fn is_replicated_change(&self, statement: &str) -> bool {
        let is_replicated = matches!(self, Self::Cluster { is_replicated: true, .. });
        let table = statement.strip_prefix(ALTER).and_then(|rest| rest.split_whitespace().next());
        is_replicated && table.is_some_and(|table| table.ends_with(LOCAL))
    }

    /// With an engine that copies the rows to the other servers that have the same.
    fn replicated(&self, statement: &str, table: &str) -> String {
        let Self::Cluster { database, is_replicated: true, .. } = self else { return statement.to_owned() };
        let Some((before, engine)) = statement.split_once("\nENGINE = ") else { return statement.to_owned() };
        let (engine, after) = engine.split_once('\n').unwrap_or((engine, ""));
        let (engine, arguments) = engine.split_once('(').unwrap_or((engine, ")"));
        let comma = if arguments == ")" { "" } else { ", " };
        let after = if table == EVENTS { after.to_owned() } else { without_deduplication(after) };
        format!(
            "{before}\nENGINE = Replicated{engine}('/clickhouse/tables/{{shard}}/{database}/{table}{LOCAL}', \
             '{{replica}}'{comma}{arguments}\n{after}"
        )
    }

    /// Makes the table that reads all servers.
    fn distributed(&self, table: &str, statement: &str) -> String {
        let Self::Cluster { name, database, .. } = self else { return statement.to_owned() };
        let mark = format!("\nCOMMENT '{MARK}'");
        let comment = if statement.ends_with(&mark) { mark.as_str() } else { "" };
        format!(
            "CREATE TABLE IF NOT EXISTS {table} AS {table}{LOCAL}\n\
             ENGINE = Distributed('{name}', '{database}', '{table}{LOCAL}', {}){comment}",
            key(table)
        )
    }
}

/// What tells the server of a row. All rows of a customer are on one server, so that each server finds its customers whole.
pub(super) fn key(table: &str) -> &'static str {
    if table.ends_with("_model_fits") { "bucket" } else { "cityHash64(customer_id)" }
}

/// The events that a migration makes, as queries name them.
pub(super) const EVENTS: &str = "events";

/// Rows that are alike are not the same: two inserts may have one event of a customer and hour each, and an hour that was deleted
/// is filled with the rows that it had.
fn without_deduplication(clauses: &str) -> String {
    const SETTING: &str = "replicated_deduplication_window = 0";
    if clauses.contains("\nSETTINGS ") {
        return clauses.replacen("\nSETTINGS ", &format!("\nSETTINGS {SETTING}, "), 1);
    }
    match clauses.split_once("\nCOMMENT ") {
        Some((before, comment)) => format!("{before}\nSETTINGS {SETTING}\nCOMMENT {comment}"),
        None => format!("{clauses}\nSETTINGS {SETTING}"),
    }
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS ";
const ALTER: &str = "ALTER TABLE ";
const DROP: &str = "DROP TABLE IF EXISTS ";

/// The head of a statement and the table that it changes, if it is one of these, and the statement with the local name of
/// the table. A statement names its table right after its head.
fn with_local_name<'a>(statement: &str, names: &[&'a str]) -> Option<(&'static str, &'a str, String)> {
    const HEADS: [&str; 5] = [CREATE, ALTER, "TRUNCATE TABLE ", "INSERT INTO ", DROP];
    let comments: usize =
        statement.split_inclusive('\n').take_while(|line| line.starts_with("--")).map(str::len).sum();
    let head = HEADS.into_iter().find(|head| statement[comments..].starts_with(head))?;
    let start = comments + head.len();
    let start = start + usize::from(statement[start..].starts_with('`'));
    let rest = &statement[start..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (table, after) = rest.split_at(end);
    let table = names.iter().copied().find(|name| *name == table)?;
    Some((head, table, format!("{}{table}{LOCAL}{after}", &statement[..start])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollup::{Tables, statements};
    use catalog::Catalog;

    fn cluster(is_replicated: bool) -> Layout {
        Layout::Cluster { name: "metering".to_owned(), database: "db".to_owned(), is_replicated, shards: 2 }
    }

    fn spread(is_replicated: bool, statement: &str) -> Vec<String> {
        cluster(is_replicated)
            .spread(statement, &["usage_hourly", "usage_models", "usage_model_fits", "jobs_hourly"])
    }

    #[test]
    fn a_table_of_one_server_becomes_two_on_each_server() {
        let [rollup, _, fits] = statements::tables(&Catalog::built_in().unwrap(), 400);
        assert_eq!(spread(false, &fits).len(), 2, "the statement begins with a comment");
        assert_eq!(Layout::Single.spread(&rollup, &["usage_hourly"])[0], rollup);
        let [local, all] = spread(false, &rollup).try_into().unwrap();
        assert!(local.starts_with("CREATE TABLE IF NOT EXISTS usage_hourly_local\n("), "{local}");
        assert_eq!(local.replace("usage_hourly_local", "usage_hourly"), rollup);
        assert_eq!(
            all,
            "CREATE TABLE IF NOT EXISTS usage_hourly AS usage_hourly_local\n\
             ENGINE = Distributed('metering', 'db', 'usage_hourly_local', cityHash64(customer_id))"
        );
    }

    #[test]
    fn replicas_have_their_shard_in_the_path_and_their_own_name() {
        let made = |statement: &str| spread(true, statement)[0].clone();
        assert_eq!(
            made(
                "CREATE TABLE IF NOT EXISTS usage_hourly\n(a UInt8)\nENGINE = AggregatingMergeTree\nORDER BY a"
            ),
            "CREATE TABLE IF NOT EXISTS usage_hourly_local\n(a UInt8)\nENGINE = \
             ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/db/usage_hourly_local', '{replica}')\nORDER BY a\n\
             SETTINGS replicated_deduplication_window = 0"
        );
        assert_eq!(
            made(
                "CREATE TABLE IF NOT EXISTS jobs_hourly\n(a UInt8)\nENGINE = ReplacingMergeTree(version, is_deleted)\nORDER BY a"
            ),
            "CREATE TABLE IF NOT EXISTS jobs_hourly_local\n(a UInt8)\nENGINE = \
             ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/db/jobs_hourly_local', '{replica}', version, \
             is_deleted)\nORDER BY a\nSETTINGS replicated_deduplication_window = 0"
        );
        let [rollup, models, fits] = statements::tables(&Catalog::built_in().unwrap(), 400);
        for table in [rollup, models, fits] {
            let made = made(&table);
            assert_eq!(made.matches("SETTINGS").count(), 1, "{made}");
            assert!(made.contains("SETTINGS replicated_deduplication_window = 0"), "{made}");
        }
    }

    #[test]
    fn replicas_get_changes_from_the_first_of_their_shard() {
        let alter = "ALTER TABLE usage_hourly_local DELETE WHERE metric = 'a'";
        assert!(cluster(true).is_replicated_change(alter));
        assert!(!cluster(false).is_replicated_change(alter) && !Layout::Single.is_replicated_change(alter));
        for other in ["ALTER TABLE usage_hourly ADD COLUMN a UInt8", "TRUNCATE TABLE usage_models_local"] {
            assert!(!cluster(true).is_replicated_change(other), "{other}");
        }
    }

    #[test]
    fn the_table_over_all_servers_keeps_the_mark() {
        let text = format!(
            "CREATE TABLE IF NOT EXISTS jobs_hourly\n(a UInt8)\nENGINE = MergeTree\nORDER BY a\nCOMMENT '{MARK}'"
        );
        let all = &spread(false, &text)[1];
        assert!(all.ends_with(&format!("cityHash64(customer_id))\nCOMMENT '{MARK}'")), "{all}");
    }

    #[test]
    fn what_is_stored_is_changed_on_each_server() {
        let one = |statement: &str| -> String {
            let [one] = spread(false, statement).try_into().unwrap();
            one
        };
        let deletion = "ALTER TABLE usage_hourly DELETE WHERE metric = 'usage_hourly'";
        assert_eq!(one(deletion), "ALTER TABLE usage_hourly_local DELETE WHERE metric = 'usage_hourly'");
        let tables = Tables::of(&Catalog::built_in().unwrap());
        let [fits, note, models] = statements::forget_models(&tables);
        assert_eq!(one(&fits), "TRUNCATE TABLE usage_model_fits_local");
        assert!(one(&note).starts_with("INSERT INTO usage_model_fits_local (definition"));
        assert_eq!(one(&models), "TRUNCATE TABLE usage_models_local");
    }

    #[test]
    fn both_tables_get_a_new_column_and_go_together() {
        let dropped = spread(false, "DROP TABLE IF EXISTS `usage_hourly`");
        assert_eq!(
            dropped,
            ["DROP TABLE IF EXISTS `usage_hourly_local` SYNC", "DROP TABLE IF EXISTS `usage_hourly`"]
        );
        let tables = Tables::of(&Catalog::built_in().unwrap());
        let [local, all] = spread(false, &statements::add_zone(&tables)).try_into().unwrap();
        assert!(local.starts_with("ALTER TABLE usage_models_local ADD COLUMN"), "{local}");
        assert!(all.starts_with("ALTER TABLE usage_models ADD COLUMN"), "{all}");
    }

    #[test]
    fn statements_about_other_tables_and_views_stay() {
        for statement in [
            "CREATE DATABASE IF NOT EXISTS `db`",
            "DROP VIEW IF EXISTS `usage_hourly_api_calls`",
            "ALTER TABLE `usage_hourly_api_calls` MODIFY QUERY\nSELECT 1",
            "CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_a` TO usage_hourly AS\nSELECT 1 FROM events_local",
        ] {
            assert_eq!(spread(false, statement), [statement]);
        }
    }

    #[test]
    fn a_fit_is_where_its_bucket_is_and_a_row_where_its_customer_is() {
        assert_eq!(key("jobs_model_fits"), "bucket");
        for table in ["events", "jobs_hourly", "jobs_models", "jobs_minute", "jobs_seen"] {
            assert_eq!(key(table), "cityHash64(customer_id)");
        }
    }
}
