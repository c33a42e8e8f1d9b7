//! Takes a customer out of the tables of all sources. The events are people's own, and stay.
//!
//! Models go last: a fit that began before the rows were gone may have read them. All customers lose their models, because
//! a note of a fit counts its customers. The next runs read hours, and fit the models again.

use std::collections::BTreeMap;

use detection::{CustomerId, EntityPath};

use super::error::{MigrationError, failed};
use super::layout::LOCAL;
use super::listing::Listing;
use super::listing::USAGE;
use super::place::Place;
use super::{Tables, statements, uninstall};

/// The rows of a customer in a table, over all servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerRows {
    /// The name of the table that stores the rows.
    pub table: String,
    pub rows: u64,
    /// Whether these are models.
    pub is_of_models: bool,
}

/// What a removal has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    Rows(CustomerRows),
    /// The table of the models of all customers is empty.
    Models(String),
}

/// A source, and the tables that each server stores of it.
struct Stored {
    tables: Tables,
    has_entities: bool,
    /// The number of a server and the name of a table. Replicas of it are left out.
    rows: Vec<(usize, String)>,
    models: Vec<(usize, String)>,
}

/// Where the customer has rows. Tables without any are listed, too.
pub async fn rows_of(place: &Place, customer: &CustomerId) -> Result<Vec<CustomerRows>, MigrationError> {
    let mut all = Vec::new();
    place.flush().await;
    for stored in stored(place).await? {
        for (tables, is_of_models) in [(&stored.rows, false), (&stored.models, true)] {
            let mut by_table = BTreeMap::new();
            for (server, table) in tables {
                let rows = count(place, *server, table, stored.has_entities, customer).await?;
                *by_table.entry(table.clone()).or_default() += rows;
            }
            let of_table = |(table, rows)| CustomerRows { table, rows, is_of_models };
            all.extend(by_table.into_iter().map(of_table));
        }
    }
    Ok(all)
}

/// Removes the customer. A second call does what the first one left.
///
/// * `told`: is told of each table once it holds nothing of the customer.
pub async fn forget(
    place: &Place,
    customer: &CustomerId,
    mut told: impl FnMut(Forgotten),
) -> Result<(), MigrationError> {
    place.flush().await;
    for stored in stored(place).await? {
        let Stored { tables, has_entities, rows, models } = &stored;
        let mut by_table = BTreeMap::<&str, u64>::new();
        for (server, table) in rows {
            let held = count(place, *server, table, *has_entities, customer).await?;
            *by_table.entry(table).or_default() += held;
            if held > 0 {
                delete(place, *server, table, *has_entities, customer).await?;
            }
        }
        let mut is_fitted = by_table.values().any(|rows| *rows > 0);
        for (table, rows) in by_table {
            told(Forgotten::Rows(CustomerRows { table: table.to_owned(), rows, is_of_models: false }));
        }
        for (server, table) in models {
            is_fitted |= count(place, *server, table, *has_entities, customer).await? > 0;
        }
        if is_fitted && !models.is_empty() {
            let names = [tables.fits.as_str(), tables.models.as_str()];
            for statement in statements::forget_models(tables) {
                place.change("the models were not removed", &statement, &names).await?;
            }
            told(Forgotten::Models(tables.models.clone()));
        }
    }
    Ok(())
}

/// The tables of all sources that a migration made.
async fn stored(place: &Place) -> Result<Vec<Stored>, MigrationError> {
    let mut by_source = BTreeMap::new();
    for (number, server) in place.servers.iter().enumerate() {
        let listing = uninstall::listed(place, server).await?;
        for source in listing.sources() {
            let (rows, models) = of_source(&listing, &Tables::of_source(&source));
            // A replica takes the change of a table from the first one.
            let is_first = |table: &String| server.runs(&deletion(table, ""), &place.layout);
            let stored = by_source.entry(source.clone()).or_insert_with(|| Stored {
                tables: Tables::of_source(&source),
                has_entities: source != USAGE,
                rows: Vec::new(),
                models: Vec::new(),
            });
            stored.rows.extend(rows.into_iter().filter(is_first).map(|table| (number, table)));
            stored.models.extend(models.into_iter().filter(is_first).map(|table| (number, table)));
        }
    }
    Ok(by_source.into_values().collect())
}

/// The tables of a server that store rows of a source, and the one that stores its models.
fn of_source(listing: &Listing, tables: &Tables) -> (Vec<String>, Vec<String>) {
    let minutes = tables.minutes.as_deref().unwrap_or_default();
    let with_local = |names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|name| [(*name).to_owned(), format!("{name}{LOCAL}")]).collect()
    };
    let storing = |names: &[&str]| {
        let names = with_local(names);
        listing.storing(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // Every migration makes the table of fits. Without it somebody else has tables with the names of ours.
    if storing(&[&tables.fits]).is_empty() {
        return (Vec::new(), Vec::new());
    }
    // Nor did each migration make tables of texts, samples and minutes.
    let not_always = with_local(&[&tables.seen, &tables.samples, minutes]);
    let not_always: Vec<&str> = not_always.iter().map(String::as_str).collect();
    let foreign = listing.foreign(&not_always);
    let mut rows = storing(&[&tables.rollup, minutes, &tables.seen, &tables.samples, &tables.copy]);
    rows.retain(|table| !foreign.contains(table));
    (rows, storing(&[&tables.models]))
}

async fn count(
    place: &Place,
    server: usize,
    table: &str,
    has_entities: bool,
    customer: &CustomerId,
) -> Result<u64, MigrationError> {
    let Some(server) = place.servers.get(server) else { return Ok(0) };
    let text = format!("SELECT count() FROM {table} WHERE {}", is_of_customer(has_entities));
    let query = server.client.clone().with_database(&place.database).query_raw(&text);
    let counted = query.param("customer", customer.as_str()).param("separator", SEPARATOR).fetch_one().await;
    let what = "the rows of the customer were not counted";
    counted.map_err(|error| server.failed(failed(&place.database, what, &text)(error)))
}

async fn delete(
    place: &Place,
    server: usize,
    table: &str,
    has_entities: bool,
    customer: &CustomerId,
) -> Result<(), MigrationError> {
    let Some(server) = place.servers.get(server) else { return Ok(()) };
    let text = deletion(table, is_of_customer(has_entities));
    let query = server.client.clone().with_database(&place.database).query_raw(&text);
    let deleted = query.param("customer", customer.as_str()).param("separator", SEPARATOR).execute().await;
    let what = "the rows of the customer were not removed";
    deleted.map_err(|error| server.failed(failed(&place.database, what, &text)(error)))
}

/// It waits for all replicas.
fn deletion(table: &str, condition: &str) -> String {
    format!("ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2")
}

const SEPARATOR: &str = "\u{1f}";
const _: () = assert!(EntityPath::SEPARATOR == '\u{1f}');

/// In the rollup of usage the separator is a part of an id like any other character. In those of entities it ends the customer.
fn is_of_customer(has_entities: bool) -> &'static str {
    match has_entities {
        false => "customer_id = {customer:String}",
        true => "splitByChar({separator:String}, toString(customer_id))[1] = {customer:String}",
    }
}
