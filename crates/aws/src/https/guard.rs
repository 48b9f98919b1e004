//! Who outside may be called: nobody at an address that is not public.
//!
//! A function in a private network, or the metadata service of a machine, must not be reachable by a name that somebody has pointed
//! there. What is connected to is what was looked at: the name is not looked up twice.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

/// Looks names up, and answers nothing of those that lead to where nobody outside is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

impl ResolveDns for PublicOnly {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 443)).await.map_err(ResolveDnsError::new)?;
            let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            match addresses.iter().find(|address| !is_public(**address)) {
                None => Ok(addresses),
                Some(private) => Err(ResolveDnsError::new(NotPublic { name: name.to_owned(), address: *private })),
            }
        })
    }
}

/// A name leads to an address that is not public.
#[derive(Debug)]
pub(crate) struct NotPublic {
    name: String,
    address: IpAddr,
}

impl fmt::Display for NotPublic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} leads to {}, which is no public address", self.name, self.address)
    }
}

impl std::error::Error for NotPublic {}

/// Whether an address is anybody's on the internet (the registries of special-purpose addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        // Global unicast is 2000::/3. In it, what stands for an address of version 4 is as public as that; 2001::/23 and
        // documentation are nobody's.
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, second, ..] => second > 0x1ff && second != 0xdb8,
        [first, ..] if (0x2000..0x4000).contains(&first) => true,
        // Translated from version 4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g5_only_addresses_of_the_internet_are_called() {
        for public in
            ["93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2002:5db8:d822::1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a00:1::1",
            "2001:db8::1",
            "2001::1",
            "::7f00:1",
            "fec0::1",
            "4000::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[tokio::test]
    async fn g5_a_name_that_leads_inside_is_not_called() {
        let refused = PublicOnly.resolve_dns("localhost").await.expect_err("it leads to this machine");
        let why = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
        assert!(why.starts_with("localhost leads to"), "{why}");
    }
}
