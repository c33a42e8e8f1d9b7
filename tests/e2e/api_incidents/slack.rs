//! Clicks on the buttons of pages in Slack: from the page that the notifier writes, by requests that Slack signs, to the
//! incident, the policy and the updated message.

use e2e::api::encoded;
use e2e::receiver::{Receiver, Reply};
use notifier::alert::Alert;
use notifier::channels::slack::webhook_request;
use notifier::message::Message;

use super::*;

/// A stack with buttons, and the page of its incident as it stands in Slack.
struct Desk {
    world: World,
    api: Api,
    path: String,
    secret: String,
    /// Slack's side of the answers.
    slack: Receiver,
    page: Value,
}

impl Desk {
    async fn new(loopback: &str) -> Result<Self> {
        let (world, path, _) = one_incident().await?;
        let (secret, slack) = (planted("slack_signing")?, Receiver::taking("ok").await?);
        let arn = secret_of(&world, "signing", &secret).await?;
        let overrides = [("SLACK_SIGNING_SECRET_ARNS", arn.as_str()), ("ALLOW_LOOPBACK", loopback)];
        let api = world.api_with(&overrides, &world.aws).await?.without_token();
        let id = path.rsplit('/').next().context("an id")?.to_owned();
        let page = page(&id, "c")?;
        Ok(Self { world, api, path, secret, slack, page })
    }

    /// The same with the page of a run, as the notifier sends it to Slack.
    async fn paged() -> Result<Self> {
        let (world, slack) = (World::new().await?, Receiver::taking("ok").await?);
        world.insert(&steady_then("c", at(END), 5e7)).await?;
        run(&world.app().await?, &hourly(END)).await?;
        let alerts = world.alerts().await?;
        let [alert] = &alerts[..] else { anyhow::bail!("{alerts:?}") };
        let secret = planted("slack_signing")?;
        let signing = secret_of(&world, "signing", &secret).await?;
        let hook = secret_of(&world, "hook", &format!("{}/services/T1/B1/x", slack.url)).await?;
        let channel = json!({
            "type": "slack", "webhook_url_secret_arn": hook, "signing_secret_arn": signing, "throttle_seconds": 0 });
        let channels = json!({ "channels": { "team": channel }, "link": LINK });
        deliver(&world, &channels.to_string(), alert).await?;
        let sent = slack.requests();
        ensure!(sent.len() == 1 && sent[0].path.starts_with("/services/"), "{sent:?}");
        let overrides = [("SLACK_SIGNING_SECRET_ARNS", signing.as_str()), ("ALLOW_LOOPBACK", "true")];
        let api = world.api_with(&overrides, &world.aws).await?.without_token();
        let path = format!("/v1/incidents/{}", alert["incident_id"].as_str().context("an id")?);
        let page = with_ids(sent[0].json())?;
        Ok(Self { world, api, path, secret, slack, page })
    }

    fn operator(&self) -> Api {
        self.api.as_admin()
    }

    /// The form of a click on a button of the page.
    fn click(&self, page: &Value, button: &str, user: &Value) -> Result<String> {
        let blocks = page["blocks"].as_array().context("blocks")?;
        let block = blocks.iter().find(|block| block["type"] == "actions").context("buttons")?;
        let action = block["elements"].as_array().context("elements")?.iter();
        let mut action =
            action.into_iter().find(|element| element["action_id"] == button).context("a button")?.clone();
        action["block_id"] = block["block_id"].clone();
        let payload = json!({
            "type": "block_actions", "team": { "id": "T1" }, "user": user, "actions": [action],
            "response_url": format!("{}/actions/T1/2/3", self.slack.url), "message": page,
        });
        Ok(format!("payload={}", encoded(&payload.to_string())))
    }

    async fn send(&self, body: &str, signed_at: i64, secret: &str) -> Result<Answer> {
        let time = signed_at.to_string();
        let signature = signature(secret, &time, body);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-slack-request-timestamp", time.as_str()),
            ("x-slack-signature", signature.as_str()),
        ];
        self.api.send("POST", "/slack/actions", &headers, body.as_bytes().to_vec()).await
    }

    /// A genuine click. Returns what Slack is answered.
    async fn clicked(&self, page: &Value, button: &str, user: &Value) -> Result<Value> {
        let before = self.slack.requests().len();
        let begun = std::time::Instant::now();
        let answer = self.send(&self.click(page, button, user)?, at(NOW).as_second(), &self.secret).await?;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{button}");
        assert!(begun.elapsed().as_secs() < 3, "Slack waits three seconds: {:?}", begun.elapsed());
        let requests = self.slack.requests();
        assert_eq!(requests.len(), before + 1, "{button}");
        Ok(requests[before].json())
    }

    async fn state(&self) -> Result<Value> {
        Ok(self.operator().read(&self.path).await?["incident"].take())
    }
}

fn signature(secret: &str, time: &str, body: &str) -> String {
    let mac = hmac_sha256::HMAC::mac(format!("v0:{time}:{body}"), secret);
    format!("v0={}", mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The page of the dashboard, as Terraform names it to the notifier.
const LINK: &str = "https://api.example.com/#/incidents/{incident_id}";

/// The page as the notifier sends it, with the ids that Slack gives its blocks.
fn page(incident_id: &str, customer: &str) -> Result<Value> {
    let alert = json!({
        "alert_id": "1", "event": "opened", "incident_id": incident_id, "customer_id": customer,
        "metric": "compute_time", "severity": "critical", "direction": "spike", "description": "it rose",
    });
    let alert = Alert::parse(&alert.to_string())?;
    let request = webhook_request(Message::of(&alert, None), "https://hooks.slack.com/x", true);
    with_ids(serde_json::from_str(&request.body)?)
}

/// A page with the ids that Slack gives its blocks.
fn with_ids(mut page: Value) -> Result<Value> {
    for (number, block) in page["blocks"].as_array_mut().context("blocks")?.iter_mut().enumerate() {
        block["block_id"] = format!("b{number}").into();
    }
    page["ts"] = "1503435956.000247".into();
    Ok(page)
}

fn ada() -> Value {
    json!({ "id": "U012AB3CD", "username": "ada", "team_id": "T1" })
}

/// The texts of the blocks that say what was done.
fn notes(message: &Value) -> Vec<String> {
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    let notes =
        blocks.iter().filter(|block| block["block_id"].as_str().is_some_and(|id| id.starts_with("done-")));
    let elements = notes.flat_map(|block| block["elements"].as_array().cloned().unwrap_or_default());
    elements.map(|element| element["text"].as_str().unwrap_or_default().to_owned()).collect()
}

fn buttons(message: &Value) -> usize {
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    blocks
        .iter()
        .filter(|b| b["type"] == "actions")
        .filter_map(|b| b["elements"].as_array())
        .map(Vec::len)
        .sum()
}

#[tokio::test]
async fn a_person_acknowledges_mutes_and_resolves_from_the_page() -> Result<()> {
    let desk = Desk::new("true").await?;
    let updated = desk.clicked(&desk.page, "acknowledge", &ada()).await?;
    assert_eq!(updated["replace_original"], true);
    assert_eq!((notes(&updated), buttons(&updated)), (vec!["Acknowledged by ada".to_owned()], 3));
    let state = desk.state().await?;
    assert_eq!(
        (&state["state"], &state["history"][0]["actor"]),
        (&json!("acknowledged"), &json!("ada (Slack U012AB3CD)"))
    );
    assert_eq!(told(&desk.world).await?, ["acknowledged"]);

    let updated = desk.clicked(&updated, "mute_24h", &ada()).await?;
    let until = at(NOW) + hours(24);
    assert_eq!(notes(&updated)[1], format!("Muted by ada: compute_time of this customer, until {until}"));
    let policy = desk.operator().read("/v1/config/customers/c").await?;
    assert_eq!((&policy["version"], &policy["updated_by"]), (&json!(1), &json!("ada (Slack U012AB3CD)")));
    let mute = &policy["config"]["mutes"][0];
    assert_eq!(
        (&mute["metric"], &mute["until"]),
        (&json!("compute_time"), &json!(until.to_string())),
        "{mute}"
    );
    assert_eq!(mute["reason"], "muted for 24 hours by ada (Slack U012AB3CD)");

    let updated = desk.clicked(&updated, "not_an_anomaly", &ada()).await?;
    assert_eq!((notes(&updated).len(), buttons(&updated)), (3, 0));
    assert_eq!(notes(&updated)[2], "Resolved by ada: not an anomaly");
    let state = desk.state().await?;
    assert_eq!(
        (&state["state"], &state["history"][1]["action"]),
        (&json!("resolved"), &json!("false_alarm"))
    );
    assert_eq!(told(&desk.world).await?, ["resolved"]);

    // An old message that still has its buttons.
    let refused = desk.clicked(&desk.page, "acknowledge", &json!({ "id": "U2", "username": "bob" })).await?;
    assert_eq!(
        (&refused["replace_original"], &refused["response_type"]),
        (&json!(false), &json!("ephemeral"))
    );
    let text = refused["text"].as_str().unwrap_or_default();
    assert!(text.contains("the incident is resolved: reopen it before you acknowledge it"), "{text}");
    assert_eq!(desk.state().await?["state"], "resolved");
    Ok(())
}

#[tokio::test]
async fn forged_old_and_changed_requests_do_nothing() -> Result<()> {
    let desk = Desk::new("true").await?;
    let (body, now) = (desk.click(&desk.page, "resolve", &ada())?, at(NOW).as_second());
    for (case, body, signed_at, secret) in [
        ("another secret", body.clone(), now, "9f2c41d07ab35e86f1c49d0ea7b2351c"),
        ("an empty secret", body.clone(), now, ""),
        ("too old", body.clone(), now - 301, desk.secret.as_str()),
        ("from the future", body.clone(), now + 301, desk.secret.as_str()),
    ] {
        desk.send(&body, signed_at, secret).await?.assert_problem(401, case);
    }
    // The signature of another body, another time, none at all.
    let (time, signed) = (now.to_string(), signature(&desk.secret, &now.to_string(), &body));
    let (later, changed) = ((now + 1).to_string(), body.replace("U012AB3CD", "U999999ZZ"));
    for (case, time, signature, body) in [
        ("a changed body", &time, signed.as_str(), &changed),
        ("a changed time", &later, signed.as_str(), &body),
        ("no signature", &time, "", &body),
        ("another version", &time, &signed.replace("v0=", "v1="), &body),
    ] {
        let headers = [("x-slack-request-timestamp", time.as_str()), ("x-slack-signature", signature)];
        let answer = desk.api.send("POST", "/slack/actions", &headers, body.as_bytes().to_vec()).await?;
        answer.assert_problem(401, case);
    }
    desk.api.send("POST", "/slack/actions", &[], Vec::new()).await?.assert_problem(401, "no header");
    assert_eq!(desk.state().await?["state"], "open");
    assert_eq!((desk.slack.requests().len(), told(&desk.world).await?), (0, Vec::new()));
    // The same request is genuine with its own signature.
    assert_eq!(desk.send(&body, now, &desk.secret).await?.status, 200);
    assert_eq!(desk.state().await?["state"], "resolved");
    Ok(())
}

#[tokio::test]
async fn a_request_that_comes_twice_acts_once() -> Result<()> {
    let desk = Desk::new("true").await?;
    let (body, now) = (desk.click(&desk.page, "acknowledge", &ada())?, at(NOW).as_second());
    assert_eq!(desk.send(&body, now - 200, &desk.secret).await?.status, 200);
    acted(&desk.operator(), &desk.path, "reopen").await?;
    for _ in 0..3 {
        assert_eq!(desk.send(&body, now - 200, &desk.secret).await?.status, 200);
    }
    assert_eq!((&desk.state().await?["state"], desk.slack.requests().len()), (&json!("open"), 1));
    // The same click by a person, which Slack signs at another time.
    assert_eq!(desk.send(&body, now, &desk.secret).await?.status, 200);
    assert_eq!(desk.state().await?["state"], "acknowledged");
    Ok(())
}

#[tokio::test]
async fn unknown_actions_and_incidents_and_hostile_names() -> Result<()> {
    let desk = Desk::new("true").await?;
    let now = at(NOW).as_second();
    let mut page = desk.page.clone();
    let buttons_of = |page: &mut Value| -> Option<usize> {
        page["blocks"].as_array()?.iter().position(|block| block["type"] == "actions")
    };
    let place = buttons_of(&mut page).context("buttons")?;
    page["blocks"][place]["elements"][0]["action_id"] = "delete_all".into();
    let unknown = desk.send(&desk.click(&page, "delete_all", &ada())?, now, &desk.secret).await?;
    unknown.assert_invalid("action_id", "there is no action delete_all", "an unknown action");
    for body in ["", "payload=", "payload=%7B", "payload=%7B%22type%22%3A%22view_submission%22%7D"] {
        desk.send(body, now, &desk.secret).await?.assert_problem(400, body);
    }
    for value in ["", "nonsense", "1.compute_time.spike.Yw", "../../v1/config"] {
        let mut page = desk.page.clone();
        page["blocks"][place]["elements"][0]["value"] = value.into();
        let reply = desk.clicked(&page, "acknowledge", &ada()).await?;
        assert!(reply["text"].as_str().unwrap_or_default().contains("there is no such object"), "{reply}");
    }
    let hostile = "<!channel>\u{0}\r\n*x* & \"y\" https://evil.example";
    let user = json!({ "id": "U<1>", "username": hostile });
    let updated = desk.clicked(&desk.page, "acknowledge", &user).await?;
    let blocks = updated["blocks"].as_array().context("blocks")?;
    let note =
        blocks.iter().find(|block| block["block_id"].as_str().is_some_and(|id| id.starts_with("done-")));
    let note = &note.context("a note")?["elements"][0];
    assert_eq!(
        (&note["type"], note["text"].as_str()),
        (&json!("plain_text"), Some("Acknowledged by <!channel>*x* & \"y\" https://evil.example"))
    );
    let actor = desk.state().await?["history"][0]["actor"].clone();
    assert_eq!(actor, "<!channel>*x* & \"y\" https://evil.example (Slack U<1>)");
    Ok(())
}

#[tokio::test]
async fn answers_go_to_slack_only_and_a_stack_without_buttons_has_no_route() -> Result<()> {
    let desk = Desk::new("").await?;
    let body = desk.click(&desk.page, "acknowledge", &ada())?;
    assert_eq!(desk.send(&body, at(NOW).as_second(), &desk.secret).await?.status, 200);
    // The receiver of this machine is not Slack. The action is done all the same.
    assert_eq!((&desk.state().await?["state"], desk.slack.requests().len()), (&json!("acknowledged"), 0));
    let without = desk.world.api().await?.without_token();
    without
        .send("POST", "/slack/actions", &[], body.into_bytes())
        .await?
        .assert_problem(404, "without buttons");
    Ok(())
}

#[tokio::test]
async fn a_slow_slack_delays_nobody() -> Result<()> {
    let mut desk = Desk::new("true").await?;
    desk.slack = Receiver::start(|_| Reply::ok("ok").after(std::time::Duration::from_secs(20))).await?;
    let begun = std::time::Instant::now();
    let body = desk.click(&desk.page, "acknowledge", &ada())?;
    assert_eq!(desk.send(&body, at(NOW).as_second(), &desk.secret).await?.status, 200);
    assert!(begun.elapsed().as_millis() < 3_000, "{:?}", begun.elapsed());
    assert_eq!(desk.state().await?["state"], "acknowledged");
    Ok(())
}

#[tokio::test]
async fn a_person_goes_from_the_page_of_a_run_to_the_end_of_its_incident() -> Result<()> {
    let desk = Desk::paged().await?;
    let id = desk.path.rsplit('/').next().unwrap_or_default();
    let link = format!("<{}|Open the incident>", LINK.replace("{incident_id}", id));
    let blocks = desk.page["blocks"].as_array().context("blocks")?;
    assert!(blocks.iter().any(|block| block["text"]["text"] == link), "{link}: {}", desk.page);
    assert_eq!(buttons(&desk.page), 4);

    let message = desk.clicked(&desk.page, "acknowledge", &ada()).await?;
    assert_eq!((&message["replace_original"], buttons(&message)), (&json!(true), 3));
    assert_eq!(desk.state().await?["state"], "acknowledged");
    let message = desk.clicked(&message, "resolve", &ada()).await?;
    assert_eq!((&message["replace_original"], buttons(&message)), (&json!(true), 0));
    assert_eq!(notes(&message), ["Acknowledged by ada", "Resolved by ada"]);
    // Everything else in the message is as it was.
    let rest = |page: &Value| -> Vec<Value> {
        let blocks = page["blocks"].as_array().cloned().unwrap_or_default();
        blocks.into_iter().filter(|b| b["type"] != "actions" && b["type"] != "context").collect()
    };
    assert_eq!(rest(&message), rest(&desk.page));

    let state = desk.state().await?;
    assert_eq!(state["state"], "resolved");
    let history = state["history"].as_array().context("a history")?;
    let history: Vec<_> = history.iter().map(|entry| [&entry["action"], &entry["actor"]]).collect();
    let actor = json!("ada (Slack U012AB3CD)");
    assert_eq!(history, [[&json!("acknowledge"), &actor], [&json!("resolve"), &actor]]);
    assert_eq!(told(&desk.world).await?, ["acknowledged", "resolved"]);
    Ok(())
}
