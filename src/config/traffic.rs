//! Sections about traffic: `stream`, `flow`, `flow-timeouts`, `defrag`, `decoder`, `host-os-policy`, `vlan`, and the
//! exception policies they share. Defaults are what Suricata 7 says at start-up for a configuration without the section.

use serde_yaml::Value;

use super::section::Section;
use crate::rules::address::{AddressRange, parse_address};
use crate::verdict::ExceptionPolicy;

/// `stream`
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSection {
    /// Memory for sessions, bytes.
    pub memcap: u64,
    /// When that is reached; `None` follows the master switch.
    pub memcap_policy: Option<ExceptionPolicy>,
    /// Pick up sessions whose beginning was not seen.
    pub midstream: bool,
    /// What to do with such; `None` follows the master switch. See [`super::Policies`].
    pub midstream_policy: Option<ExceptionPolicy>,
    /// Follow sessions of which one direction is seen only.
    pub async_oneside: bool,
    /// Judge data before it is acknowledged; `None` is `auto`: inline in inline mode.
    pub inline: Option<bool>,
    /// Leave out segments with a wrong checksum.
    pub checksum_validation: bool,
    /// Inline: drop invalid segments.
    pub drop_invalid: bool,
    /// Bypass flows whose reassembly depth is reached.
    pub bypass: bool,
    /// Different SYNs remembered of one session, 0..=255.
    pub max_syn_queued: u8,
    /// Different SYN/ACKs remembered of one session, 0..=255.
    pub max_synack_queued: u8,
    /// Tolerate odd timestamps everywhere.
    pub liberal_timestamps: bool,
    /// `stream.reassembly`
    pub reassembly: ReassemblySection,
}

/// `stream.reassembly`
#[derive(Clone, Debug, PartialEq)]
pub struct ReassemblySection {
    /// Memory for segments, bytes.
    pub memcap: u64,
    /// When that is reached; `None` follows the master switch.
    pub memcap_policy: Option<ExceptionPolicy>,
    /// Bytes of each direction that are reassembled; 0 is no limit.
    pub depth: u64,
    /// Raw inspection to the server: bytes at a time.
    pub toserver_chunk_size: u32,
    /// Raw inspection to the client: bytes at a time.
    pub toclient_chunk_size: u32,
    /// Vary the chunk sizes. Kept for information: runs here can be repeated.
    pub randomize_chunk_size: bool,
    /// Compare overlapping data also where no rule asks.
    pub check_overlap_different_data: Option<bool>,
    /// `urgent.policy`: `inline`, `oob`, `gap` or `drop`.
    pub urgent_policy: UrgentWord,
    /// `urgent.oob-limit-policy`: the same words.
    pub urgent_oob_limit_policy: UrgentWord,
}

/// What is done with urgent data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrgentWord {
    /// Part of the stream.
    Inline,
    /// The last byte is taken out.
    Oob,
    /// The last byte becomes a gap.
    Gap,
    /// The packet is dropped.
    Drop,
}

impl UrgentWord {
    const NAMES: &'static [(&'static str, UrgentWord)] = &[
        ("inline", UrgentWord::Inline),
        ("oob", UrgentWord::Oob),
        ("gap", UrgentWord::Gap),
        ("drop", UrgentWord::Drop),
    ];

    /// As in a configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, word)| *word == self).map_or("inline", |(name, _)| name)
    }
}

impl StreamSection {
    pub(super) fn read(section: Section<'_>) -> Self {
        let reassembly = section.section("reassembly");
        let urgent = reassembly.section("urgent");
        let stream = StreamSection {
            memcap: section.size("memcap", 64 << 20),
            memcap_policy: section.policy("memcap-policy"),
            midstream: section.flag("midstream", false),
            midstream_policy: section.policy("midstream-policy"),
            async_oneside: section.flag("async-oneside", false),
            inline: section.auto_flag("inline", &[]),
            checksum_validation: section.flag("checksum-validation", true),
            drop_invalid: section.flag("drop-invalid", true),
            bypass: section.flag("bypass", false),
            max_syn_queued: section.number("max-syn-queued", 10, 0..=255),
            max_synack_queued: section.number("max-synack-queued", 5, 0..=255),
            liberal_timestamps: section.flag("liberal-timestamps", false),
            reassembly: ReassemblySection {
                memcap: reassembly.size("memcap", 256 << 20),
                memcap_policy: reassembly.policy("memcap-policy"),
                depth: reassembly.size("depth", 0),
                toserver_chunk_size: chunk(&reassembly, "toserver-chunk-size"),
                toclient_chunk_size: chunk(&reassembly, "toclient-chunk-size"),
                randomize_chunk_size: reassembly.flag("randomize-chunk-size", true),
                check_overlap_different_data: reassembly.optional_flag("check-overlap-different-data"),
                urgent_policy: urgent
                    .word("policy", UrgentWord::NAMES, "inline")
                    .unwrap_or(UrgentWord::Inline),
                urgent_oob_limit_policy: urgent
                    .word("oob-limit-policy", UrgentWord::NAMES, "drop")
                    .unwrap_or(UrgentWord::Drop),
            },
        };
        check_midstream(&section, &stream);
        urgent.finish();
        reassembly.finish();
        section.finish();
        stream
    }
}

fn chunk(reassembly: &Section<'_>, key: &'static str) -> u32 {
    let size = reassembly.size(key, 2560);
    u32::try_from(size).ok().filter(|size| *size > 0).unwrap_or_else(|| {
        reassembly.wrong(key, "a chunk is at least one byte and less than 4 GiB", "write 2560");
        2560
    })
}

/// A session cannot be judged packet by packet; one that is picked up cannot be dropped as well.
fn check_midstream(section: &Section<'_>, stream: &StreamSection) {
    use ExceptionPolicy::{Bypass, DropFlow, DropPacket, Ignore, PassFlow, PassPacket, Reject};
    match stream.midstream_policy {
        Some(policy @ (DropPacket | PassPacket)) => {
            let hint = "write one of ignore, drop-flow, pass-flow, bypass, reject, auto";
            section.wrong(
                "midstream-policy",
                &format!("{} cannot be done to a whole session", policy.name()),
                hint,
            );
        }
        Some(policy @ (DropFlow | Bypass | Reject)) if stream.midstream => {
            let message = format!("{} contradicts midstream: yes", policy.name());
            section.wrong("midstream-policy", &message, "write ignore or pass-flow, or set midstream: no");
        }
        Some(DropFlow | Bypass | Reject | Ignore | PassFlow) | None => {}
    }
}

/// `flow`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSection {
    /// Memory for flows, bytes.
    pub memcap: u64,
    /// When that is reached; `None` follows the master switch.
    pub memcap_policy: Option<ExceptionPolicy>,
    /// Flows allocated at start.
    pub prealloc: u32,
    /// Rows of the table.
    pub hash_size: u32,
    /// Percentage of `prealloc` that must be free again to end the emergency.
    pub emergency_recovery: u8,
}

impl FlowSection {
    pub(super) fn read(section: Section<'_>) -> Self {
        let flow = FlowSection {
            memcap: section.size("memcap", 128 << 20),
            memcap_policy: section.policy("memcap-policy"),
            prealloc: section.number("prealloc", 10_000, 0..=100_000_000),
            hash_size: section.number("hash-size", 65_536, 1..=1 << 30),
            emergency_recovery: section.number("emergency-recovery", 30, 0..=100),
        };
        section.ignore(&["prune-flows"]);
        section.finish();
        flow
    }
}

/// `flow-timeouts`: seconds without a packet after which a flow is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowTimeouts {
    /// Protocols without a section.
    pub other: Timeouts,
    /// TCP.
    pub tcp: Timeouts,
    /// UDP.
    pub udp: Timeouts,
    /// ICMP and ICMPv6.
    pub icmp: Timeouts,
}

/// The timeouts of one protocol, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// One direction seen only.
    pub new: u32,
    /// Both directions seen.
    pub established: u32,
    /// Over by its own account.
    pub closed: u32,
    /// Bypassed.
    pub bypassed: u32,
    /// The same when memory is short.
    pub emergency: Emergency,
}

/// Timeouts while memory for flows is short, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// One direction seen only.
    pub new: u32,
    /// Both directions seen.
    pub established: u32,
    /// Over by its own account.
    pub closed: u32,
    /// Bypassed.
    pub bypassed: u32,
}

impl FlowTimeouts {
    pub(super) fn read(section: Section<'_>) -> Self {
        let emergency = |new, established, closed| Emergency { new, established, closed, bypassed: 50 };
        let all = |new, established, closed, emergency| Timeouts {
            new,
            established,
            closed,
            bypassed: 100,
            emergency,
        };
        let timeouts = FlowTimeouts {
            other: Timeouts::read(section.section("default"), all(30, 300, 0, emergency(10, 100, 0))),
            tcp: Timeouts::read(section.section("tcp"), all(60, 600, 60, emergency(5, 100, 10))),
            udp: Timeouts::read(section.section("udp"), all(30, 300, 0, emergency(10, 100, 0))),
            icmp: Timeouts::read(section.section("icmp"), all(30, 300, 0, emergency(10, 100, 0))),
        };
        section.finish();
        timeouts
    }
}

impl Timeouts {
    fn read(section: Section<'_>, default: Timeouts) -> Self {
        let seconds = |key, default: u32| section.number(key, default, 0..=u64::from(u32::MAX));
        let timeouts = Timeouts {
            new: seconds("new", default.new),
            established: seconds("established", default.established),
            closed: seconds("closed", default.closed),
            bypassed: seconds("bypassed", default.bypassed),
            emergency: Emergency {
                new: seconds("emergency-new", default.emergency.new),
                established: seconds("emergency-established", default.emergency.established),
                closed: seconds("emergency-closed", default.emergency.closed),
                bypassed: seconds("emergency-bypassed", default.emergency.bypassed),
            },
        };
        section.finish();
        timeouts
    }
}

/// `defrag`
#[derive(Clone, Debug, PartialEq)]
pub struct DefragSection {
    /// Memory for fragments, bytes.
    pub memcap: u64,
    /// When that is reached; `None` follows the master switch.
    pub memcap_policy: Option<ExceptionPolicy>,
    /// Datagrams put together at the same time.
    pub trackers: u32,
    /// Fragments kept.
    pub max_frags: u32,
    /// Seconds to wait for the rest of a datagram.
    pub timeout: u32,
    /// `host-config`: another timeout for some networks; of two that fit, the narrower.
    pub host_timeouts: Vec<(AddressRange, u32)>,
}

impl DefragSection {
    pub(super) fn read(section: Section<'_>) -> Self {
        let mut host_timeouts = Vec::new();
        // a list of maps of one name each, or a map
        let hosts: Vec<&Value> = match section.value("host-config") {
            Some(Value::Sequence(items)) => items.iter().collect(),
            Some(map @ Value::Mapping(_)) => vec![map],
            _ => Vec::new(),
        };
        for host in hosts.iter().filter_map(|host| host.as_mapping()).flat_map(|map| map.values()) {
            let Some(timeout) =
                host.get("timeout").and_then(|t| super::yaml::scalar(t)?.trim().parse::<u32>().ok())
            else {
                section.wrong(
                    "host-config",
                    "an entry without a timeout in seconds",
                    "write timeout: 30 and address: [...]",
                );
                continue;
            };
            let addresses = match host.get("address") {
                Some(Value::Sequence(items)) => items.iter().filter_map(super::yaml::scalar).collect(),
                Some(one) => super::yaml::scalar(one).into_iter().collect(),
                None => Vec::new(),
            };
            for address in addresses {
                match parse_address(address.trim()) {
                    Ok(range) => host_timeouts.push((range, timeout)),
                    Err((message, hint)) => {
                        section.wrong("host-config", &message, hint.unwrap_or("write 10.0.0.0/8"))
                    }
                }
            }
        }
        host_timeouts.sort_by_key(|(range, _)| width(range));
        let defrag = DefragSection {
            memcap: section.size("memcap", 32 << 20),
            memcap_policy: section.policy("memcap-policy"),
            trackers: section.number("trackers", 65_535, 1..=100_000_000),
            max_frags: section.number("max-frags", 65_535, 1..=100_000_000),
            timeout: section.number("timeout", 60, 1..=3600),
            host_timeouts,
        };
        section.ignore(&["hash-size", "prealloc", "max-fragments"]);
        section.finish();
        defrag
    }
}

/// How many addresses a range holds, IPv4 before IPv6.
fn width(range: &AddressRange) -> u128 {
    match range {
        AddressRange::V4(low, high) => u128::from(high - low),
        AddressRange::V6(low, high) => high - low,
    }
}

/// `decoder`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderSection {
    /// Teredo.
    pub teredo: TunnelSection,
    /// VXLAN.
    pub vxlan: TunnelSection,
    /// Geneve.
    pub geneve: TunnelSection,
    /// `decoder.erspan.typeI.enabled`
    pub erspan_type1: bool,
    /// `decoder.max-layers`
    pub max_layers: u8,
    /// `decoder.recursion-level.use-for-tracking`: how deep in tunnels a packet was found tells flows apart.
    pub recursion_level_tracking: bool,
}

/// A tunnel over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSection {
    /// Look for it.
    pub enabled: bool,
    /// Its ports as written: a list with variables, or `any`.
    pub ports: String,
}

impl DecoderSection {
    pub(super) fn read(section: Section<'_>) -> Self {
        let tunnel = |key, ports: &str| {
            let section = section.section(key);
            let ports = match section.value("ports") {
                Some(Value::Sequence(_)) => format!("[{}]", section.list("ports").join(",")),
                _ => section.text_or("ports", ports),
            };
            let tunnel = TunnelSection { enabled: section.flag("enabled", true), ports };
            section.finish();
            tunnel
        };
        let (teredo, vxlan, geneve) =
            (tunnel("teredo", "3544"), tunnel("vxlan", "4789"), tunnel("geneve", "6081"));
        let erspan = section.section("erspan");
        let erspan_type1 = {
            let type1 = erspan.section("typeI");
            let enabled = type1.flag("enabled", true);
            type1.finish();
            enabled
        };
        erspan.finish();
        let recursion = section.section("recursion-level");
        let recursion_level_tracking = recursion.flag("use-for-tracking", true);
        recursion.finish();
        let decoder = DecoderSection {
            teredo,
            vxlan,
            geneve,
            erspan_type1,
            max_layers: section.number("max-layers", 16, 1..=255),
            recursion_level_tracking,
        };
        section.finish();
        decoder
    }
}

/// An operating system whose way with overlaps is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HostOs {
    Windows,
    Bsd,
    BsdRight,
    OldLinux,
    Linux,
    OldSolaris,
    Solaris,
    Hpux10,
    Hpux11,
    Irix,
    Macos,
    Vista,
    Windows2k3,
}

impl HostOs {
    /// Every system with its name in a configuration.
    pub const NAMES: &'static [(&'static str, HostOs)] = &[
        ("windows", HostOs::Windows),
        ("bsd", HostOs::Bsd),
        ("bsd-right", HostOs::BsdRight),
        ("old-linux", HostOs::OldLinux),
        ("linux", HostOs::Linux),
        ("old-solaris", HostOs::OldSolaris),
        ("solaris", HostOs::Solaris),
        ("hpux10", HostOs::Hpux10),
        ("hpux11", HostOs::Hpux11),
        ("irix", HostOs::Irix),
        ("macos", HostOs::Macos),
        ("vista", HostOs::Vista),
        ("windows2k3", HostOs::Windows2k3),
    ];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, os)| *os == self).map_or("bsd", |(name, _)| name)
    }
}

/// `host-os-policy`: networks and their systems, the narrowest first; the first that fits counts.
pub(super) fn host_os_policy(section: Section<'_>) -> Vec<(AddressRange, HostOs)> {
    let mut hosts = Vec::new();
    for (name, os) in HostOs::NAMES {
        for text in section.list(name) {
            for address in
                text.trim_matches(['[', ']']).split(',').map(str::trim).filter(|text| !text.is_empty())
            {
                match parse_address(address) {
                    Ok(range) => hosts.push((range, *os)),
                    Err((message, hint)) => section.wrong(name, &message, hint.unwrap_or("write 10.0.0.0/8")),
                }
            }
        }
    }
    section.finish();
    hosts.sort_by_key(|(range, _)| width(range));
    hosts
}
