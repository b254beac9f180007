//! Keys of a suricata.yaml that are accepted without a word, and why they have no effect here.

/// Dotted keys; what stands below them is accepted with them.
pub(super) const KNOWN_IGNORED: &[(&str, &str)] = &[
    ("suricata-version", "says which version wrote the file"),
    // how Suricata spreads its work
    ("threading", "threads are set with --workers"),
    ("runmode", "there is one way to spread flows over workers"),
    ("autofp-scheduler", "as runmode"),
    ("max-pending-packets", "queues are bounded by the engine"),
    ("default-packet-size", "packets are not copied"),
    ("mpm-algo", "the matcher is chosen by the engine"),
    ("spm-algo", "the matcher is chosen by the engine"),
    ("luajit", "there is no Lua"),
    ("detect.delayed-detect", "detection is ready before the first packet"),
    ("detect.custom-values", "rule groups are formed otherwise"),
    ("detect.grouping", "rule groups are formed otherwise"),
    ("detect.profiling", "no profiling"),
    ("detect.thresholds", "the table is sized by the engine"),
    ("detect.sgh-mpm-caching", "nothing to cache"),
    ("detect.sgh-mpm-caching-path", "nothing to cache"),
    ("detect.stream-tx-log-limit", "no limit of its own"),
    ("flow.managers", "flows are managed by their worker"),
    ("flow.recyclers", "flows are managed by their worker"),
    ("flow.rate-tracking", "not tracked"),
    ("profiling", "no profiling"),
    // where its logs about itself go
    ("logging", "messages go to standard error, and to the files that it names"),
    ("engine-analysis", "see the subcommand check"),
    ("coredump", "left to the system"),
    // how it lives on a host
    ("daemon-directory", "left to the service manager"),
    ("pid-file", "left to the service manager"),
    ("run-as", "left to the service manager"),
    ("umask", "left to the service manager"),
    ("magic-file", "file types are told by built-in rules"),
    ("host-mode", "both modes send resets the same way"),
    ("plugins", "there are no plug-ins"),
    ("legacy", "no old spellings but those of the rule language"),
    // hardware and capture methods, set on the command line
    ("af-xdp", "not a capture method here"),
    ("dpdk", "not a capture method here"),
    ("netmap", "not a capture method here"),
    ("pfring", "not a capture method here"),
    ("napatech", "not a capture method here"),
    ("endace", "not a capture method here"),
    ("ipfw", "not a capture method here"),
    ("windivert", "not a capture method here"),
    ("nflog", "not a capture method here"),
    ("pcap", "live capture with libpcap is not a method here"),
    ("livedev", "interfaces do not tell flows apart"),
    ("capture.disable-offloading", "offloading is welcome"),
    ("cuda", "no such hardware"),
    ("ebpf", "not loaded"),
    // outputs
    ("stats.decoder-events-prefix", "the prefix is fixed"),
    ("stream.prealloc-sessions", "sessions are allocated when needed"),
    ("stream.reassembly.segment-prealloc", "segments are allocated when needed"),
    ("stream.reassembly.randomize-chunk-range", "chunks are not randomized: runs can be repeated"),
    ("stream.reassembly.raw", "raw inspection follows the rules that want it"),
    ("stream.reassembly.max-regions", "bounded by memory"),
    ("stream.reassembly.zero-copy-size", "an implementation detail of the peer"),
    ("app-layer.protocols.http.memcap", "bodies are bounded by their own limits"),
];

/// Is the key one of them, or below one?
pub(super) fn is_ignored(key: &str) -> bool {
    KNOWN_IGNORED.iter().any(|(known, _)| {
        key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The names of those directly below a section.
pub(super) fn ignored_below(section: &str) -> impl Iterator<Item = &'static str> {
    let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
    KNOWN_IGNORED
        .iter()
        .filter_map(move |(known, _)| known.strip_prefix(prefix.as_str()))
        .filter(|rest| !rest.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ignored_key_has_its_reason_once() {
        for (at, (key, reason)) in KNOWN_IGNORED.iter().enumerate() {
            assert!(!reason.is_empty());
            assert!(!KNOWN_IGNORED[..at].iter().any(|(other, _)| other == key), "{key} stands twice");
        }
        assert!(is_ignored("logging.outputs.0.console") && !is_ignored("loggings") && !is_ignored("stream"));
        assert!(ignored_below("detect").any(|name| name == "grouping"));
    }
}
