//! The conditions of a list on its items, as a filter expression with the names and values that it needs.
//!
//! Every attribute has a placeholder, because many of their names are reserved words of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{EntityPath, MetricName};
use jiff::Timestamp;

/// Most values of one `IN`.
const MOST_VALUES: usize = 100;

/// Conditions that all hold.
pub(crate) struct Conditions {
    texts: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Conditions {
    /// The item has not expired.
    pub(crate) fn alive(now: Timestamp) -> Self {
        let mut conditions = Self { texts: Vec::new(), names: HashMap::new(), values: HashMap::new() };
        let (ttl, now) =
            (conditions.name("ttl"), conditions.value(AttributeValue::N(now.as_second().to_string())));
        conditions.texts.push(format!("{ttl} >= {now}"));
        conditions
    }

    /// The attribute has this text, if one is wanted.
    pub(crate) fn equal(&mut self, attribute: &str, wanted: Option<&str>) {
        let Some(wanted) = wanted else { return };
        let (name, value) = (self.name(attribute), self.value(AttributeValue::S(wanted.to_owned())));
        self.texts.push(format!("{name} = {value}"));
    }

    /// The same for an item that has the text although the attribute is absent.
    pub(crate) fn equal_or_absent(&mut self, attribute: &str, wanted: &str) {
        let (name, value) = (self.name(attribute), self.value(AttributeValue::S(wanted.to_owned())));
        self.texts.push(format!("(attribute_not_exists({name}) OR {name} = {value})"));
    }

    /// The entry of a map has this text, if one is wanted.
    pub(crate) fn entry(&mut self, map: &str, key: &str, wanted: Option<&str>) {
        let Some(wanted) = wanted else { return };
        let (map, key) = (self.name(map), self.name(key));
        let value = self.value(AttributeValue::S(wanted.to_owned()));
        self.texts.push(format!("{map}.{key} = {value}"));
    }

    /// The attribute has one of these texts, if some are wanted. There are at most [`MOST_VALUES`] of them.
    pub(crate) fn one_of(&mut self, attribute: &str, wanted: &[&str]) {
        if wanted.is_empty() {
            return;
        }
        let name = self.name(attribute);
        let values: Vec<String> =
            wanted.iter().map(|wanted| self.value(AttributeValue::S((*wanted).to_owned()))).collect();
        self.texts.push(format!("{name} IN ({})", values.join(", ")));
    }

    /// The metric is one of these, if some are wanted.
    pub(crate) fn metrics(&mut self, wanted: Option<&[MetricName]>) {
        let Some(wanted) = wanted else { return };
        let name = self.name("metric");
        let some = wanted.chunks(MOST_VALUES).map(|some| {
            let values: Vec<String> =
                some.iter().map(|metric| self.value(AttributeValue::S(metric.to_string()))).collect();
            format!("{name} IN ({})", values.join(", "))
        });
        let any = some.collect::<Vec<_>>().join(" OR ");
        self.texts.push(format!("({any})"));
    }

    /// The entity has exactly these names, if one is wanted.
    pub(crate) fn entity(&mut self, wanted: Option<&EntityPath>) {
        let Some(wanted) = wanted else { return };
        let names = wanted.names().iter().map(|name| AttributeValue::S(name.clone())).collect();
        let (name, value) = (self.name("entity_path"), self.value(AttributeValue::L(names)));
        self.texts.push(format!("{name} = {value}"));
    }

    /// The first name of the entity is this one, if one is wanted.
    pub(crate) fn first_name(&mut self, wanted: Option<&str>) {
        let Some(wanted) = wanted else { return };
        let (name, value) = (self.name("entity_path"), self.value(AttributeValue::S(wanted.to_owned())));
        self.texts.push(format!("{name}[0] = {value}"));
    }

    pub(crate) fn filter(self, mut query: QueryFluentBuilder) -> QueryFluentBuilder {
        for (placeholder, name) in self.names {
            query = query.expression_attribute_names(placeholder, name);
        }
        for (placeholder, value) in self.values {
            query = query.expression_attribute_values(placeholder, value);
        }
        query.filter_expression(self.texts.join(" AND "))
    }

    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":wanted_{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_metrics_fit_into_several_lists() {
        let metrics: Vec<_> = (0..250).map(|n| MetricName::new(format!("metric_{n}")).unwrap()).collect();
        let mut conditions = Conditions::alive(Timestamp::UNIX_EPOCH);
        conditions.metrics(Some(&metrics));
        let text = conditions.texts.join(" AND ");
        assert_eq!((text.matches(" IN (").count(), text.matches(" OR ").count()), (3, 2), "{text}");
        assert_eq!(conditions.values.len(), 251);
    }

    #[test]
    fn what_is_not_wanted_is_no_condition() {
        let mut conditions = Conditions::alive(Timestamp::UNIX_EPOCH);
        conditions.equal("severity", None);
        conditions.one_of("type", &[]);
        conditions.entry("ids", "execution_id", None);
        conditions.metrics(None);
        conditions.entity(None);
        conditions.first_name(None);
        assert_eq!(conditions.texts, ["#ttl >= :wanted_0"]);
    }
}
