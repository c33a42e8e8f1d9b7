//! The events that earlier imports of the same file left in the table.
//!
//! ClickHouse has no transaction over several inserts, so an import that dies leaves a part of its events behind. So
//! every event says where it comes from: `import-{file}-{copy}-{line}-{index}`. `file` is the first 16 digits of the
//! file's SHA-256. `copy` is 1, or more after `--again`. `line` and `index` are the line and the number of the event in
//! the line. By these ids an unfinished import is found and completed.

use anyhow::{Context, bail, ensure};
use clickhouse::query::RowCursor;
use clickhouse::{Client, Row};
use serde::Deserialize;

/// The events of one copy of a file that are in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Deserialize)]
pub(crate) struct Stored {
    pub(crate) copy: u64,
    pub(crate) events: u64,
}

/// An event within its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Row, Deserialize)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) index: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Insert everything as this copy.
    Insert { copy: u64 },
    /// Insert the missing events of this copy.
    Complete { copy: u64, missing: u64 },
    /// Everything is there.
    Nothing,
}

/// The start of the ids of a file's events. `digest` is the file's SHA-256 in hexadecimal.
pub(crate) fn prefix_of_file(digest: &str) -> String {
    format!("import-{}-", &digest[..16])
}

/// Decides from the stored events and the events of the file. Nothing is counted twice unless the user asks for it.
pub(crate) fn decide(stored: &[Stored], events: u64, again: bool, resume: bool) -> anyhow::Result<Action> {
    let Some(last) = stored.iter().max_by_key(|stored| stored.copy) else {
        return Ok(Action::Insert { copy: 1 });
    };
    ensure!(
        last.events <= events || again,
        "{} events of this file are in `events`, but the file makes only {events}: it was imported with another \
         catalog, or twice at the same time. Look at them before you import it once more with --again",
        last.events
    );
    if last.events < events {
        if resume {
            return Ok(Action::Complete { copy: last.copy, missing: events - last.events });
        }
        bail!(
            "an import of this file was not finished: {} of its {events} events are in `events`. Insert the others \
             with --resume",
            last.events
        );
    }
    match (again, resume) {
        (true, _) => Ok(Action::Insert { copy: last.copy + 1 }),
        (false, true) => Ok(Action::Nothing),
        (false, false) => bail!(
            "this file was imported before: all of its {events} events are in `events`. To count its usage a second \
             time on purpose, use --again"
        ),
    }
}

pub(crate) async fn stored(client: &Client, prefix: &str) -> anyhow::Result<Vec<Stored>> {
    client
        .query(
            "SELECT toUInt64OrZero(splitByChar('-', transaction_id)[3]) AS copy, count() AS events FROM events \
             WHERE startsWith(transaction_id, ?) GROUP BY copy ORDER BY copy",
        )
        .bind(prefix)
        .fetch_all()
        .await
        .context("cannot look for an earlier import in `events` (has `meterflow migrate` been run?)")
}

/// The stored events of a copy, in the order of the file.
pub(crate) struct Present {
    cursor: RowCursor<Place>,
    next: Option<Place>,
}

impl Present {
    pub(crate) async fn of_copy(client: &Client, prefix_of_copy: &str) -> clickhouse::error::Result<Self> {
        let mut cursor = client
            .query(
                "SELECT toUInt64OrZero(splitByChar('-', transaction_id)[4]) AS line, \
                 toUInt64OrZero(splitByChar('-', transaction_id)[5]) AS index \
                 FROM events WHERE startsWith(transaction_id, ?) ORDER BY line, index",
            )
            .bind(prefix_of_copy)
            .fetch::<Place>()?;
        let next = cursor.next().await?;
        Ok(Self { cursor, next })
    }

    /// Whether this event is stored. Calls must follow the order of the file.
    pub(crate) async fn contains(&mut self, place: Place) -> clickhouse::error::Result<bool> {
        while self.next.is_some_and(|next| next < place) {
            self.next = self.cursor.next().await?;
        }
        Ok(self.next == Some(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_imported_twice_by_accident() {
        let stored = |events: &[u64]| -> Vec<Stored> {
            (1..).zip(events).map(|(copy, &events)| Stored { copy, events }).collect()
        };
        let (none, part, whole, over) = (stored(&[]), stored(&[4]), stored(&[10]), stored(&[11]));
        for (stored, again, resume, expected) in [
            (&none, false, false, Ok(Action::Insert { copy: 1 })),
            (&none, true, false, Ok(Action::Insert { copy: 1 })),
            (&none, false, true, Ok(Action::Insert { copy: 1 })),
            (&part, false, false, Err("4 of its 10 events are in `events`. Insert the others with --resume")),
            (&part, true, false, Err("not finished")),
            (&part, false, true, Ok(Action::Complete { copy: 1, missing: 6 })),
            (&whole, false, false, Err("was imported before")),
            (&whole, true, false, Ok(Action::Insert { copy: 2 })),
            (&whole, false, true, Ok(Action::Nothing)),
            (&over, false, false, Err("the file makes only 10")),
            (&over, false, true, Err("the file makes only 10")),
            (&over, true, false, Ok(Action::Insert { copy: 2 })),
            (&two(10, 3), false, true, Ok(Action::Complete { copy: 2, missing: 7 })),
            (&two(10, 10), true, false, Ok(Action::Insert { copy: 3 })),
        ] {
            let actual = decide(stored, 10, again, resume);
            match (&actual, expected) {
                (Ok(action), Ok(expected)) => assert_eq!(*action, expected, "{stored:?}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                _ => panic!("{stored:?}, again {again}, resume {resume}: {actual:?}"),
            }
        }
    }

    fn two(first: u64, second: u64) -> Vec<Stored> {
        vec![Stored { copy: 1, events: first }, Stored { copy: 2, events: second }]
    }
}
