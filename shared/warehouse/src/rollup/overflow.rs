//! Customers with more entities than a source judges one by one. Ids in the names of entities make such customers.

use catalog::{Catalog, Entities};

use super::Tables;
use super::statements::quoted;

/// Days in which an entity has had an event, if it is judged alone.
const DAYS: u16 = 31;

/// The customers of a source with more entities than its limit, with their number. `None` for a source without entities.
pub(crate) fn overflowing(catalog: &Catalog) -> Option<String> {
    let Entities { most, .. } = catalog.entities().filter(|entities| !entities.names.is_empty())?;
    Some(format!(
        "SELECT {} AS customer, uniq(customer_id) AS entities FROM {}
WHERE hour >= now('UTC') - toIntervalDay({DAYS})
GROUP BY customer
HAVING entities > {most}
ORDER BY customer",
        tenant(),
        Tables::of(catalog).rollup
    ))
}

/// The rows of a rollup with the entities of overflowing customers that came last as one entity, `other`. Those that came
/// first stay as they are, so that one which is known does not change.
pub(super) fn rows(rollup: &str, entities: &Entities) -> Option<String> {
    let Entities { most, overflowing, names, .. } = entities;
    if overflowing.is_empty() {
        return None;
    }
    let (tenant, separator) = (tenant(), Entities::SEPARATOR);
    let overflowing: Vec<String> = overflowing.iter().map(|tenant| format!("'{}'", quoted(tenant))).collect();
    let overflowing = format!("{tenant} IN ({})", overflowing.join(", "));
    let other = format!("'{separator}{}'", vec![Entities::OTHER; names.len()].join(separator));
    Some(format!(
        "(
    SELECT * REPLACE (toLowCardinality(if({overflowing} AND customer_id NOT IN
    (
        SELECT customer_id FROM {rollup} WHERE {overflowing}
        GROUP BY customer_id
        HAVING max(hour) >= now('UTC') - toIntervalDay({DAYS})
        ORDER BY min(hour), customer_id
        LIMIT {most} BY {tenant}
    ), concat({tenant}, {other}), customer_id)) AS customer_id)
    FROM {rollup}
)"
    ))
}

/// The customer in a key of the rollup.
fn tenant() -> String {
    format!("splitByChar('{}', toString(customer_id))[1]", Entities::SEPARATOR)
}
