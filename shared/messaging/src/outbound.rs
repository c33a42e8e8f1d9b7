//! Requests to addresses that people configured: chat, on-call, webhooks.
//!
//! A configured address must not open a way into the network around this function. So a request has these limits:
//!
//! - HTTPS only.
//! - No redirects.
//! - No proxy from the environment.
//! - Public addresses only. A name is resolved first, and the connection goes to the addresses that were checked. A
//!   name that resolves differently a moment later changes nothing.
//!
//! Errors never hold the path of an address. With some providers the path is the secret.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

mod addresses;
mod redaction;

pub use redaction::redacted;

/// Sends requests to public addresses.
pub struct Outbound {
    client: reqwest::Client,
    allow_loopback: bool,
}

/// A POST of JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundRequest {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// A POST of a form with a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    pub url: String,
    /// Names and values. No value may hold [`BOUNDARY`] at the beginning of a line. JSON on one line never does.
    pub fields: Vec<(&'static str, String)>,
    /// The name of the field of the picture.
    pub name: &'static str,
    pub png: Vec<u8>,
}

/// A POST of a form without files.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub fields: Vec<(&'static str, String)>,
}

/// The name of a picture's file.
pub const PICTURE: &str = "chart.png";

/// Separates the fields of a form.
const BOUNDARY: &str = "meterflow-3b1f7c9a52e84d06";

/// The answer of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The header `Retry-After`, unchanged.
    pub retry_after: Option<String>,
    /// The beginning of the body.
    pub body: String,
    /// Whether the whole body was read, or as much of it as is kept.
    pub is_complete: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address is never sent to. Another try changes nothing.
    #[error("the address is refused")]
    Refused(#[source] AddressError),
    #[error("no answer from {host} within the time limits")]
    Timeout { host: String },
    #[error("cannot reach {host}")]
    Broken {
        host: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("it is not a valid address")]
    Invalid,
    #[error("only https:// is allowed")]
    NotHttps,
    #[error("an address with a user or a password in it is not allowed")]
    Credentials,
    #[error("the address {0} is not a public address")]
    NotPublic(IpAddr),
    #[error("the name {name} leads to no public address, but to {addresses}")]
    NamePrivate { name: String, addresses: String },
}

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time for the whole exchange.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for a body after the status is known.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers of receivers are shorter than this.
const MAX_BODY: usize = 16 * 1024;

impl Outbound {
    pub fn new(allow_loopback: bool) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .dns_resolver(PublicNames { allow_loopback })
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!allow_loopback)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Lambda freezes the process between events. A kept connection would be dead afterwards.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("meterflow/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, allow_loopback })
    }

    /// Sends a request once.
    pub async fn post(&self, request: OutboundRequest) -> Result<Answer, OutboundError> {
        let OutboundRequest { url, headers, body } = request;
        self.send(&url, "application/json", headers, body.into_bytes()).await
    }

    /// Sends a form without files once.
    pub async fn post_form(&self, form: Form) -> Result<Answer, OutboundError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields).finish();
        self.send(&form.url, "application/x-www-form-urlencoded", form.headers, body.into_bytes()).await
    }

    /// Sends a form with a picture once.
    pub async fn upload(&self, upload: &Upload) -> Result<Answer, OutboundError> {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send(&upload.url, &content_type, Vec::new(), upload.body()).await
    }

    async fn send(
        &self,
        url: &str,
        content_type: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Answer, OutboundError> {
        let url = check_url(url, self.allow_loopback).map_err(OutboundError::Refused)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let failed = |error: reqwest::Error| failure(&host, error);
        let mut post = self.client.post(url).header("content-type", content_type).body(body);
        for (name, value) in headers {
            post = post.header(name, value);
        }
        let mut answer = post.send().await.map_err(failed)?;
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let (status, retry_after) = (answer.status().as_u16(), retry_after.map(str::to_owned));
        // The status line decides. A body that breaks off or never ends only lacks its rest.
        let mut body = Vec::new();
        let is_complete = tokio::time::timeout(BODY_TIMEOUT, read(&mut answer, &mut body)).await;
        let is_complete = is_complete.unwrap_or(false);
        Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&body).into_owned(), is_complete })
    }
}

impl Upload {
    /// The form as RFC 7578 writes it.
    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend([head.as_bytes(), value.as_bytes(), b"\r\n"].concat());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{PICTURE}\"\r\n\
             Content-Type: image/png\r\n\r\n",
            self.name
        );
        body.extend([head.as_bytes(), &self.png, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat());
        body
    }
}

/// Reads the beginning of a body. Returns whether the body ended or reached the limit.
async fn read(answer: &mut reqwest::Response, body: &mut Vec<u8>) -> bool {
    while body.len() < MAX_BODY {
        match answer.chunk().await {
            Ok(Some(part)) => body.extend_from_slice(&part[..part.len().min(MAX_BODY - body.len())]),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Parses and checks an address before anything is sent to it.
pub fn check_url(text: &str, allow_loopback: bool) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::Invalid)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    // The parser has turned other spellings of an IPv4 address, such as 0x7f000001, into this one.
    let host = url.host_str().ok_or(AddressError::Invalid)?;
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if let Some(address) = literal
        && !addresses::is_allowed(address, allow_loopback)
    {
        return Err(AddressError::NotPublic(address));
    }
    let local = literal.map_or(host == "localhost", |address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_loopback && local => Ok(url),
        _ => Err(AddressError::NotHttps),
    }
}

/// Whether the receiver at `own` may name this address in its answer: by HTTPS, or at the receiver itself.
pub fn may_follow(named: &str, own: &str) -> bool {
    let Ok(address) = Url::parse(named) else { return false };
    address.scheme() == "https" || Url::parse(own).is_ok_and(|own| own.origin() == address.origin())
}

/// Resolves names by the system's resolver, and leaves out addresses that are not public.
struct PublicNames {
    allow_loopback: bool,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public = public_of(name.as_str(), found, allow_loopback)?;
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn public_of(
    name: &str,
    found: Vec<SocketAddr>,
    allow_loopback: bool,
) -> Result<Vec<SocketAddr>, AddressError> {
    let (public, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| addresses::is_allowed(address.ip(), allow_loopback));
    if public.is_empty() && !others.is_empty() {
        let addresses: Vec<_> = others.iter().map(|address| address.ip().to_string()).collect();
        return Err(AddressError::NamePrivate { name: name.to_owned(), addresses: addresses.join(", ") });
    }
    Ok(public)
}

fn failure(host: &str, error: reqwest::Error) -> OutboundError {
    let host = host.to_owned();
    if error.is_timeout() {
        return OutboundError::Timeout { host };
    }
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(refusal) = cause.downcast_ref::<AddressError>() {
            return OutboundError::Refused(refusal.clone());
        }
        source = cause.source();
    }
    OutboundError::Broken { host, source: Box::new(error.without_url()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_addresses() {
        for good in [
            "https://hooks.slack.com/services/T/B/x",
            "https://example.com:8443/a?b=c",
            "https://93.184.216.34/",
            "https://[2606:2800:220:1::1]/",
        ] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for (bad, expected) in [
            ("", AddressError::Invalid),
            ("hooks.slack.com", AddressError::Invalid),
            ("http://example.com/", AddressError::NotHttps),
            ("ftp://example.com/", AddressError::NotHttps),
            ("file:///etc/passwd", AddressError::Invalid),
            ("https://user:pw@example.com/", AddressError::Credentials),
            ("https://127.0.0.1/", AddressError::NotPublic("127.0.0.1".parse().unwrap())),
            ("https://2130706433/", AddressError::NotPublic("127.0.0.1".parse().unwrap())),
            ("https://0x7f.1/", AddressError::NotPublic("127.0.0.1".parse().unwrap())),
            ("https://0300.0250.0.1/", AddressError::NotPublic("192.168.0.1".parse().unwrap())),
            ("https://[::ffff:10.0.0.1]/", AddressError::NotPublic("::ffff:10.0.0.1".parse().unwrap())),
            ("https://[fd00:ec2::254]/", AddressError::NotPublic("fd00:ec2::254".parse().unwrap())),
        ] {
            assert_eq!(check_url(bad, false).unwrap_err(), expected, "{bad}");
        }
    }

    #[test]
    fn the_switch_allows_loopback_and_nothing_else() {
        for good in ["http://127.0.0.1:9000/x", "http://localhost/", "https://localhost/", "http://[::1]:1/"]
        {
            assert!(check_url(good, true).is_ok(), "{good}");
        }
        for bad in
            ["http://example.com/", "http://10.0.0.1/", "https://10.0.0.1/", "http://169.254.169.254/latest"]
        {
            assert!(check_url(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_leads_only_to_its_public_addresses() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
        };
        let mixed = addresses(&["10.0.0.1", "93.184.216.34", "::1"]);
        assert_eq!(public_of("a", mixed, false).unwrap(), addresses(&["93.184.216.34"]));
        let error = public_of("a", addresses(&["10.0.0.1", "fe80::1"]), false).unwrap_err();
        assert_eq!(error.to_string(), "the name a leads to no public address, but to 10.0.0.1, fe80::1");
        assert!(public_of("a", addresses(&["127.0.0.1"]), false).is_err());
        assert!(public_of("a", addresses(&["127.0.0.1"]), true).is_ok());
        assert!(public_of("a", addresses(&["192.168.1.1"]), true).is_err());
    }

    #[test]
    fn a_form_with_a_picture() {
        let upload = Upload {
            url: String::new(),
            fields: vec![("a", "{}".to_owned())],
            name: "photo",
            png: vec![0x89, b'P', 0, 0xff],
        };
        let expected = b"--meterflow-3b1f7c9a52e84d06\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}\r\n\
            --meterflow-3b1f7c9a52e84d06\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"chart.png\"\r\n\
            Content-Type: image/png\r\n\r\n\x89P\0\xff\r\n--meterflow-3b1f7c9a52e84d06--\r\n";
        assert_eq!(upload.body(), expected);
    }

    #[test]
    fn an_answer_names_addresses_by_https_or_of_the_receiver() {
        for (named, own, expected) in [
            ("https://files.example.com/a", "https://example.com", true),
            ("http://127.0.0.1:9/a", "http://127.0.0.1:9", true),
            ("http://127.0.0.1:8/a", "http://127.0.0.1:9", false),
            ("http://127.0.0.1:9@example.com/a", "http://127.0.0.1:9", false),
            ("http://example.com/a", "https://example.com", false),
            ("file:///etc/passwd", "file:///etc/passwd", false),
            ("/a", "https://example.com", false),
        ] {
            assert_eq!(may_follow(named, own), expected, "{named}");
        }
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_refused_when_it_is_called() {
        let request = OutboundRequest {
            url: "https://localhost:9/secret-path".to_owned(),
            headers: Vec::new(),
            body: "{}".to_owned(),
        };
        let error = Outbound::new(false).unwrap().post(request).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused(AddressError::NamePrivate { .. })), "{error:?}");
        let text = platform::telemetry::error_chain(&error);
        assert!(text.contains("localhost") && !text.contains("secret-path"), "{text}");
    }

    #[tokio::test]
    async fn errors_do_not_tell_the_path() {
        let request = OutboundRequest {
            url: "http://127.0.0.1:1/bot12345:secret/sendMessage".to_owned(),
            headers: Vec::new(),
            body: "{}".to_owned(),
        };
        let error = Outbound::new(true).unwrap().post(request).await.unwrap_err();
        assert!(matches!(error, OutboundError::Broken { .. }), "{error:?}");
        let text = format!("{} {error:?}", platform::telemetry::error_chain(&error));
        assert!(text.contains("127.0.0.1") && !text.contains("secret"), "{text}");
    }
}
