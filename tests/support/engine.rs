//! The engine over frames in memory: what the binary does with a capture, without files.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use mamparo::capture::{Capture as _, Frame, LinkType, PcapFile};
use mamparo::config::Config;
use mamparo::detect::host::Hosts;
use mamparo::detect::prefilter::{Automaton, Build};
use mamparo::detect::{Registry, RuleSet, Tables};
use mamparo::engine::load::{LoadOptions, Loaded, Source, load};
use mamparo::engine::{EngineConfig, Worker, configure};
use mamparo::flow::Protocols;
use mamparo::rules::classification::Classifications;
use mamparo::types::{Endpoint, IfaceId, Timestamp};
use mamparo::verdict::Verdict;
use mamparo::{keywords, protocols, signatures};

/// A frame that owns its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) timestamp: Timestamp,
    pub(crate) link: LinkType,
    pub(crate) bytes: Vec<u8>,
}

/// The frames of a capture.
pub(crate) fn read(path: &Path) -> Vec<Packet> {
    let mut file = PcapFile::open(path).expect("the capture can be opened");
    let mut packets = Vec::new();
    loop {
        let polled = file.poll(1 << 16, &mut |frame| {
            packets.push(Packet {
                timestamp: frame.timestamp,
                link: frame.link,
                bytes: frame.bytes.to_vec(),
            });
            Verdict::Forward
        });
        match polled.expect("the capture can be read") {
            0 => return packets,
            _ => continue,
        }
    }
}

/// What is read of a capture that may be long, bytes.
pub(crate) const CAPTURE_MAX: usize = 16 << 20;

/// What can be read of a capture, however broken it is.
pub(crate) fn readable(path: &Path, bytes: Vec<u8>) -> Vec<Packet> {
    let mut packets = Vec::new();
    let Ok(mut file) = PcapFile::from_reader(path, Box::new(Cursor::new(bytes))) else { return packets };
    let mut total = 0;
    while total < CAPTURE_MAX {
        let polled = file.poll(256, &mut |frame| {
            total += frame.bytes.len();
            packets.push(Packet {
                timestamp: frame.timestamp,
                link: frame.link,
                bytes: frame.bytes.to_vec(),
            });
            Verdict::Forward
        });
        if !matches!(polled, Ok(1..)) {
            break;
        }
    }
    packets
}

/// Rules and configuration, ready for any number of captures.
pub(crate) struct Engine {
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) protocols: Arc<Protocols>,
    pub(crate) rules: Arc<RuleSet>,
}

/// An alert: the rule, and the ends of its flow (of its packet, where there is none).
pub(crate) type Alert = (u32, Option<(Endpoint, Endpoint)>);

/// What came of a capture.
pub(crate) struct Outcome {
    pub(crate) alerts: Vec<Alert>,
    /// All records, as they would stand in eve.json.
    pub(crate) lines: Vec<String>,
    /// The most that streams held, bytes.
    pub(crate) memory: u64,
}

impl Outcome {
    /// Each alert once, in order.
    pub(crate) fn alert_set(&self) -> Vec<Alert> {
        let mut alerts = self.alerts.clone();
        alerts.sort();
        alerts.dedup();
        alerts
    }
}

/// How an engine is made.
pub(crate) struct Make<'m> {
    pub(crate) sources: Vec<Source>,
    pub(crate) set: &'m [(&'m str, &'m str)],
    pub(crate) prefilter: Build,
    pub(crate) registry: Arc<Registry>,
    pub(crate) inline: bool,
    /// Times that sets of rules are met before they are searched in one pass.
    pub(crate) merge_after: u32,
    /// Wrong checksums count.
    pub(crate) checksums: bool,
    /// A configuration.
    pub(crate) config: Option<&'m Path>,
    /// What rules look up outside themselves.
    pub(crate) tables: Tables,
}

impl Default for Make<'_> {
    fn default() -> Self {
        Make {
            sources: built_in(),
            set: &[],
            prefilter: Automaton::build,
            registry: registry(),
            inline: false,
            merge_after: 64,
            checksums: true,
            config: None,
            tables: Tables::default(),
        }
    }
}

/// All keywords, buffers and protocols as the binary has them.
pub(crate) fn registry() -> Arc<Registry> {
    Arc::new(Registry::new(keywords::ALL, keywords::PACKET_BUFFERS, protocols::ALL))
}

/// The built-in signatures.
pub(crate) fn built_in() -> Vec<Source> {
    signatures::RULES
        .iter()
        .map(|(name, text)| Source { name: (*name).to_owned(), bytes: text.as_bytes().to_vec() })
        .collect()
}

/// Rules from a text.
pub(crate) fn rules(text: &str) -> Vec<Source> {
    vec![Source { name: "test.rules".to_owned(), bytes: text.as_bytes().to_vec() }]
}

impl Make<'_> {
    /// Loads; every rule must be good.
    pub(crate) fn engine(self) -> Engine {
        let (config, loaded) = self.load();
        let shown: Vec<&str> = loaded.complaints.iter().map(|complaint| complaint.shown.as_str()).collect();
        assert!(loaded.refused == 0, "{}", shown.join("\n"));
        let mut engine_config = configure::engine_config(&config, self.inline, self.checksums, true);
        engine_config.detect.merge_after = self.merge_after;
        Engine {
            config: Arc::new(engine_config),
            protocols: Arc::new(configure::protocols(
                &config,
                self.registry.protocols(),
                &loaded.rules,
                self.inline,
                false,
            )),
            rules: loaded.rules,
        }
    }

    /// Loads what can be.
    pub(crate) fn load(&self) -> (Config, Loaded) {
        let set: Vec<(String, String)> =
            self.set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (config, _) = Config::load(self.config, &set).expect("the configuration is good");
        let (classes, faults) = Classifications::parse(signatures::CLASSIFICATION.as_bytes());
        assert!(faults.is_empty(), "classification.config is good");
        let options = LoadOptions {
            registry: self.registry.clone(),
            number: keywords::number::compile_number,
            vars: &config.vars,
            classes: &classes,
            action_order: configure::action_order(&config),
            pcre_limits: (config.pcre_match_limit, config.pcre_recursion_limit),
            prefilter: self.prefilter,
            features: &configure::features(&config),
            tables: &self.tables,
            folders: &[],
            lint: false,
            texts: false,
        };
        let loaded = load(&self.sources, &options);
        (config, loaded)
    }
}

impl Engine {
    /// A worker that judges for itself.
    pub(crate) fn worker(&self) -> Worker {
        let hosts = Some(Hosts::new(Vec::new()));
        Worker::new(self.config.clone(), self.protocols.clone(), self.rules.clone(), hosts, None)
    }

    /// Takes frames through a fresh worker.
    pub(crate) fn run(&self, packets: &[Packet]) -> Outcome {
        let mut worker = self.worker();
        let mut outcome = Outcome { alerts: Vec::new(), lines: Vec::new(), memory: 0 };
        for (nth, packet) in packets.iter().enumerate() {
            worker.frame(&frame(packet, nth as u64 + 1));
            outcome.memory = outcome.memory.max(worker.stream_memory());
            self.collect(&mut worker, &mut outcome);
        }
        worker.finish();
        self.collect(&mut worker, &mut outcome);
        assert_eq!((worker.flow_count(), worker.stream_memory()), (0, 0), "nothing is held at the end");
        outcome
    }

    fn collect(&self, worker: &mut Worker, outcome: &mut Outcome) {
        for (_, line, facts) in worker.batch().records() {
            if !line.is_empty() {
                outcome.lines.push(String::from_utf8(line.to_vec()).expect("records are UTF-8"));
            }
            if let Some(facts) = facts {
                let rule = &self.rules.rules[facts.candidate.rule as usize];
                outcome.alerts.push((rule.meta.sid, facts.ends));
            }
        }
        worker.batch().clear();
    }
}

/// The frame of a packet.
pub(crate) fn frame(packet: &Packet, number: u64) -> Frame<'_> {
    Frame {
        number,
        timestamp: packet.timestamp,
        iface: IfaceId(0),
        link: packet.link,
        bytes: &packet.bytes,
        wire_len: packet.bytes.len() as u32,
        checksums: true,
        changed: None,
    }
}
