//! A map from address prefixes to values; the longest prefix wins.

use std::net::IpAddr;

use ahash::AHashMap;
use ipnet::IpNet;

/// Values by address prefix: `host-os-policy` for defragmentation and for streams.
///
/// Looking up costs one hash probe for each prefix length in use, so a handful at most.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    default: T,
    v4: Family<u32, T>,
    v6: Family<u128, T>,
}

#[derive(Clone, Debug)]
struct Family<K, T> {
    /// Prefix lengths in use, longest first.
    lengths: Vec<u8>,
    values: AHashMap<(K, u8), T>,
}

impl<T: Copy> PrefixMap<T> {
    /// A map in which every address has this value.
    pub fn new(default: T) -> Self {
        PrefixMap { default, v4: Family::new(), v6: Family::new() }
    }

    /// Gives a prefix its value; one that was there is replaced.
    pub fn insert(&mut self, net: IpNet, value: T) {
        match net {
            IpNet::V4(net) => self.v4.insert(u32::from(net.network()), net.prefix_len(), value),
            IpNet::V6(net) => self.v6.insert(u128::from(net.network()), net.prefix_len(), value),
        }
    }

    /// The value of the longest prefix that holds this address, or the default.
    pub fn lookup(&self, ip: IpAddr) -> T {
        let found = match ip {
            IpAddr::V4(ip) => self.v4.lookup(|len| u32::from(ip) & mask(len, 32) as u32),
            IpAddr::V6(ip) => self.v6.lookup(|len| u128::from(ip) & mask(len, 128)),
        };
        found.unwrap_or(self.default)
    }
}

impl<K: Copy + Eq + std::hash::Hash, T: Copy> Family<K, T> {
    fn new() -> Self {
        Family { lengths: Vec::new(), values: AHashMap::new() }
    }

    fn insert(&mut self, network: K, len: u8, value: T) {
        if !self.lengths.contains(&len) {
            self.lengths.push(len);
            self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        self.values.insert((network, len), value);
    }

    fn lookup(&self, masked: impl Fn(u8) -> K) -> Option<T> {
        self.lengths.iter().find_map(|&len| self.values.get(&(masked(len), len)).copied())
    }
}

/// The upper `len` of `width` bits, in the lower `width` bits of the result.
const fn mask(len: u8, width: u32) -> u128 {
    let ones = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    match width - len as u32 {
        128 => 0,
        shift => (ones >> shift) << shift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let mut map = PrefixMap::new('d');
        for (net, value) in [
            ("0.0.0.0/0", 'a'),
            ("10.0.0.0/8", 'b'),
            ("10.1.0.0/16", 'c'),
            ("10.1.2.3/32", 'e'),
            ("2001:db8::/32", 'f'),
            ("2001:db8::1/128", 'g'),
        ] {
            map.insert(net.parse().unwrap(), value);
        }
        for (ip, expected) in [
            ("9.9.9.9", 'a'),
            ("10.255.0.1", 'b'),
            ("10.1.9.9", 'c'),
            ("10.1.2.3", 'e'),
            ("2001:db8::2", 'f'),
            ("2001:db8::1", 'g'),
            ("::1", 'd'),
        ] {
            assert_eq!(map.lookup(ip.parse().unwrap()), expected, "{ip}");
        }
        map.insert("::/0".parse().unwrap(), 'h');
        assert_eq!(map.lookup("::1".parse().unwrap()), 'h');
    }
}
