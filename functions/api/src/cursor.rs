//! The place where a list continues: an opaque text that belongs to one query of one caller.
//!
//! A cursor holds the place of the last shown item, the bounds of the list, and a digest. A bound that is relative to
//! now moves on while somebody turns pages, so the cursor keeps the first one. The digest covers place, bounds, the
//! query and the caller's rights. So the API refuses a changed cursor, and a cursor that is sent with another query or
//! another token.
//!
//! The digest is a checksum and no signature. A forged cursor opens nothing: the token decides each list page anew. It
//! only chooses a place in the caller's own list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{AnomalyPosition, IncidentPosition, SortedPosition};

use crate::error::Problem;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor<P> {
    place: Place<P>,
    digest: String,
}

/// The place where a list continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place<P> {
    pub(crate) after: P,
    /// The bounds of the list in Unix milliseconds, `[from, until)`.
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// The key of an item, after which a list continues.
pub(crate) trait Listed: Serialize + DeserializeOwned {
    /// The name of the list and the version of its cursors. A cursor of another list or version is refused.
    const VERSION: &'static str;

    /// The time that the list is sorted by, in Unix milliseconds.
    fn time(&self) -> i64;
}

impl Listed for AnomalyPosition {
    const VERSION: &'static str = "anomalies-1";

    fn time(&self) -> i64 {
        self.detected_at
    }
}

impl Listed for SortedPosition {
    const VERSION: &'static str = "incidents-sorted-1";

    fn time(&self) -> i64 {
        self.last_window
    }
}

impl Listed for IncidentPosition {
    const VERSION: &'static str = "incidents-1";

    fn time(&self) -> i64 {
        self.last_window
    }
}

/// `query` is every text that decides the content of the list.
pub(crate) fn encode<P: Listed>(place: Place<P>, query: &str) -> Result<String, Problem> {
    let digest = digest(&place, query)?;
    let text = serde_json::to_vec(&Cursor { place, digest })
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

pub(crate) fn decode<P: Listed>(text: &str, query: &str) -> Result<Place<P>, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
    let cursor: Cursor<P> = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    let place = cursor.place;
    if !(place.from..place.until).contains(&place.after.time()) || cursor.digest != digest(&place, query)? {
        return Err(refused());
    }
    Ok(place)
}

/// The problem of a cursor that does not belong to its request.
pub(crate) fn refused() -> Problem {
    Problem::invalid(
        "cursor",
        "cursor must be the next_cursor of the same query, with the same parameters and token",
    )
}

fn digest<P: Listed>(place: &Place<P>, query: &str) -> Result<String, Problem> {
    let text = serde_json::to_string(&(P::VERSION, place, query))
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..12]))
}

#[cfg(test)]
mod tests {
    use detection::{CustomerId, MetricName};

    use super::*;

    #[test]
    fn a_cursor_holds_for_its_query_and_unchanged() {
        let place = |detected_at: i64| Place {
            after: AnomalyPosition {
                detected_at,
                metric: MetricName::new("api_calls").unwrap(),
                customer_id: CustomerId::new("a\"\n客").unwrap(),
                entity: None,
            },
            from: 1_795_266_000_000,
            until: 1_795_269_600_000,
        };
        let cursor = encode(place(1_795_266_000_000), "query").unwrap();
        assert_eq!(decode::<AnomalyPosition>(&cursor, "query").unwrap(), place(1_795_266_000_000));
        for beyond in [i64::MIN, 5, 1_795_265_999_999, 1_795_269_600_000, i64::MAX] {
            let made_up = encode(place(beyond), "query").unwrap();
            assert_eq!(decode::<AnomalyPosition>(&made_up, "query").unwrap_err().status(), 400, "{beyond}");
        }
        assert_eq!(decode::<AnomalyPosition>(&cursor, "another").unwrap_err().status(), 400);
        assert_eq!(decode::<IncidentPosition>(&cursor, "query").unwrap_err().status(), 400);
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(decode::<AnomalyPosition>(&changed, "query").is_err(), "byte {index}");
        }
        for foreign in ["", "x", "e30", "!", &format!("{cursor}A")] {
            assert_eq!(decode::<AnomalyPosition>(foreign, "query").unwrap_err().status(), 400, "{foreign}");
        }
    }
}
