//! The lines of `meterflow forget`: what there is, why it is refused, what was removed, and what remains.

use std::collections::BTreeMap;

use detection::CustomerId;
use jiff::Timestamp;
use store::ItemKind;
use warehouse::rollup::{CustomerRows, Forgotten};

use super::Found;

/// A line for each place. A place without anything of the customer has one, too.
pub(super) fn found(found: &Found) -> Vec<String> {
    let events = found.events.iter().map(|place| line("events", &place.table, &many(place.events, "event")));
    let rows = found.rows.iter().map(|place| line("rollup", &place.table, &rows(place)));
    let counts = found.items.counts();
    let items = removable().map(|kind| line("table", kind.plural(), &of_kind(&counts, kind)));
    events.chain(rows).chain(items).collect()
}

/// Why the customer is not removed.
pub(super) fn refusals(found: &Found, keep_events: bool, force: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    if !found.events.is_empty() && !keep_events {
        reasons.push(
            "Events of the customer are left, and `meterflow migrate` would fill the rollup again from them. Delete them \
             first, or go on with --keep-events:"
                .to_owned(),
        );
        reasons.extend(found.events.iter().map(|place| format!("  {}", place.remedy)));
    }
    let items = &found.items;
    if !items.open.is_empty() && !force {
        reasons.push(
            "Incidents of the customer are open, and people who were paged would get no end. Resolve each with POST \
             /v1/incidents/ID/resolve, or go on with --force:"
                .to_owned(),
        );
        reasons.extend(items.open.iter().map(|id| format!("  {id}")));
    }
    if items.pending + items.waiting > 0 && !force {
        reasons.push(format!(
            "Alerts of the customer are not delivered yet: {} for the next run, {} for channels. Wait until they are, or go \
             on with --force.",
            items.pending, items.waiting
        ));
    }
    reasons
}

/// A line for each place from which something was removed.
pub(super) fn removed(
    customer: &CustomerId,
    tables: &[Forgotten],
    kinds: &BTreeMap<ItemKind, u64>,
) -> Vec<String> {
    let tables = tables.iter().map(|forgotten| match forgotten {
        Forgotten::Rows(place) => line("removed", &place.table, &rows(place)),
        Forgotten::Models(table) => {
            line("removed", table, "the models of all customers. The next runs fit them again")
        }
    });
    let items = removable().map(|kind| line("removed", kind.plural(), &of_kind(kinds, kind)));
    let shown = customer.as_str().escape_debug();
    tables.chain(items).chain([format!("{shown:.200} is forgotten")]).collect()
}

/// What stays, and until when.
pub(super) fn remaining(found: &Found, table: &str) -> Vec<String> {
    let events = found.events.iter().map(|place| {
        line("remains", &place.table, &format!("{}, until you delete them", many(place.events, "event")))
    });
    let naming = found.items.naming.iter().map(|(kind, naming)| {
        let until = Timestamp::from_second(naming.until).map(|at| at.to_string());
        let until = until.unwrap_or_else(|_| "an unknown time".to_owned());
        line(
            "remains",
            kind.plural(),
            &format!("{} with the customer among others, until {until}", many(naming.items, "item")),
        )
    });
    let copies = [
        (format!("point-in-time recovery of {table}"), "35 days"),
        ("queues of failed events and alerts".to_owned(), "14 days"),
        ("logs of the functions".to_owned(), "`log_retention_days`"),
        ("counts of the customer's requests to the API".to_owned(), "an hour"),
    ];
    let copies = copies.map(|(place, time)| line("remains", &place, &format!("for {time} at most")));
    events.chain(naming).chain(copies).collect()
}

/// The kinds of items that are deleted.
fn removable() -> impl Iterator<Item = ItemKind> {
    ItemKind::ALL.into_iter().filter(|kind| !matches!(kind, ItemKind::Digest | ItemKind::Run))
}

fn rows(place: &CustomerRows) -> String {
    let of_models =
        if place.is_of_models { ". The models of all customers are removed with them" } else { "" };
    match place.rows {
        0 => "none".to_owned(),
        rows => format!("{}{of_models}", many(rows, "row")),
    }
}

fn of_kind(counts: &BTreeMap<ItemKind, u64>, kind: ItemKind) -> String {
    match counts.get(&kind) {
        None | Some(0) => "none".to_owned(),
        Some(count) => many(*count, "item"),
    }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn line(what: &str, place: &str, how: &str) -> String {
    format!("{what:8} {place:28} {how}")
}

#[cfg(test)]
mod tests {
    use store::{CustomerItems, Naming};
    use warehouse::rollup::CustomerEvents;

    use super::*;

    fn all(items: CustomerItems) -> Found {
        let events = vec![CustomerEvents {
            table: "events".to_owned(),
            events: 3,
            remedy: "ALTER TABLE events DELETE".to_owned(),
        }];
        let rows =
            |table: &str, rows, is_of_models| CustomerRows { table: table.to_owned(), rows, is_of_models };
        let rows =
            vec![rows("usage_hourly", 1, false), rows("usage_models", 24, true), rows("a_seen", 0, false)];
        Found { events, rows, items }
    }

    #[test]
    fn each_place_has_a_line() {
        let lines = found(&all(CustomerItems::default()));
        for expected in [
            "events   events                       3 events",
            "rollup   usage_hourly                 1 row",
            "rollup   usage_models                 24 rows. The models of all customers are removed with them",
            "rollup   a_seen                       none",
            "table    versions of the policy       none",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.contains("digest")), "nothing of it is deleted: {lines:#?}");
    }

    #[test]
    fn a_removal_is_refused_until_people_know_the_end() {
        let mut items = CustomerItems::default();
        (items.pending, items.waiting) = (1, 2);
        let found = all(items);
        let text = |keep_events, force| refusals(&found, keep_events, force).join("\n");
        assert!(text(false, true).ends_with("--keep-events:\n  ALTER TABLE events DELETE"));
        assert!(text(true, false).contains("1 for the next run, 2 for channels"));
        assert_eq!(text(true, true), "");
    }

    #[test]
    fn what_remains_says_until_when() {
        let mut items = CustomerItems::default();
        items.naming.insert(ItemKind::Digest, Naming { items: 2, until: 1_795_266_000 });
        let lines = remaining(&all(items), "meterflow-anomalies");
        let text = lines.join("\n");
        for expected in [
            "digests of storms            2 items with the customer among others, until 2026-11-21T13:00:00Z",
            "events                       3 events, until you delete them",
            "recovery of meterflow-anomalies for 35 days at most",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn the_report_shows_no_control_character() {
        let customer = CustomerId::new("a\u{1b}[2J").unwrap();
        let lines = removed(&customer, &[Forgotten::Models("usage_models".to_owned())], &BTreeMap::new());
        assert_eq!(lines.last().map(String::as_str), Some("a\\u{1b}[2J is forgotten"));
        assert!(lines[0].contains("the models of all customers"), "{lines:#?}");
    }
}
