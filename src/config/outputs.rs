//! Section `outputs`: what is written, and where.

use serde_yaml::Value;

use super::section::{Reading, Section};
use super::yaml::scalar;

/// What is switched on under `outputs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Every enabled `eve-log`.
    pub eve: Vec<EveSection>,
    /// `fast`, if enabled.
    pub fast: Option<FileSection>,
    /// `stats` (the text file), if enabled.
    pub stats: Option<StatsLogSection>,
    /// `file-store`, if enabled.
    pub file_store: Option<FileStoreSection>,
}

impl Outputs {
    /// What any `eve-log` wants to have recorded. Where several set the same in different ways the first counts.
    pub fn records(&self) -> Option<EveSection> {
        let (first, others) = self.eve.split_first()?;
        let mut all = first.clone();
        for eve in others {
            let (types, more) = (&mut all.types, eve.types.clone());
            types.alert = types.alert.take().or(more.alert);
            types.anomaly = types.anomaly.take().or(more.anomaly);
            types.drop = types.drop.take().or(more.drop);
            types.files = types.files.take().or(more.files);
            types.stats = types.stats.take().or(more.stats);
            types.flow |= more.flow;
            types.netflow |= more.netflow;
            for protocol in more.protocols {
                if types.protocol(&protocol.name).is_none() {
                    types.protocols.push(protocol);
                }
            }
            all.community_id = all.community_id.or(eve.community_id);
            all.ethernet |= eve.ethernet;
            all.metadata |= eve.metadata;
        }
        Some(all)
    }
}

/// An output that is one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSection {
    /// Below the log directory, or absolute.
    pub filename: String,
    /// Add to the file rather than begin it anew.
    pub append: bool,
}

/// `outputs.stats`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsLogSection {
    /// Where.
    pub file: FileSection,
    /// Counters of all workers summed up.
    pub totals: bool,
    /// Counters of each worker.
    pub threads: bool,
    /// Counters that are zero, too.
    pub null_values: bool,
}

/// `outputs.file-store`: files taken out of traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStoreSection {
    /// The folder, below the log directory or absolute.
    pub dir: String,
    /// Store every file, not only those that rules name.
    pub force_filestore: bool,
    /// Write a record beside each file.
    pub write_fileinfo: bool,
    /// Bytes of a stream that files are taken from; `None` as `stream.reassembly.depth`.
    pub stream_depth: Option<u64>,
    /// Digests computed for every file.
    pub force_hash: Vec<String>,
    /// Files open at the same time; 0 is no limit.
    pub max_open_files: u32,
}

/// An `outputs.eve-log`.
#[derive(Clone, Debug, PartialEq)]
pub struct EveSection {
    /// Where.
    pub file: FileSection,
    /// `pcap-file`: name the capture in each record.
    pub pcap_file: bool,
    /// `community-id`, with its seed.
    pub community_id: Option<u16>,
    /// `ethernet`: link addresses in each record.
    pub ethernet: bool,
    /// `metadata`: flow variables in each record.
    pub metadata: bool,
    /// `prefix`: text before each record.
    pub prefix: String,
    /// `xff`, as written.
    pub xff: Option<Value>,
    /// What is recorded.
    pub types: EveTypes,
}

/// `eve-log.types`: `None` is not recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EveTypes {
    /// Alerts.
    pub alert: Option<EveAlert>,
    /// Anomalies.
    pub anomaly: Option<EveAnomaly>,
    /// Dropped packets.
    pub drop: Option<EveDrop>,
    /// Files seen in traffic.
    pub files: Option<EveFiles>,
    /// Flows at their end.
    pub flow: bool,
    /// Flows at their end, each direction apart.
    pub netflow: bool,
    /// Counters.
    pub stats: Option<EveStats>,
    /// Protocols (`http`, `dns`, `tls`, …) and anything else, in order.
    pub protocols: Vec<EveProtocol>,
}

impl EveTypes {
    /// The settings of a protocol, when its records are wanted.
    pub fn protocol(&self, name: &str) -> Option<&EveProtocol> {
        self.protocols.iter().find(|protocol| protocol.name == name)
    }
}

/// A protocol's records.
#[derive(Clone, Debug, PartialEq)]
pub struct EveProtocol {
    /// Its name.
    pub name: String,
    /// `extended`; `None` where it is not written.
    pub extended: Option<bool>,
    /// All its settings as written; `Null` when there are none.
    pub settings: Value,
}

/// `alert`
#[derive(Clone, Debug, PartialEq)]
pub struct EveAlert {
    /// `payload`: in Base64.
    pub payload: bool,
    /// `payload-printable`: as text.
    pub payload_printable: bool,
    /// `payload-length`: its length.
    pub payload_length: bool,
    /// `payload-buffer-size`: bytes of payload in a record.
    pub payload_buffer_size: u64,
    /// `packet`: the packet in Base64.
    pub packet: bool,
    /// `http-body`: in Base64.
    pub http_body: bool,
    /// `http-body-printable`: as text.
    pub http_body_printable: bool,
    /// `tagged-packets`: packets that a `tag` rule follows.
    pub tagged_packets: bool,
    /// `verdict`: what was done with the packet.
    pub verdict: bool,
    /// `websocket-payload`, `websocket-payload-printable`
    pub websocket_payload: (bool, bool),
    /// `metadata`: what is told beside the alert.
    pub metadata: EveAlertMetadata,
}

/// `alert.metadata`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EveAlertMetadata {
    /// `app-layer`: the transaction.
    pub app_layer: bool,
    /// `flow`: the flow.
    pub flow: bool,
    /// `rule.metadata`: the rule's `metadata`.
    pub rule_metadata: bool,
    /// `rule.raw`: the rule's text.
    pub rule_raw: bool,
    /// `rule.reference`: the rule's references.
    pub rule_reference: bool,
}

/// `anomaly`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EveAnomaly {
    /// `types.decode`
    pub decode: bool,
    /// `types.stream`
    pub stream: bool,
    /// `types.applayer`
    pub applayer: bool,
    /// `packethdr`: the packet's header in Base64.
    pub packethdr: bool,
}

/// `drop`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EveDrop {
    /// `alerts`: the alert that caused it.
    pub alerts: bool,
    /// `flows: all`: every dropped packet; otherwise the first of each direction of a flow.
    pub all_packets: bool,
    /// `verdict`: what was done with the packet.
    pub verdict: bool,
}

/// `files`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EveFiles {
    /// `force-magic`: tell the type of every file.
    pub force_magic: bool,
    /// `force-hash`: digests computed for every file: `md5`, `sha1`, `sha256`.
    pub force_hash: Vec<String>,
}

/// `stats`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EveStats {
    /// Counters of all workers summed up.
    pub totals: bool,
    /// Counters of each worker.
    pub threads: bool,
    /// What was added since the last record.
    pub deltas: bool,
    /// Counters that are zero, too.
    pub null_values: bool,
}

/// Outputs of Suricata that are not written here.
const UNSUPPORTED: &[&str] = &[
    "http-log",
    "tls-log",
    "tls-store",
    "pcap-log",
    "alert-debug",
    "syslog",
    "tcp-data",
    "http-body-data",
    "lua",
    "drop",
    "dns-log",
    "file-log",
    "unified2-alert",
    "alert-prelude",
    "eve-log-syslog",
];

impl Outputs {
    pub(super) fn read(reading: &Reading, value: Option<&Value>) -> Self {
        let mut outputs = Outputs::default();
        let items = match value {
            None | Some(Value::Null) => return outputs,
            Some(Value::Sequence(items)) => items,
            Some(_) => {
                reading.error(
                    "outputs",
                    "outputs must be a list",
                    Some("write \"- eve-log:\" below it".to_owned()),
                );
                return outputs;
            }
        };
        for (at, item) in items.iter().enumerate() {
            let path = format!("outputs.{at}");
            let (name, settings) = match named(item) {
                Some(named) => named,
                None if item.is_null() => continue,
                None => {
                    reading.error(
                        &path,
                        "an output is a name with settings",
                        Some("write \"- eve-log:\" and its settings indented".to_owned()),
                    );
                    continue;
                }
            };
            let below = format!("{path}.{name}");
            match name.as_str() {
                "eve-log" => outputs.eve.extend(eve(Section::new(reading, below, settings), reading)),
                "fast" => {
                    let section = Section::new(reading, below, settings);
                    let enabled = section.flag("enabled", true);
                    outputs.fast = enabled.then(|| file(&section, "fast.log"));
                    section.ignore(&["filename", "append", "filetype"]);
                    section.finish();
                }
                "stats" => outputs.stats = stats_log(Section::new(reading, below, settings)),
                "file-store" => outputs.file_store = file_store(Section::new(reading, below, settings)),
                _ => {
                    let enabled = settings.and_then(|s| s.get("enabled")).and_then(scalar);
                    let enabled =
                        enabled.and_then(|text| crate::app::settings::parse_bool(&text)).unwrap_or(true);
                    if UNSUPPORTED.contains(&name.as_str()) {
                        if enabled && settings.is_some() {
                            reading.warn(
                                &below,
                                format!("the output {name} is not supported and writes nothing"),
                                Some("use eve-log".to_owned()),
                            );
                        }
                    } else {
                        let known = ["eve-log", "fast", "stats", "file-store"];
                        let hint = crate::rules::did_you_mean(&name, known)
                            .map(|similar| format!("did you mean {similar}?"));
                        reading.warn(&below, format!("there is no output {name}"), hint);
                    }
                }
            }
        }
        // two writers of one kind would need two of each state they keep
        for (kind, count) in [
            ("anomaly", outputs.eve.iter().filter(|eve| eve.types.anomaly.is_some()).count()),
            ("drop", outputs.eve.iter().filter(|eve| eve.types.drop.is_some()).count()),
        ] {
            if count > 1 {
                reading.error(
                    "outputs",
                    format!("only one '{kind}' logger can be enabled"),
                    Some(format!("leave {kind} in one eve-log")),
                );
            }
        }
        outputs
    }
}

/// `name`, `name:` or `name: {settings}`; Suricata takes the first key of a map.
fn named(item: &Value) -> Option<(String, Option<&Value>)> {
    match item {
        Value::Mapping(map) => {
            let (key, value) = map.iter().next()?;
            Some((scalar(key)?, (!value.is_null()).then_some(value)))
        }
        Value::String(name) if !name.is_empty() => Some((name.clone(), None)),
        _ => None,
    }
}

fn file(section: &Section<'_>, default: &str) -> FileSection {
    FileSection { filename: section.text_or("filename", default), append: section.flag("append", true) }
}

fn stats_log(section: Section<'_>) -> Option<StatsLogSection> {
    let enabled = section.flag("enabled", true);
    let stats = StatsLogSection {
        file: file(&section, "stats.log"),
        totals: section.flag("totals", true),
        threads: section.flag("threads", false),
        null_values: section.flag("null-values", false),
    };
    section.ignore(&["filetype", "deltas", "interval"]);
    section.finish();
    enabled.then_some(stats)
}

fn file_store(section: Section<'_>) -> Option<FileStoreSection> {
    let enabled = section.flag("enabled", false);
    let store = FileStoreSection {
        dir: section.text_or("dir", "filestore"),
        force_filestore: section.flag("force-filestore", false),
        write_fileinfo: section.flag("write-fileinfo", false),
        stream_depth: section.value("stream-depth").map(|_| section.size("stream-depth", 0)),
        force_hash: section.list("force-hash"),
        max_open_files: section.number("max-open-files", 0, 0..=1_000_000),
    };
    section.ignore(&["version", "xff", "force-magic", "log-dir"]);
    section.finish();
    enabled.then_some(store)
}

fn eve(section: Section<'_>, reading: &Reading) -> Option<EveSection> {
    let enabled = section.flag("enabled", true);
    let filetype = section.text_or("filetype", "regular");
    if enabled && filetype != "regular" {
        let hint = "write filetype: regular, and let a log shipper carry the file on";
        section.warn(
            "filetype",
            &format!("{filetype} is not supported; records go to the file"),
            Some(hint.to_owned()),
        );
    }
    let seed: u16 = section.number("community-id-seed", 0, 0..=65_535);
    let community_id = section.flag("community-id", false).then_some(seed);
    let types = match section.value("types") {
        Some(Value::Sequence(items)) => types(reading, &section.below("types"), items),
        None => EveTypes::default(),
        Some(_) => {
            section.wrong("types", "types must be a list", "write \"- alert\" below it");
            EveTypes::default()
        }
    };
    let eve = EveSection {
        file: file(&section, "eve.json"),
        pcap_file: section.flag("pcap-file", false),
        community_id,
        ethernet: section.flag("ethernet", false),
        metadata: section.flag("metadata", true),
        prefix: section.text("prefix").unwrap_or_default(),
        xff: section.value("xff").cloned(),
        types,
    };
    section.ignore(&[
        "threaded",
        "identity",
        "facility",
        "level",
        "redis",
        "rotate-interval",
        "filemode",
        "mode",
        "sensor-id",
        "suricata-version",
        "buffer-size",
        "custom",
        "null-values",
        "totals",
        "threads",
        "deltas",
        "extended",
    ]);
    section.finish();
    enabled.then_some(eve)
}

fn types(reading: &Reading, path: &str, items: &[Value]) -> EveTypes {
    let mut types = EveTypes::default();
    for (at, item) in items.iter().enumerate() {
        let Some((name, settings)) = named(item) else { continue };
        let section = Section::new(reading, format!("{path}.{at}.{name}"), settings);
        if !matches!(
            section.text("enabled").as_deref().map(crate::app::settings::parse_bool),
            None | Some(Some(true))
        ) {
            continue;
        }
        match name.as_str() {
            "alert" => types.alert = Some(alert(section)),
            "anomaly" => types.anomaly = Some(anomaly(section)),
            "drop" => types.drop = Some(drop_records(section)),
            "files" => {
                let mut force_hash: Vec<String> = section.list("force-hash");
                if section.flag("force-md5", false) {
                    force_hash.push("md5".to_owned());
                }
                force_hash.iter_mut().for_each(|name| *name = name.to_ascii_lowercase());
                types.files = Some(EveFiles { force_magic: section.flag("force-magic", false), force_hash });
                section.finish();
            }
            "flow" => types.flow = true,
            "netflow" => types.netflow = true,
            "stats" => {
                types.stats = Some(EveStats {
                    totals: section.flag("totals", true),
                    threads: section.flag("threads", false),
                    deltas: section.flag("deltas", false),
                    null_values: section.flag("null-values", true),
                });
                section.ignore(&["zero-valued-counters"]);
                section.finish();
            }
            _ => {
                let extended = section.optional_flag("extended");
                types.protocols.push(EveProtocol {
                    name,
                    extended,
                    settings: settings.cloned().unwrap_or(Value::Null),
                });
            }
        }
    }
    types
}

fn alert(section: Section<'_>) -> EveAlert {
    let all = |yes| EveAlertMetadata {
        app_layer: yes,
        flow: yes,
        rule_metadata: yes,
        rule_raw: false,
        rule_reference: false,
    };
    let mut metadata = match section.value("metadata") {
        None => all(true),
        Some(Value::Mapping(_)) => {
            let map = section.section("metadata");
            let rule = match map.value("rule") {
                Some(Value::Mapping(_)) => {
                    let rule = map.section("rule");
                    let read =
                        (rule.flag("metadata", true), rule.flag("raw", false), rule.flag("reference", false));
                    rule.finish();
                    read
                }
                _ => (map.flag("rule", true), false, false),
            };
            let read = EveAlertMetadata {
                app_layer: map.flag("app-layer", true),
                flow: map.flag("flow", true),
                rule_metadata: rule.0,
                rule_raw: rule.1,
                rule_reference: rule.2,
            };
            map.finish();
            read
        }
        Some(_) => all(section.flag("metadata", true)),
    };
    // written beside `metadata` in some versions
    metadata.rule_reference |= section.optional_flag("reference").unwrap_or(false);
    let alert = EveAlert {
        payload: section.flag("payload", false),
        payload_printable: section.flag("payload-printable", false),
        payload_length: section.flag("payload-length", false),
        payload_buffer_size: section.size("payload-buffer-size", 4096),
        packet: section.flag("packet", false),
        http_body: section.flag("http-body", false),
        http_body_printable: section.flag("http-body-printable", false),
        tagged_packets: section.flag("tagged-packets", true),
        verdict: section.flag("verdict", false),
        websocket_payload: (
            section.flag("websocket-payload", false),
            section.flag("websocket-payload-printable", false),
        ),
        metadata,
    };
    // switches of old versions for what `metadata` says today
    section.ignore(&[
        "xff",
        "http",
        "tls",
        "ssh",
        "smtp",
        "dnp3",
        "flow",
        "vars",
        "app-layer",
        "source",
        "target",
        "dns",
    ]);
    section.finish();
    alert
}

fn anomaly(section: Section<'_>) -> EveAnomaly {
    let types = section.section("types");
    let anomaly = EveAnomaly {
        decode: types.flag("decode", false),
        stream: types.flag("stream", false),
        applayer: types.flag("applayer", true),
        packethdr: section.flag("packethdr", false) | types.flag("packethdr", false),
    };
    types.finish();
    section.finish();
    anomaly
}

fn drop_records(section: Section<'_>) -> EveDrop {
    let drop = EveDrop {
        alerts: section.flag("alerts", false),
        all_packets: section.word("flows", &[("all", true), ("start", false)], "start").unwrap_or(false),
        verdict: section.flag("verdict", false),
    };
    section.finish();
    drop
}
