//! Where a list goes on: an opaque text that belongs to one query of one caller.
//!
//! It holds the last anomaly shown and a digest of it, of the query and of what the caller may see, so a cursor that was
//! changed, or is sent with another query or another token, is refused. It opens nothing: what a page shows is decided
//! from the token anew, each time.

use adapters::store::Position;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Problem;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    after: Position,
    digest: String,
}

/// Names the version of this format, so that a later one cannot be mistaken for it.
const VERSION: &str = "anomalies-1";

/// `query` is everything that decides which anomalies are listed.
pub(crate) fn encode(after: Position, query: &str) -> Result<String, Problem> {
    let digest = digest(&after, query)?;
    let text = serde_json::to_vec(&Cursor { after, digest })
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

pub(crate) fn decode(text: &str, query: &str) -> Result<Position, Problem> {
    let refused = || {
        Problem::invalid(
            "cursor",
            "cursor must be the next_cursor of the same query, with the same parameters and token",
        )
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
    let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    if cursor.digest != digest(&cursor.after, query)? {
        return Err(refused());
    }
    Ok(cursor.after)
}

fn digest(after: &Position, query: &str) -> Result<String, Problem> {
    let text = serde_json::to_string(&(VERSION, after, query))
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..12]))
}

#[cfg(test)]
mod tests {
    use detection::{CustomerId, MetricName};

    use super::*;

    #[test]
    fn a_cursor_holds_for_its_query_and_unchanged() {
        let position = Position {
            detected_at: 1_795_266_000_000,
            metric: MetricName::new("api_calls").unwrap(),
            customer_id: CustomerId::new("a\"\n客").unwrap(),
        };
        let cursor = encode(position.clone(), "query").unwrap();
        assert_eq!(decode(&cursor, "query").unwrap(), position);
        assert_eq!(decode(&cursor, "another").unwrap_err().status(), 400);
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(decode(&changed, "query").is_err(), "byte {index}");
        }
        for foreign in ["", "x", "e30", "!", &format!("{cursor}A")] {
            assert_eq!(decode(foreign, "query").unwrap_err().status(), 400, "{foreign}");
        }
    }
}
