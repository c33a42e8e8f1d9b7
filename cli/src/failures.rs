//! `meterflow failures`: the queues of what failed. It lists them, shows their messages, and hands messages over again.
//!
//! A message leaves its queue only after the next one in line has taken it: Lambda, the queue of finished events, or the
//! channel. A message that fails again stays, and so do later messages of the same incident.

mod hand_over;
mod letter;
mod parked;
mod queues;
mod redrive;
mod rule;
mod show;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use messaging::failures::FailureQueues;
use platform::aws::SdkConfig;
use store::{AnomalyStore, StoreConfig};

use queues::Queue;
pub(crate) use queues::channels;

#[derive(clap::Args)]
pub(crate) struct FailuresArgs {
    #[command(subcommand)]
    command: FailuresCommand,
}

#[derive(Subcommand)]
enum FailuresCommand {
    /// List the queues: how many messages each holds, and how old the oldest is.
    List(ListArgs),
    /// Show the messages of a queue in plain words. They stay in the queue.
    Show(ShowArgs),
    /// Hand the messages over again: to the function, the queue or the channel that did not take them.
    Redrive(RedriveArgs),
}

/// AWS is found as other tools find it: by AWS_PROFILE, AWS_REGION and the like.
#[derive(clap::Args)]
struct ListArgs {
    #[command(flatten)]
    stack: Stack,
}

#[derive(clap::Args)]
struct ShowArgs {
    /// The queue, by the name of its alarm, such as detector-dead-letters or undelivered-CHANNEL.
    #[arg(value_name = "QUEUE")]
    queue: String,

    #[command(flatten)]
    stack: Stack,
}

#[derive(clap::Args)]
struct RedriveArgs {
    /// Only this queue, by the name of its alarm, such as detector-dead-letters or undelivered-CHANNEL. Default: all.
    #[arg(value_name = "QUEUE")]
    queue: Option<String>,

    /// Show what would be handed over, and hand nothing over.
    #[arg(long)]
    dry_run: bool,

    /// Most messages to hand over, over all queues.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[command(flatten)]
    stack: Stack,
}

#[derive(clap::Args)]
struct Stack {
    /// Start of the stack's names: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,

    /// The table of the stack. Default: PREFIX-anomalies.
    #[arg(long, env = "ANOMALIES_TABLE", value_name = "NAME")]
    table: Option<String>,
}

/// The clients that all commands need.
struct Aws {
    sdk: SdkConfig,
    queues: FailureQueues,
    store: AnomalyStore,
    prefix: String,
    table: String,
    now: Timestamp,
}

pub(crate) async fn run(args: FailuresArgs, now: Timestamp) -> anyhow::Result<()> {
    match args.command {
        FailuresCommand::List(args) => show::list(&Aws::of(args.stack, now).await?).await,
        FailuresCommand::Show(args) => show::messages(&Aws::of(args.stack, now).await?, &args.queue).await,
        FailuresCommand::Redrive(args) => {
            let aws = Aws::of(args.stack, now).await?;
            redrive::run(&aws, args.queue.as_deref(), args.dry_run, args.limit.unwrap_or(u64::MAX)).await
        }
    }
}

impl Aws {
    async fn of(stack: Stack, now: Timestamp) -> anyhow::Result<Self> {
        let sdk = platform::aws::config().await;
        platform::aws::ensure_account(&sdk).await.context("cannot look for what failed")?;
        let prefix = stack.name_prefix;
        let table = stack.table.unwrap_or_else(|| format!("{prefix}-anomalies"));
        // Nothing is stored here that could expire.
        let store = AnomalyStore::new(&StoreConfig::of_table(table.clone(), 1), &sdk);
        Ok(Self { queues: FailureQueues::new(&sdk), sdk, store, prefix, table, now })
    }

    /// All queues of the stack, or the requested one.
    async fn find(&self, name: Option<&str>) -> anyhow::Result<Vec<Queue>> {
        queues::find(&self.queues, &self.prefix, name).await
    }
}
