//! The AWS side: functions, secrets, rights of their users, the catalog, and receivers of alerts.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_lambda::types::LastUpdateStatus;
use catalog::Catalog;
use environment::TextSource;
use platform::aws::SdkConfig;
use platform::secrets::Secrets;
use platform::telemetry::error_chain;
use warehouse::Login;

use super::Finding;
use crate::connection::Server;
use crate::output::counted;

const DETECTOR: &str = "anomaly-detection";
const API: &str = "anomaly-api";
const NOTIFIER: &str = "anomaly-notifier";

type Variables = HashMap<String, String>;

pub(super) async fn look(prefix: &str, server: Option<&Server>, catalog: &Catalog) -> Vec<Finding> {
    let aws = platform::aws::config().await;
    let mut findings = Vec::new();
    let mut secrets = BTreeSet::new();
    for function in [DETECTOR, API, NOTIFIER] {
        let name = format!("{prefix}-{function}");
        let Some(variables) = of_function(&aws, &name, &mut findings).await else { continue };
        for text in texts(&aws, &variables).await {
            secrets.extend(secret_arns(&text));
        }
        if function == DETECTOR {
            findings.push(of_catalog(&aws, &variables, catalog).await);
            findings.extend(of_topics(&aws, &variables).await);
        }
        if let (Some(server), DETECTOR | API) = (server, function) {
            findings.extend(of_grants(&aws, &name, &variables, server, catalog).await);
        }
    }
    let reader = Secrets::new(&aws);
    for arn in secrets {
        findings.push(match reader.get(&arn).await {
            Ok(_) => Finding::right(format!("the secret {arn} has a text")),
            Err(error) => Finding::wrong(error_chain(&error), "Make the secret, or give it a value"),
        });
    }
    findings
}

/// The variables of a function, if it exists.
async fn of_function(aws: &SdkConfig, name: &str, findings: &mut Vec<Finding>) -> Option<Variables> {
    let client = aws_sdk_lambda::Client::new(aws);
    match client.get_function_configuration().function_name(name).send().await {
        Ok(function) => {
            let changed = function.last_modified.unwrap_or_default();
            findings.push(match function.last_update_status {
                Some(LastUpdateStatus::Failed) => Finding::wrong(
                    format!("{name}: its last update failed"),
                    function.last_update_status_reason.unwrap_or_else(|| "Deploy the stack again".to_owned()),
                ),
                _ => Finding::right(format!("{name} is deployed, changed at {changed}")),
            });
            Some(function.environment.and_then(|environment| environment.variables).unwrap_or_default())
        }
        Err(error) => {
            let error = aws_sdk_lambda::Error::from(error);
            findings.push(match &error {
                aws_sdk_lambda::Error::ResourceNotFoundException(_) => Finding::wrong(
                    format!("there is no function {name} in this account and region"),
                    "Check --name-prefix and AWS_REGION, or deploy the stack",
                ),
                _ => Finding::unknown(format!("the function {name}"), error_chain(&error)),
            });
            None
        }
    }
}

/// Texts that may name secrets: variables, and the parameters that variables name.
async fn texts(aws: &SdkConfig, variables: &Variables) -> Vec<String> {
    let mut texts: Vec<String> = variables.values().cloned().collect();
    for (_, parameter) in variables.iter().filter(|(name, _)| name.ends_with("_SSM_PARAMETER")) {
        // A parameter that cannot be read fails the function, and the function reports that itself.
        if let Ok(loaded) = platform::text::load(TextSource::SsmParameter(parameter.clone()), aws).await {
            texts.push(loaded.text);
        }
    }
    texts
}

/// The ARNs of secrets in a text.
fn secret_arns(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_+=.@:/".contains(c);
    let words = text.split(|c| !is_part(c));
    words
        .filter(|word| word.starts_with("arn:") && word.contains(":secretsmanager:"))
        .map(str::to_owned)
        .collect()
}

async fn of_catalog(aws: &SdkConfig, variables: &Variables, catalog: &Catalog) -> Finding {
    let Some(parameter) = variables.get("CATALOG_SSM_PARAMETER") else {
        let is_built_in = Catalog::built_in().is_ok_and(|built_in| built_in.version() == catalog.version());
        return match is_built_in {
            true => Finding::right("the functions use the built-in catalog"),
            false => Finding::wrong(
                format!("the functions use the built-in catalog, not {}", catalog.origin()),
                "Set catalog_file of the stack to your file and deploy",
            ),
        };
    };
    match platform::text::load(TextSource::SsmParameter(parameter.clone()), aws).await {
        Ok(loaded) => match Catalog::parse(&loaded.text, &loaded.origin) {
            Ok(deployed) if deployed.version() == catalog.version() => {
                Finding::right(format!("the functions use the catalog {}", catalog.version()))
            }
            Ok(deployed) => Finding::wrong(
                format!(
                    "the functions use the catalog {}, and {} is {}",
                    deployed.version(),
                    catalog.origin(),
                    catalog.version()
                ),
                "Deploy the stack with this file, or name its catalog with --catalog",
            ),
            Err(error) => {
                Finding::wrong(error_chain(&error), "Deploy the stack with a catalog that is valid")
            }
        },
        Err(error) => Finding::unknown("the catalog of the functions", error_chain(&error)),
    }
}

/// A subscription without confirmation gets nothing.
async fn of_topics(aws: &SdkConfig, variables: &Variables) -> Vec<Finding> {
    let Some(alerts) = variables.get("ALERT_TOPIC_ARN") else { return Vec::new() };
    let operations = alerts.replace("-anomaly-alerts", "-anomaly-ops");
    let client = aws_sdk_sns::Client::new(aws);
    let mut findings = Vec::new();
    for topic in [alerts, &operations] {
        let mut pages = client.list_subscriptions_by_topic().topic_arn(topic).into_paginator().items().send();
        let (mut confirmed, mut waiting) = (0, 0);
        let error = loop {
            match pages.next().await {
                None => break None,
                Some(Ok(subscription)) => match subscription.subscription_arn.as_deref() {
                    Some("PendingConfirmation") => {
                        waiting += 1;
                        findings.push(Finding::wrong(
                            format!(
                                "{} has not confirmed the subscription to {topic}",
                                subscription.endpoint.unwrap_or_default()
                            ),
                            "Follow the link in the message that AWS sent, or deploy again for another",
                        ));
                    }
                    _ => confirmed += 1,
                },
                Some(Err(error)) => break Some(aws_sdk_sns::Error::from(error)),
            }
        };
        findings.extend(match (error, confirmed, waiting) {
            (Some(error), ..) => {
                Some(Finding::unknown(format!("the subscriptions to {topic}"), error_chain(&error)))
            }
            (None, 0, 0) => Some(Finding::wrong(
                format!("nobody subscribes to {topic}"),
                "Set the addresses of the stack and deploy",
            )),
            (None, 0, _) => None,
            (None, more, _) => Some(Finding::right(format!("{} to {topic}", counted(more, "subscription")))),
        });
    }
    findings
}

/// Whether the user of a function has the rights that the function needs.
async fn of_grants(
    aws: &SdkConfig,
    function: &str,
    variables: &Variables,
    server: &Server,
    catalog: &Catalog,
) -> Vec<Finding> {
    let login = match variables.get("CLICKHOUSE_SECRET_ARN") {
        None => Login::default(),
        Some(arn) => match Secrets::new(aws).get(arn).await.map(|text| Login::of_secret(arn, &text)) {
            Ok(Ok(login)) => login,
            Ok(Err(error)) => {
                return vec![Finding::wrong(error_chain(&error), "Store user and password in it")];
            }
            // The check of secrets reports it.
            Err(_) => return Vec::new(),
        },
    };
    let database = variables.get("CLICKHOUSE_DATABASE").map_or(server.database.as_str(), String::as_str);
    let client = server
        .client
        .clone()
        .with_user(&login.username)
        .with_password(&login.password)
        .with_database("system");
    let mut findings = Vec::new();
    for (right, table) in needed(function, database, catalog) {
        let text = format!("CHECK GRANT {right} ON {table}");
        findings.extend(match client.query_raw(&text).fetch_one::<u8>().await {
            Ok(1) => None,
            Ok(_) => Some(Finding::wrong(
                format!("{function}: its user {} may not {right} on {table}", login.username),
                format!("Run GRANT {right} ON {table} TO {}", login.username),
            )),
            Err(error) if warehouse::usage::refuses_login(&error) => {
                return vec![Finding::wrong(
                    format!("{function}: ClickHouse refuses its user {} or the password", login.username),
                    "Store the right ones in the secret of the function, or change them in ClickHouse",
                )];
            }
            Err(error) => Some(Finding::unknown(
                format!("{function}: whether its user may {right} on {table}"),
                warehouse::rollup::one_line(&error),
            )),
        });
    }
    if findings.is_empty() {
        findings
            .push(Finding::right(format!("{function}: its user {} has the rights it needs", login.username)));
    }
    findings
}

/// Rights and tables.
fn needed(function: &str, database: &str, catalog: &Catalog) -> Vec<(&'static str, String)> {
    let ours = |name: &str| format!("{database}.{name}");
    let mut needed = vec![("SELECT", ours("usage_hourly"))];
    if function.ends_with(DETECTOR) {
        for table in ["usage_models", "usage_model_fits"] {
            needed.extend(["SELECT", "INSERT"].map(|right| (right, ours(table))));
        }
    } else {
        let tables: BTreeSet<&str> = catalog.metrics().iter().map(|metric| metric.table.as_str()).collect();
        let named = |table: &str| if table.contains('.') { table.to_owned() } else { ours(table) };
        needed.extend(tables.into_iter().map(|table| ("SELECT", named(table))));
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_texts() {
        let text = r#"{"url": "arn:aws:secretsmanager:eu-west-1:1:secret:slack-AbC123", "topic": "arn:aws:sns:a:1:b"}"#;
        assert_eq!(secret_arns(text), ["arn:aws:secretsmanager:eu-west-1:1:secret:slack-AbC123"]);
    }

    #[test]
    fn each_function_needs_the_tables_that_it_reads() {
        let catalog = Catalog::built_in().unwrap();
        let of = |function: &str| needed(&format!("meterflow-{function}"), "db", &catalog);
        assert!(of(DETECTOR).contains(&("INSERT", "db.usage_models".to_owned())));
        assert!(of(API).contains(&("SELECT", "db.events".to_owned())));
        assert!(!of(API).iter().any(|(right, _)| *right == "INSERT"));
    }
}
