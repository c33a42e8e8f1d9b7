//! The roles of detector and API allow exactly the DynamoDB requests of the functions. The emulator allows everything.
//! So the requests are recorded here and compared with the policies that Terraform deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use e2e::World;
use e2e::deployed::{API, DETECTOR, role_policy};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, Event, at, hourly, run, steady_then};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::incidents::{hours, steady_hours};

/// One read or write: the action, the index, and the partition key.
type Asked = (String, Option<String>, String);

/// AWS behind a proxy that records the requests to DynamoDB.
struct Record {
    asked: Arc<Mutex<BTreeSet<Asked>>>,
    proxy: Proxy,
}

impl Record {
    async fn start() -> Result<Self> {
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = Arc::clone(&asked);
        let decide = move |seen: &Seen| {
            if seen
                .headers
                .get("x-amz-target")
                .is_some_and(|target| target.as_bytes().starts_with(b"DynamoDB"))
            {
                let parts =
                    parts(&seen.operation, &seen.body).unwrap_or_else(|error| panic!("{seen:?}: {error}"));
                noted.lock().unwrap_or_else(PoisonError::into_inner).extend(parts);
            }
            Action::Forward
        };
        Ok(Self { asked, proxy: Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await? })
    }

    fn asked(&self) -> BTreeSet<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The parts of a request that IAM checks. A transaction is its parts.
fn parts(operation: &str, body: &[u8]) -> Result<Vec<Asked>> {
    let request: Value = serde_json::from_slice(body)?;
    if operation == "TransactWriteItems" {
        let items = request["TransactItems"].as_array().context("a transaction without parts")?;
        let all = items.iter().filter_map(|item| item.as_object()).flatten();
        return all
            .map(|(kind, part)| {
                one(
                    if kind == "ConditionCheck" {
                        "ConditionCheckItem".to_owned()
                    } else {
                        format!("{kind}Item")
                    },
                    part,
                )
            })
            .collect();
    }
    Ok(vec![one(operation.to_owned(), &request)?])
}

fn one(action: String, request: &Value) -> Result<Asked> {
    let index = request["IndexName"].as_str().map(str::to_owned);
    // A query begins with its partition key: `pk = :pk AND …`.
    let name = request["KeyConditionExpression"].as_str().and_then(|text| text.split([' ', ')']).nth(2));
    let of_query = name.map(|name| &request["ExpressionAttributeValues"][name]["S"]);
    let key = [of_query, Some(&request["Key"]["pk"]["S"]), Some(&request["Item"]["pk"]["S"])];
    let Some(key) = key.into_iter().flatten().find_map(Value::as_str) else {
        bail!("{action} without a partition key: {request}");
    };
    Ok((action, index, key.to_owned()))
}

/// A statement on the table or its indexes: actions, indexes (none is the table), and patterns of partition keys.
struct Statement {
    actions: BTreeSet<String>,
    indexes: BTreeSet<Option<String>>,
    keys: Option<Vec<String>>,
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

async fn statements(function: &str) -> Result<Vec<Statement>> {
    let policy = role_policy(function).await?;
    let all = policy["Statement"].as_array().context("a policy without statements")?.iter();
    let of_dynamodb =
        all.filter(|one| texts(&one["Action"]).iter().any(|action| action.starts_with("dynamodb:")));
    Ok(of_dynamodb
        .map(|one| {
            assert_eq!(one["Effect"], "Allow", "{one}");
            let keys = &one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            Statement {
                actions: texts(&one["Action"]).iter().map(|action| action.replace("dynamodb:", "")).collect(),
                indexes: texts(&one["Resource"])
                    .iter()
                    .map(|arn| arn.split_once("/index/").map(|(_, index)| index.to_owned()))
                    .collect(),
                keys: (!keys.is_null()).then(|| texts(keys)),
            }
        })
        .collect())
}

fn is_like(key: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(key == pattern, |start| key.starts_with(start))
}

fn allows(statement: &Statement, (action, index, key): &Asked) -> bool {
    statement.actions.contains(action)
        && statement.indexes.contains(index)
        && statement.keys.as_ref().is_none_or(|keys| keys.iter().any(|pattern| is_like(key, pattern)))
}

/// Fails for a request that is not allowed, and for an allowed request that was not made.
fn assert_exact(statements: &[Statement], asked: &BTreeSet<Asked>) {
    let denied: Vec<_> =
        asked.iter().filter(|one| !statements.iter().any(|statement| allows(statement, one))).collect();
    assert!(denied.is_empty(), "the role does not allow: {denied:#?}");

    let mut unused = BTreeMap::<_, Vec<_>>::new();
    for statement in statements {
        for action in &statement.actions {
            for pattern in statement.keys.iter().flatten() {
                let is_used =
                    |(asked, index, key): &Asked| asked == action && index.is_none() && is_like(key, pattern);
                if !asked.iter().any(is_used) {
                    unused.entry(pattern).or_default().push(action);
                }
            }
        }
    }
    assert!(unused.is_empty(), "the role allows what no function needs: {unused:#?}");

    // Shows that the comparison can fail.
    let foreign = ("PutItem".to_owned(), None, "DELIVERY#1".to_owned());
    assert!(!statements.iter().any(|statement| allows(statement, &foreign)), "deliveries are the notifier's");
}

#[tokio::test]
async fn the_detector_may_do_what_its_runs_need_and_nothing_more() -> Result<()> {
    let (world, start, record) = (World::new().await?, at(END), Record::start().await?);
    world.insert(&steady_hours("c", start, 72)).await?;
    for hour in [0, 40] {
        world
            .insert(&[Event::compute("c", start + hours(hour) + SignedDuration::from_mins(30), 9e7)])
            .await?;
    }
    // Enough customers for a digest.
    for customer in ["d", "e"] {
        world.insert(&steady_then(customer, start + hours(1), 9e7)).await?;
    }
    let aws = world.aws_at(&record.proxy.url).await;
    let mut app = world.app_with(&[("MAX_PAGES_PER_RUN", "1")], &aws).await?;
    // The last of these hours is the newest, so its run also looks for hours that no run has judged.
    app.clock = || SystemTime::from(at(END) + hours(41)) + Duration::from_secs(5);
    // One opens, one goes on, three resolve ended incidents, and one opens the next.
    for hour in [1, 2, 26, 27, 28, 41] {
        let request = detector::Request { time: start + hours(hour), ..hourly(END) };
        run(&app, &request).await?;
    }
    // This run has no note to change, because nobody asked for it. The attempt is enough here.
    run(&app, &detector::Request { detection_id: Some("asked".to_owned()), ..hourly(END) }).await?;
    assert_exact(&statements(DETECTOR).await?, &record.asked());
    Ok(())
}

/// The secret of a webhook of these tests alone.
const WEBHOOK: &str = "of_the_permissions";

/// The configuration of a channel whose messages have buttons.
async fn channel_with_buttons(world: &World) -> Result<String> {
    let client = aws_sdk_secretsmanager::Client::new(&world.aws);
    let secret = client.create_secret().name(format!("{}-webhook", world.table)).secret_string(WEBHOOK);
    let arn = secret.send().await?.arn.context("a secret without an ARN")?;
    let channel = json!({
        "type": "telegram", "chat_id": "-5", "bot_token_secret_arn": arn, "webhook_secret_arn": arn });
    Ok(json!({ "channels": { "ops": channel } }).to_string())
}

#[tokio::test]
async fn the_api_may_do_what_its_routes_need_and_nothing_more() -> Result<()> {
    let (world, record) = (World::new().await?, Record::start().await?);
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let channels = channel_with_buttons(&world).await?;
    let overrides = [("NOTIFIER_CONFIG", channels.as_str())];
    let api = world.api_with(&overrides, &world.aws_at(&record.proxy.url).await).await?;

    let (end, id) = (at(END).as_millisecond(), "compute_time.spike.Yw");
    for path in [
        "/v1/anomalies".to_owned(),
        "/v1/anomalies?customer_id=c".to_owned(),
        "/v1/anomalies?customer_id=c&entity=nightly".to_owned(),
        "/v1/anomalies?customer_id=c&execution_id=e-1".to_owned(),
        format!("/v1/anomalies/{end}.compute_time.Yw"),
        "/v1/incidents".to_owned(),
        "/v1/incidents?customer_id=c".to_owned(),
        format!("/v1/incidents/{end}.{id}"),
        format!("/v1/incidents/{end}.{id}/deliveries"),
        "/v1/incidents/counts".to_owned(),
        "/v1/status".to_owned(),
        "/v1/runs".to_owned(),
        "/v1/channels".to_owned(),
        "/v1/config".to_owned(),
        "/v1/config/versions".to_owned(),
        "/v1/config/customers/c".to_owned(),
        "/v1/customers/c/baselines".to_owned(),
    ] {
        api.read(&path).await.with_context(|| path)?;
    }
    api.check("c", "compute_time", "").await?;
    for (path, steps) in [
        (format!("/v1/incidents/{end}.{id}"), ["acknowledge", "resolve", "reopen"]),
        // The anomaly closed with its incident.
        (format!("/v1/anomalies/{end}.compute_time.Yw"), ["reopen", "acknowledge", "resolve"]),
    ] {
        for step in steps {
            let answer = api.post(&format!("{path}/{step}"), &json!({})).await?;
            assert_eq!(answer.status, 200, "{step} {path}: {}", answer.text);
        }
    }
    for path in [
        format!("/v1/incidents/{end}.{id}/feedback"),
        format!("/v1/anomalies/{end}.compute_time.Yw/feedback"),
    ] {
        let answer = api.post(&path, &json!({ "kind": "confirmed" })).await?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    for path in ["/v1/config", "/v1/config/customers/c"] {
        let answer =
            api.put(path, "\"0\"", &json!({ "metrics": { "compute_time": { "threshold": 3.5 } } })).await?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let pressed = json!({
        "update_id": 1,
        "callback_query": {
            "id": "q", "from": { "id": 1 }, "data": "acknowledge:0f",
            "message": { "message_id": 1, "date": 1, "chat": { "id": -5 } },
        },
    });
    let secret = [("x-telegram-bot-api-secret-token", WEBHOOK)];
    let body = pressed.to_string().into_bytes();
    let answer = api.without_token().send("POST", "/telegram/updates", &secret, body).await?;
    assert!(answer.text.contains("is not known any more"), "{}", answer.text);
    // The function does not exist here. The note of the run says so.
    assert_eq!(api.post("/v1/detections", &json!({})).await?.status, 503);
    let runs = world.all_items().await?;
    let run = runs.iter().find_map(|item| world::text(item, "pk").strip_prefix("RUN#").map(str::to_owned));
    api.read(&format!("/v1/detections/{}", run.context("no run was noted")?)).await?;
    assert_exact(&statements(API).await?, &record.asked());
    Ok(())
}
