//! `meterflow doctor`: the faults of an installation, and the next step for each.

mod rollup;
mod shards;
mod stack;

use anyhow::bail;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    /// Start of the stack's names: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,

    /// Check only ClickHouse, and nothing in AWS.
    #[arg(long)]
    no_aws: bool,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Right(String),
    /// The fault, and the next step.
    Wrong(String, String),
    /// A check that could not be made, and the reason.
    Unknown(String, String),
}

impl Finding {
    pub(crate) fn right(what: impl Into<String>) -> Self {
        Self::Right(what.into())
    }

    pub(crate) fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Wrong(what.into(), remedy.into())
    }

    pub(crate) fn unknown(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unknown(what.into(), why.into())
    }

    fn line(&self) -> String {
        match self {
            Self::Right(what) => format!("ok       {what}"),
            Self::Wrong(what, remedy) => format!("WRONG    {what}. {remedy}"),
            Self::Unknown(what, why) => format!("unknown  {what}: {why}"),
        }
    }
}

pub(crate) async fn run(connection: &Connection, args: DoctorArgs, now: Timestamp) -> anyhow::Result<()> {
    let catalog = connection.catalog()?;
    let mut findings = vec![Finding::right(format!("meterflow {}", platform::version()))];
    let server = match connection.server().await {
        Ok(server) => {
            findings.extend(rollup::look(&server, &catalog, now).await);
            findings.extend(shards::look(&connection.reader(&server), &catalog, now).await);
            Some(server)
        }
        Err(error) => {
            let reason = platform::telemetry::error_chain(error.as_ref());
            findings.push(Finding::wrong(reason, "Start ClickHouse, or name another address"));
            None
        }
    };
    if !args.no_aws {
        findings.extend(stack::look(&args.name_prefix, server.as_ref(), &catalog).await);
    }
    findings.iter().for_each(|finding| say!("{}", finding.line()));
    let wrong = findings.iter().filter(|finding| matches!(finding, Finding::Wrong(..))).count();
    match wrong {
        0 => Ok(()),
        1 => bail!("1 thing is wrong"),
        more => bail!("{more} things are wrong"),
    }
}
