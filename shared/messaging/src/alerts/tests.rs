use std::time::Duration;

use detection::incident::{Around, Event, Incident, Observation, Rules, Seen, Step, Subject, advance};
use detection::{
    Anomaly, AnomalyId, Cost, Costs, Currency, CustomerId, EntityPath, Figures, Finding, MetricName, Missing,
    Series, Settings, Severity, Thresholds, Verdict, Window, check, describe,
};
use jiff::SignedDuration;

use super::*;
use catalog::Shard;
use store::{AnomalyItem, Digest, DigestEntry, JudgedBy, Notice, Totals};

fn window() -> Window {
    Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap()
}

fn item(customer: &str) -> AnomalyItem {
    let mut windows: Vec<_> = (0..31).map(|i| Some(2.2e9 + f64::from(i % 5) * 1e8)).collect();
    windows[0] = Some(9.14e9);
    let settings = Settings::new(Thresholds { min_change: 1e6, ..Thresholds::default() }).unwrap();
    let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
    else {
        panic!("not anomalous");
    };
    let (customer, metric) = (CustomerId::new(customer).unwrap(), MetricName::new("bandwidth").unwrap());
    let steps = [
        "Compare bytes per call with last week: larger answers and more calls have different causes.",
        "Look for bulk exports, scraping, or a cache that no longer caches.",
    ];
    let steps = steps.map(str::to_owned).to_vec();
    let anomaly = Anomaly::new((customer, None), metric, "bytes", steps, window(), &finding, None);
    let judged_by = JudgedBy {
        catalog_version: "v1",
        config_version: "0",
        mute: None,
        detector: "seasonal",
        excess: None,
    };
    let incident = incident(&anomaly, &finding);
    AnomalyItem::new(&anomaly, Some(&incident), &judged_by, Duration::from_secs(86_400), "run").alerting(
        Event::Opened,
        incident,
        None,
    )
}

fn incident(anomaly: &Anomaly, finding: &Finding) -> Incident {
    let (customer_id, metric) = (anomaly.customer_id.clone(), anomaly.metric.clone());
    let subject = Subject { customer_id, entity: None, metric, direction: finding.direction };
    let seen = Observation {
        window_end: anomaly.detected_at(),
        seen: Seen::Anomalous(finding.severity),
        figures: Figures::of(&finding.comparison),
        seen_by: Incident::DAY,
        change: None,
        cost: None,
    };
    let patience = SignedDuration::from_hours(24);
    let rules = Rules {
        resolve_after: 2,
        reopen_within: patience,
        accept_after: patience,
        repeat_interval: patience,
        min_severity: Severity::Critical,
    };
    match advance(None, &subject, &seen, &Around::default(), &rules) {
        Step::Become { incident, .. } => *incident,
        other => panic!("{other:?}"),
    }
}

fn message(alert: AlertItem) -> Message {
    message_of(&alert)
}

#[test]
fn the_json_body() {
    insta::assert_json_snapshot!(message(AlertItem::Anomaly(Box::new(item("cust_1")))).body);
}

#[test]
fn the_e_mail() {
    insta::assert_snapshot!(message(AlertItem::Anomaly(Box::new(item("cust_1")))).email);
}

#[test]
fn the_e_mail_has_the_words_of_the_source() {
    let about = detection::About {
        tenant_noun: Some("workspace".to_owned()),
        entity_noun: Some("flow\nSeverity: none".to_owned()),
        ..detection::About::of("executions")
    };
    let entity_path = detection::EntityPath::new(vec!["nightly".to_owned()]).ok();
    let item = AnomalyItem { about: Some(about), entity_path, ..item("cust_1") };
    let email = message(AlertItem::Anomaly(Box::new(item.clone()))).email;
    assert!(email.contains("\nWorkspace: cust_1\n"), "{email}");
    assert!(email.contains("nightly\n") && !email.contains("\nSeverity: none"), "{email}");
    let usual = AnomalyItem { about: Some(detection::About::of("executions")), ..item };
    let email = message(AlertItem::Anomaly(Box::new(usual))).email;
    assert!(email.contains("\nCustomer:  cust_1\nEntity:    nightly\n"), "{email}");
}

#[test]
fn money_is_told_where_it_is_known() {
    let usual = item("cust_1");
    let costs = Costs { so_far: 412.3, a_month: 9_900.0, currency: Currency::USD };
    let mut alert = usual.alert.clone().unwrap();
    alert.incident.costs = Some(costs);
    let cost = Some(Cost { amount: 120.0, currency: Currency::USD });
    let priced = AnomalyItem { cost, alert: Some(alert), ..usual.clone() };
    let of = |item: &AnomalyItem| message(AlertItem::Anomaly(Box::new(item.clone())));
    let (told, without) = (of(&priced), of(&usual));
    let line = "\nCosts:     about 412 USD so far, about 9,900 USD a month at this rate\n";
    assert!(told.email.contains(line), "{}", told.email);
    assert_eq!(told.body["cost"], json!({ "amount": 120.0, "currency": "USD" }));
    let expected = json!({ "so_far": 412.3, "a_month": 9_900.0, "currency": "USD" });
    assert_eq!(told.body["incident"]["cost"], expected);
    let is_known =
        |message: &Message| message.body.to_string().contains("cost") || message.email.contains("Costs");
    assert!(is_known(&told) && !is_known(&without));
    let over = priced.alert.clone().unwrap().incident;
    let over = of(&priced.alerting(Event::Accepted, over, None));
    assert!(over.email.contains("\nCosts:     about 412 USD in all\n"), "{}", over.email);
}

#[test]
fn a_budget_is_told_with_its_month_and_mark() {
    let entity = EntityPath::new(["budget", "2026-11", "80 %"].map(str::to_owned).to_vec()).unwrap();
    let mut item = item("cust_1");
    let mut alert = item.alert.clone().unwrap();
    alert.incident.subject.entity = Some(entity.clone());
    (item.entity_path, item.alert) = (Some(entity), Some(alert.clone()));
    item.description = "bandwidth: 81 % of the budget of 2026-11 is used".to_owned();
    let told = message(AlertItem::Anomaly(Box::new(item)));
    assert_eq!(told.subject, "[MeterFlow] Budget: cust_1 / budget / 2026-11 / 80 % - bandwidth");
    let budget = &told.body["budget"];
    assert_eq!([&budget["month"], &budget["mark"]], ["2026-11", "80 %"]);
    assert_eq!(
        (&budget["used"], &budget["limit"]),
        (&told.body["current_value"], &told.body["baseline_mean"])
    );
    assert!(!told.email.contains("Expected:"), "{}", told.email);
    let at = "2026-12-01T01:00:00Z".parse().unwrap();
    let over = "the budget of bandwidth for 2026-11 is over".to_owned();
    let notice = Notice::new(Event::Resolved, &alert.incident, "bytes", over, at, Duration::ZERO, "run");
    let told = message(AlertItem::Notice(Box::new(notice)));
    assert_eq!(
        (told.body["budget"]["mark"].as_str(), told.subject.contains("Resolved")),
        (Some("80 %"), true)
    );
}

#[test]
fn the_digest() {
    let entry = |n: u32| DigestEntry {
        anomaly_id: format!("1.m.{n}"),
        customer_id: format!("c{n}"),
        description: format!("api_calls was {n} calls"),
    };
    let totals = Totals { anomalies: 500, critical: 400, pages: 325, held_back: 300 };
    let digest = Digest::new(window(), Shard::WHOLE, totals, vec![entry(1), entry(2)]);
    insta::assert_snapshot!(digest::message(&digest).email);
}

#[test]
fn each_shard_and_each_pass_for_late_customers_has_a_digest_of_its_own() {
    let totals = Totals { anomalies: 500, critical: 400, pages: 325, held_back: 300 };
    let of = |shard| Digest::new(window(), shard, totals, Vec::new());
    let end = window().end().as_millisecond();
    let whole = of(Shard::WHOLE);
    assert_eq!(whole.sk, format!("DIGEST#{end}#325-300"), "as it was before there were shards");
    assert_eq!(whole.anomaly_id, format!("{end}.digest.325-300"));
    let [third, last] = [2, 7].map(|number| of(Shard::new(number, 8).unwrap()));
    assert_eq!(third.sk, format!("DIGEST#{end}#325-300.2-of-8"));
    assert_eq!(third.anomaly_id, format!("{end}.digest.325-300.2-of-8"));
    assert_eq!(AnomalyId::parse(&third.anomaly_id), None, "it is no id of an anomaly");
    assert!(third.sk != last.sk && third.anomaly_id != last.anomaly_id);
    let [late, later, other] =
        [(6, 0), (7, 0), (6, 1)].map(|(delay, number)| of(Shard::WHOLE).of_late(delay, number));
    assert_eq!(late.sk, format!("DIGEST#{end}#325-300.late-6-0"));
    assert_eq!(late.anomaly_id, format!("{end}.digest.325-300.late-6-0"));
    assert_eq!(AnomalyId::parse(&late.anomaly_id), None);
    assert!(late.sk != later.sk && late.sk != other.sk && late.anomaly_id != whole.anomaly_id);
    assert_eq!(third.clone().of_late(6, 0).sk, format!("DIGEST#{end}#325-300.2-of-8.late-6-0"));
    let description = digest::message(&third).body["description"].to_string();
    assert!(description.contains("325 incidents in one of 8 parts of the customers call"), "{description}");
}

#[test]
fn the_end_of_an_incident() {
    let incident = item("cust_1").alert.unwrap().incident;
    let description = describe::back_to_normal("bytes", &incident, 24);
    let notice = |event, description| {
        let at = "2026-11-22T14:00:00Z".parse().unwrap();
        let notice = Notice::new(event, &incident, "bytes", description, at, Duration::ZERO, "run");
        message(AlertItem::Notice(Box::new(notice)))
    };
    let resolved = notice(Event::Resolved, description);
    assert_eq!(resolved.subject, "[MeterFlow] Resolved: cust_1 - bandwidth");
    insta::assert_json_snapshot!(resolved.body);
    let by_a_person = describe::handled(Event::Acknowledged, "ada@example.com", &incident);
    insta::assert_snapshot!(notice(Event::Acknowledged, by_a_person).email);
    let real = notice(Event::Confirmed, describe::handled(Event::Confirmed, "ada", &incident));
    assert_eq!(real.subject, "[MeterFlow] Confirmed: cust_1 - bandwidth");
    assert_eq!(real.body["event"], "confirmed");
    let said = real.body["description"].as_str().unwrap();
    assert!(said.starts_with("the spike of bandwidth was confirmed by ada, after "), "{said}");
}

#[test]
fn each_event_has_a_headline_and_says_what_it_means() {
    let item = item("cust_1");
    let incident = item.alert.clone().unwrap().incident;
    let lines: Vec<_> = [Event::Opened, Event::Escalated, Event::Reopened, Event::Reminder, Event::Accepted]
        .map(|event| {
            let message =
                message(AlertItem::Anomaly(Box::new(item.clone().alerting(event, incident.clone(), None))));
            format!("{}\n  {}", message.subject, message.body["description"].as_str().unwrap())
        })
        .into();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_end_of_a_critical_incident_is_critical() {
    let item = AnomalyItem { severity: Severity::Warning, ..item("cust_1") };
    let incident = item.alert.clone().unwrap().incident;
    for (event, severity) in [(Event::Reopened, "warning"), (Event::Accepted, "critical")] {
        let message =
            message(AlertItem::Anomaly(Box::new(item.clone().alerting(event, incident.clone(), None))));
        assert_eq!(message.attributes[0], ("severity", severity.to_owned()), "{event:?}");
        assert_eq!(message.body["severity"], severity);
    }
}

#[test]
fn hostile_customer_ids_stay_inside_subject_and_attributes() {
    for customer in
        ["a\r\nBcc: x@example.com", "客户 <!channel>", "\u{0}\u{7f}\u{85}\u{2028}", &"x".repeat(1_500)]
    {
        let message = message(AlertItem::Anomaly(Box::new(item(customer))));
        assert!(message.subject.len() <= 99, "{}", message.subject);
        assert!(message.subject.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{}", message.subject);
        let attribute = &message.attributes.iter().find(|(name, _)| *name == "customer_id").unwrap().1;
        assert!(!attribute.is_empty() && !attribute.chars().any(char::is_control), "{attribute:?}");
        assert_eq!(message.body["customer_id"], customer, "the body keeps the id exactly");
        assert!(message.email.lines().any(|line| line.starts_with("Metric:")), "{}", message.email);
    }
    let linked = message(AlertItem::Anomaly(Box::new(item("see https://www.example.com"))));
    assert!(linked.email.contains("Customer:  see https[://]www[.]example.com\n"), "{}", linked.email);
}
