//! Times in answers: Unix milliseconds, or RFC 3339 if the request says `times=rfc3339`.
//!
//! The form belongs to the request. So it is kept beside the request's future. Each time reads the form when it is
//! written.

use std::cell::Cell;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeForm {
    #[default]
    Milliseconds,
    Rfc3339,
}

/// A time in an answer, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) i64);

tokio::task_local! {
    static FORM: Cell<TimeForm>;
}

impl TimeForm {
    /// The values of the parameter `times`.
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("milliseconds", Self::Milliseconds), ("rfc3339", Self::Rfc3339)];

    /// Does the work of a request. The answer may choose a form of times.
    pub(crate) async fn of_request<F: Future>(work: F) -> F::Output {
        FORM.scope(Cell::default(), work).await
    }

    /// Chooses the form of all times of this request's answer.
    pub(crate) fn choose(self) {
        // There is no answer outside of a request.
        let _ = FORM.try_with(|form| form.set(self));
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (FORM.try_with(Cell::get), Timestamp::from_millisecond(self.0)) {
            (Ok(TimeForm::Rfc3339), Ok(time)) => serializer.collect_str(&time),
            _ => serializer.serialize_i64(self.0),
        }
    }
}

impl From<i64> for Time {
    fn from(milliseconds: i64) -> Self {
        Self(milliseconds)
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time.as_millisecond())
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let of = |kind: Type, format: KnownFormat| {
            ObjectBuilder::new().schema_type(kind).format(Some(SchemaFormat::KnownFormat(format)))
        };
        let description = "Unix milliseconds; with `times=rfc3339` a text such as `2026-11-21T13:00:00Z`.";
        OneOfBuilder::new()
            .description(Some(description))
            .item(of(Type::Integer, KnownFormat::Int64))
            .item(of(Type::String, KnownFormat::DateTime))
            .examples([1_795_266_000_000_i64])
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> std::borrow::Cow<'static, str> {
        "TimeInAnswer".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_request_has_a_form_of_its_own() {
        let text = || serde_json::to_string(&[Time(1_795_266_000_000), Time(1_795_266_000_123)]).unwrap();
        let chosen = TimeForm::of_request(async {
            TimeForm::Rfc3339.choose();
            text()
        });
        let not_chosen = TimeForm::of_request(async { text() });
        assert_eq!(chosen.await, r#"["2026-11-21T13:00:00Z","2026-11-21T13:00:00.123Z"]"#);
        assert_eq!(not_chosen.await, "[1795266000000,1795266000123]");
        assert_eq!(text(), "[1795266000000,1795266000123]");
    }
}
