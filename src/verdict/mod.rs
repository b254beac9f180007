//! What happens to a packet, and how two verdicts combine.
//!
//! Knows nothing of rules or traffic: others say why, this module says which reason wins.

pub mod reset;

/// Why a packet or a flow was dropped, under the names that EVE's `drop.reason` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A rule said so.
    Rules,
    /// The flow was dropped before.
    FlowDrop,
    /// The packet could not be decoded.
    DecodeError,
    /// The defragmenter refused it.
    DefragError,
    /// The defragmenter is at its memory limit.
    DefragMemcap,
    /// The flow table is at its memory limit.
    FlowMemcap,
    /// The stream engine refused it.
    StreamError,
    /// The stream engine is at its memory limit.
    StreamMemcap,
    /// A stream that was first seen in its middle, and the policy drops such.
    StreamMidstream,
    /// Reassembly refused it or is at its limit.
    StreamReassembly,
    /// It contradicts an urgent-data policy.
    StreamUrgent,
    /// A protocol parser failed, and the policy drops such.
    ApplayerError,
    /// A rule threshold (`rate_filter`) said so.
    Threshold,
    /// The default packet policy.
    DefaultPacketPolicy,
}

impl Reason {
    /// EVE's text.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Rules => "rules",
            Reason::FlowDrop => "flow drop",
            Reason::DecodeError => "decode error",
            Reason::DefragError => "defrag error",
            Reason::DefragMemcap => "defrag memcap",
            Reason::FlowMemcap => "flow memcap",
            Reason::StreamError => "stream error",
            Reason::StreamMemcap => "stream memcap",
            Reason::StreamMidstream => "stream midstream",
            Reason::StreamReassembly => "stream reassembly",
            Reason::StreamUrgent => "stream urgent",
            Reason::ApplayerError => "applayer error",
            Reason::Threshold => "threshold detection_filter",
            Reason::DefaultPacketPolicy => "default packet policy",
        }
    }
}

/// What is done with one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    #[default]
    Forward,
    /// It goes on, and so may all later packets of its flow without being shown.
    Bypass,
    /// It ends here, silently.
    Drop(Reason),
    /// It ends here, and the ends named are told (RST, ICMP unreachable).
    Reject(Reason, RejectTo),
}

/// Who is told of a rejected packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectTo {
    /// The sender of the packet.
    Source,
    /// Its receiver.
    Destination,
    /// Both ends.
    Both,
}

impl Verdict {
    /// The stricter of two, by rank: reject, drop, forward, bypass. Of two equals the first stays.
    #[must_use]
    pub fn stricter(self, other: Verdict) -> Verdict {
        if other.rank() > self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Verdict::Bypass => 0,
            Verdict::Forward => 1,
            Verdict::Drop(_) => 2,
            Verdict::Reject(..) => 3,
        }
    }

    /// Whether the packet ends here.
    pub const fn drops(self) -> bool {
        matches!(self, Verdict::Drop(_) | Verdict::Reject(..))
    }

    /// Why, when it ends here.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Verdict::Forward | Verdict::Bypass => None,
            Verdict::Drop(reason) | Verdict::Reject(reason, _) => Some(reason),
        }
    }
}

/// What to do when a limit is reached or an input cannot be judged: Suricata's exception policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExceptionPolicy {
    /// Go on as if nothing had happened.
    #[default]
    Ignore,
    /// Drop this packet.
    DropPacket,
    /// Drop this packet and all later ones of the flow.
    DropFlow,
    /// Reject this packet and drop the flow.
    Reject,
    /// Let this packet pass without inspection of its payload.
    PassPacket,
    /// Let the flow pass without inspection of its payload.
    PassFlow,
    /// Let the flow pass and stop looking at it.
    Bypass,
}

impl ExceptionPolicy {
    /// Every policy with the name it has in a configuration.
    pub const NAMES: &'static [(&'static str, ExceptionPolicy)] = &[
        ("ignore", ExceptionPolicy::Ignore),
        ("drop-packet", ExceptionPolicy::DropPacket),
        ("drop-flow", ExceptionPolicy::DropFlow),
        ("reject", ExceptionPolicy::Reject),
        ("pass-packet", ExceptionPolicy::PassPacket),
        ("pass-flow", ExceptionPolicy::PassFlow),
        ("bypass", ExceptionPolicy::Bypass),
    ];

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, policy)| *policy)
    }

    /// The name in a configuration and in EVE.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, policy)| *policy == self).map_or("ignore", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_verdict_wins_and_the_first_of_equals_stays() {
        let drop = Verdict::Drop(Reason::Rules);
        let other = Verdict::Drop(Reason::FlowDrop);
        let reject = Verdict::Reject(Reason::Rules, RejectTo::Both);
        assert_eq!(Verdict::Forward.stricter(drop), drop);
        assert_eq!(drop.stricter(other), drop);
        assert_eq!(drop.stricter(reject), reject);
        assert_eq!(reject.stricter(Verdict::Forward), reject);
        // what was bypassed inside a tunnel does not take the tunnel with it
        assert_eq!(Verdict::Bypass.stricter(Verdict::Forward), Verdict::Forward);
    }

    #[test]
    fn every_policy_has_its_name() {
        for (name, policy) in ExceptionPolicy::NAMES {
            assert_eq!(ExceptionPolicy::from_name(name), Some(*policy));
            assert_eq!(policy.name(), *name);
        }
    }
}
