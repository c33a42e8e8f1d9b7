//! `meterflow check` and `meterflow doctor`: the programs themselves, on real engines. The stand-in for Lambda answers for
//! the functions of a stack.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::Warehouse;
use e2e::engine::{Engine, READER, READER_PASSWORD};
use e2e::programs::program;
use e2e::receiver::{Receiver, Reply};
use e2e::world::{clickhouse_client, variable};
use serde_json::{Value, json};
use warehouse::rollup::{Options, Place};

/// What the program answered: whether it succeeded, and its text.
pub(crate) struct Answer {
    code: Option<i32>,
    /// What it printed for programs, before its messages.
    pub(crate) output: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn assert(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "`{part}` is not in: {}", self.text);
        }
    }
}

/// Runs the program, with a server if one is named.
pub(crate) async fn meterflow(
    server: Option<(&str, &str)>,
    arguments: &[&str],
    lambda: &str,
) -> Result<Answer> {
    meterflow_with(server, arguments, &[("AWS_ENDPOINT_URL_LAMBDA", lambda)]).await
}

pub(crate) async fn meterflow_with(
    server: Option<(&str, &str)>,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<Answer> {
    let mut command = Command::new(program("meterflow")?);
    command.args(arguments).env_remove("CLICKHOUSE_URL").env_remove("CATALOG_PATH");
    command.envs(variables.iter().copied());
    if let Some((url, database)) = server {
        command.args(["--clickhouse-url", url, "--database", database]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    Ok(Answer { code: output.status.code(), output: printed, text })
}

async fn check(server: Option<(&str, &str)>, catalog: &str) -> Result<Answer> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("my.toml");
    std::fs::write(&file, catalog)?;
    meterflow(server, &["check", path(&file)?], "").await
}

pub(crate) fn path(file: &Path) -> Result<&str> {
    file.to_str().context("a path in UTF-8")
}

fn entry(name: &str, more: &str) -> String {
    format!("[[metric]]\nname = \"{name}\"\nunit = \"units\"\nmissing = \"zero\"\nmin_change = 1\n{more}\n")
}

#[tokio::test]
async fn check_without_a_server_says_which_entry_is_broken_and_how() -> Result<()> {
    let sum = "aggregate = \"sum\"\nvalue = \"toFloat64(1)\"";
    check(None, &entry("jobs", sum)).await?.assert(0, &["jobs: the entry is valid", "--clickhouse-url"]);
    for (text, parts) in [
        (entry("Jobs", sum), ["my.toml", "`Jobs` is not a metric name"]),
        (
            entry("jobs", "aggregate = \"sum\""),
            ["`jobs`", "`value` is missing: say which expression is aggregated"],
        ),
        (entry("jobs", "aggregate = \"median\""), ["my.toml", "median"]),
        (entry("jobs", &format!("{sum}\nfilter = \"a = 'x\"")), ["`jobs`", "`filter` leaves a ' open"]),
        (entry("jobs", &format!("{sum}\nsteps = [\"\"]")), ["`jobs`", "text 1 of `steps` must be one line"]),
        (entry("jobs", &format!("{sum}\ncolour = 1")), ["my.toml", "unknown field `colour`"]),
        (String::new(), ["my.toml", "no [[metric]] entry"]),
    ] {
        check(None, &text).await?.assert(1, &parts);
    }
    meterflow(None, &["check", "/nowhere.toml"], "")
        .await?
        .assert(1, &["cannot read the catalog /nowhere.toml"]);
    Ok(())
}

#[tokio::test]
async fn check_with_a_server_says_which_field_is_wrong_and_shows_a_sample() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse
        .run(
            "INSERT INTO events SELECT toString(number), 'cust', 'job', '2026-11-21 12:00:00', \
             concat('{\"n\": ', toString(number - 1), '}'), now64(3) FROM numbers(4)",
        )
        .await?;
    let url = variable("CLICKHOUSE_URL")?;
    let server = Some((url.as_str(), warehouse.database.as_str()));
    let sum = "aggregate = \"sum\"\nfilter = \"event_type = 'job'\"";
    let value = "value = \"JSONExtract(properties, 'n', 'Nullable(Float64)')\"";
    let good = entry("jobs", &format!("{sum}\n{value}"));
    check(server, &good).await?.assert(
        0,
        &[
            "jobs: 4 of 4 rows count, of 1 customers such as \"cust\"",
            "to 2 units, the newest of 2026-11-21 12:00:00 UTC",
            "jobs: corrections of -1 units are kept apart from usage",
            "my.toml is right: `meterflow migrate` can use it",
        ],
    );
    for (more, parts) in [
        (
            format!("{sum}\nvalue = \"nothing\""),
            ["metric `jobs`: value = \"nothing\"", "customer_id", "1 fields of"],
        ),
        (
            format!("{sum}\n{value}\ntime_column = \"customer_id\""),
            ["metric `jobs`: time_column = \"customer_id\"", "String", "DateTime"],
        ),
        (
            format!("{sum}\nvalue = \"toFloat64(properties)\""),
            ["metric `jobs`: value = \"toFloat64(properties)\"", "OrNull", "1 fields of"],
        ),
        (
            format!("{sum}\n{value}\ntable = \"nowhere\""),
            ["there is no table `nowhere`", "my.toml", "1 fields of"],
        ),
    ] {
        check(server, &entry("jobs", &more)).await?.assert(1, &parts);
    }
    let of_source = |time: &str| {
        let metric = entry("jobs", &format!("source = \"work\"\naggregate = \"sum\"\n{value}"));
        let filter = "filter = \"event_type = 'job'\"";
        format!("[[source]]\nname = \"work\"\ntable = \"events\"\n{filter}\ntime = \"{time}\"\n\n{metric}")
    };
    check(server, &of_source("timestamp")).await?.assert(0, &["jobs: 4 of 4 rows count"]);
    let refused = ["metric `jobs`: time = \"customer_id\"", "String", "DateTime"];
    check(server, &of_source("customer_id")).await?.assert(1, &refused);
    // A filter that nothing meets is no error, and is said.
    check(server, &good.replace("'job'", "'none'")).await?.assert(0, &["none of 4 rows", "Look at `filter`"]);
    check(Some(("http://127.0.0.1:1", "metering")), &good)
        .await?
        .assert(1, &["cannot use ClickHouse at http://127.0.0.1:1", "check --clickhouse-url"]);
    Ok(())
}

/// A stand-in for Lambda that knows all functions of a stack by these variables; none without variables.
pub(crate) async fn lambda(variables: Option<Value>) -> Result<Receiver> {
    let answer = move |_: &e2e::receiver::Received| {
        match &variables {
        Some(variables) => Reply::ok(
            json!({ "LastModified": "2026-11-20", "LastUpdateStatus": "Successful", "Environment": { "Variables": variables } })
                .to_string(),
        ),
        None => Reply::with(404, "{}")
            .header("x-amzn-errortype", "ResourceNotFoundException"),
    }
    };
    Ok(Receiver::start(answer).await?)
}

/// An event of each built-in metric, so many hours ago.
fn events(hours: u32) -> String {
    format!(
        "INSERT INTO events SELECT toString(number), 'cust', ['api_request', 'storage', 'compute'][number + 1], \
         now64(3) - INTERVAL {hours} HOUR, '{{\"bytes\": 5, \"gb_stored\": 5, \"cpu_ms\": 5}}', now64(3) FROM numbers(3)"
    )
}

#[tokio::test]
async fn doctor_finds_nothing_wrong_with_a_good_installation_and_names_each_fault() -> Result<()> {
    let (warehouse, url) = (Warehouse::new().await?, variable("CLICKHOUSE_URL")?);
    let server = Some((url.as_str(), warehouse.database.as_str()));
    let stack = lambda(Some(json!({ "CLICKHOUSE_DATABASE": warehouse.database }))).await?;
    let doctor =
        async |arguments: &[&str]| meterflow(server, &[&["doctor"], arguments].concat(), &stack.url).await;

    // The views are there, and no event came yet.
    doctor(&["--no-aws"]).await?.assert(
        1,
        &[
            "WRONG    api_calls: the rollup holds no usage. Check that events still arrive in `events`",
            "4 things are wrong",
        ],
    );
    warehouse.run(&events(30)).await?;
    doctor(&["--no-aws"])
        .await?
        .assert(1, &["WRONG    bandwidth: its newest event is 3", "hours old", "4 things"]);
    warehouse.run(&events(0)).await?;
    let good = doctor(&[]).await?;
    good.assert(
        0,
        &[
            "ok       ClickHouse ",
            "ok       compute_time: a view on `events` feeds the rollup",
            "ok       compute_time: usage of 1 customer",
            "ok       meterflow-anomaly-notifier is deployed",
            "ok       the functions use the built-in catalog",
            "ok       meterflow-anomaly-api: its user default has the rights it needs",
        ],
    );
    assert!(!good.text.contains("WRONG") && !good.text.contains("unknown"), "{}", good.text);

    warehouse.run("DROP VIEW usage_hourly_bandwidth").await?;
    doctor(&["--no-aws"]).await?.assert(
        1,
        &["WRONG    bandwidth: no view feeds the rollup. Run `meterflow migrate`", "1 thing is wrong"],
    );
    warehouse.run("DROP TABLE usage_models").await?;
    doctor(&["--no-aws"])
        .await?
        .assert(1, &[".usage_models, or default may not see it", "2 things are wrong"]);
    Ok(())
}

#[tokio::test]
async fn doctor_says_that_a_server_or_a_stack_is_not_there() -> Result<()> {
    let stack = lambda(None).await?;
    let nowhere = Some(("http://127.0.0.1:1", "metering"));
    meterflow(nowhere, &["doctor", "--no-aws"], "").await?.assert(
        1,
        &["WRONG    cannot use ClickHouse at http://127.0.0.1:1", "Start ClickHouse", "1 thing is wrong"],
    );
    meterflow(nowhere, &["doctor", "--name-prefix", "other"], &stack.url).await?.assert(
        1,
        &[
            "WRONG    there is no function other-anomaly-detection in this account and region. Check --name-prefix and AWS_REGION",
            "4 things are wrong",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn doctor_names_a_refused_password_and_the_grant_that_a_function_misses() -> Result<()> {
    let engine = Engine::in_zone("UTC").await?;
    let client = clickhouse_client(&engine.url, "system");
    let catalog = catalog::Catalog::built_in()?;
    warehouse::rollup::migrate(&Place::at(&client, "metering"), &catalog, &Options::default(), |_| {})
        .await?;
    client.clone().with_database("metering").query_raw(&events(0)).execute().await?;
    let doctor = async |password: &str| -> Result<Answer> {
        let secrets = aws_sdk_secretsmanager::Client::new(&platform::aws::config().await);
        let login = json!({ "username": READER, "password": password }).to_string();
        let name = uuid::Uuid::new_v4().to_string();
        let made = secrets.create_secret().name(name).secret_string(login).send().await?;
        let arn = made.arn.context("a secret without an ARN")?;
        let variables = json!({ "CLICKHOUSE_DATABASE": "metering", "CLICKHOUSE_SECRET_ARN": arn });
        let stack = lambda(Some(variables)).await?;
        meterflow(Some((engine.url.as_str(), "metering")), &["doctor"], &stack.url).await
    };
    doctor("another one").await?.assert(
        1,
        &[
            "WRONG    meterflow-anomaly-detection: ClickHouse refuses its user reader or the password. Store the right",
            "WRONG    meterflow-anomaly-api: ClickHouse refuses its user reader",
            "2 things are wrong",
        ],
    );
    let answer = doctor(READER_PASSWORD).await?;
    answer.assert(
        1,
        &[
            "ok       the secret ",
            "WRONG    meterflow-anomaly-detection: its user reader may not SELECT on metering.usage_models. \
             Run GRANT SELECT ON metering.usage_models TO reader",
            "its user reader may not INSERT on metering.usage_models",
            "ok       meterflow-anomaly-api: its user reader has the rights it needs",
            "4 things are wrong",
        ],
    );
    assert!(!answer.text.contains(READER_PASSWORD), "{}", answer.text);
    Ok(())
}

/// The subscriptions of a topic as SNS lists them.
fn subscriptions(of: &[(&str, &str)]) -> String {
    let members: String = of
        .iter()
        .map(|(arn, endpoint)| {
            format!(
                "<member><SubscriptionArn>{arn}</SubscriptionArn><Endpoint>{endpoint}</Endpoint>\
                 <Protocol>email</Protocol></member>"
            )
        })
        .collect();
    format!(
        "<ListSubscriptionsByTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <ListSubscriptionsByTopicResult><Subscriptions>{members}</Subscriptions></ListSubscriptionsByTopicResult>\
         </ListSubscriptionsByTopicResponse>"
    )
}

#[tokio::test]
async fn doctor_names_who_has_not_confirmed_and_a_catalog_that_is_not_deployed() -> Result<()> {
    let (warehouse, url) = (Warehouse::new().await?, variable("CLICKHOUSE_URL")?);
    warehouse.run(&events(0)).await?;
    let parameters = aws_sdk_ssm::Client::new(&platform::aws::config().await);
    let parameter = format!("/meterflow/{}", uuid::Uuid::new_v4());
    let deployed = entry("jobs", "aggregate = \"count\"");
    let kind = aws_sdk_ssm::types::ParameterType::String;
    parameters.put_parameter().name(&parameter).value(deployed).r#type(kind).send().await?;
    let stack = lambda(Some(json!({
        "CLICKHOUSE_DATABASE": warehouse.database,
        "CATALOG_SSM_PARAMETER": parameter,
        "ALERT_TOPIC_ARN": "arn:aws:sns:eu-west-1:000000000000:meterflow-anomaly-alerts",
    })))
    .await?;
    let topics = Receiver::start(|request| {
        let confirmed = "arn:aws:sns:eu-west-1:000000000000:meterflow-anomaly-alerts:1";
        Reply::ok(match request.body.contains("-anomaly-alerts") {
            true => {
                subscriptions(&[("PendingConfirmation", "oncall@example.com"), (confirmed, "a@example.com")])
            }
            false => subscriptions(&[]),
        })
    })
    .await?;
    let server = Some((url.as_str(), warehouse.database.as_str()));
    let variables = [("AWS_ENDPOINT_URL_LAMBDA", stack.url.as_str()), ("AWS_ENDPOINT_URL_SNS", &topics.url)];
    let answer = meterflow_with(server, &["doctor"], &variables).await?;
    answer.assert(
        1,
        &[
            "WRONG    oncall@example.com has not confirmed the subscription to \
             arn:aws:sns:eu-west-1:000000000000:meterflow-anomaly-alerts. Follow the link",
            "ok       1 subscription to arn:aws:sns:eu-west-1:000000000000:meterflow-anomaly-alerts",
            "WRONG    nobody subscribes to arn:aws:sns:eu-west-1:000000000000:meterflow-anomaly-ops. Set the addresses",
            "WRONG    the functions use the catalog ",
            "Deploy the stack with this file, or name its catalog with --catalog",
            "3 things are wrong",
        ],
    );
    Ok(())
}
