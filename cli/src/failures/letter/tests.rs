use super::*;

const AT: &str = "2026-11-21T13:00:00Z";
const INCIDENT: &str = "1795266000000.api_calls.spike.Y3VzdF8x";

fn read(kind: &Kind, body: &Value, attributes: &[(&str, &str)]) -> anyhow::Result<Letter> {
    Letter::read(kind, &Received::made_up(&body.to_string(), attributes))
}

/// A failed event as Lambda keeps it.
fn of_lambda(function: &str, payload: &Value, error: &str) -> Value {
    json!({
        "version": "1.0",
        "timestamp": "2026-11-21T13:08:03.412Z",
        "requestContext": {
            "requestId": "0f",
            "functionArn": format!("arn:aws:lambda:eu-central-1:123456789012:function:{function}:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3
        },
        "requestPayload": payload,
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": { "errorType": "Error", "errorMessage": error }
    })
}

fn alert(event: &str) -> String {
    json!({
        "event": event, "metric": "api_calls", "customer_id": "cust_1", "incident_id": INCIDENT, "detected_at": AT
    })
    .to_string()
}

#[test]
fn a_failed_run_is_started_with_its_own_time() {
    for (payload, expected) in [
        (json!({ "time": AT, "detail": {} }), "run for 2026-11-21T13:00:00Z"),
        (
            json!({ "time": AT, "detail": { "shard": 1, "shards": 4 } }),
            "run for 2026-11-21T13:00:00Z, shard 1 of 4",
        ),
        (json!({ "time": AT, "detail": { "source": "jobs" } }), "run of jobs for 2026-11-21T13:00:00Z"),
        (
            json!({ "time": AT, "detail": { "source": "jobs", "train": true } }),
            "training of jobs for 2026-11-21T13:00:00Z",
        ),
    ] {
        let body = of_lambda("meterflow-anomaly-sources", &payload, "ClickHouse is away");
        let letter = read(&Kind::Runs, &body, &[]).unwrap();
        assert_eq!(letter.what, expected);
        let function = "meterflow-anomaly-sources".to_owned();
        assert_eq!(letter.step, Step::Start { function, event: payload });
        let line = letter.line();
        assert!(
            line.ends_with("failed at 2026-11-21T13:08:03.412Z after 3 tries: ClickHouse is away"),
            "{line}"
        );
    }
}

#[test]
fn an_event_of_the_schedule_needs_its_rule_and_its_target() {
    let target = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection";
    let attributes = [
        ("RULE_ARN", "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection"),
        ("TARGET_ARN", target),
        ("ERROR_CODE", "NO_PERMISSIONS"),
        ("ERROR_MESSAGE", "not allowed"),
        ("RETRY_ATTEMPTS", "12"),
    ];
    let event = json!({ "time": AT, "detail-type": "Scheduled Event", "detail": {} });
    let letter = read(&Kind::Schedule, &event, &attributes).unwrap();
    let (rule, target) = ("meterflow-anomaly-detection".to_owned(), target.to_owned());
    assert_eq!(letter.step, Step::OfRule { rule, target, event: event.clone() });
    assert_eq!((letter.error.as_str(), letter.tries), ("NO_PERMISSIONS: not allowed", Some(12)));
    assert!(read(&Kind::Schedule, &event, &attributes[..1]).is_err());
    assert!(read(&Kind::Schedule, &json!({}), &attributes).is_err());
}

#[test]
fn a_finished_event_names_its_source_and_its_id() {
    let event =
        json!({ "detail-type": "Execution Completed", "detail": { "source": "jobs", "id": "job\u{1b}1" } });
    let letter = read(&Kind::Finished, &event, &[]).unwrap();
    assert_eq!((letter.what.as_str(), letter.step), ("finished event job\\u{1b}1 of jobs", Step::Finished));
    assert!(letter.error.contains("five tries"), "{}", letter.error);
    let refused = read(&Kind::Finished, &event, &[("ERROR_CODE", "NO_PERMISSIONS")]).unwrap();
    assert_eq!(refused.error, "NO_PERMISSIONS");
}

#[test]
fn alerts_come_from_three_kinds_of_messages() {
    let opened = alert("opened");
    let event = json!({ "Records": [{ "Sns": { "Message": opened } }] });
    let of_sns = json!({ "Type": "Notification", "MessageId": "0f", "Message": opened });
    let of_channel = json!({ "channel": "slack", "message": opened, "error": "HTTP 500", "failed_at": AT });
    for (kind, body, step) in [
        (Kind::Notifier, of_lambda("f", &event, "no table"), event.clone()),
        (Kind::Undelivered, of_sns, event.clone()),
        (
            Kind::Channel("slack".to_owned()),
            of_channel,
            json!({ "redrive": { "channel": "slack", "message": opened } }),
        ),
    ] {
        let letter = read(&kind, &body, &[]).unwrap();
        assert_eq!(
            (letter.what.as_str(), &letter.step),
            ("opened of api_calls, cust_1", &Step::Notify(step))
        );
        assert_eq!(letter.incidents().map(IncidentId::as_str).collect::<Vec<_>>(), [INCIDENT]);
        assert!(letter.alerts[0].is_page);
    }
}

#[test]
fn a_digest_is_sent_as_it_is() {
    let event = json!({ "detail-type": "Scheduled Event", "time": AT, "detail": {} });
    for (kind, body) in [(Kind::Notifier, of_lambda("f", &event, "")), (Kind::Undelivered, event.clone())] {
        let letter = read(&kind, &body, &[]).unwrap();
        assert_eq!((letter.what.as_str(), letter.alerts.len()), ("daily digest of 2026-11-21T13:00:00Z", 0));
        assert_eq!(letter.step, Step::Notify(event.clone()));
    }
}

#[test]
fn the_end_of_an_incident_goes_after_its_pages() {
    let letter = |event: &str, at: &str, window: &str| {
        let alert = json!({
            "event": event, "incident_id": INCIDENT, "detected_at": at,
            "incident": { "last_window": window, "anomalies": 1 }
        });
        let body = json!({ "channel": "a", "message": alert.to_string(), "error": "", "failed_at": AT });
        read(&Kind::Channel("a".to_owned()), &body, &[]).unwrap()
    };
    let later = "2026-11-21T14:00:00Z";
    let mut letters =
        [letter("resolved", later, later), letter("escalated", later, later), letter("opened", AT, AT)];
    letters.sort_by_key(Letter::order);
    assert_eq!(letters.each_ref().map(|letter| letter.what.as_str()), ["opened", "escalated", "resolved"]);
    assert_eq!(letters.map(|letter| letter.alerts[0].is_page), [true, true, false]);
}

#[test]
fn messages_of_other_kinds_are_refused() {
    for kind in [Kind::Schedule, Kind::Runs, Kind::Finished, Kind::Notifier, Kind::Channel("a".to_owned())] {
        assert!(read(&kind, &json!({ "Records": [{ "s3": {} }] }), &[]).is_err(), "{kind:?}");
        assert!(Letter::read(&kind, &Received::made_up("no JSON", &[])).is_err(), "{kind:?}");
    }
    assert!(read(&Kind::Undelivered, &json!({ "Records": [{ "s3": {} }] }), &[]).is_err());
}

#[test]
fn texts_are_safe_for_a_terminal() {
    let alert = json!({ "event": "opened", "metric": "api_calls", "customer_id": "a\u{1b}[2Jb\r\n" });
    assert_eq!(Alert::read(&alert.to_string()).what, "opened of api_calls, a\\u{1b}[2Jb\\r\\n");
    assert_eq!(Alert::read(r#"{"event": "digest"}"#).what, "digest");
    assert_eq!(Alert::read("?").what, "alert");
}

#[test]
fn the_name_of_a_function_is_in_its_arn() {
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection";
    for arn in [arn.to_owned(), format!("{arn}:$LATEST"), format!("{arn}:7")] {
        assert_eq!(function_of(&arn).unwrap(), "meterflow-anomaly-detection");
    }
    assert!(function_of("arn:aws:sqs:a:1:b").is_err());
}
