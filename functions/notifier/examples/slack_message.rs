//! Prints the Slack message of a typical critical alert as JSON. Run it with `cargo run -p notifier --example
//! slack_message`.

use anyhow::Context;
use notifier::Task;
use notifier::alert::Alert;
use notifier::channels::slack;
use notifier::message::Message;

/// The sample event that `make invoke-notifier-opened` sends.
const EVENT: &str = include_str!("../../../events/notifier-opened.json");

fn main() -> anyhow::Result<()> {
    let Task::Deliver(messages) = Task::from_event(&serde_json::from_str(EVENT)?)? else {
        anyhow::bail!("the sample is not an event of SNS");
    };
    let alert = Alert::parse(messages.first().context("the sample has no message")?)?;
    let link = "https://app.example.com/incidents/{incident_id}";
    let message = Message::of(&alert, Some(link));
    println!("{}", serde_json::to_string_pretty(&slack::payload(message))?);
    Ok(())
}
