//! Tries the expressions of a catalog before a view exists.
//!
//! A view runs within each insert into people's own tables. An expression that throws there fails the insert, and
//! nothing around it can catch the error. So each expression is computed beforehand:
//!
//! * on rows of odd content, made from the types of the columns: empty and broken texts, texts that are no numbers,
//!   JSON without the keys that the expression names or with odd values under them, the ends of ranges, zeros, NULL;
//! * on the existing rows.
//!
//! Each expression must succeed alone. The filter does not protect the value, because ClickHouse promises no order of
//! computation. One query computes all expressions of a metric beside each other. Only if it fails, each is tried by queries of
//! its own, which tell what is wrong.

mod advice;
mod columns;
mod odd;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use catalog::{Catalog, MetricSpec};
use clickhouse::Client;

pub use columns::Column;

use super::error::{MigrationError, failed};
use super::events::rollup_select_from;
use super::one_line;
use super::plan::Plan;
use super::refusal::Refusal;

/// The columns of a table that exists. `None` if it does not.
pub(super) async fn columns_of(
    client: &Client,
    database: &str,
    table: &str,
) -> Result<Option<Vec<Column>>, MigrationError> {
    let found = columns::of(client, database, table).await?;
    Ok(found.filter(|table| table.exists).map(|table| table.columns))
}

/// The rows of a table to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    All,
    /// At most this many.
    Some(u64),
}

/// A field of a metric that holds an expression.
struct Field<'a> {
    name: &'static str,
    /// The text in the catalog.
    text: &'a str,
    /// The text in the statements.
    sql: String,
}

impl Field<'_> {
    /// Whether a query may have the expression beside others. They could use a name that it gives to a value, and a row whose array
    /// is joined and empty would be tried with none of them.
    fn may_be_beside_others(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.all(|word| !matches!(word, "as" | "arrayjoin"))
    }
}

/// Tries the metrics whose views a plan makes or rewrites.
pub async fn of_plan(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    plan: &Plan,
    rows: Rows,
) -> Result<(), MigrationError> {
    let is_changed =
        |metric: &&MetricSpec| plan.new.iter().chain(&plan.rewritten).any(|name| *name == metric.name);
    let mut refusals = Vec::new();
    let mut tables = BTreeMap::new();
    for metric in catalog.metrics().iter().filter(is_changed) {
        let table = match tables.entry(metric.table.as_str()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(columns::of(client, database, &metric.table).await?),
        };
        let trial = Trial::new(client, database, (catalog.origin(), metric), table.as_ref());
        refusals.extend(trial.of_metric(table.as_ref(), rows).await?);
    }
    if refusals.is_empty() { Ok(()) } else { Err(MigrationError::Refused(refusals)) }
}

/// The refusals of a metric.
pub async fn of_metric(
    client: &Client,
    database: &str,
    origin: &str,
    metric: &MetricSpec,
    rows: Rows,
) -> Result<Vec<Refusal>, MigrationError> {
    let table = columns::of(client, database, &metric.table).await?;
    Trial::new(client, database, (origin, metric), table.as_ref()).of_metric(table.as_ref(), rows).await
}

fn fields(metric: &MetricSpec) -> Vec<Field<'_>> {
    let mut fields = vec![
        Field { name: "customer_column", text: &metric.customer_column, sql: metric.tenant_sql() },
        Field { name: "time_column", text: &metric.time_column, sql: metric.time_sql() },
    ];
    let entities = metric.entities.iter();
    let names = entities.clone().flat_map(|entities| &entities.names);
    fields.extend(names.map(|text| Field { name: "entity", text, sql: format!("({text})") }));
    let ids = entities.clone().flat_map(|entities| entities.id.iter().map(|id| ("id", id)));
    let ids = ids.chain(entities.clone().flat_map(|entities| entities.ids.values().map(|id| ("ids", id))));
    fields.extend(ids.map(|(name, text)| Field { name, text, sql: format!("({text})") }));
    let weight = entities.clone().filter_map(|entities| entities.weight.as_ref());
    fields.extend(weight.map(|text| Field { name: "weight", text, sql: format!("({text})") }));
    let sampled = entities.clone().filter_map(|entities| Some(entities.sample.as_ref()?.by()));
    fields.extend(sampled.map(|text| Field { name: "sampling_by", text, sql: format!("({text})") }));
    let bad = entities.filter_map(|entities| entities.bad.as_ref());
    fields.extend(bad.map(|text| Field { name: "bad", text, sql: format!("({text})") }));
    fields.extend(metric.filter.iter().map(|text| Field { name: "filter", text, sql: format!("({text})") }));
    fields.extend(metric.series.iter().map(|text| Field { name: "series", text, sql: format!("({text})") }));
    let value = if metric.aggregate.is_of_texts() { "text" } else { "value" };
    fields.extend(metric.value.iter().map(|text| Field { name: value, text, sql: format!("({text})") }));
    fields.extend(metric.per.iter().map(|text| Field { name: "per", text, sql: format!("({text})") }));
    fields
}

/// The name of a metric's field as people wrote it. A source has names of its own.
fn in_the_file(metric: &MetricSpec, field: &'static str) -> &'static str {
    match field {
        "customer_column" if metric.source.is_some() => "tenant",
        "time_column" if metric.source.is_some() => "time",
        "text" => "value",
        _ => field,
    }
}

/// The fields as columns of a SELECT.
fn named(fields: &[&Field<'_>]) -> String {
    let column = |(number, field): (usize, &&Field<'_>)| format!("{} AS meterflow_field_{number}", field.sql);
    fields.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
}

/// The last part of "database.table". An expression may qualify its columns with it.
fn alias_of(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}

struct Trial<'a> {
    client: Client,
    database: &'a str,
    origin: &'a str,
    metric: &'a MetricSpec,
    /// The names of the table's columns.
    columns: String,
}

impl<'a> Trial<'a> {
    fn new(
        client: &Client,
        database: &'a str,
        (origin, metric): (&'a str, &'a MetricSpec),
        table: Option<&columns::Table>,
    ) -> Self {
        // A migration makes the table, and perhaps the database.
        let is_to_be_made = table.is_some_and(|table| !table.exists);
        let client = client.clone().with_database(if is_to_be_made { "system" } else { database });
        let names: Vec<&str> =
            table.iter().flat_map(|table| &table.columns).map(|column| column.name.as_str()).collect();
        Self { client, database, origin, metric, columns: names.join(", ") }
    }

    /// The refusals of the metric.
    async fn of_metric(
        &self,
        table: Option<&columns::Table>,
        rows: Rows,
    ) -> Result<Vec<Refusal>, MigrationError> {
        let name = &self.metric.table;
        let Some(table) = table else {
            let reason = format!("there is no table `{name}` in the database `{}`", self.database);
            return Ok(vec![self.refusal("table", name, reason, None, None)]);
        };
        let fields = fields(self.metric);
        let texts: Vec<&str> = fields.iter().map(|field| field.text).collect();
        let source = odd::Source::new(&table.columns, &texts);
        let beside: Vec<&Field<'_>> = fields.iter().filter(|field| field.may_be_beside_others()).collect();
        let left = |have_passed: bool| {
            fields.iter().filter(move |field| !(have_passed && field.may_be_beside_others()))
        };
        let mut refusals = Vec::new();
        for field in left(self.of_fields(&beside, &source).await?) {
            refusals.extend(self.of_field(field, &source).await?);
        }
        if !refusals.is_empty() {
            return Ok(refusals);
        }
        // The whole SELECT of the view, on the odd rows.
        let alias = format!("({}) AS {}", source.rows(0, source.count()), alias_of(name));
        let whole = rollup_select_from(self.metric, &alias, "");
        if let Err(error) = self.count(&whole).await? {
            return Ok(vec![self.refusal("table", name, one_line(&error), None, Some((&whole, &error)))]);
        }
        if table.exists {
            let existing = self.compute(&self.existing(&beside, rows)).await?;
            for field in left(existing.is_ok()) {
                refusals.extend(self.on_rows(field, rows).await?);
            }
        }
        Ok(refusals)
    }

    /// Whether the types of several fields are right, and all of them can be computed for the odd rows.
    async fn of_fields(&self, fields: &[&Field<'_>], source: &odd::Source) -> Result<bool, MigrationError> {
        let types: Vec<String> =
            (0..fields.len()).map(|number| format!("toTypeName(meterflow_field_{number})")).collect();
        let text = format!(
            "SELECT any([{}]) FROM (SELECT {}, meterflow_row FROM ({}) AS {}) WHERE NOT ignore(*)",
            types.join(", "),
            named(fields),
            source.rows(0, source.count()),
            alias_of(&self.metric.table)
        );
        let types: Vec<String> = match self.client.query_raw(&text).fetch_one().await {
            Ok(types) => types,
            Err(error) => return self.is_about_the_statement(error, &text).map(|_| false),
        };
        let mut all = fields.iter().zip(&types);
        Ok(all.all(|(field, of_field)| advice::on_a_type(field.name, field.text, of_field).is_none()))
    }

    /// Tries the type and the odd rows.
    async fn of_field(
        &self,
        field: &Field<'_>,
        source: &odd::Source,
    ) -> Result<Option<Refusal>, MigrationError> {
        let alias = alias_of(&self.metric.table);
        // The column beside it reveals an aggregate.
        let text = |first: usize, count: usize| {
            format!(
                "SELECT {} AS meterflow_field, meterflow_row FROM ({}) AS {alias}",
                field.sql,
                source.rows(first, count)
            )
        };
        let describe = format!("DESCRIBE TABLE ({})", text(0, 1));
        let type_of_field = match self.client.query_raw(&describe).fetch_one::<columns::Described>().await {
            Ok(described) => described.r#type,
            Err(error) => {
                let error = self.is_about_the_statement(error, &describe)?;
                let (reason, advice) = (one_line(&error), advice::on_an_error(&error, &self.columns));
                return Ok(Some(self.refusal(
                    field.name,
                    field.text,
                    reason,
                    advice,
                    Some((&describe, &error)),
                )));
            }
        };
        if let Some((reason, advice)) = advice::on_a_type(field.name, field.text, &type_of_field) {
            return Ok(Some(self.refusal(field.name, field.text, reason, advice, None)));
        }
        let whole = text(0, source.count());
        let Err(error) = self.compute(&whole).await? else { return Ok(None) };
        for row in 0..source.count() {
            let one = text(row, 1);
            if let Err(error) = self.compute(&one).await? {
                let shown = self.show(&source.shown(row, field.text)).await;
                let reason = format!(
                    "{}, for a row such as {}. Each insert of such a row into `{}` would fail",
                    one_line(&error),
                    shown,
                    self.metric.table
                );
                let advice = advice::on_a_throw(field.text);
                return Ok(Some(self.refusal(field.name, field.text, reason, advice, Some((&one, &error)))));
            }
        }
        let advice = advice::on_a_throw(field.text);
        Ok(Some(self.refusal(field.name, field.text, one_line(&error), advice, Some((&whole, &error)))))
    }

    /// Tries the existing rows.
    async fn on_rows(&self, field: &Field<'_>, rows: Rows) -> Result<Option<Refusal>, MigrationError> {
        let text = self.existing(&[field], rows);
        let Err(error) = self.compute(&text).await? else { return Ok(None) };
        let reason = format!("{}, for a row of `{}`", one_line(&error), self.metric.table);
        let advice = advice::on_a_throw(field.text);
        Ok(Some(self.refusal(field.name, field.text, reason, advice, Some((&text, &error)))))
    }

    /// Fields of the existing rows.
    fn existing(&self, fields: &[&Field<'_>], rows: Rows) -> String {
        let limit = match rows {
            Rows::All => String::new(),
            Rows::Some(most) => format!(" LIMIT {most}"),
        };
        format!("SELECT {} FROM {}{limit}", named(fields), self.metric.table)
    }

    /// Computes the fields of a SELECT for all its rows.
    async fn compute(&self, select: &str) -> Result<Result<(), clickhouse::error::Error>, MigrationError> {
        self.count(&format!("SELECT 1 FROM ({select}) WHERE NOT ignore(*)")).await
    }

    async fn count(&self, select: &str) -> Result<Result<(), clickhouse::error::Error>, MigrationError> {
        let text = format!("SELECT count() FROM ({select}) WHERE NOT ignore(*)");
        match self.client.query_raw(&text).fetch_one::<u64>().await {
            Ok(_) => Ok(Ok(())),
            Err(error) => self.is_about_the_statement(error, &text).map(Err),
        }
    }

    /// The columns of a row, for people.
    async fn show(&self, text: &str) -> String {
        self.client.query_raw(text).fetch_one::<String>().await.unwrap_or_else(|_| "an odd one".to_owned())
    }

    /// An error of the connection or of the rights does not concern an expression.
    fn is_about_the_statement(
        &self,
        error: clickhouse::error::Error,
        text: &str,
    ) -> Result<clickhouse::error::Error, MigrationError> {
        let code = crate::usage::exception_code(&error);
        match code {
            // ACCESS_DENIED, MEMORY_LIMIT_EXCEEDED, TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES
            None | Some(497 | 241 | 159 | 202) => {
                Err(failed(self.database, "an expression of the catalog could not be tried", text)(error))
            }
            Some(_) => Ok(error),
        }
    }

    fn refusal(
        &self,
        field: &'static str,
        expression: &str,
        reason: String,
        advice: Option<String>,
        failed: Option<(&str, &clickhouse::error::Error)>,
    ) -> Refusal {
        Refusal {
            origin: self.origin.to_owned(),
            metric: self.metric.name.to_string(),
            field: in_the_file(self.metric, field),
            expression: expression.to_owned(),
            reason,
            advice,
            details: failed.map(|(statement, error)| format!("{statement}\n{error}")),
        }
    }
}
