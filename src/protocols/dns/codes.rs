//! Names of record types and response codes, as EVE writes them.

use std::fmt;

/// A record type (IANA "DNS Resource Record TYPEs").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RrType(pub(super) u16);

impl RrType {
    pub(super) const A: RrType = RrType(1);
    pub(super) const NS: RrType = RrType(2);
    pub(super) const CNAME: RrType = RrType(5);
    pub(super) const SOA: RrType = RrType(6);
    pub(super) const NULL: RrType = RrType(10);
    pub(super) const PTR: RrType = RrType(12);
    pub(super) const MX: RrType = RrType(15);
    pub(super) const TXT: RrType = RrType(16);
    pub(super) const AAAA: RrType = RrType(28);
    pub(super) const SRV: RrType = RrType(33);
    pub(super) const OPT: RrType = RrType(41);
    pub(super) const SSHFP: RrType = RrType(44);

    /// The name, where EVE knows one.
    pub(super) fn name(self) -> Option<&'static str> {
        let at = TYPES.binary_search_by_key(&self.0, |&(number, _)| number).ok()?;
        Some(TYPES[at].1)
    }
}

impl fmt::Display for RrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A response code (RFC 1035 section 4.1.1, RFC 2136 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RCode(pub(super) u8);

impl fmt::Display for RCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RCODES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "NOTZONE",
];

/// Sorted by number. Consumers of EVE know 3 as `ND`.
const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (3, "ND"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAPPT"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDSNKEY"),
    (65, "HTTPS"),
    (99, "SPF"),
    (249, "TKEY"),
    (250, "TSIG"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_sorted_and_named() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
        for (number, text) in
            [(1, "A"), (28, "AAAA"), (65, "HTTPS"), (255, "ANY"), (0, "0"), (64, "64"), (65535, "65535")]
        {
            assert_eq!(RrType(number).to_string(), text);
        }
        assert_eq!(RCode(3).to_string(), "NXDOMAIN");
        assert_eq!(RCode(11).to_string(), "11");
    }
}
