//! The settings, the catalog, the policies and the feedback of a deployed stack.

use ::backtest::Deployment;
use anyhow::Context;
use aws_sdk_lambda::Client;
use catalog::{Catalog, Said};
use environment::Env;
use jiff::Timestamp;
use platform::aws::{self, SdkConfig};
use store::{AnomalyStore, StoreConfig};

/// What the detector of a stack judges by, and its catalog.
pub(crate) async fn of_stack(prefix: &str, now: Timestamp) -> anyhow::Result<(Deployment, Catalog)> {
    let sdk = aws::config().await;
    aws::ensure_account(&sdk).await?;
    let name = format!("{prefix}-anomaly-detection");
    let variables = variables(&sdk, &name).await?;
    let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let env = Env::of(&pairs);
    let wrong = || format!("the variables of the function {name}");
    let parts = platform::text::load_all(Catalog::source(&env).with_context(wrong)?, &sdk).await?;
    let catalog = Catalog::parse_all(&parts)?;
    let store = AnomalyStore::new(&StoreConfig::from_env(&env).with_context(wrong)?, &sdk);
    let (policy, customers) =
        store.policies().await.with_context(|| format!("the policies of the stack {prefix}"))?;
    let feedback = store.feedback().await.with_context(|| format!("the feedback of the stack {prefix}"))?;
    let said = Said { feedback, at: now };
    let deployment =
        Deployment { policy, customers, said, ..Deployment::from_env(&env).with_context(wrong)? };
    Ok((deployment, catalog))
}

async fn variables(sdk: &SdkConfig, name: &str) -> anyhow::Result<Vec<(String, String)>> {
    let function = Client::new(sdk).get_function_configuration().function_name(name).send().await;
    let function = function.map_err(aws_sdk_lambda::Error::from).with_context(|| {
        format!(
            "the settings of the function {name} were not read (check --name-prefix and AWS_REGION, or leave AWS out with \
             --no-aws)"
        )
    })?;
    let variables = function.environment.and_then(|environment| environment.variables);
    Ok(variables.unwrap_or_default().into_iter().collect())
}
