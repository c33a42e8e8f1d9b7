//! Alerts, pages and schemas of the tests.

use jsonschema::Validator;
use notifier::Task;
use notifier::alert::Alert;
use notifier::message::Message;
use serde_json::{Value, json};

/// The link that most tests configure.
pub(crate) const LINK: &str = "https://app.example.com/incidents/{incident_id}";

/// The alert of a sample event in `events/`.
pub(crate) fn sample(name: &str) -> Alert {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/");
    let text = std::fs::read_to_string(format!("{path}{name}.json")).expect("a sample event");
    let event = serde_json::from_str(&text).expect("JSON");
    let Task::Deliver(messages) = Task::from_event(&event).expect("an event of SNS") else {
        panic!("{name} is not an event of SNS");
    };
    Alert::parse(&messages[0]).expect("an alert")
}

/// The opened alert of the samples with other fields.
pub(crate) fn opened_with(fields: &Value) -> Alert {
    let mut message = sample("notifier-opened").json;
    message.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    Alert::parse(&message.to_string()).expect("an alert")
}

/// The sample storm with these customers as the largest.
pub(crate) fn storm_of(customer: &str) -> Alert {
    let mut message = sample("notifier-storm").json;
    for entry in message["largest"].as_array_mut().expect("a list") {
        entry["customer_id"] = customer.into();
    }
    Alert::parse(&message.to_string()).expect("an alert")
}

pub(crate) fn message_of(alert: &Alert) -> Message<'_> {
    Message::of(alert, Some(LINK))
}

/// A schema of `tests/schemas`, with the formats of dates and addresses checked as well.
pub(crate) fn schema(name: &str) -> Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemas/");
    let text = std::fs::read_to_string(format!("{path}{name}.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a valid schema")
}

/// Fails with all faults of a payload by the schema.
pub(crate) fn assert_valid(schema: &Validator, payload: &Value) {
    let errors: Vec<_> =
        schema.iter_errors(payload).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}\n{payload:#}", errors.join("\n"));
}

/// Ids of hostile customers.
pub(crate) fn hostile_customers() -> Vec<String> {
    let mut customers: Vec<String> = [
        "<!channel>",
        "<!here> @here @everyone @channel",
        "<@U012AB3CD> <#C012|x> <!subteam^S1>",
        "<https://evil.example|your bank>",
        "https://evil.example/?a=b&c=d",
        "[click](https://evil.example)",
        "*bold* _italic_ ~struck~ `code` ```block```",
        "</code><b>x</b><a href=\"https://evil.example\">y</a>",
        "&lt;!channel&gt; &amp; &",
        "a\r\nb\u{2028}c\u{0}d\u{7f}",
        "\u{202e}evil\u{2066} \u{200f}",
        "\u{fffe}\u{ffff}\u{feff}\u{e0041}",
        "\"quotes\" 'and' \\back\\slashes {\"json\": 1}",
        "客户 👩‍🔧 عميل",
        ":rotating_light: :smile:",
        "`",
        "``",
    ]
    .map(str::to_owned)
    .to_vec();
    for filling in ["x", "<", "&", "`", "👩", "\u{0}", "\"", "客", "@", "://"] {
        customers.push(filling.repeat(2_000 / filling.len()));
    }
    customers
}

/// The id that an incident of this customer has.
pub(crate) fn incident_id(customer: &str) -> String {
    use base64::Engine as _;
    let customer = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(customer);
    format!("1795266000000.bandwidth.spike.{customer}")
}

/// Every kind of alert about a customer.
pub(crate) fn alerts_about(customer: &str) -> Vec<Alert> {
    let id = incident_id(customer);
    let mut alerts: Vec<_> =
        ["opened", "escalated", "reopened", "reminder", "acknowledged", "confirmed", "resolved", "accepted"]
            .map(|event| {
                opened_with(&json!({
                    "customer_id": customer, "event": event, "alert_id": id, "incident_id": id,
                    // The person who acknowledges is quoted, and may be a customer.
                    "description": format!("the spike was {event} by {customer}"),
                    "one_cause": { "incidents": 3, "text": format!("Probably one cause: 3 more (customer {customer})") },
                }))
            })
            .into();
    alerts.push(storm_of(customer));
    alerts.push(
        Alert::parse(&json!({ "anomaly_id": id, "customer_id": customer }).to_string()).expect("an alert"),
    );
    alerts
}

/// Messages of every kind about hostile customers: single alerts, and groups of them.
pub(crate) fn for_each_message(mut check: impl FnMut(Message<'_>)) {
    let mut customers = hostile_customers();
    customers.push("cust_0042".to_owned());
    for customer in &customers {
        let alerts = alerts_about(customer);
        for alert in &alerts {
            check(message_of(alert));
        }
        let singles: Vec<_> = alerts.iter().filter(|alert| alert.storm.is_none()).collect();
        let group: Vec<_> = singles.iter().copied().cycle().take(15).collect();
        check(Message { others: &group[1..], ..message_of(group[0]) });
    }
}

/// All texts in a JSON value.
pub(crate) fn strings_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(strings_of).collect(),
        Value::Object(map) => map.values().flat_map(strings_of).collect(),
        _ => Vec::new(),
    }
}
