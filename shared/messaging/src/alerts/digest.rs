//! The digest of a run that has more pages than it may send singly.

use serde_json::json;
use store::Digest;

use super::message::Message;
use super::text::{inert, numbered, subject, time};

/// The message of a digest.
pub(super) fn message(digest: &Digest) -> Message {
    let at = time(digest.detected_at);
    let lines: Vec<String> = digest
        .largest
        .iter()
        .map(|entry| format!("- {}: {}", inert(&entry.customer_id), entry.description))
        .collect();
    let steps = [
        "So many at once often have one cause: look at the ingestion of usage events first.",
        "List them all by the API: GET /v1/incidents?state=open.",
    ]
    .map(str::to_owned);
    // Each shard has a digest of its own and does not know the others.
    let part = match digest.shard.of() {
        1 => String::new(),
        of => format!(" in one of {of} parts of the customers"),
    };
    let description = format!(
        "{pages} incidents{part} call for a page in the 24 hours to {at}, more than are paged singly: \
         {held_back} of them are only in this digest",
        pages = digest.pages,
        held_back = digest.held_back,
    );
    let email = format!(
        "{description}.\n\nThe largest of them:\n{}\n\n\
         The run found {} anomalies, {} of them critical.\n\nWhat to do\n{}\n\nAlert id: {}\n",
        lines.join("\n"),
        digest.anomalies,
        digest.critical,
        numbered(&steps).join("\n"),
        digest.anomaly_id,
    );
    let body = json!({
        "alert_id": digest.anomaly_id,
        "anomaly_id": digest.anomaly_id,
        "event": "digest",
        "severity": "critical",
        "detected_at": at,
        "pages": digest.pages,
        "held_back": digest.held_back,
        "critical": digest.critical,
        "anomalies": digest.anomalies,
        "largest": digest.largest,
        "description": description,
        "investigation_steps": steps,
    });
    Message {
        subject: subject(&format!("[MeterFlow] {} incidents at once", digest.pages)),
        body,
        email,
        attributes: vec![("severity", "critical".to_owned()), ("event", "digest".to_owned())],
    }
}
