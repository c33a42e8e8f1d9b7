//! The rule for plain http to ClickHouse.
//!
//! Everybody on the way can read and change plain http. So plain http is allowed to this machine, and to private
//! addresses without a password. The Terraform variable `clickhouse_url` has the same rule.

use std::net::{IpAddr, Ipv6Addr};

/// The reason why this address is refused. `None` if it may be used.
pub fn refusal(url: &str, has_password: bool) -> Option<&'static str> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let has_password = has_password || authority.contains('@');
    match reach(host_of(authority)) {
        Reach::Loopback => None,
        Reach::Private if has_password => Some("plain http would send the password unencrypted"),
        Reach::Private => None,
        Reach::Public => Some(
            "plain http is for loopback and private IP addresses only: everybody on the way could read and change usage",
        ),
    }
}

enum Reach {
    Loopback,
    Private,
    /// Also every name except `localhost`, because a name does not show where it leads.
    Public,
}

fn reach(host: &str) -> Reach {
    if host.eq_ignore_ascii_case("localhost") {
        return Reach::Loopback;
    }
    match host.parse() {
        Ok(IpAddr::V4(address)) if address.is_loopback() => Reach::Loopback,
        Ok(IpAddr::V6(Ipv6Addr::LOCALHOST)) => Reach::Loopback,
        Ok(IpAddr::V4(address)) if address.is_private() => Reach::Private,
        Ok(IpAddr::V6(address)) if address.is_unique_local() => Reach::Private,
        _ => Reach::Public,
    }
}

/// The host of "user:password@host:port".
fn host_of(authority: &str) -> &str {
    let host = authority.rsplit('@').next().unwrap_or(authority);
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_at_home() {
        for (url, without_password, with_password) in [
            ("http://127.0.0.1:8123", true, true),
            ("http://localhost", true, true),
            ("http://[::1]:8123/", true, true),
            ("http://10.1.2.3:8123", true, false),
            ("http://172.31.0.1", true, false),
            ("http://192.168.1.1/?a=b", true, false),
            ("http://[fd00::1]:8123", true, false),
            ("http://me:secret@10.1.2.3:8123", false, false),
            ("http://172.32.0.1", false, false),
            ("http://8.8.8.8:8123", false, false),
            ("http://clickhouse.internal:8123", false, false),
            ("http://127.0.0.1.example.com", false, false),
            ("http://10.0.0.1@example.com", false, false),
            ("http://localhost#.example.com", true, true),
            ("https://clickhouse.example.com:8443", true, true),
        ] {
            assert_eq!(refusal(url, false).is_none(), without_password, "{url}");
            assert_eq!(refusal(url, true).is_none(), with_password, "{url} with a password");
        }
    }
}
