//! Sets of IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ranges::Ranges;

/// A set of IPv4 and IPv6 addresses. Two sets of the same addresses, both with negations or both without, are equal, however
/// else they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    negated: bool,
}

impl AddressSet {
    /// Every address.
    pub fn any() -> Self {
        AddressSet { v4: Ranges::full(), v6: Ranges::full(), negated: false }
    }

    /// No address.
    pub fn none() -> Self {
        AddressSet { v4: Ranges::empty(), v6: Ranges::empty(), negated: false }
    }

    /// From inclusive ranges in any order, as numbers in host byte order.
    pub fn from_ranges(v4: Vec<(u32, u32)>, v6: Vec<(u128, u128)>) -> Self {
        AddressSet { v4: Ranges::new(v4), v6: Ranges::new(v6), negated: false }
    }

    /// Is the address in it?
    #[inline]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.contains(u32::from(ip)),
            IpAddr::V6(ip) => self.v6.contains(u128::from(ip)),
        }
    }

    /// Does it hold every address of both families?
    pub fn is_any(&self) -> bool {
        self.v4.is_full() && self.v6.is_full()
    }

    /// Was something taken out of it by a negation?
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// Does it hold none?
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The IPv4 ranges: inclusive, sorted, disjoint.
    pub fn ranges_v4(&self) -> &[(u32, u32)] {
        self.v4.as_slice()
    }

    /// The IPv6 ranges: inclusive, sorted, disjoint.
    pub fn ranges_v6(&self) -> &[(u128, u128)] {
        self.v6.as_slice()
    }

    /// What is not in it.
    #[must_use]
    pub fn complement(&self) -> Self {
        AddressSet { v4: self.v4.complement(), v6: self.v6.complement(), negated: !self.negated }
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn without(&self, other: &AddressSet) -> Self {
        AddressSet {
            v4: self.v4.without(&other.v4),
            v6: self.v6.without(&other.v6),
            negated: self.negated || !other.is_empty(),
        }
    }
}

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRange {
    /// IPv4, host byte order.
    V4(u32, u32),
    /// IPv6, host byte order.
    V6(u128, u128),
}

/// Reads `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1-10.0.0.9`, and the same of IPv6.
/// Says what is wrong otherwise: the message and a hint.
pub fn parse_address(text: &str) -> Result<AddressRange, (String, Option<&'static str>)> {
    let shown = super::report::excerpt(text, 48);
    let bad = || {
        (
            format!("{shown} is not an address"),
            Some("write 10.0.0.1, 10.0.0.0/8, 10.0.0.1-10.0.0.9 or fe80::/10"),
        )
    };
    if let Some((low, high)) = text.split_once('-') {
        return match (low.trim().parse(), high.trim().parse()) {
            (Ok(IpAddr::V4(low)), Ok(IpAddr::V4(high))) if low <= high => {
                Ok(AddressRange::V4(u32::from(low), u32::from(high)))
            }
            (Ok(IpAddr::V6(low)), Ok(IpAddr::V6(high))) if low <= high => {
                Ok(AddressRange::V6(u128::from(low), u128::from(high)))
            }
            (Ok(IpAddr::V4(_)), Ok(IpAddr::V4(_))) | (Ok(IpAddr::V6(_)), Ok(IpAddr::V6(_))) => {
                Err((format!("the range {shown} ends before it begins"), Some("swap its ends")))
            }
            _ => Err(bad()),
        };
    }
    let (ip, prefix) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, Some(prefix)),
        None => (text, None),
    };
    match ip.parse::<IpAddr>().map_err(|_| bad())? {
        IpAddr::V4(ip) => {
            let bits = prefix.map_or(Ok(32), |prefix| prefix_v4(prefix, &shown))?;
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            Ok(AddressRange::V4(u32::from(ip) & !host, u32::from(ip) | host))
        }
        IpAddr::V6(ip) => {
            let bits =
                prefix.map_or(Ok(128), |prefix| bits(prefix, 128).ok_or_else(|| bad_prefix(&shown, 128)))?;
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            Ok(AddressRange::V6(u128::from(ip) & !host, u128::from(ip) | host))
        }
    }
}

fn prefix_v4(prefix: &str, shown: &str) -> Result<u32, (String, Option<&'static str>)> {
    if let Ok(mask) = prefix.parse::<Ipv4Addr>() {
        let mask = u32::from(mask);
        return match mask.leading_ones() + mask.trailing_zeros() {
            32.. => Ok(mask.leading_ones()),
            _ => Err((
                format!("the netmask of {shown} is not a prefix"),
                Some("its ones must stand in a row at the left"),
            )),
        };
    }
    bits(prefix, 32).ok_or_else(|| bad_prefix(shown, 32))
}

fn bits(prefix: &str, max: u32) -> Option<u32> {
    (prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit()))
        .then(|| prefix.parse().ok())?
        .filter(|bits| *bits <= max)
}

fn bad_prefix(shown: &str, max: u32) -> (String, Option<&'static str>) {
    let hint = if max == 32 { "0 to 32" } else { "0 to 128" };
    (format!("bad prefix length in {shown}"), Some(hint))
}

/// As `10.0.0.0-10.255.255.255,…`.
impl std::fmt::Display for AddressSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_any() {
            return f.write_str("any");
        }
        let mut comma = "";
        for &(low, high) in self.ranges_v4() {
            write!(f, "{comma}{}-{}", Ipv4Addr::from(low), Ipv4Addr::from(high))?;
            comma = ",";
        }
        for &(low, high) in self.ranges_v6() {
            write!(f, "{comma}{}-{}", Ipv6Addr::from(low), Ipv6Addr::from(high))?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_spelling() {
        let v4 = |text: &str| match parse_address(text) {
            Ok(AddressRange::V4(low, high)) => format!("{}-{}", Ipv4Addr::from(low), Ipv4Addr::from(high)),
            other => format!("{other:?}"),
        };
        assert_eq!(v4("10.1.2.3"), "10.1.2.3-10.1.2.3");
        assert_eq!(v4("10.1.2.3/8"), "10.0.0.0-10.255.255.255");
        assert_eq!(v4("10.1.2.3/0"), "0.0.0.0-255.255.255.255");
        assert_eq!(v4("10.1.2.3/32"), "10.1.2.3-10.1.2.3");
        assert_eq!(v4("10.1.2.3/255.255.0.0"), "10.1.0.0-10.1.255.255");
        assert_eq!(v4("10.1.2.3/0.0.0.0"), "0.0.0.0-255.255.255.255");
        assert_eq!(v4("10.0.0.1-10.0.0.9"), "10.0.0.1-10.0.0.9");
        assert_eq!(
            parse_address("fe80::1/64"),
            Ok(AddressRange::V6(0xfe80 << 112, (0xfe80 << 112) | u128::from(u64::MAX)))
        );
        assert_eq!(parse_address("::/0"), Ok(AddressRange::V6(0, u128::MAX)));
        assert_eq!(parse_address("::1-::9"), Ok(AddressRange::V6(1, 9)));
        for bad in [
            "",
            "10.0.0",
            "01.2.3.4",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/255.0.255.0",
            "fe80::/129",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-::1",
            "10.0.0.1-",
            "-",
            "/",
            "label:app=x",
            "10.0.0.0/255.0.0.1",
        ] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sets_hold_both_families() {
        let set = AddressSet::from_ranges(vec![(0x0a00_0000, 0x0aff_ffff)], vec![]);
        assert!(set.contains("10.9.9.9".parse().unwrap()));
        assert!(!set.contains("11.0.0.0".parse().unwrap()) && !set.contains("::1".parse().unwrap()));
        assert!(set.complement().contains("::1".parse().unwrap()));
        assert!(AddressSet::any().without(&set).without(&set.complement()).is_empty());
        assert!(AddressSet::any().is_any() && !set.is_any());
        assert_eq!(set.to_string(), "10.0.0.0-10.255.255.255");
    }
}
