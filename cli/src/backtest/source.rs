//! Where the usage of a backtest is: a file, or the rollup in ClickHouse.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ::backtest::{Configuration, Customer, Replay, Report, Span, Tally, Usage};
use anyhow::Context;
use catalog::{BUCKETS, Catalog, Shard};
use detection::model::Peers;
use detection::{CustomerId, Hour};
use jiff::Timestamp;
use tokio::runtime::Handle;
use warehouse::past::{CUSTOMERS_AT_ONCE, Past, PastRequest};
use warehouse::usage::UsageReader;

use super::replay::judge;
use crate::progress::Progress;

/// Usage that can be judged several times.
pub(crate) struct Source<'a> {
    held: Held<'a>,
    peers: Peers,
}

enum Held<'a> {
    File(Usage),
    Rollup(Past<'a>),
}

/// More than any backtest takes.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

impl<'a> Source<'a> {
    pub(crate) fn file(usage: Usage, catalog: &Catalog) -> Self {
        Self { peers: usage.peers(catalog.metrics()), held: Held::File(usage) }
    }

    /// The hours of the rollup before the hour of `now`, which is not over.
    pub(crate) fn rollup(
        reader: &'a UsageReader,
        catalog: &'a Catalog,
        days: u16,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let name = format!("backtest-{}-{}", now.as_millisecond(), std::process::id());
        let (until, deadline) = (Hour::holding(now), Instant::now() + LONGEST);
        let request = PastRequest { catalog, days, or_fewer: false, until, name, deadline };
        let runtime = Handle::current();
        let past = runtime.block_on(Past::find(reader, request))?;
        let peers = runtime.block_on(past.peers()).context("the shapes of customers' days were not read")?;
        Ok(Self { held: Held::Rollup(past), peers })
    }

    pub(crate) fn span(&self) -> Span {
        match &self.held {
            Held::File(usage) => usage.span,
            Held::Rollup(past) => past.span(),
        }
    }

    /// Hours between the newest usage and the last full hour before a time.
    pub(crate) fn hours_before(&self, at: Timestamp) -> i64 {
        Hour::holding(at).since(self.span().end)
    }

    /// What a configuration pages. All odd hours of the customer `shown` are kept.
    pub(crate) fn report(
        &self,
        configuration: &Configuration,
        shown: Option<&CustomerId>,
    ) -> anyhow::Result<Report> {
        let span = self.span();
        let mut pass = Pass {
            replay: Replay::new(span, configuration, &self.peers),
            tally: Tally::new(span, configuration).showing(shown.cloned()),
            progress: Mutex::new(Progress::new(self.number_of_customers()?, "customers")),
        };
        match &self.held {
            Held::File(usage) => pass.judge(&usage.customers),
            Held::Rollup(past) => pass.rollup(past)?,
        }
        if let Ok(progress) = pass.progress.into_inner() {
            eprintln!("judged {}", progress.finish());
        }
        Ok(pass.tally.report())
    }

    fn number_of_customers(&self) -> anyhow::Result<u64> {
        Ok(match &self.held {
            Held::File(usage) => usage.customers.len() as u64,
            Held::Rollup(past) => Handle::current()
                .block_on(past.number_of_customers())
                .context("the customers are not known")?,
        })
    }
}

/// All customers on their way through one configuration.
struct Pass<'a> {
    replay: Replay<'a>,
    tally: Tally<'a>,
    progress: Mutex<Progress>,
}

impl Pass<'_> {
    fn judge(&mut self, customers: &[Customer]) {
        let judged = judge(&self.replay, customers, &self.progress);
        customers.iter().zip(judged).for_each(|(customer, judged)| self.tally.add(customer, judged));
    }

    /// Bucket by bucket, and of a bucket some customers at a time.
    fn rollup(&mut self, past: &Past<'_>) -> anyhow::Result<()> {
        let runtime = Handle::current();
        let mut waiting = Vec::new();
        for bucket in 0..BUCKETS {
            let of_bucket = runtime.block_on(past.customers(Shard::of_bucket(bucket)));
            waiting.extend(of_bucket.context("the customers are not known")?);
            let is_last = bucket + 1 == BUCKETS;
            while waiting.len() >= CUSTOMERS_AT_ONCE || (is_last && !waiting.is_empty()) {
                let some = waiting.split_off(waiting.len().saturating_sub(CUSTOMERS_AT_ONCE));
                let usage =
                    runtime.block_on(past.usage(&some)).context("the usage was not read to its end")?;
                self.judge(&usage);
            }
        }
        Ok(())
    }
}
