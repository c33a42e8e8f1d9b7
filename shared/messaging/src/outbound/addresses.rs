//! Which IP addresses are public. The ranges come from the IANA registries of special-purpose addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a request may go to this address.
pub(super) fn is_allowed(address: IpAddr, allow_loopback: bool) -> bool {
    if address.is_loopback() {
        return allow_loopback;
    }
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private networks, loopback.
        (0 | 10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) => true,
        // Carrier-grade NAT, link-local with the metadata services of clouds.
        (100, 64..=127, _) | (169, 254, _) => true,
        // Protocol assignments, 6to4 relays, benchmarks, documentation.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, ..) => true,
        _ => false,
    };
    !special
}

/// Only 2000::/3 is assigned as public IPv6. Some ranges in it carry an IPv4 address that a gateway could follow, and
/// some lead nowhere. All else is outside of it: unspecified, IPv4-mapped and -compatible, NAT64, discard, unique
/// local, link-local, site-local, multicast.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let special = match (segments[0], segments[1]) {
        // Protocol assignments with Teredo and ORCHID.
        (0x2001, 0..=0x01ff) => true,
        // Documentation.
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) => true,
        // 6to4.
        (0x2002, _) => true,
        _ => false,
    };
    (0x2000..=0x3fff).contains(&segments[0]) && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in special {
            assert!(!is_allowed(text.parse().unwrap(), false), "{text}");
        }
        for text in special.into_iter().filter(|text| !text.starts_with("127.") && *text != "::1") {
            assert!(!is_allowed(text.parse().unwrap(), true), "{text} with the switch");
        }
        for text in ["127.0.0.1", "127.255.0.1", "::1"] {
            assert!(is_allowed(text.parse().unwrap(), true), "{text} with the switch");
        }
    }

    #[test]
    fn the_neighbours_of_special_ranges_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
        ] {
            assert!(is_allowed(text.parse().unwrap(), false), "{text}");
        }
    }
}
