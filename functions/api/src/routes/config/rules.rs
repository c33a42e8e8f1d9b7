//! A change of the policy for all customers that its caller has not read as a whole.

use catalog::StoredPolicy;
use detection::Policy;
use store::PolicyChange;

use super::checked_for_all;
use super::mutes::TRIES;
use crate::App;
use crate::access::Caller;
use crate::error::{Code, Problem};

/// Makes the change on the newest version, again if others changed the policy meanwhile. The policy is checked as a whole, as by
/// `PUT /v1/config`.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    made: impl Fn(&mut Policy),
) -> Result<StoredPolicy, Problem> {
    for _ in 0..TRIES {
        let stored = app.store.policy(None).await?;
        let mut policy = stored.policy.clone();
        made(&mut policy);
        if policy == stored.policy {
            return Ok(stored);
        }
        checked_for_all(app, &policy).await?;
        let changed = app.store.put_policy(None, &policy, stored.version, &caller.actor, app.now()?);
        if let PolicyChange::Stored(stored) = changed.await? {
            tracing::info!(
                policy.of = "all customers",
                policy.version = stored.version,
                actor = caller.actor,
                "policy changed"
            );
            return Ok(stored);
        }
    }
    Err(Problem::of(Code::Contended, "others are changing the policy at this moment; try again"))
}
