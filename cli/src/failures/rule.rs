//! What the targets of a rule add to its event. A dead letter of EventBridge holds the event without it.

use anyhow::{Context, ensure};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::Target;
use serde_json::Value;

use super::letter::function_of;

/// The inputs that the targets of a rule at this ARN make of an event. A dead letter does not say which of them failed. A run
/// that is made twice stores and tells nothing twice.
pub(super) async fn inputs(
    client: &Client,
    rule: &str,
    target: &str,
    event: &Value,
) -> anyhow::Result<Vec<Value>> {
    let answer = client.list_targets_by_rule().rule(rule).send().await;
    let answer = answer.with_context(|| format!("the targets of the rule {rule} are not known"))?;
    let targets = answer.targets.unwrap_or_default();
    let inputs: Vec<Value> = targets
        .iter()
        // A target names an alias. An event of before the alias was made does not.
        .filter(|known| function_of(&known.arn).ok() == function_of(target).ok())
        .map(|known| input(known, event))
        .collect::<anyhow::Result<_>>()?;
    ensure!(!inputs.is_empty(), "the rule {rule} has no target {target} any more");
    Ok(inputs)
}

fn input(target: &Target, event: &Value) -> anyhow::Result<Value> {
    if let Some(transformer) = &target.input_transformer {
        let paths = transformer.input_paths_map.iter().flatten();
        let mut text = transformer.input_template.clone();
        for (name, path) in paths {
            let value = at(event, path).with_context(|| format!("the event has no {path}"))?;
            text = text.replace(&format!("<{name}>"), &value.to_string());
        }
        return serde_json::from_str(&text).context("the input of a target is not JSON");
    }
    match &target.input {
        Some(input) => serde_json::from_str(input).context("the input of a target is not JSON"),
        None => Ok(event.clone()),
    }
}

/// The value at "$.detail.source".
fn at<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.strip_prefix("$.")?.split('.');
    names.try_fold(event, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::types::InputTransformer;
    use serde_json::json;

    use super::*;

    fn target(input: Option<&str>, template: Option<&str>) -> Target {
        let transformer = template.map(|template| {
            let made = InputTransformer::builder().input_paths_map("time", "$.time").input_template(template);
            made.build().unwrap()
        });
        let target = Target::builder().id("detector").arn("arn:aws:lambda:a:1:function:f");
        target.set_input(input.map(str::to_owned)).set_input_transformer(transformer).build().unwrap()
    }

    #[test]
    fn an_event_becomes_what_its_target_makes_of_it() {
        let event = json!({ "time": "2026-11-21T13:00:00Z", "detail": {}, "source": "aws.events" });
        let of_shard = r#"{"time": <time>, "detail": {"shard":0,"shards":4}}"#;
        for (target, expected) in [
            (target(None, None), event.clone()),
            (target(Some(r#"{"send_waiting": true}"#), None), json!({ "send_waiting": true })),
            (
                target(None, Some(of_shard)),
                json!({ "time": "2026-11-21T13:00:00Z", "detail": { "shard": 0, "shards": 4 } }),
            ),
        ] {
            assert_eq!(input(&target, &event).unwrap(), expected);
        }
        assert!(input(&target(None, Some(of_shard)), &json!({})).is_err(), "an event without its time");
        assert!(input(&target(None, Some("<time>, ")), &event).is_err());
    }
}
