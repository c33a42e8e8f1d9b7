//! Buses of EventBridge that belong to the user.

use std::time::{Duration, SystemTime};

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use jiff::Timestamp;
use platform::aws;

/// Puts events on buses.
pub struct Buses {
    client: Client,
}

/// One event. `detail` is a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusEvent {
    pub source: &'static str,
    pub detail_type: &'static str,
    pub detail: String,
    pub time: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("cannot put an event on {bus_arn}")]
    Call {
        bus_arn: String,
        #[source]
        source: Box<aws_sdk_eventbridge::Error>,
    },
    /// EventBridge answers 200 and names what it did not take.
    #[error("{bus_arn} did not take the event: {code}: {reason}")]
    Refused { bus_arn: String, code: String, reason: String },
}

impl BusError {
    /// Whether a later try may succeed. A missing or forbidden bus needs a person.
    pub fn passes(&self) -> bool {
        use aws_sdk_eventbridge::error::ProvideErrorMetadata as _;
        match self {
            Self::Call { source, .. } => !matches!(
                source.code(),
                Some("ResourceNotFoundException" | "AccessDeniedException" | "ValidationException")
            ),
            Self::Refused { code, .. } => {
                matches!(code.as_str(), "InternalFailure" | "InternalException" | "ThrottlingException")
            }
        }
    }
}

/// Longest time of a call with all its tries.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

impl Buses {
    pub fn new(sdk: &aws::SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let config = aws_sdk_eventbridge::config::Builder::from(sdk)
            .retry_partition(aws::unlimited_retries("buses"))
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config) }
    }

    pub async fn put(&self, bus_arn: &str, event: &BusEvent) -> Result<(), BusError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus_arn)
            .source(event.source)
            .detail_type(event.detail_type)
            .detail(&event.detail)
            .time(SystemTime::from(event.time).into())
            .build();
        let answer = self.client.put_events().entries(entry).send().await.map_err(|source| {
            BusError::Call { bus_arn: bus_arn.to_owned(), source: Box::new(source.into()) }
        })?;
        match answer.entries().iter().find_map(|entry| Some((entry.error_code()?, entry.error_message()))) {
            None => Ok(()),
            Some((code, reason)) => Err(BusError::Refused {
                bus_arn: bus_arn.to_owned(),
                code: code.to_owned(),
                reason: reason.unwrap_or("without a reason").to_owned(),
            }),
        }
    }
}
