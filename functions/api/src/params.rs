//! The inputs of requests: query parameters, path parameters and bodies. They are read strictly. A wrong input is
//! refused with its name and the allowed values.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::Method;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use catalog::MetricSpec;
use detection::{BaselineDays, CustomerId};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::App;
use crate::error::{Problem, quoted};
use crate::times;
use crate::views::TimeForm;

/// The parameter that chooses the form of times.
pub(crate) const TIMES: &str = "times";

/// Largest body.
pub(crate) const MAX_BODY_KIB: usize = 64;

/// The query parameters of a request, each at most once.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    now: Timestamp,
}

/// A JSON body. An empty body counts as `{}`. A PUT refuses an empty body, because it would erase the whole policy.
pub(crate) struct Body<T>(pub T);

/// The customer in a path: the id itself, or `~` and the id in unpadded base64url for ids that a path cannot hold.
pub(crate) struct CustomerInPath(pub CustomerId);

/// Any other path parameter.
pub(crate) struct InPath(pub String);

/// Two path parameters, in their order.
pub(crate) struct TwoInPath(pub String, pub String);

impl Query {
    /// Refuses all parameters except these and `times`, which every route takes.
    pub(crate) fn only(self, allowed: &[&str]) -> Result<Self, Problem> {
        self.word(TIMES, &TimeForm::WORDS)?.unwrap_or_default().choose();
        let is_allowed = |name: &str| name == TIMES || allowed.contains(&name);
        match self.pairs.iter().find(|(name, _)| !is_allowed(name)) {
            None => Ok(self),
            Some((name, _)) => {
                let allowed = [allowed, &[TIMES]].concat().join(", ");
                Err(Problem::invalid(
                    name,
                    format!("there is no parameter {}; allowed: {allowed}", quoted(name)),
                ))
            }
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn customer(&self) -> Result<Option<CustomerId>, Problem> {
        self.text("customer_id").map(|text| customer(text, "customer_id")).transpose()
    }

    /// A metric of customers.
    pub(crate) fn metric<'a>(&self, app: &'a App) -> Result<Option<&'a MetricSpec>, Problem> {
        self.text("metric").map(|name| metric(app, name, "metric")).transpose()
    }

    pub(crate) fn required_metric<'a>(&self, app: &'a App) -> Result<&'a MetricSpec, Problem> {
        self.metric(app)?.ok_or_else(|| missing("metric", &known_metrics(app)))
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.text(name).map(|text| times::read(text, name, self.now)).transpose()
    }

    pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
        &self,
        name: &str,
        allowed: RangeInclusive<T>,
        default: T,
    ) -> Result<T, Problem> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        number.ok_or_else(|| {
            let (from, to) = (allowed.start(), allowed.end());
            Problem::invalid(
                name,
                format!("{name} must be a whole number from {from} to {to}, not {}", quoted(text)),
            )
        })
    }

    /// How far a baseline reaches back.
    pub(crate) fn baseline_days(&self) -> Result<Option<BaselineDays>, Problem> {
        const NAME: &str = "baseline_days";
        let days = self.number(NAME, BaselineDays::MIN..=BaselineDays::MAX, BaselineDays::MAX)?;
        Ok(self.text(NAME).and_then(|_| BaselineDays::new(days)))
    }

    /// A threshold of the check.
    pub(crate) fn threshold(&self) -> Result<Option<f64>, Problem> {
        let Some(text) = self.text("threshold") else { return Ok(None) };
        threshold(text.parse().unwrap_or(f64::NAN), text).map(Some)
    }

    /// A least spread of a z-score, as a share of the mean.
    pub(crate) fn spread(&self) -> Result<Option<f64>, Problem> {
        let Some(text) = self.text("min_relative_spread") else { return Ok(None) };
        spread(text.parse().unwrap_or(f64::NAN), text).map(Some)
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let allowed: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                let allowed = allowed.join(", ");
                Err(Problem::invalid(name, format!("{name} must be one of {allowed}, not {}", quoted(text))))
            }
        }
    }

    /// The same for an answer whose times are texts, unless the request chooses.
    pub(crate) fn with_texts(self) -> Self {
        if self.text(TIMES).is_none() {
            TimeForm::Rfc3339.choose();
        }
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    fn parse(text: &str, now: Timestamp) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decoded(name).ok_or_else(|| Problem::bad_request("the query is not encoded UTF-8"))?;
            let Some(value) = decoded(value) else {
                return Err(Problem::invalid(&name, format!("{} is not encoded UTF-8", quoted(&name))));
            };
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::invalid(&name, format!("{} is given more than once", quoted(&name))));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs, now })
    }
}

impl FromRequestParts<Arc<App>> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default(), app.now()?)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Problem> {
        let replaces = request.method() == Method::PUT;
        // Reading stops at the limit, whatever length the request states.
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_KIB * 1_024)
            .await
            .map_err(|_| Problem::too_large(MAX_BODY_KIB))?;
        if replaces && bytes.is_empty() {
            return Err(Problem::bad_request("the body is missing: send the whole new policy"));
        }
        Self::parse(&bytes)
    }
}

impl<T: DeserializeOwned> Body<T> {
    fn parse(bytes: &Bytes) -> Result<Self, Problem> {
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
        // A list would be read as the fields in their order. Nobody means that.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::bad_request("the body must be a JSON object"));
        }
        let deserializer = &mut serde_json::Deserializer::from_slice(text);
        let value: T = serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
            let (path, cause) = (error.path().to_string(), error.inner().to_string());
            match path.as_str() {
                "." | "?" => Problem::bad_request(format!("the body cannot be read: {cause}")),
                _ => Problem::invalid(&path, format!("{path}: {cause}")),
            }
        })?;
        deserializer.end().map_err(|_| Problem::bad_request("the body goes on after its JSON ended"))?;
        Ok(Self(value))
    }
}

impl FromRequestParts<Arc<App>> for CustomerInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let InPath(text) = InPath::from_request_parts(parts, app).await?;
        customer(&part_of_path(&text, "customer_id", "the customer id")?, "customer_id").map(Self)
    }
}

impl FromRequestParts<Arc<App>> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::bad_request("the path is not encoded UTF-8"))?;
        Ok(Self(text))
    }
}

impl FromRequestParts<Arc<App>> for TwoInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Path((first, second)) = Path::<(String, String)>::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::bad_request("the path is not encoded UTF-8"))?;
        Ok(Self(first, second))
    }
}

/// A text in a path: the text itself, or `~` and the text in unpadded base64url if a path cannot hold it.
///
/// * `what`: what the text is, for people.
pub(crate) fn part_of_path(text: &str, name: &str, what: &str) -> Result<String, Problem> {
    let Some(encoded) = text.strip_prefix('~') else { return Ok(text.to_owned()) };
    let decoded = URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| {
        Problem::invalid(name, format!("after ~, {what} must be UTF-8 in base64url without padding"))
    })
}

pub(crate) fn customer(text: &str, name: &str) -> Result<CustomerId, Problem> {
    CustomerId::new(text).map_err(|error| Problem::invalid(name, format!("{name}: {error}")))
}

/// A metric of customers. One of another source is refused with the place that knows it.
pub(crate) fn metric<'a>(app: &'a App, text: &str, name: &str) -> Result<&'a MetricSpec, Problem> {
    let known = known_metrics(app);
    app.catalog.get(text).ok_or_else(|| match app.catalog.find(text) {
        None => Problem::invalid(name, format!("there is no metric {}; {known}", quoted(text))),
        Some(spec) => {
            let (text, source) = (quoted(text), spec.source_name());
            let place = format!("/v1/sources/{source}/entities has its entities");
            Problem::invalid(
                name,
                format!(
                    "{text} is a metric of the source {source}, and this is about customers; {place}; {known}"
                ),
            )
        }
    })
}

/// A metric of any source.
pub(crate) fn any_metric<'a>(app: &'a App, text: &str, name: &str) -> Result<&'a MetricSpec, Problem> {
    app.catalog.find(text).ok_or_else(|| {
        let metrics = app.catalog.all().flat_map(|source| source.metrics());
        let names: Vec<_> = metrics.map(|spec| spec.name.as_str()).collect();
        let detail = format!("there is no metric {}; the catalog has {}", quoted(text), names.join(", "));
        Problem::invalid(name, detail)
    })
}

pub(crate) fn known_metrics(app: &App) -> String {
    let names: Vec<_> = app.catalog.metrics().iter().map(|spec| spec.name.as_str()).collect();
    match names.is_empty() {
        true => "the catalog has no metric of customers".to_owned(),
        false => format!("the catalog has {}", names.join(", ")),
    }
}

pub(crate) fn missing(name: &str, allowed: &str) -> Problem {
    Problem::invalid(name, format!("{name} is missing: {allowed}"))
}

/// `shown` is the number as the caller wrote it.
pub(crate) fn threshold(number: f64, shown: &str) -> Result<f64, Problem> {
    if number > 0.0 && number <= 100.0 {
        return Ok(number);
    }
    let detail = format!("threshold must be a z-score above 0 and at most 100, not {}", quoted(shown));
    Err(Problem::invalid("threshold", detail))
}

/// The same for a least spread.
pub(crate) fn spread(number: f64, shown: &str) -> Result<f64, Problem> {
    if (0.0..=1.0).contains(&number) {
        return Ok(number);
    }
    let name = "min_relative_spread";
    let detail = format!("{name} must be a share of the mean from 0 to 1, not {}", quoted(shown));
    Err(Problem::invalid(name, detail))
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const NOW: &str = "2026-11-21T13:30:00Z";

    fn query(text: &str) -> Result<Query, Problem> {
        Query::parse(text, NOW.parse().unwrap())
    }

    #[test]
    fn a_query_is_read_exactly() {
        let query = query("a=1&b=x%20y+z&c=%2B%00%E5%AE%A2&d&e=%3D=").unwrap();
        for (name, value) in [("a", "1"), ("b", "x y z"), ("c", "+\0客"), ("d", ""), ("e", "==")] {
            assert_eq!(query.text(name), Some(value), "{name}");
        }
        assert_eq!(query.text("f"), None);
    }

    #[test]
    fn a_fault_is_named_with_the_allowed_values() {
        for (text, parameter, detail) in [
            ("a=1&a=2", "a", "more than once"),
            ("a=%FF", "a", "UTF-8"),
            ("b=1", "b", "there is no parameter `b`; allowed: a, limit, time, times"),
            ("limit=0", "limit", "limit must be a whole number from 1 to 100, not `0`"),
            ("limit=101", "limit", "from 1 to 100"),
            ("limit=ten", "limit", "not `ten`"),
            ("limit=", "limit", "not ``"),
            ("time=yesterday", "time", "RFC 3339"),
            ("time=1", "time", "from 1971 to 2106"),
            ("time=99999999999999999999", "time", "from 1971 to 2106"),
            ("time=now-99999999999999999d", "time", "from 1971 to 2106"),
            ("time=now-1", "time", "from 1971 to 2106"),
        ] {
            let problem = query(text)
                .and_then(|query| query.only(&["a", "limit", "time"]))
                .and_then(|query| Ok((query.number("limit", 1..=100, 20)?, query.time("time")?)))
                .unwrap_err();
            let document = format!("{problem:?}");
            assert_eq!(problem.status(), 400);
            assert!(document.contains(&format!("parameter: Some(\"{parameter}\")")), "{document}");
            assert!(problem.detail().contains(detail), "{document}");
        }
    }

    #[test]
    fn bodies_are_refused_with_the_place_of_the_mistake() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            #[allow(dead_code)] // Only its reading matters here.
            number: u8,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[serde(default)]
            inner: Vec<Inner>,
        }
        let parse = |text: &'static str| Body::<Outer>::parse(&Bytes::from_static(text.as_bytes()));
        assert!(parse("").unwrap().0.inner.is_empty());
        assert_eq!(parse("{\"inner\":[{\"number\":1}]} ").unwrap().0.inner.len(), 1);
        for (text, expected) in [
            ("{", "the body cannot be read"),
            ("[]", "must be a JSON object"),
            (" null", "must be a JSON object"),
            ("{} {}", "goes on after"),
            ("{\"inner\":[{\"number\":1},{\"number\":300}]}", "inner[1].number: invalid value"),
            ("{\"outer\":1}", "unknown field `outer`, expected `inner`"),
        ] {
            let Err(problem) = parse(text) else { panic!("{text} should be refused") };
            assert!(problem.detail().contains(expected), "{text}: {}", problem.detail());
        }
    }
}
