//! Templates of webhook bodies: the body as the receiver wants it, written by the user.
//!
//! A template is minijinja (Jinja2) and writes JSON. `{{ … }}` writes a value as JSON: a text with its quotes, so no
//! text of a customer can leave its place. No filter can switch that off. A template has no access to files, networks
//! or time, and its work is limited.

use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};

use crate::alert::Alert;
use crate::message::Message;

/// Steps of a template. Ours in the documents take less than a hundred.
const FUEL: u64 = 20_000;

/// Longest body, in bytes.
const MAX_BODY: usize = 64 * 1024;

const NAME: &str = "template";

/// Checks a template by a complete sample alert. A name that the sample does not have is a mistake.
///
/// # Errors
///
/// The fault with its line, for people.
pub fn check(template: &str) -> Result<(), String> {
    let alert = sample();
    let message = Message::of(&alert, Some("https://app.example.com/incidents/{incident_id}"));
    rendered(template, message, Timestamp::UNIX_EPOCH, UndefinedBehavior::Strict).map(drop)
}

/// The body for an alert. An alert may lack parts of the sample. They are `null`.
pub(super) fn body(template: &str, message: Message<'_>, now: Timestamp) -> Result<String, String> {
    rendered(template, message, now, UndefinedBehavior::Chainable)
}

fn rendered(
    template: &str,
    message: Message<'_>,
    now: Timestamp,
    undefined: UndefinedBehavior,
) -> Result<String, String> {
    if template.contains("autoescape") {
        return Err("the template may not change `autoescape`: every value is written as JSON".to_owned());
    }
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.remove_filter("safe");
    let of_engine = |error: minijinja::Error| {
        let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("the template fails{line}: {}{detail}", error.kind())
    };
    environment.add_template(NAME, template).map_err(of_engine)?;
    let body = environment
        .get_template(NAME)
        .and_then(|template| template.render(minijinja::value::Serde(context(message, now))))
        .map_err(of_engine)?;
    if body.len() > MAX_BODY {
        return Err(format!("the template makes {} bytes, and {MAX_BODY} are allowed", body.len()));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&body).map_err(|error| {
        format!(
            "the template does not make JSON: {error}. A value has its own quotes: write {{{{ alert.metric }}}}, not \
             \"{{{{ alert.metric }}}}\", and join texts as {{{{ \"a \" ~ alert.metric }}}}"
        )
    })?;
    Ok(body)
}

/// The names that a template knows.
fn context(message: Message<'_>, now: Timestamp) -> Value {
    let mut event = super::envelope::event(message, now);
    let alert = event["data"].take();
    json!({
        "type": event["type"],
        "timestamp": event["timestamp"],
        "title": message.title(TITLE),
        "link": message.link(),
        "alert": alert,
    })
}

const TITLE: usize = 250;

/// An alert with all parts.
fn sample() -> Alert {
    crate::sample::opened()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_makes_a_body() {
        let alert = sample();
        let message = Message::of(&alert, Some("https://app.example.com/{incident_id}"));
        let template = r#"{"summary": {{ "MeterFlow: " ~ title }}, "ok": {{ alert.severity == "critical" }},
            "steps": [{% for step in alert.investigation_steps %}{{ step }}{% if not loop.last %}, {% endif %}{% endfor %}],
            "z": {{ alert.z_score }}, "none": {{ alert.nothing.at_all }}, "url": {{ link }}}"#;
        let body: Value =
            serde_json::from_str(&body(template, message, Timestamp::UNIX_EPOCH).unwrap()).unwrap();
        assert_eq!(body["summary"], format!("MeterFlow: {}", message.title(250)));
        assert_eq!((&body["ok"], &body["none"]), (&json!(true), &Value::Null));
        assert_eq!(body["z"], alert.json["z_score"]);
        assert_eq!(body["steps"], alert.json["investigation_steps"]);
        assert!(body["url"].as_str().unwrap().starts_with("https://app.example.com/"), "{body}");
    }

    #[test]
    fn text_of_customers_stays_in_its_place() {
        for customer in
            ["\", \"admin\": true, \"x\": \"", "</script>\u{0}\r\n", "{{ alert.metric }}", "{% raw %}", "\\"]
        {
            let mut json = sample().json;
            json["customer_id"] = customer.into();
            let alert = Alert::parse(&json.to_string()).unwrap();
            let message = Message::of(&alert, None);
            let body = body(r#"{"who": {{ alert.customer_id }}}"#, message, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "who": customer }));
        }
    }

    #[test]
    fn faults_are_told_at_the_start() {
        for (template, expected) in [
            (r#"{"a": "{{ alert.metric }}"}"#, "A value has its own quotes"),
            ("{\n\"a\": {{ alert.metrik }}}", "in line 2: undefined value"),
            ("{\"a\": {{ alert.metric | safe }}}", "unknown filter"),
            ("{% autoescape false %}{}{% endautoescape %}", "may not change `autoescape`"),
            ("{\"a\": {{ ", "the template fails in line 1: syntax error"),
            (
                "[{% for i in range(9000) %}{% for k in range(9000) %}1,{% endfor %}{% endfor %}1]",
                "engine ran out of fuel",
            ),
            ("{% include \"other\" %}", "the template fails"),
            ("hello", "does not make JSON"),
        ] {
            let error = check(template).unwrap_err();
            assert!(error.contains(expected), "{template}: {error}");
        }
        let large = format!("[{{% for i in range(200) %}}\"{}\",{{% endfor %}}1]", "x".repeat(400));
        assert!(check(&large).unwrap_err().contains("bytes, and 65536 are allowed"));
        check(r#"{"text": {{ title }}, "link": {{ link }}, "at": {{ timestamp }}, "type": {{ type }}}"#)
            .unwrap();
    }
}
