//! An alert in the form that SNS takes.

/// A JSON object for machines, and a text for people.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) body: serde_json::Value,
    pub(super) email: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Message {
    /// The JSON with two characters escaped that SQS refuses in a message. A refused alert would wait for ever.
    pub(super) fn portable_body(&self) -> String {
        self.body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }
}
