//! An alert as SNS takes it.

/// To machines a JSON object, to people a text.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) body: serde_json::Value,
    pub(super) email: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Message {
    /// The JSON without the two characters that SQS refuses in a message. An alert that cannot be delivered would wait
    /// for ever.
    pub(super) fn portable_body(&self) -> String {
        self.body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }
}
