//! `fast.log`: one line an alert, for people and for tools that know no JSON.

use std::fmt::{self, Write as _};

use super::event::{FullIp, has_ports};
use crate::types::{Endpoint, Proto, Timestamp};

/// One line of `fast.log`; `Display` writes it without its line end.
#[derive(Clone, Copy, Debug)]
pub struct FastLine<'a> {
    /// Time of the packet.
    pub timestamp: Timestamp,
    /// The packet was dropped by this rule.
    pub dropped: bool,
    /// Generator, signature, revision.
    pub rule: (u32, u32, u32),
    /// Its `msg`.
    pub signature: &'a str,
    /// Description of its `classtype`; empty for none.
    pub category: &'a str,
    /// Its priority.
    pub severity: u8,
    /// Protocol above IP, where there is one.
    pub proto: Option<Proto>,
    /// Source and destination, where there are any; for ICMP type and code stand for ports.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
}

impl fmt::Display for FastLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(self.timestamp, f)?;
        let (gid, sid, rev) = self.rule;
        write!(f, "  {}[**] [{gid}:{sid}:{rev}] ", if self.dropped { "[Drop] " } else { "" })?;
        // a rule may hold a line end; a line of this log may not
        or_null(self.signature).chars().filter(|c| !c.is_control()).try_for_each(|c| f.write_char(c))?;
        write!(f, " [**] [Classification: {}] [Priority: {}]", or_null(self.category), self.severity)?;
        if let Some(proto) = self.proto {
            match proto.name() {
                Some(name) => write!(f, " {{{name}}}")?,
                None => write!(f, " {{PROTO:{:03}}}", proto.0)?,
            }
        }
        if let Some((src, dest)) = self.ends {
            let ports = match self.icmp {
                Some((kind, code)) => (u16::from(kind), u16::from(code)),
                None if self.proto.is_some_and(has_ports) => (src.port, dest.port),
                None => (0, 0),
            };
            write!(f, " {}:{} -> {}:{}", FullIp(src.ip), ports.0, FullIp(dest.ip), ports.1)?;
        }
        Ok(())
    }
}

fn or_null(text: &str) -> &str {
    if text.is_empty() { "(null)" } else { text }
}

/// `03/26/2020-15:02:06.031551`, from EVE's spelling of the same time.
fn write_time(time: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = time.to_string();
    match (text.get(..4), text.get(5..7), text.get(8..10), text.get(11..26)) {
        (Some(year), Some(month), Some(day), Some(rest)) => write!(f, "{month}/{day}/{year}-{rest}"),
        _ => f.write_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ip: &str, port: u16) -> Endpoint {
        Endpoint { ip: ip.parse().unwrap(), port }
    }

    #[test]
    fn lines_are_the_peers() {
        let line = FastLine {
            timestamp: Timestamp::new(1_585_234_926, 31_551_000),
            dropped: true,
            rule: (1, 6, 0),
            signature: "rst",
            category: "",
            severity: 3,
            proto: Some(Proto::TCP),
            ends: Some((end("192.168.1.100", 35820), end("192.168.1.210", 80))),
            icmp: None,
        };
        assert_eq!(
            line.to_string(),
            "03/26/2020-15:02:06.031551  [Drop] [**] [1:6:0] rst [**] [Classification: (null)] [Priority: 3] {TCP} 192.168.1.100:35820 -> 192.168.1.210:80"
        );
        let icmp = FastLine {
            dropped: false,
            signature: "a\nb",
            category: "Misc activity",
            proto: Some(Proto::ICMPV6),
            ends: Some((end("fe80::1", 9), end("ff02::1", 9))),
            icmp: Some((135, 0)),
            ..line
        };
        assert_eq!(
            icmp.to_string(),
            "03/26/2020-15:02:06.031551  [**] [1:6:0] ab [**] [Classification: Misc activity] [Priority: 3] {IPv6-ICMP} fe80:0000:0000:0000:0000:0000:0000:0001:135 -> ff02:0000:0000:0000:0000:0000:0000:0001:0"
        );
        let unknown = FastLine { proto: Some(Proto(253)), dropped: false, ..line };
        assert!(unknown.to_string().ends_with("{PROTO:253} 192.168.1.100:0 -> 192.168.1.210:0"));
    }
}
