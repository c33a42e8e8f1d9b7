//! `meterflow alerts test`: sends a test page and its end to channels, and says what the receivers answered.

use anyhow::{Context, bail};
use clap::Subcommand;
use messaging::failures::FailureQueues;
use platform::telemetry::error_chain;
use serde_json::json;

use crate::failures;
use crate::functions::Functions;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    command: AlertsCommand,
}

#[derive(Subcommand)]
enum AlertsCommand {
    /// Send a test page and its end to the channels, and say which of them took both.
    Test(TestArgs),
}

/// AWS is found as other tools find it: by AWS_PROFILE, AWS_REGION and the like.
#[derive(clap::Args)]
struct TestArgs {
    /// Only this channel. Default: all channels.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// Start of the stack's names: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,
}

/// Tests each channel by itself, so that the fault of one hides no other.
pub(crate) async fn run(args: AlertsArgs) -> anyhow::Result<()> {
    let AlertsCommand::Test(args) = args.command;
    let aws = platform::aws::config().await;
    platform::aws::ensure_account(&aws).await.context("cannot look for the channels")?;
    let function = format!("{}-anomaly-notifier", args.name_prefix);
    let (queues, functions) = (FailureQueues::new(&aws), Functions::new(&aws));
    let found = failures::channels(&queues, &args.name_prefix, args.channel.as_deref()).await?;
    let mut failed = 0;
    for channel in &found {
        match functions.call(&function, &json!({ "test": { "channel": channel } })).await {
            Ok(_) => say!("{channel}: took a test page and its end"),
            Err(error) => {
                failed += 1;
                eprintln!("{channel}: {}", error_chain(&error).escape_debug());
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => bail!("{failed} of {} channels did not take the test", found.len()),
    }
}
