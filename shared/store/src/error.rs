//! Errors between this program and the table.

use super::AnomalyStore;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot store {id} in {table}")]
    Put {
        id: String,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("cannot {operation} {id} in {table}")]
    Update {
        operation: &'static str,
        id: String,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("cannot read {what} in {table}")]
    Read {
        what: &'static str,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("an item of {table} cannot be written or read")]
    Item {
        table: String,
        #[source]
        source: serde_dynamo::Error,
    },
    #[error("the policy of {of} in {table} cannot be read")]
    Policy {
        of: String,
        table: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{id} in {table} was changed by others again and again; try once more")]
    Contended { id: String, table: String },
}

impl AnomalyStore {
    pub(crate) fn unread(
        &self,
        what: &'static str,
        source: impl Into<aws_sdk_dynamodb::Error>,
    ) -> StoreError {
        StoreError::Read { what, table: self.table.clone(), source: Box::new(source.into()) }
    }

    pub(crate) fn unreadable(&self, source: serde_dynamo::Error) -> StoreError {
        StoreError::Item { table: self.table.clone(), source }
    }

    pub(crate) fn unstored(
        &self,
        id: impl Into<String>,
        source: impl Into<aws_sdk_dynamodb::Error>,
    ) -> StoreError {
        StoreError::Put { id: id.into(), table: self.table.clone(), source: Box::new(source.into()) }
    }

    pub(crate) fn unchanged(
        &self,
        operation: &'static str,
        id: impl Into<String>,
        source: impl Into<aws_sdk_dynamodb::Error>,
    ) -> StoreError {
        let (id, table) = (id.into(), self.table.clone());
        StoreError::Update { operation, id, table, source: Box::new(source.into()) }
    }
}
