//! The chart of a page as a picture in Slack: a file in the thread of the page.
//!
//! An image block with a `slack_file` would show the picture inside of the message. But Slack looks through an uploaded file
//! in the background, and answers `invalid_blocks` to a message with a file that is not ready. So the page would wait for
//! the file, or be refused with it. A file in the thread needs no wait: Slack shows it once it is ready.
//!
//! 1. `files.getUploadURLExternal` answers an address and the id of the file.
//! 2. The bytes go to this address, without the token.
//! 3. `files.completeUploadExternal` shares the file in the thread.
//!
//! Slack documents forms for both methods.

use messaging::outbound::{Answer, Form, PICTURE, Upload, may_follow};
use serde_json::{Value, json};

use super::{authorization, said};
use crate::channels::{PICTURE_TEXT, reason};

/// The title of the file in Slack.
const TITLE: &str = "The last 24 hours";

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Slack takes files for the id of a channel only. The configuration may have its name.
    channel: String,
    /// The first message of the thread.
    thread: String,
}

/// What Slack answers to the wish to upload a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    url: String,
    file_id: String,
}

/// The place of the message in Slack's answer to it. `thread` is the thread that it was sent to. `None` if the answer does not
/// name the message.
pub fn place(answer: &str, thread: Option<&str>) -> Option<Place> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Some(Place { channel: text("channel")?, thread: thread.map(str::to_owned).or_else(|| text("ts"))? })
}

/// Asks for an address for a picture of so many bytes.
pub fn ask(api_url: &str, token: &str, bytes: usize) -> Result<Form, String> {
    let fields = vec![
        ("filename", PICTURE.to_owned()),
        ("length", bytes.to_string()),
        ("alt_txt", PICTURE_TEXT.to_owned()),
    ];
    form(api_url, token, "files.getUploadURLExternal", fields)
}

/// The address in the answer. The bytes go nowhere in plain text, whatever the answer says: only by HTTPS, or to the host of
/// the channel's own `api_url`.
pub fn ticket(answer: &Answer, api_url: &str) -> Result<Ticket, String> {
    let body = taken(answer)?;
    let (Some(url), Some(file_id)) = (body["upload_url"].as_str(), body["file_id"].as_str()) else {
        return Err("Slack names no address for the picture".to_owned());
    };
    if !may_follow(url, api_url) {
        return Err("Slack's address for the picture is not https://".to_owned());
    }
    Ok(Ticket { url: url.to_owned(), file_id: file_id.to_owned() })
}

/// Sends the bytes. The address is the only right that is needed.
pub fn upload(ticket: &Ticket, png: Vec<u8>) -> Upload {
    Upload { url: ticket.url.clone(), fields: Vec::new(), name: "file", png }
}

/// The meaning of the answer to the bytes. It is no JSON, and the status says all.
pub fn uploaded(answer: &Answer) -> Result<(), String> {
    match answer.status {
        200 => Ok(()),
        status => Err(format!("the upload was answered by HTTP {status}")),
    }
}

/// Shares the picture in the thread.
pub fn share(api_url: &str, token: &str, ticket: &Ticket, place: &Place) -> Result<Form, String> {
    let files = json!([{ "id": ticket.file_id, "title": TITLE }]);
    let fields = vec![
        ("files", files.to_string()),
        ("channel_id", place.channel.clone()),
        ("thread_ts", place.thread.clone()),
    ];
    form(api_url, token, "files.completeUploadExternal", fields)
}

pub fn shared(answer: &Answer) -> Result<(), String> {
    taken(answer).map(|_| ())
}

fn form(
    api_url: &str,
    token: &str,
    method: &str,
    fields: Vec<(&'static str, String)>,
) -> Result<Form, String> {
    let headers = vec![authorization(token)?];
    Ok(Form { url: format!("{api_url}/api/{method}"), headers, fields })
}

/// The body of an answer that says ok. Otherwise the error, with what people can do.
fn taken(answer: &Answer) -> Result<Value, String> {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if answer.status == 200 && body["ok"] == true {
        return Ok(body);
    }
    let error = said(&body).unwrap_or_else(|| reason(answer));
    Err(match body["error"].as_str().unwrap_or_default() {
        "missing_scope" | "no_permission" | "not_allowed_token_type" => {
            format!("{error}: give the app the scope files:write, and install it again")
        }
        "channel_not_found" | "not_in_channel" => format!("{error}: invite the app into the channel"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "https://slack.com";

    fn answer(status: u16, body: &Value) -> Answer {
        Answer { status, retry_after: None, body: body.to_string(), is_complete: true }
    }

    fn ticket_of(url: &str, api_url: &str) -> Result<Ticket, String> {
        let body = json!({ "ok": true, "upload_url": url, "file_id": "F0123ABCDEF" });
        ticket(&answer(200, &body), api_url)
    }

    #[test]
    fn three_requests() {
        let asked = ask(API, "xoxb-1", 1_234).unwrap();
        let header = ("authorization", "Bearer xoxb-1".to_owned());
        assert_eq!(
            (asked.url.as_str(), &asked.headers),
            ("https://slack.com/api/files.getUploadURLExternal", &vec![header.clone()])
        );
        assert_eq!(asked.fields[..2], [("filename", "chart.png".to_owned()), ("length", "1234".to_owned())]);

        let ticket = ticket_of("https://files.slack.com/upload/v1/abc", API).unwrap();
        let upload = upload(&ticket, vec![1, 2, 3]);
        assert_eq!(upload.url, "https://files.slack.com/upload/v1/abc");
        assert_eq!((upload.fields, upload.name, upload.png), (vec![], "file", vec![1, 2, 3]));

        let place = place(r#"{"ok": true, "channel": "C0123", "ts": "1.2"}"#, None).unwrap();
        let sharing = share(API, "xoxb-1", &ticket, &place).unwrap();
        assert_eq!(
            (sharing.url.as_str(), &sharing.headers),
            ("https://slack.com/api/files.completeUploadExternal", &vec![header])
        );
        let files = r#"[{"id":"F0123ABCDEF","title":"The last 24 hours"}]"#;
        let fields = [("files", files), ("channel_id", "C0123"), ("thread_ts", "1.2")];
        assert_eq!(sharing.fields, fields.map(|(name, value)| (name, value.to_owned())));
        assert!(ask(API, "xoxb\n", 1).is_err(), "a token cannot add a header");
    }

    #[test]
    fn a_picture_goes_into_the_thread_of_its_message() {
        let of = |answer: &str, thread| place(answer, thread).map(|place| (place.channel, place.thread));
        let answer = r#"{"ok": true, "channel": "C0123", "ts": "3.4"}"#;
        assert_eq!(of(answer, None), Some(("C0123".to_owned(), "3.4".to_owned())));
        // Slack takes the first message of a thread, and no reply.
        assert_eq!(of(answer, Some("1.2")), Some(("C0123".to_owned(), "1.2".to_owned())));
        for nameless in ["", "ok", r#"{"ok": true, "ts": "3.4"}"#, r#"{"ok": true, "channel": "C0123"}"#] {
            assert_eq!(of(nameless, None), None, "{nameless}");
        }
    }

    #[test]
    fn no_answer_leads_elsewhere_in_plain_text() {
        assert!(ticket_of("https://files.slack.com/upload/v1/abc", API).is_ok());
        assert!(ticket_of("http://127.0.0.1:9/upload", "http://127.0.0.1:9").is_ok());
        for (url, api_url) in [
            ("http://files.slack.com/upload", API),
            ("http://slack.com/upload", API),
            ("http://127.0.0.1:8/upload", "http://127.0.0.1:9"),
            ("http://127.0.0.1:9@evil.example/upload", "http://127.0.0.1:9"),
            ("ftp://files.slack.com/upload", API),
            ("file:///etc/passwd", API),
            ("/upload", API),
            ("", API),
        ] {
            let expected = "Slack's address for the picture is not https://".to_owned();
            assert_eq!(ticket_of(url, api_url), Err(expected), "{url}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let of = |body: &Value| shared(&answer(200, body));
        assert_eq!(of(&json!({ "ok": true, "files": [] })), Ok(()));
        let missing = json!({ "ok": false, "error": "missing_scope", "needed": "files:write" });
        let expected = "Slack says missing_scope: give the app the scope files:write, and install it again";
        assert_eq!(of(&missing), Err(expected.to_owned()));
        assert_eq!(ticket(&answer(200, &missing), API), Err(expected.to_owned()));
        let elsewhere = of(&json!({ "ok": false, "error": "not_in_channel" })).unwrap_err();
        assert!(elsewhere.ends_with("invite the app into the channel"), "{elsewhere}");
        assert_eq!(
            of(&json!({ "ok": false, "error": "ratelimited" })),
            Err("Slack says ratelimited".to_owned())
        );
        assert_eq!(shared(&answer(503, &json!("busy"))), Err("HTTP 503: \"busy\"".to_owned()));
        let nameless = ticket(&answer(200, &json!({ "ok": true, "file_id": "F1" })), API);
        assert_eq!(nameless, Err("Slack names no address for the picture".to_owned()));
        for (status, is_taken) in [(200, true), (302, false), (400, false), (500, false)] {
            assert_eq!(uploaded(&answer(status, &json!("OK - 3"))).is_ok(), is_taken, "{status}");
        }
    }
}
