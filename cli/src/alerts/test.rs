//! `meterflow alerts test`: sends a test page and its end to channels, and says what the receivers answered.

use anyhow::bail;
use platform::telemetry::error_chain;
use serde_json::json;

use super::find;
use crate::notifier_function::NotifierFunction;
use crate::output::say;
use messaging::failures::FailureQueues;

/// AWS is found as other tools find it: by AWS_PROFILE, AWS_REGION and the like.
#[derive(clap::Args)]
pub(super) struct TestArgs {
    /// Only this channel. Default: all channels.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// Start of the stack's names: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,
}

/// Tests each channel by itself, so that the fault of one hides no other.
pub(super) async fn run(args: TestArgs) -> anyhow::Result<()> {
    let aws = platform::aws::config().await;
    platform::aws::ensure_account(&aws).await?;
    let function = format!("{}-anomaly-notifier", args.name_prefix);
    let (queues, notifier) = (FailureQueues::new(&aws), NotifierFunction::new(&function, &aws));
    let found = find(&queues, &function, args.channel.as_deref()).await?;
    if found.is_empty() {
        bail!("the stack has no channel: see docs/channels.md");
    }
    let mut failed = 0;
    for queue in &found {
        match notifier.call(&json!({ "test": { "channel": queue.channel } })).await {
            Ok(_) => say!("{}: took a test page and its end", queue.channel),
            Err(error) => {
                failed += 1;
                eprintln!("{}: {}", queue.channel, error_chain(&error).escape_debug());
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => bail!("{failed} of {} channels did not take the test", found.len()),
    }
}
