//! Lists of the anomalies of one entity, or of one execution, by the index of each.
//!
//! The keys of both indexes hold the customer. So a list is of one customer whatever ids others have, and a list of all
//! customers reads the index by metric. A table of an earlier deployment has neither index until Terraform has added them.
//! Then the list filters the anomalies of the customer, which is slower and the same.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::anomalies::{AnomalyFilter, AnomalyPosition, key_in_index};
use super::keys::{self, ENTITY_INDEX, EXECUTION_INDEX};
use super::{AnomalyStore, StoreError};

/// An index, the attribute that is its key, and the value to look for.
type Lookup = (&'static str, &'static str, String);

impl AnomalyFilter {
    /// The index that finds its anomalies with the fewest others.
    fn lookup(&self) -> Option<Lookup> {
        let customer = self.customer.as_ref()?;
        let of_execution = self
            .execution_id
            .as_ref()
            .map(|id| (EXECUTION_INDEX, "execution_key", keys::execution(customer, id)));
        let of_entity =
            self.entity.as_ref().map(|entity| (ENTITY_INDEX, "entity_key", keys::entity(customer, entity)));
        of_execution.or(of_entity)
    }
}

impl AnomalyStore {
    /// The query of an index that finds all of a filter's anomalies, newest first. `None` if no index does.
    ///
    /// * `times`: the first and the last time of detection, in Unix milliseconds.
    pub(crate) fn by_index(
        &self,
        filter: &AnomalyFilter,
        after: Option<&AnomalyPosition>,
        (from, last): (i64, i64),
        now: Timestamp,
    ) -> Option<QueryFluentBuilder> {
        let (index, attribute, value) = filter.lookup()?;
        let start = after.map(|after| key_in_index(after, attribute, &value));
        let query = self
            .filtered(filter, filter.metrics.as_deref(), now)
            .index_name(index)
            .key_condition_expression(format!("{attribute} = :key AND detected_at BETWEEN :from AND :last"))
            .expression_attribute_values(":key", AttributeValue::S(value))
            .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
            .expression_attribute_values(":last", AttributeValue::N(last.to_string()))
            .set_exclusive_start_key(start);
        Some(query)
    }
}

impl StoreError {
    /// Whether the table has no such index, or is still filling it.
    pub(crate) fn is_missing_index(&self) -> bool {
        let Self::Read { source, .. } = self else { return false };
        let says = source.message().unwrap_or_default();
        source.code() == Some("ValidationException") && says.contains("index")
    }
}
