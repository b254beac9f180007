//! The few words that all stages speak. Nothing here knows of packets, rules or files.

use std::fmt;
use std::net::IpAddr;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, taken from the packet, never from a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// From whole seconds and nanoseconds; saturates instead of wrapping.
    pub const fn new(seconds: u64, nanos: u32) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as u64))
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Microseconds within the second, 0..=999_999.
    pub const fn micros(self) -> u32 {
        (self.0 % 1_000_000_000 / 1000) as u32
    }

    /// Nanoseconds from `earlier` to `self`; 0 when time ran backwards.
    pub const fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds from `earlier` to `self`; 0 when time ran backwards.
    pub const fn seconds_since(self, earlier: Timestamp) -> u64 {
        self.since(earlier) / 1_000_000_000
    }

    /// As EVE writes it, in UTC: `2026-11-23T15:46:50.123456+0000`.
    pub fn text(self) -> [u8; 31] {
        let days = (self.seconds() / 86_400) as i64;
        let second_of_day = self.seconds() % 86_400;
        let (year, month, day) = civil_from_days(days);
        // written with every record: without the machinery of formatting
        let mut text = *b"0000-00-00T00:00:00.000000+0000";
        let mut put = |at: usize, number: u32| {
            text[at] = b'0' + (number / 10 % 10) as u8;
            text[at + 1] = b'0' + (number % 10) as u8;
        };
        // nanoseconds in 64 bits end in the year 2554
        let (year, second_of_day, micros) = (year as u32, second_of_day as u32, self.micros());
        for (at, number) in [
            (0, year / 100),
            (2, year % 100),
            (5, month),
            (8, day),
            (11, second_of_day / 3600),
            (14, second_of_day / 60 % 60),
            (17, second_of_day % 60),
            (20, micros / 10_000),
            (22, micros / 100 % 100),
            (24, micros % 100),
        ] {
            put(at, number);
        }
        text
    }
}

/// As [`Timestamp::text`] has it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Days since 1970-01-01 to (year, month, day) of the proleptic Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_shifted + 2) / 5 + 1) as u32;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Which way bytes go in a flow. The client is who opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer = 0,
    /// From the server to the client.
    ToClient = 1,
}

impl Direction {
    /// Both, in the order of their numbers.
    pub const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

    /// The other way.
    pub const fn opposite(self) -> Direction {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }

    /// Index into a pair kept for both directions.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// As EVE writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::ToServer => "to_server",
            Direction::ToClient => "to_client",
        }
    }
}

/// The interface a frame came from: an index into the names that its capture backend lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IfaceId(pub u16);

/// An IP protocol number (IANA "Protocol Numbers").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proto(pub u8);

impl Proto {
    /// ICMP for IPv4, RFC 792.
    pub const ICMP: Proto = Proto(1);
    /// IGMP, RFC 3376.
    pub const IGMP: Proto = Proto(2);
    /// TCP, RFC 9293.
    pub const TCP: Proto = Proto(6);
    /// UDP, RFC 768.
    pub const UDP: Proto = Proto(17);
    /// GRE, RFC 2784.
    pub const GRE: Proto = Proto(47);
    /// ESP, RFC 4303.
    pub const ESP: Proto = Proto(50);
    /// AH, RFC 4302.
    pub const AH: Proto = Proto(51);
    /// ICMPv6, RFC 4443.
    pub const ICMPV6: Proto = Proto(58);
    /// SCTP, RFC 9260.
    pub const SCTP: Proto = Proto(132);

    /// The name EVE uses (`TCP`, `IPv6-ICMP`), or `None` for a number that IANA has not named.
    pub fn name(self) -> Option<&'static str> {
        PROTO_NAMES.get(usize::from(self.0)).copied()
    }
}

/// Names by number, as the peer's events spell them (IANA's keywords, nearly everywhere).
#[rustfmt::skip]
const PROTO_NAMES: [&str; 144] = [
    "HOPOPT", "ICMP", "IGMP", "GGP", "IP-in-IP", "ST", "TCP", "CBT", "EGP", "IGP", "BBN-RCC-MON", "NVP-II",
    "PUP", "ARGUS", "EMCON", "XNET", "CHAOS", "UDP", "MUX", "DCN-MEAS", "HMP", "PRM", "XNS-IDP", "TRUNK-1",
    "TRUNK-2", "LEAF-1", "LEAF-2", "RDP", "IRTP", "ISO-TP4", "NETBLT", "MFE-NSP", "MERIT-INP", "DCCP",
    "3PC", "IDPR", "XTP", "DDP", "IDPR-CMTP", "TP++", "IL", "IPv6", "SDRP", "IPv6-Route", "IPv6-Frag",
    "IDRP", "RSVP", "GRE", "DSR", "BNA", "ESP", "AH", "I-NLSP", "SwIPe", "NARP", "MOBILE", "TLSP", "SKIP",
    "IPv6-ICMP", "IPv6-NoNxt", "IPv6-Opts", "Any", "CFTP", "Any", "SAT-EXPAK", "KRYPTOLAN", "RVD", "IPPC",
    "Any", "SAT-MON", "VISA", "IPCU", "CPNX", "CPHB", "WSN", "PVP", "BR-SAT-MON", "SUN-ND", "WB-MON",
    "WB-EXPAK", "ISO-IP", "VMTP", "SECURE-VMTP", "VINES", "TTP", "NSFNET-IGP", "DGP", "TCF", "EIGRP",
    "OSPF", "Sprite-RPC", "LARP", "MTP", "AX.25", "OS", "MICP", "SCC-SP", "ETHERIP", "ENCAP", "Any",
    "GMTP", "IFMP", "PNNI", "PIM", "ARIS", "SCPS", "QNX", "A/N", "IPComp", "SNP", "Compaq-Peer",
    "IPX-in-IP", "VRRP", "PGM", "Any", "L2TP", "DDX", "IATP", "STP", "SRP", "UTI", "SMP", "SM", "PTP",
    "IS-IS", "FIRE", "CRTP", "CRUDP", "SSCOPMCE", "IPLT", "SPS", "PIPE", "SCTP", "FC", "RSVP-E2E-IGNORE",
    "Mobility", "UDPLite", "MPLS-in-IP", "manet", "HIP", "Shim6", "WESP", "ROHC", "Ethernet",
];

/// As EVE writes it: the name, or the number.
impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// One end of a conversation. The port is 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address.
    pub ip: IpAddr,
    /// Port, host byte order.
    pub port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_eve_does() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000+0000"),
            (951_827_696, 789_000, "2000-02-29T12:34:56.000789+0000"),
            (1_468_449_727, 199_672_999, "2016-07-13T22:42:07.199672+0000"),
            (4_102_444_799, 999_999_999, "2099-12-31T23:59:59.999999+0000"),
        ] {
            assert_eq!(Timestamp::new(seconds, nanos).to_string(), text);
        }
    }

    #[test]
    fn protocols_are_written_as_eve_does() {
        for (number, text) in
            [(6, "TCP"), (44, "IPv6-Frag"), (58, "IPv6-ICMP"), (89, "OSPF"), (143, "Ethernet"), (144, "144")]
        {
            assert_eq!(Proto(number).to_string(), text);
        }
    }

    #[test]
    fn time_that_runs_backwards_is_zero() {
        assert_eq!(Timestamp::new(1, 0).since(Timestamp::new(2, 0)), 0);
        assert_eq!(Timestamp::new(u64::MAX, 1).0, u64::MAX);
    }
}
