//! `meterflow doctor`: what is wrong with an installation, and what to do about it.

mod rollup;
mod stack;

use anyhow::bail;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    /// What the names of the stack begin with: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,

    /// Look at ClickHouse only, and at nothing in AWS.
    #[arg(long)]
    no_aws: bool,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Right(String),
    /// What is wrong, and what to do.
    Wrong(String, String),
    /// What could not be looked at, and why.
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
    let mut findings = vec![Finding::right(format!("meterflow {}", env!("CARGO_PKG_VERSION")))];
    let server = match connection.server().await {
        Ok(server) => {
            findings.extend(rollup::look(&server, &catalog, now).await);
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
