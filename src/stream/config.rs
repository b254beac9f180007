//! What the stream engine is told, and the memory it accounts for.

use std::net::IpAddr;

use ipnet::IpNet;

use super::overlap::OsPolicy;
use crate::verdict::ExceptionPolicy;

/// Section `stream` and `host-os-policy` of the configuration.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Bytes that all sessions of a worker may take, without what they reassemble; 0 is no limit.
    pub memcap: u64,
    /// What happens to a new session beyond it.
    pub memcap_policy: ExceptionPolicy,
    /// Bytes that all reassembly of a worker may take; 0 is no limit.
    pub reassembly_memcap: u64,
    /// What happens to data beyond it.
    pub reassembly_memcap_policy: ExceptionPolicy,
    /// Bytes of each direction that are reassembled; 0 is no limit.
    pub depth: u64,
    /// Sessions whose beginning was not seen are picked up.
    pub midstream: bool,
    /// What happens to a session whose beginning was not seen, be it picked up or not.
    pub midstream_policy: ExceptionPolicy,
    /// Sessions of which only one direction is seen are followed.
    pub async_oneside: bool,
    /// We stand in the way of the packets and decide about them.
    pub inline: bool,
    /// Inline: a segment that contradicts the stream is not dropped but given the bytes of the stream. For captures, whose senders will
    /// not send again what was dropped.
    pub rewrites: bool,
    /// Segments with a wrong checksum are no part of the stream.
    pub checksum_validation: bool,
    /// Inline: invalid segments are dropped.
    pub drop_invalid: bool,
    /// Flows whose streams are not of interest any more may be bypassed.
    pub bypass: bool,
    /// Different SYN/ACKs (and different SYNs) that are remembered of one handshake, 0..=255.
    pub max_synack_queued: u8,
    /// Bytes after which raw data to the server is inspected.
    pub chunk_to_server: u32,
    /// Bytes after which raw data to the client is inspected.
    pub chunk_to_client: u32,
    /// Pieces of one direction kept out of order, and segments kept apart because their receiver has not acknowledged them.
    pub segments_max: usize,
    /// What is done with urgent data.
    pub urgent: UrgentPolicy,
    /// What is done with urgent data when too many bytes were out of band.
    pub urgent_oob_limit: UrgentPolicy,
    /// Which system resolves overlaps how.
    pub host_policies: HostPolicies,
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig {
            memcap: 64 << 20,
            memcap_policy: ExceptionPolicy::Ignore,
            reassembly_memcap: 256 << 20,
            reassembly_memcap_policy: ExceptionPolicy::Ignore,
            depth: 1 << 20,
            midstream: false,
            midstream_policy: ExceptionPolicy::Ignore,
            async_oneside: false,
            inline: false,
            rewrites: false,
            checksum_validation: true,
            drop_invalid: true,
            bypass: false,
            max_synack_queued: 5,
            chunk_to_server: 2560,
            chunk_to_client: 2560,
            segments_max: 4096,
            urgent: UrgentPolicy::Inline,
            urgent_oob_limit: UrgentPolicy::Drop,
            host_policies: HostPolicies::default(),
        }
    }
}

/// What is done with urgent data (`stream.reassembly.urgent.policy`; RFC 6093).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrgentPolicy {
    /// It is data like any other, as RFC 6093 recommends.
    #[default]
    Inline,
    /// The last urgent byte is out of band: taken out of the stream, which closes over it.
    Oob,
    /// The last urgent byte is out of band, and the stream has a gap where it was.
    Gap,
    /// Segments with urgent data are dropped.
    Drop,
}

impl UrgentPolicy {
    /// The policy of that name in a configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "inline" => UrgentPolicy::Inline,
            "oob" => UrgentPolicy::Oob,
            "gap" => UrgentPolicy::Gap,
            "drop" => UrgentPolicy::Drop,
            _ => return None,
        })
    }
}

/// Section `host-os-policy`: address prefixes and the systems behind them; the longest prefix counts.
#[derive(Clone, Debug, Default)]
pub struct HostPolicies {
    prefixes: Vec<(IpNet, OsPolicy)>,
}

impl HostPolicies {
    /// Adds a prefix. The later one of two equals counts.
    pub fn add(&mut self, prefix: IpNet, policy: OsPolicy) {
        self.prefixes.push((prefix.trunc(), policy));
        // Longest first: the first hit is the answer. Sorting is stable, so a later equal goes before an earlier one.
        self.prefixes.reverse();
        self.prefixes.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        self.prefixes.dedup_by_key(|(net, _)| *net);
    }

    /// The system behind an address; BSD where nothing is configured.
    pub fn of(&self, address: IpAddr) -> OsPolicy {
        self.prefixes
            .iter()
            .find(|(net, _)| net.contains(&address))
            .map_or(OsPolicy::Bsd, |(_, policy)| *policy)
    }
}

/// What the sessions of one worker take, bytes, and what they must know of each other's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Sessions themselves.
    pub used: u64,
    /// Their reassembly.
    pub reassembly_used: u64,
    /// Changes whenever segments of any session may have gone on that were not shown to us.
    pub missed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let mut hosts = HostPolicies::default();
        for (prefix, policy) in [
            ("10.0.0.0/8", OsPolicy::Windows),
            ("10.1.0.0/16", OsPolicy::Solaris),
            ("0.0.0.0/0", OsPolicy::Linux),
            ("10.1.0.0/16", OsPolicy::Irix),
            ("2001:db8::/32", OsPolicy::Vista),
        ] {
            hosts.add(prefix.parse().unwrap(), policy);
        }
        for (address, policy) in [
            ("10.2.3.4", OsPolicy::Windows),
            ("10.1.3.4", OsPolicy::Irix),
            ("192.0.2.1", OsPolicy::Linux),
            ("2001:db8::1", OsPolicy::Vista),
            ("2001:db9::1", OsPolicy::Bsd),
        ] {
            assert_eq!(hosts.of(address.parse().unwrap()), policy, "{address}");
        }
    }
}
