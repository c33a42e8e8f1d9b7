//! What the usage is judged by, and what that is compared with.

use std::path::Path;

use ::backtest::{Configuration, Deployment};
use anyhow::Context;
use catalog::Catalog;
use detection::Policy;

use super::BacktestArgs;

/// What is judged by, and what that is compared with.
pub(super) struct Configurations {
    pub(super) changed: Configuration,
    pub(super) present: Option<Configuration>,
}

impl Configurations {
    /// * `other`: the catalog to compare with, if it is another one.
    pub(super) fn of(
        catalog: &Catalog,
        other: Option<&Catalog>,
        deployment: &Deployment,
        args: &BacktestArgs,
    ) -> anyhow::Result<Self> {
        let configuration = |catalog: &Catalog, path: Option<&Path>| -> anyhow::Result<Configuration> {
            let named = path.map_or_else(|| "the settings".to_owned(), |path| path.display().to_string());
            let policy = path.map(policy_of).transpose()?;
            Configuration::new(catalog.clone(), policy, deployment.clone(), args.time_zone.clone())
                .context(named)
        };
        let changed = |catalog: &Catalog| {
            let changed = configuration(catalog, args.policy.as_deref())?;
            anyhow::Ok(match args.sensitivity {
                Some(sensitivity) => changed.with_sensitivity(sensitivity),
                None => changed,
            })
        };
        let present = match (args.against.as_deref(), other) {
            (None, other) => other.map(changed),
            (Some(policy), other) => Some(configuration(other.unwrap_or(catalog), Some(policy))),
        };
        Ok(Self { changed: changed(catalog)?, present: present.transpose()? })
    }
}

/// The catalog to compare with.
pub(super) fn other_catalog(args: &BacktestArgs) -> anyhow::Result<Option<Catalog>> {
    Ok(args.against_catalog.as_deref().map(Catalog::from_files).transpose()?)
}

fn policy_of(path: &Path) -> anyhow::Result<Policy> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a policy", path.display()))
}
