//! One more mute in a customer's policy, without a look at the rest of it.

use catalog::Policies;
use detection::{CustomerId, Mute};
use store::PolicyChange;

use super::checked;
use crate::App;
use crate::access::Caller;
use crate::error::{Code, Problem};

/// How often the change is made again because others changed the policy meanwhile.
pub(super) const TRIES: u32 = 4;

/// Adds a mute, unless the policy has one that `holds`. Returns the mute that the policy has now. The policy is checked as a
/// whole, as by `PUT /v1/config/customers/{customer_id}`.
pub(crate) async fn mute(
    app: &App,
    caller: &Caller,
    customer: &CustomerId,
    mute: &Mute,
    holds: impl Fn(&Mute) -> bool,
) -> Result<Mute, Problem> {
    for _ in 0..TRIES {
        let (global, own) = futures::try_join!(app.store.policy(None), app.store.policy(Some(customer)))?;
        if let Some(known) = own.policy.mutes.iter().find(|known| holds(known)) {
            return Ok(known.clone());
        }
        let mut policy = own.policy.clone();
        policy.mutes.push(mute.clone());
        let global = Policies::resolve(&app.catalog, &app.settings, global, Vec::new());
        checked(app, global.settings(customer), &policy, &own.policy)?;
        let changed = app.store.put_policy(Some(customer), &policy, own.version, &caller.actor, app.now()?);
        if let PolicyChange::Stored(stored) = changed.await? {
            tracing::info!(
                policy.of = customer.as_str(),
                policy.version = stored.version,
                actor = caller.actor,
                "policy changed"
            );
            return Ok(mute.clone());
        }
    }
    Err(Problem::of(Code::Contended, "others are changing the policy at this moment; try again"))
}
