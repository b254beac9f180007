//! What the decoder is told: ports of tunnels, depth, checksums, the defragmenter's bounds.

use super::prefix::PrefixMap;
use crate::verdict::ExceptionPolicy;

/// Settings of a [`super::Decoder`]; the default is what Suricata's stock configuration says.
#[derive(Clone, Debug)]
pub struct DecodeConfig {
    /// Compute checksums; `false` (`-k none`) reports every one as right.
    pub checksums: bool,
    /// UDP destination ports taken for VXLAN (`decoder.vxlan.ports`); empty turns it off.
    pub vxlan_ports: Vec<u16>,
    /// UDP destination ports taken for Geneve (`decoder.geneve.ports`); empty turns it off.
    pub geneve_ports: Vec<u16>,
    /// UDP ports, either end, looked at for Teredo (`decoder.teredo`).
    pub teredo: TeredoPorts,
    /// ERSPAN type I, which has no header of its own and so no mark to know it by (`decoder.erspan.typeI.enabled`).
    pub erspan_type1: bool,
    /// VLAN identifiers tell fragments apart (`vlan.use-for-tracking`).
    pub vlan_tracking: bool,
    /// Layers and tunnels in one frame, 1..=64 (`decoder.max-layers`).
    pub recursion_max: u8,
    /// The defragmenter.
    pub defrag: DefragConfig,
}

/// Where Teredo is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TeredoPorts {
    /// Nowhere.
    Off,
    /// On every UDP port.
    Any,
    /// On these.
    Only(Vec<u16>),
}

impl TeredoPorts {
    pub(super) fn holds(&self, port: u16) -> bool {
        match self {
            TeredoPorts::Off => false,
            TeredoPorts::Any => true,
            TeredoPorts::Only(ports) => ports.contains(&port),
        }
    }
}

/// Bounds and policies of the defragmenter (`defrag`, `host-os-policy`).
#[derive(Clone, Debug)]
pub struct DefragConfig {
    /// Memory for fragments and their bookkeeping, bytes (`defrag.memcap`).
    pub memcap: usize,
    /// What happens to a fragment for which there is no memory (`defrag.memcap-policy`).
    pub memcap_policy: ExceptionPolicy,
    /// Datagrams that are put together at the same time (`defrag.trackers`).
    pub trackers_max: usize,
    /// Fragments that are kept of one datagram.
    pub fragments_max: usize,
    /// How long the fragments of a datagram are waited for, seconds of packet time (`defrag.timeout`).
    pub timeout: u32,
    /// Whose bytes count where fragments overlap, by destination address (`host-os-policy`).
    pub policies: PrefixMap<OverlapPolicy>,
}

/// Whose bytes count where fragments overlap. The names are those of the systems that were seen to do so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OverlapPolicy {
    /// The older fragment, where it begins before the newer or with it.
    #[default]
    Bsd,
    /// The newer fragment, where the older begins before it or with it.
    BsdRight,
    /// The older fragment, where it begins before the newer.
    Linux,
    /// Always the older fragment.
    First,
    /// Always the newer fragment.
    Last,
    /// The older, unless the newer begins before it and ends with it or after it.
    Solaris,
    /// The older, unless the newer begins before it and ends after it.
    Windows,
}

impl OverlapPolicy {
    /// Operating systems as `host-os-policy` names them, with what they do to fragments.
    pub const OS_NAMES: &'static [(&'static str, OverlapPolicy)] = &[
        ("bsd", OverlapPolicy::Bsd),
        ("bsd-right", OverlapPolicy::BsdRight),
        ("bsd_right", OverlapPolicy::BsdRight),
        ("old-linux", OverlapPolicy::Linux),
        ("old_linux", OverlapPolicy::Linux),
        ("linux", OverlapPolicy::Linux),
        ("old-solaris", OverlapPolicy::First),
        ("old_solaris", OverlapPolicy::First),
        ("solaris", OverlapPolicy::Solaris),
        ("hpux10", OverlapPolicy::Bsd),
        ("hpux11", OverlapPolicy::First),
        ("irix", OverlapPolicy::Bsd),
        ("macos", OverlapPolicy::First),
        ("windows", OverlapPolicy::Windows),
        ("vista", OverlapPolicy::Windows),
        ("windows2k3", OverlapPolicy::Windows),
        ("first", OverlapPolicy::First),
        ("last", OverlapPolicy::Last),
    ];

    /// The policy of an operating system as `host-os-policy` names it.
    pub fn from_os(name: &str) -> Option<Self> {
        Self::OS_NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| *policy)
    }
}

impl Default for DecodeConfig {
    fn default() -> Self {
        DecodeConfig {
            checksums: true,
            vxlan_ports: vec![4789],
            geneve_ports: vec![6081],
            teredo: TeredoPorts::Only(vec![3544]),
            erspan_type1: true,
            vlan_tracking: true,
            recursion_max: 16,
            defrag: DefragConfig::default(),
        }
    }
}

impl Default for DefragConfig {
    fn default() -> Self {
        DefragConfig {
            memcap: 32 << 20,
            memcap_policy: ExceptionPolicy::Ignore,
            trackers_max: 65_535,
            fragments_max: 8192,
            timeout: 60,
            policies: PrefixMap::new(OverlapPolicy::Bsd),
        }
    }
}
