//! The configuration, section by section, in the words of the stages.

use ipnet::IpNet;

use super::settings::{AlertFields, AnomalyTypes, EngineConfig, RecordConfig};
use crate::app::Settings;
use crate::app::file::Digests;
use crate::config::{Config, Enabled, Timeouts, UrgentWord};
use crate::decode::{DecodeConfig, DefragConfig, OverlapPolicy, PrefixMap, TeredoPorts};
use crate::detect::{DetectConfig, RuleSet};
use crate::flow::{FlowConfig, Protocols, table};
use crate::rules::address::AddressRange;
use crate::rules::{Action, RejectKind};
use crate::stream::{HostPolicies, OsPolicy, StreamConfig, UrgentPolicy};
use serde_yaml::Value;

/// What every worker is told. `inline`: we stand in the way of packets; `checksums`: wrong ones count; `everything`: all
/// records are made, whatever the configuration says (there is none).
pub fn engine_config(config: &Config, inline: bool, checksums: bool, everything: bool) -> EngineConfig {
    let policies = config.policies(inline);
    let stream = &config.stream;
    let stream_inline = stream.inline.unwrap_or(inline);
    let mut host_policies = HostPolicies::default();
    let mut overlaps = PrefixMap::new(OverlapPolicy::Bsd);
    for (range, os) in &config.host_os_policy {
        for prefix in prefixes(range) {
            let name = os.name();
            if let Some(policy) = OsPolicy::from_name(name) {
                host_policies.add(prefix, policy);
            }
            if let Some(policy) = OverlapPolicy::from_os(name) {
                overlaps.insert(prefix, policy);
            }
        }
    }
    EngineConfig {
        decode: decode_config(config, checksums, policies.defrag_memcap, overlaps),
        flow: FlowConfig {
            memcap: config.flow.memcap,
            memcap_policy: policies.flow_memcap,
            use_vlans: config.vlan_tracking,
            tcp: timeouts(&config.flow_timeouts.tcp),
            udp: timeouts(&config.flow_timeouts.udp),
            icmp: timeouts(&config.flow_timeouts.icmp),
            other: timeouts(&config.flow_timeouts.other),
        },
        stream: StreamConfig {
            memcap: stream.memcap,
            memcap_policy: policies.stream_memcap,
            reassembly_memcap: stream.reassembly.memcap,
            reassembly_memcap_policy: policies.reassembly_memcap,
            depth: stream.reassembly.depth,
            midstream: stream.midstream,
            midstream_policy: policies.midstream,
            async_oneside: stream.async_oneside,
            inline: stream_inline,
            checksum_validation: stream.checksum_validation && checksums,
            drop_invalid: stream.drop_invalid,
            bypass: stream.bypass,
            max_synack_queued: stream.max_synack_queued,
            chunk_to_server: stream.reassembly.toserver_chunk_size,
            chunk_to_client: stream.reassembly.toclient_chunk_size,
            urgent: urgent(stream.reassembly.urgent_policy),
            urgent_oob_limit: urgent(stream.reassembly.urgent_oob_limit_policy),
            host_policies,
            ..StreamConfig::default()
        },
        detect: DetectConfig {
            recursion_max: match config.detect.inspection_recursion_limit {
                // "no limit" is a limit that no rule of good faith reaches
                0 => 1 << 20,
                limit => limit,
            },
            chunk: [
                u64::from(stream.reassembly.toserver_chunk_size),
                u64::from(stream.reassembly.toclient_chunk_size),
            ],
            inline: stream_inline,
            alerts_max: usize::from(config.packet_alert_max),
            ..DetectConfig::default()
        },
        checksums_auto: false,
        inline,
        app_error_policy: policies.app_layer_error,
        file_store: None,
        replies: false,
        live: false,
        depth_for_unknown: config.live.depth_for_unknown,
        dry_run: false,
        records: if everything { RecordConfig::everything() } else { records(config) },
        profile: false,
    }
}

fn decode_config(
    config: &Config,
    checksums: bool,
    memcap_policy: crate::verdict::ExceptionPolicy,
    policies: PrefixMap<OverlapPolicy>,
) -> DecodeConfig {
    let decoder = &config.decoder;
    let ports = |section: &crate::config::TunnelSection| -> Vec<u16> {
        if !section.enabled {
            return Vec::new();
        }
        match config.vars.parse_ports(&section.ports) {
            Ok(ports) if ports.is_any() => Vec::new(),
            Ok(ports) => ports.ranges().iter().flat_map(|(low, high)| *low..=*high).take(64).collect(),
            Err(_) => Vec::new(),
        }
    };
    DecodeConfig {
        checksums,
        vxlan_ports: ports(&decoder.vxlan),
        geneve_ports: ports(&decoder.geneve),
        teredo: match (decoder.teredo.enabled, config.vars.parse_ports(&decoder.teredo.ports)) {
            (false, _) | (_, Err(_)) => TeredoPorts::Off,
            (true, Ok(ports)) if ports.is_any() => TeredoPorts::Any,
            (true, Ok(_)) => TeredoPorts::Only(ports(&decoder.teredo)),
        },
        erspan_type1: decoder.erspan_type1,
        recursion_max: decoder.max_layers,
        vlan_tracking: config.vlan_tracking,
        defrag: DefragConfig {
            memcap: usize::try_from(config.defrag.memcap).unwrap_or(usize::MAX),
            memcap_policy,
            trackers_max: config.defrag.trackers as usize,
            fragments_max: config.defrag.max_frags as usize,
            timeout: config.defrag.timeout,
            policies,
        },
    }
}

fn records(config: &Config) -> RecordConfig {
    let Some(eve) = config.outputs.records() else { return RecordConfig::default() };
    let types = &eve.types;
    RecordConfig {
        alert: types.alert.as_ref().map(|alert| AlertFields {
            payload: alert.payload,
            payload_printable: alert.payload_printable,
            payload_max: usize::try_from(alert.payload_buffer_size).unwrap_or(usize::MAX),
            packet: alert.packet,
            app_layer: alert.metadata.app_layer,
            flow: alert.metadata.flow,
            rule_metadata: alert.metadata.rule_metadata,
            references: alert.metadata.rule_reference,
            rule_text: alert.metadata.rule_raw,
            verdict: alert.verdict,
            tagged: alert.tagged_packets,
        }),
        anomaly: types.anomaly.as_ref().map(|anomaly| AnomalyTypes {
            decode: anomaly.decode,
            stream: anomaly.stream,
            app_layer: anomaly.applayer,
        }),
        drop: types.drop.as_ref().map(|drop| drop.all_packets),
        drop_alerts: types.drop.as_ref().is_some_and(|drop| drop.alerts),
        flow: types.flow,
        netflow: types.netflow,
        frames: types.protocol("frame").is_some(),
        files: types.files.is_some(),
        stores: config.outputs.file_store.is_some(),
        stats: types.stats.is_some(),
        transactions: types.protocols.iter().map(|protocol| protocol.name.clone()).collect(),
        community_id: eve.community_id,
        metadata: eve.metadata,
        ethernet: eve.ethernet,
    }
}

fn timeouts(from: &Timeouts) -> table::Timeouts {
    table::Timeouts {
        new: u64::from(from.new),
        established: u64::from(from.established),
        closed: u64::from(from.closed),
        bypassed: u64::from(from.bypassed),
    }
}

fn urgent(word: UrgentWord) -> UrgentPolicy {
    UrgentPolicy::from_name(word.name()).unwrap_or_default()
}

/// A range of addresses as prefixes.
fn prefixes(range: &AddressRange) -> Vec<IpNet> {
    match *range {
        AddressRange::V4(low, high) => {
            ipnet::Ipv4Subnets::new(low.into(), high.into(), 0).map(IpNet::V4).collect()
        }
        AddressRange::V6(low, high) => {
            ipnet::Ipv6Subnets::new(low.into(), high.into(), 0).map(IpNet::V6).collect()
        }
    }
}

/// The protocols that are switched on, each with its own section and, under `eve`, that of its records.
///
/// What rules look at may change what a protocol computes and records: `used.BUFFER` is set for each buffer that a rule asks for,
/// by the part of its name before the dot. What nobody wants is not parsed (see [`Protocols::leave_idle`]), unless what parsers do is
/// `counted`, or decides on packets.
pub fn protocols(
    config: &Config,
    all: &[&'static dyn crate::app::Protocol],
    rules: &RuleSet,
    inline: bool,
    counted: bool,
) -> Protocols {
    let mut used = serde_yaml::Mapping::new();
    for part in rules.rules.iter().flat_map(|rule| &rule.parts) {
        let name = rules.registry.buffer(part.buffer).name;
        let stem = name.split('.').next().unwrap_or(name);
        // the server's fingerprint is one with the client's
        let stem = if stem == "ja3s" { "ja3" } else { stem };
        used.insert(Value::from(stem), Value::from(true));
        used.insert(Value::from(name.replace('.', "-")), Value::from(true));
    }
    let files = file_settings(config, rules);
    let eve = config.outputs.records();
    let mut protocols = Protocols::new(all, |name| {
        let section = config.protocol(name);
        if section.is_some_and(|section| section.enabled == Some(Enabled::No)) {
            return None;
        }
        let mut value = section.map_or(Value::Null, |section| section.settings.clone());
        if !value.is_mapping() {
            value = Value::Mapping(Default::default());
        }
        if let Some(map) = value.as_mapping_mut() {
            map.insert(Value::from("used"), Value::Mapping(used.clone()));
            map.insert(Value::from("inline"), Value::from(inline));
        }
        if let Some(records) = eve.as_ref().and_then(|eve| eve.types.protocol(name))
            && let Some(map) = value.as_mapping_mut()
        {
            map.insert(Value::from("eve"), records.settings.clone());
            // where it is not written it is off
            map.insert(Value::from("eve-extended"), Value::from(records.extended.unwrap_or(false)));
        }
        if let Some(alert) = eve.as_ref().and_then(|eve| eve.types.alert.as_ref())
            && let Some(map) = value.as_mapping_mut()
        {
            let mut bodies = serde_yaml::Mapping::new();
            bodies.insert(Value::from("http-body"), Value::from(alert.http_body));
            bodies.insert(Value::from("http-body-printable"), Value::from(alert.http_body_printable));
            map.insert(Value::from("alert"), Value::Mapping(bodies));
        }
        if let Some(map) = value.as_mapping_mut() {
            for key in &files {
                map.insert(Value::from(*key), Value::from(true));
            }
        }
        Some(Settings::new(Some(value)))
    });
    if !inline && !counted && !wants_any(config, rules) {
        let recorded = |name| eve.as_ref().is_some_and(|eve| eve.types.protocol(name).is_some());
        protocols.leave_idle(|id, protocol| {
            let sides = rules.txs.get(usize::from(id.0));
            !recorded(protocol.logger())
                && sides.is_none_or(|sides| {
                    sides.iter().all(|side| side.always.is_empty() && side.lists.is_empty())
                })
        });
    }
    protocols
}

/// Whether something wants what parsers say, whatever the protocol: counters of transactions and of errors, anomalies, the
/// transaction beside an alert, files, frames.
fn wants_any(config: &Config, rules: &RuleSet) -> bool {
    let types = config.outputs.records().map(|eve| eve.types);
    // without a configuration all is recorded
    let recorded = types.is_none_or(|types| {
        types.stats.is_some()
            || types.anomaly.is_some_and(|anomaly| anomaly.applayer)
            || types.alert.as_ref().is_some_and(|alert| alert.metadata.app_layer)
            || types.files.is_some()
            || types.protocol("frame").is_some()
    });
    recorded
        || config.policies(false).app_layer_error != crate::verdict::ExceptionPolicy::Ignore
        || config.outputs.stats.is_some()
        || config.outputs.file_store.is_some()
        || rules.wanted_frames.is_some()
        || rules.rules.iter().any(|rule| !rule.file_tests.is_empty() || rule.file_store.is_some())
}

/// What must be known of files for rules and outputs: nothing of it is made when nobody asks.
fn file_settings(config: &Config, rules: &RuleSet) -> Vec<&'static str> {
    let mut wanted = Digests::default();
    for test in rules.rules.iter().flat_map(|rule| &rule.file_tests) {
        let more = test.wants();
        wanted.md5 |= more.md5;
        wanted.sha1 |= more.sha1;
        wanted.sha256 |= more.sha256;
        wanted.magic |= more.magic;
    }
    wanted.magic |= rules
        .rules
        .iter()
        .flat_map(|rule| &rule.parts)
        .any(|part| rules.registry.buffer(part.buffer).name == "file.magic");
    let mut force = |hashes: &[String]| {
        for hash in hashes {
            match &*hash.to_ascii_lowercase() {
                "md5" => wanted.md5 = true,
                "sha1" => wanted.sha1 = true,
                "sha256" => wanted.sha256 = true,
                _ => {}
            }
        }
    };
    let records = config.outputs.records().and_then(|eve| eve.types.files);
    if let Some(files) = records {
        force(&files.force_hash);
        wanted.magic |= files.force_magic;
    }
    if let Some(store) = &config.outputs.file_store {
        force(&store.force_hash);
        // a stored file is called by it
        wanted.sha256 = true;
        wanted.content = store.force_filestore || rules.rules.iter().any(|rule| rule.file_store.is_some());
    }
    [
        ("hash-md5", wanted.md5),
        ("hash-sha1", wanted.sha1),
        ("hash-sha256", wanted.sha256),
        ("file-magic", wanted.magic),
        ("file-content", wanted.content),
    ]
    .iter()
    .filter_map(|(key, wanted)| wanted.then_some(*key))
    .collect()
}

/// What `requires: feature` may ask for and the configuration does not switch off.
pub fn features(config: &Config) -> Vec<&'static str> {
    let fingerprints = |key: &str| {
        let tls = config.protocol("tls");
        let setting = tls.and_then(|tls| tls.settings.get(key)).and_then(Value::as_str);
        setting.and_then(crate::app::settings::parse_bool) != Some(false)
            && tls.and_then(|tls| tls.settings.get(key)).and_then(Value::as_bool) != Some(false)
    };
    let mut features = Vec::new();
    if fingerprints("ja3-fingerprints") {
        features.push("ja3");
    }
    if fingerprints("ja4-fingerprints") {
        features.push("ja4");
    }
    features
}

/// The order in which actions are looked at.
pub fn action_order(config: &Config) -> [Action; 4] {
    let mut order = [Action::Pass, Action::Drop, Action::Reject(RejectKind::Source), Action::Alert];
    for (slot, action) in order.iter_mut().zip(&config.action_order) {
        *slot = *action;
    }
    order
}
