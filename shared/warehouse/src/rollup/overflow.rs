//! Customers with more entities than a source judges one by one. Ids in the names of entities make such customers.

use catalog::{Entities, Overflow};

use super::sql::quoted;

/// The customers of a source with more entities since `{since}` than its limit, with their number. `None` for a source without
/// entities.
pub(crate) fn overflowing(rollup: &str, entities: &Entities) -> Option<String> {
    let Entities { most, names, .. } = entities;
    if names.is_empty() {
        return None;
    }
    Some(format!(
        "SELECT {} AS customer, uniq(customer_id) AS entities FROM {}
WHERE hour >= toDateTime({{since:UInt32}}, 'UTC')
GROUP BY customer
HAVING entities > {most}
ORDER BY customer",
        customer(),
        rollup
    ))
}

/// The rows of a table with the entities of overflowing customers that came last as one entity, `other`. Those that came
/// first stay as they are, so that one which is known does not change.
///
/// * `rollup`: the hourly one, which tells which of them came first.
pub(super) fn rows(table: &str, rollup: &str, entities: &Entities) -> Option<String> {
    let Entities { most, overflow, names, .. } = entities;
    let Overflow { customers, since } = overflow.as_ref()?;
    let (customer, separator) = (customer(), Entities::SEPARATOR);
    let customers: Vec<String> = customers.iter().map(|customer| format!("'{}'", quoted(customer))).collect();
    let is_overflowing = format!("{customer} IN ({})", customers.join(", "));
    let other = format!("{separator}{}", vec![Entities::OTHER; names.len()].join(separator));
    Some(format!(
        "(
    SELECT * REPLACE (toLowCardinality(if({is_overflowing} AND customer_id NOT IN
    (
        SELECT customer_id FROM {rollup} WHERE {is_overflowing}
        GROUP BY customer_id
        HAVING max(hour) >= toDateTime({since}, 'UTC')
        ORDER BY min(hour), customer_id
        LIMIT {most} BY {customer}
    ), concat({customer}, '{other}'), customer_id)) AS customer_id)
    FROM {table}
)"
    ))
}

/// The customer in a key of the rollup.
fn customer() -> String {
    format!("splitByChar('{}', toString(customer_id))[1]", Entities::SEPARATOR)
}
