//! The addresses of ClickHouse: of one server or a balancer, or of the replicas of each shard of a cluster.
//!
//! `https://a1:8443,https://a2:8443;https://b1:8443,https://b2:8443` are two shards of two replicas. A replica that stands
//! first is asked first.

/// Addresses of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// By shard, the replicas in the order in which they are asked. No list is empty.
    shards: Vec<Vec<String>>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("it must start with http:// or https://{hint}")]
    Scheme { address: String, hint: &'static str },
    #[error("an address has no space and no `|` in it{}", LIST)]
    Separator { address: String },
    #[error("address {place} of shard {shard} is empty{}", LIST)]
    Empty { shard: usize, place: usize },
    #[error("the list names it twice, and each address is that of one replica of one shard")]
    Twice { address: String },
}

const LIST: &str =
    "; in a list, a semicolon stands between two shards, and a comma between two replicas of a shard";

impl AddressError {
    /// The wrong part of the text, without a password.
    pub fn place(&self) -> String {
        match self {
            Self::Scheme { address, .. } | Self::Separator { address } | Self::Twice { address } => {
                host_of(address)
            }
            Self::Empty { .. } => String::new(),
        }
    }
}

impl Addresses {
    /// One address.
    pub fn one(url: &str) -> Self {
        Self { shards: vec![vec![url.to_owned()]] }
    }

    /// One address, or a list: a semicolon between two shards, and a comma between two replicas of a shard. Spaces around an
    /// address do not count.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let hint = if text.contains([';', ',']) { LIST } else { "" };
        let mut shards: Vec<Vec<String>> = Vec::new();
        for (shard, replicas) in text.split(';').enumerate() {
            let mut of_shard: Vec<String> = Vec::new();
            for (place, address) in replicas.split(',').enumerate() {
                let address = address.trim();
                if address.is_empty() {
                    return Err(AddressError::Empty { shard: shard + 1, place: place + 1 });
                }
                if !address.starts_with("http://") && !address.starts_with("https://") {
                    return Err(AddressError::Scheme { address: address.to_owned(), hint });
                }
                if address.contains(|c: char| c == '|' || c.is_whitespace()) {
                    return Err(AddressError::Separator { address: address.to_owned() });
                }
                let is_same = |known: &String| known.trim_end_matches('/') == address.trim_end_matches('/');
                if shards.iter().flatten().chain(&of_shard).any(is_same) {
                    return Err(AddressError::Twice { address: address.to_owned() });
                }
                of_shard.push(address.to_owned());
            }
            shards.push(of_shard);
        }
        Ok(Self { shards })
    }

    /// The address of programs that ask one server.
    pub fn first(&self) -> &str {
        self.all().next().unwrap_or_default()
    }

    /// All addresses in their order.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().flatten().map(String::as_str)
    }

    /// The replicas of each shard.
    pub fn shards(&self) -> &[Vec<String>] {
        &self.shards
    }

    /// Whether there are several addresses to choose from.
    pub fn is_list(&self) -> bool {
        self.all().nth(1).is_some()
    }
}

/// The host and port of an address. A password in the address must not reach a log.
pub(crate) fn host_of(url: &str) -> String {
    let after_scheme = url.split("://").nth(1).unwrap_or(url);
    let authority = after_scheme.split(['/', '?']).next().unwrap_or(after_scheme);
    authority.rsplit('@').next().unwrap_or(authority).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_replicas_of_each_shard() {
        let of = |text: &str| Addresses::parse(text).unwrap();
        assert_eq!(of("http://a:8123"), Addresses::one("http://a:8123"));
        assert!(!of("http://a:8123").is_list());
        let two = of("https://a1:8443, https://a2:8443 ;https://b1:8443,https://b2:8443/");
        let expected = [["https://a1:8443", "https://a2:8443"], ["https://b1:8443", "https://b2:8443/"]];
        assert_eq!(two.shards(), expected);
        assert_eq!((two.first(), two.all().count(), two.is_list()), ("https://a1:8443", 4, true));
        assert_eq!(of("http://a,http://b").shards().len(), 1);
        assert!(of("http://a;http://b").is_list());
    }

    #[test]
    fn a_wrong_list_is_refused_with_its_place() {
        for (text, place, reason) in [
            ("a:8123", "a:8123", "it must start with http:// or https://"),
            (
                "http://a;b:8123",
                "b:8123",
                "a semicolon stands between two shards, and a comma between two replicas",
            ),
            ("http://a|http://b", "a|http", "no space and no `|` in it; in a list, a semicolon"),
            ("http://a http://b", "a http", "no space"),
            ("http://a;", "", "address 1 of shard 2 is empty; in a list"),
            ("http://a;http://b,,http://c", "", "address 2 of shard 2 is empty"),
            (";", "", "address 1 of shard 1 is empty"),
            ("http://me:secret@a/;http://b,http://me:secret@a", "a", "names it twice"),
            ("http://a;ftp://me:secret@b", "b", "must start with"),
        ] {
            let error = Addresses::parse(text).unwrap_err();
            assert_eq!(error.place(), place, "{text}");
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn hosts_are_named_without_their_password() {
        for (url, host) in [
            ("http://127.0.0.1:8123", "127.0.0.1:8123"),
            ("https://user:secret@ch.example.com:8443/?a=b", "ch.example.com:8443"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
