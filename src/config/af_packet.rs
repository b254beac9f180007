//! `af-packet`: how frames are copied to us, as a suricata.yaml has it for each interface.

use serde_yaml::Value;

use super::section::{Reading, Section};
use crate::capture::tap::TapOptions;

/// Bytes that a packet of `ring-size` is counted with.
const PACKET: u64 = 2048;

/// What is said of each interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfPacketSection(Vec<AfPacketEntry>);

/// What is said of one interface, or of `default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfPacketEntry {
    /// `interface`
    pub interface: String,
    /// `threads`; `None` is `auto`.
    pub threads: Option<u16>,
    /// The ring of each thread.
    pub ring: TapOptions,
}

impl AfPacketSection {
    pub(super) fn read(reading: &Reading, value: Option<&Value>) -> Self {
        let items = match value {
            None => return AfPacketSection::default(),
            Some(Value::Sequence(items)) => items.as_slice(),
            Some(_) => {
                let hint = Some("write \"- interface: NAME\" lines below it".to_owned());
                reading.error("af-packet", "af-packet must be a list of interfaces", hint);
                return AfPacketSection::default();
            }
        };
        let entry = |(nth, item)| entry(Section::new(reading, format!("af-packet.{nth}"), Some(item)));
        AfPacketSection(items.iter().enumerate().map(entry).collect())
    }

    /// What counts for these interfaces, all of which come through the same rings: the first entry of one of them, else that of
    /// `default`.
    pub fn of(&self, interfaces: &[String]) -> Option<&AfPacketEntry> {
        let named = |name: &str| self.0.iter().find(|entry| entry.interface == name);
        interfaces.iter().find_map(|name| named(name)).or_else(|| named("default"))
    }
}

fn entry(section: Section<'_>) -> AfPacketEntry {
    let usual = TapOptions::default();
    let without = |key, wanted: bool, message| {
        if section.optional_flag(key).is_some_and(|flag| flag != wanted) {
            section.warn(key, message, None);
        }
    };
    without("use-mmap", true, "frames always come through a ring that is mapped");
    without("tpacket-v3", true, "the ring is always one of blocks (TPACKET_V3)");
    if let Some(kind) =
        section.text("cluster-type").filter(|kind| !kind.trim().eq_ignore_ascii_case("cluster_flow"))
    {
        let hint = Some("write cluster_flow: all packets of two addresses go to the same thread".to_owned());
        section.warn("cluster-type", &format!("{kind} is not done here; flows are kept together"), hint);
    }
    if section.text("bpf-filter").is_some_and(|filter| !filter.trim().is_empty()) {
        let hint = Some("leave traffic out with pass rules".to_owned());
        section.warn("bpf-filter", "filters are not supported: all traffic is looked at", hint);
    }
    let copies = section.text("copy-mode").is_some_and(|mode| !mode.trim().eq_ignore_ascii_case("none"));
    if copies | section.text("copy-iface").is_some() {
        let hint = Some("run with --inline pair A=B".to_owned());
        section.warn("copy-mode", "copying is set on the command line", hint);
    }
    section.ignore(&[
        // fragments come as they are, and are put together where they can be looked at
        "defrag",
        // the kernel's word counts, for each frame
        "checksum-checks",
        "mmap-locked",
        "use-emergency-flush",
        "v2-block-size",
        "buffer-size",
        "rollover",
    ]);
    let threads = section.text("threads").filter(|text| !text.trim().eq_ignore_ascii_case("auto"));
    let block = section.size("block-size", usual.block as u64).clamp(1 << 17, 1 << 27);
    let packets: u64 = section.number("ring-size", 0, 0..=1 << 24);
    let bytes = match packets {
        0 => (usual.block * usual.blocks) as u64,
        packets => packets * PACKET,
    };
    let entry = AfPacketEntry {
        interface: section.text_or("interface", "default"),
        threads: threads.map(|_| section.number("threads", 1, 1..=256)),
        ring: TapOptions {
            block: block as usize,
            blocks: (bytes / block).clamp(2, 1 << 20) as usize,
            block_timeout: section.number("block-timeout", usual.block_timeout, 1..=1000),
            group: section.text("cluster-id").map(|_| section.number("cluster-id", 0, 0..=65_535)),
            promiscuous: !section.flag("disable-promisc", !usual.promiscuous),
        },
    };
    section.finish();
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_entry_of_an_interface_counts_or_that_of_default() {
        let text = "%YAML 1.1\n---\naf-packet:\n  - interface: eth1\n    threads: 3\n    cluster-id: 98\n    cluster-type: cluster_cpu\n    bpf-filter: port 80\n    ring-size: 65536\n    block-size: 1mb\n    disable-promisc: yes\n  - interface: default\n    threads: auto\n    block-timeout: 5\n    use-mmap: no\n";
        let (config, warnings) =
            Config::from_text(None, text, &[], &mut |_| Err("none".into())).expect("good");
        let entry = config.af_packet.of(&["br0".into(), "eth1".into()]).expect("eth1");
        assert_eq!((entry.interface.as_str(), entry.threads), ("eth1", Some(3)));
        let ring = TapOptions {
            block: 1 << 20,
            blocks: 128,
            group: Some(98),
            promiscuous: false,
            ..TapOptions::default()
        };
        assert_eq!(entry.ring, ring);
        let entry = config.af_packet.of(&["br0".into()]).expect("default");
        assert_eq!(
            (entry.threads, entry.ring),
            (None, TapOptions { block_timeout: 5, ..TapOptions::default() })
        );
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        for key in ["af-packet.0.cluster-type", "af-packet.0.bpf-filter", "af-packet.1.use-mmap"] {
            assert!(told.iter().any(|line| line.contains(key)), "{key}: {told:?}");
        }
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
