//! [`Config`] and how it is read: files and includes, overrides, then section by section.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::af_packet::AfPacketSection;
use super::datasets::DatasetsSection;
use super::live::LiveSection;
use super::outputs::Outputs;
use super::process::{MetricsSection, SecuritySection, UnixCommandSection};
use super::section::{Reading, Section};
use super::traffic::{
    DecoderSection, DefragSection, FlowSection, FlowTimeouts, HostOs, StreamSection, host_os_policy,
};
use super::yaml::{self, scalar};
use super::{ConfigError, ConfigProblem, ConfigWarning, Source};
use crate::app::settings::parse_bool;
use crate::rules::address::AddressRange;
use crate::rules::{Action, RejectKind, Vars};
use crate::verdict::ExceptionPolicy;

/// Most files of one configuration.
const FILES_MAX: usize = 64;

/// A checked configuration. [`Config::default`] is what holds without a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `vars`
    pub vars: Vars,
    /// `default-rule-path`: where rule files without a path of their own are.
    pub default_rule_path: Option<PathBuf>,
    /// `rule-files`, as written.
    pub rule_files: Vec<String>,
    /// `classification-file`
    pub classification_file: Option<PathBuf>,
    /// `reference-config-file`
    pub reference_config_file: Option<PathBuf>,
    /// `threshold-file`
    pub threshold_file: Option<PathBuf>,
    /// `default-log-dir`
    pub default_log_dir: Option<PathBuf>,
    /// `sensor-name`: the `host` of records.
    pub sensor_name: Option<String>,
    /// `outputs`
    pub outputs: Outputs,
    /// `stats`
    pub stats: StatsSection,
    /// `stream`
    pub stream: StreamSection,
    /// `flow`
    pub flow: FlowSection,
    /// `flow-timeouts`
    pub flow_timeouts: FlowTimeouts,
    /// `vlan.use-for-tracking`: VLAN identifiers tell flows apart.
    pub vlan_tracking: bool,
    /// `defrag`
    pub defrag: DefragSection,
    /// `decoder`
    pub decoder: DecoderSection,
    /// `host-os-policy`: the narrowest network first; the first that fits counts.
    pub host_os_policy: Vec<(AddressRange, HostOs)>,
    /// `exception-policy`: the master switch; `None` is `auto`: drop the flow inline, ignore otherwise.
    pub exception_policy: Option<ExceptionPolicy>,
    /// `exception-policy` is written, not only implied.
    pub exception_policy_set: bool,
    /// `app-layer`
    pub app_layer: AppLayerSection,
    /// `detect`
    pub detect: DetectSection,
    /// `action-order`: all actions, first the one that is judged first.
    pub action_order: Vec<Action>,
    /// `packet-alert-max`: alerts of one packet, 1..=65535.
    pub packet_alert_max: u16,
    /// `pcre.match-limit`
    pub pcre_match_limit: u32,
    /// `pcre.match-limit-recursion`
    pub pcre_recursion_limit: u32,
    /// `asn1-max-frames`
    pub asn1_max_frames: u32,
    /// `capture.checksum-validation`, `pcap-file.checksum-checks`; `None` is `auto`.
    pub checksum_checks: Option<bool>,
    /// `datasets`
    pub datasets: DatasetsSection,
    /// `geoip-database`
    pub geoip_database: Option<PathBuf>,
    /// `default-reputation-path`
    pub reputation_path: Option<PathBuf>,
    /// `reputation-categories-file`
    pub reputation_categories_file: Option<PathBuf>,
    /// `reputation-files`
    pub reputation_files: Vec<String>,
    /// `host.memcap`, bytes.
    pub host_memcap: u64,
    /// `ippair.memcap`, bytes.
    pub ippair_memcap: u64,
    /// `nfq`, `inline`
    pub live: LiveSection,
    /// `af-packet`
    pub af_packet: AfPacketSection,
    /// `security`
    pub security: SecuritySection,
    /// `unix-command`
    pub unix_command: UnixCommandSection,
    /// `metrics`
    pub metrics: MetricsSection,
    /// What [`Config::dump`] prints.
    flat: Vec<(String, String)>,
}

/// `stats`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsSection {
    /// Count and write at all.
    pub enabled: bool,
    /// Seconds between records.
    pub interval: u32,
    /// A counter for each decoder event.
    pub decoder_events: bool,
    /// A counter for each stream event.
    pub stream_events: bool,
}

/// `app-layer`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppLayerSection {
    /// `error-policy`; `None` follows the master switch.
    pub error_policy: Option<ExceptionPolicy>,
    /// `protocols`, by name.
    pub protocols: BTreeMap<String, ProtocolSection>,
}

/// `app-layer.protocols.NAME`
#[derive(Clone, Debug, PartialEq)]
pub struct ProtocolSection {
    /// `enabled`; `None` where it is not written: the protocol's own default.
    pub enabled: Option<Enabled>,
    /// All its settings as written.
    pub settings: Value,
}

/// How much of a protocol is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Detected and parsed.
    Yes,
    /// Neither.
    No,
    /// Detected only.
    DetectionOnly,
}

/// `detect`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectSection {
    /// `profile`
    pub profile: String,
    /// `sgh-mpm-context`
    pub sgh_mpm_context: String,
    /// `prefilter.default` is `auto`: also keywords other than literals choose candidates.
    pub prefilter_auto: bool,
    /// `inspection-recursion-limit`; 0 is no limit.
    pub inspection_recursion_limit: u32,
    /// `guess-applayer-tx`: alerts of stream rules name a transaction even if there are several.
    pub guess_applayer_tx: bool,
}

/// A file for the program's own messages: an item of `logging.outputs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFile {
    /// Its name, below the log folder unless absolute.
    pub filename: String,
    /// `type: json`: an object a line.
    pub json: bool,
    /// `level` lets warnings through, not only errors.
    pub warnings: bool,
}

/// Every exception policy, resolved against the master switch and the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies {
    /// `stream.memcap-policy`
    pub stream_memcap: ExceptionPolicy,
    /// `stream.reassembly.memcap-policy`
    pub reassembly_memcap: ExceptionPolicy,
    /// `stream.midstream-policy`
    pub midstream: ExceptionPolicy,
    /// `flow.memcap-policy`
    pub flow_memcap: ExceptionPolicy,
    /// `defrag.memcap-policy`
    pub defrag_memcap: ExceptionPolicy,
    /// `app-layer.error-policy`
    pub app_layer_error: ExceptionPolicy,
}

impl Default for Config {
    fn default() -> Self {
        let reading = Reading::new(Vec::new(), Vec::new());
        Config::read(&reading, &Value::Null, true)
    }
}

impl Config {
    /// Reads a file (none: the defaults), then sets dotted keys as `--set` does: lists are indexed
    /// (`outputs.1.eve-log.types.2.anomaly.types.stream`).
    ///
    /// A file named by `include` is looked for beside the main file.
    pub fn load(
        path: Option<&Path>,
        set: &[(String, String)],
    ) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
        Config::load_with(path, set, &|_| Vec::new())
    }

    /// The same for live traffic, with what suits it where nothing is said: flows that are alive before us are picked up; where
    /// traffic goes on without us (`fail_open`, or as the configuration says) it also does when a limit is reached; and of streams
    /// of which no protocol is known the first MiB is looked at.
    pub fn load_live(
        path: Option<&Path>,
        set: &[(String, String)],
        fail_open: Option<bool>,
    ) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
        Config::load_with(path, set, &|tree| {
            let has = |keys: &[&str]| {
                keys.iter().try_fold(tree, |at, key| at.get(*key)).is_some_and(|v| !v.is_null())
            };
            let is = |keys: &[&str], word: &str| {
                let found = keys.iter().try_fold(tree, |at, key| at.get(*key)).and_then(scalar);
                found.is_some_and(|text| text.trim().eq_ignore_ascii_case(word))
            };
            let mut more = Vec::new();
            if !has(&["stream", "midstream"]) && !has(&["stream", "midstream-policy"]) {
                more.push(("stream.midstream", "yes"));
            }
            let closed = is(&["inline", "fail"], "closed") || is(&["nfq", "fail-open"], "no");
            if fail_open.unwrap_or(!closed) && !has(&["exception-policy"]) {
                more.push(("exception-policy", "ignore"));
            }
            // as containers read: an urgent byte is no part of the stream
            if !has(&["stream", "reassembly", "urgent", "policy"]) {
                more.push(("stream.reassembly.urgent.policy", "oob"));
            }
            if !has(&["stream", "reassembly", "depth"]) {
                more.push(("stream.reassembly.depth", "1mb"));
                // a connection that is kept alive is read to its end: an attack may come late on it
                if !has(&["inline", "depth-for"]) {
                    more.push(("inline.depth-for", "unknown"));
                }
            }
            more
        })
    }

    fn load_with(
        path: Option<&Path>,
        set: &[(String, String)],
        more: &dyn Fn(&Value) -> Vec<(&'static str, &'static str)>,
    ) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
        let folder = path.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        let read = |name: &Path| {
            let full = folder.join(name);
            // one byte more than allowed tells that there is more
            let mut bytes = Vec::new();
            let file = std::fs::File::open(&full).map_err(|error| error.to_string())?;
            std::io::Read::read_to_end(
                &mut std::io::Read::take(file, yaml::BYTES_MAX as u64 + 1),
                &mut bytes,
            )
            .map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
        };
        let text = match path {
            None => String::new(),
            Some(path) => read(path.file_name().map_or(path, Path::new)).map_err(|why| ConfigProblem {
                key: String::new(),
                file: Some(path.to_path_buf()),
                line: None,
                message: format!("the configuration cannot be read: {why}"),
                hint: Some("give the right path with -c".to_owned()),
            })?,
        };
        Config::build(path, &text, set, more, &mut |name| read(name))
    }

    /// The files that `logging.outputs` names, and the log folder: read on their own, so that a configuration which cannot be
    /// used can say so there. Empty for one that is no YAML.
    pub fn message_files(
        path: Option<&Path>,
        set: &[(String, String)],
    ) -> (Option<PathBuf>, Vec<MessageFile>) {
        let Some(text) = path.and_then(|path| std::fs::read_to_string(path).ok()) else {
            return (None, Vec::new());
        };
        let Ok((mut tree, _)) = yaml::parse(&text) else { return (None, Vec::new()) };
        for (key, value) in set {
            // what is wrong with it is told when the whole is read
            let _ = yaml::set(&mut tree, key, value);
        }
        message_files(&tree)
    }

    /// As [`Config::load`], with the text given and a reader for included files. `path` is for messages.
    pub fn from_text(
        path: Option<&Path>,
        text: &str,
        set: &[(String, String)],
        include: &mut dyn FnMut(&Path) -> Result<String, String>,
    ) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
        Config::build(path, text, set, &|_| Vec::new(), include)
    }

    fn build(
        path: Option<&Path>,
        text: &str,
        set: &[(String, String)],
        more: &dyn Fn(&Value) -> Vec<(&'static str, &'static str)>,
        include: &mut dyn FnMut(&Path) -> Result<String, String>,
    ) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
        let mut loader = Loader { sources: Vec::new(), bytes: 0, twice: Vec::new(), include };
        let mut tree = loader.parse(path, text, "")?;
        loader.expand(&mut tree, "", path, 0)?;
        let own_vars = tree.get("vars").is_some_and(|vars| !vars.is_null());
        for (key, value) in set {
            yaml::set(&mut tree, key, value).map_err(|message| ConfigProblem {
                key: format!("--set {key}={value}"),
                file: None,
                line: None,
                message,
                hint: Some(
                    "keys are dotted, places in lists are numbers from 0: outputs.1.eve-log.enabled=no"
                        .to_owned(),
                ),
            })?;
        }
        for (key, value) in more(&tree) {
            yaml::set(&mut tree, key, value).map_err(|message| ConfigProblem {
                key: key.to_owned(),
                file: None,
                line: None,
                message,
                hint: None,
            })?;
        }
        let overrides = set.iter().map(|(key, _)| key.trim().to_owned()).collect();
        let reading = Reading::new(loader.sources, overrides);
        for key in loader.twice {
            reading.warn(
                &key,
                "this key stands twice; the later one counts",
                Some("join the two".to_owned()),
            );
        }
        let mut config = Config::read(&reading, &tree, !own_vars);
        let errors = reading.errors.into_inner();
        if !errors.is_empty() {
            return Err(ConfigError { problems: errors });
        }
        let mut flat = Vec::new();
        if !tree.is_null() {
            yaml::flatten(&tree, "", &mut flat);
        }
        let mut defaults = reading.defaults.into_inner();
        defaults.sort();
        defaults.dedup();
        flat.append(&mut defaults);
        config.flat = flat;
        Ok((config, reading.warnings.into_inner()))
    }

    /// Every key that is set or has a default, dotted, with its value.
    pub fn settings(&self) -> &[(String, String)] {
        &self.flat
    }

    /// `key = value` lines: everything that is set, in order, then the defaults that hold for the rest, sorted.
    pub fn dump(&self) -> String {
        let line = |text: &str| text.replace(|c: char| c.is_control(), " ");
        self.flat.iter().map(|(key, value)| format!("{} = {}\n", line(key), line(value))).collect()
    }

    /// The rule files with their folder.
    pub fn rule_paths(&self) -> Vec<PathBuf> {
        let folder = self.default_rule_path.clone().unwrap_or_default();
        self.rule_files.iter().map(|name| folder.join(name)).collect()
    }

    /// The policies that hold inline or not. Nothing can be dropped by one who only watches.
    pub fn policies(&self, inline: bool) -> Policies {
        use ExceptionPolicy::{DropFlow, DropPacket, Ignore, PassFlow, PassPacket};
        let possible = |policy| match policy {
            DropFlow | DropPacket if !inline => Ignore,
            policy => policy,
        };
        let auto = if inline { DropFlow } else { Ignore };
        let master = self.exception_policy.unwrap_or(auto);
        let own = |policy: Option<ExceptionPolicy>| possible(policy.unwrap_or(master));
        let midstream = match self.stream.midstream_policy {
            Some(policy) => policy,
            // sessions that are picked up on purpose are not dropped for it
            None if self.exception_policy.is_none() && self.stream.midstream => Ignore,
            None => match master {
                PassPacket | DropPacket => Ignore,
                policy => policy,
            },
        };
        // fragments have no flow yet
        let defrag = match own(self.defrag.memcap_policy) {
            DropFlow => DropPacket,
            PassFlow => PassPacket,
            policy => policy,
        };
        Policies {
            stream_memcap: own(self.stream.memcap_policy),
            reassembly_memcap: own(self.stream.reassembly.memcap_policy),
            midstream: possible(midstream),
            flow_memcap: match own(self.flow.memcap_policy) {
                DropFlow => DropPacket,
                PassFlow => PassPacket,
                policy => policy,
            },
            defrag_memcap: defrag,
            app_layer_error: own(self.app_layer.error_policy),
        }
    }

    /// The settings of a protocol, if there are any.
    pub fn protocol(&self, name: &str) -> Option<&ProtocolSection> {
        self.app_layer.protocols.get(name)
    }

    /// `usual`: the file has no `vars`; those that rules commonly use are known all the same.
    fn read(reading: &Reading, tree: &Value, usual: bool) -> Config {
        let root = Section::new(reading, String::new(), Some(tree));
        let path = |key| root.text(key).filter(|text| !text.is_empty()).map(PathBuf::from);
        let exception_policy = root.policy("exception-policy");
        let pcre = root.section("pcre");
        let limit = |key, default: u32| pcre.number(key, default, 0..=u64::from(u32::MAX));
        let (pcre_match_limit, pcre_recursion_limit) =
            (limit("match-limit", 3500), limit("match-limit-recursion", 1500));
        pcre.finish();
        let memcap_of = |key| {
            let section = root.section(key);
            let memcap = section.size("memcap", 32 << 20);
            section.ignore(&["hash-size", "prealloc"]);
            section.finish();
            memcap
        };
        let vlan = root.section("vlan");
        let vlan_tracking = vlan.flag("use-for-tracking", true);
        vlan.finish();
        let config = Config {
            vars: vars(&root, reading, usual),
            default_rule_path: path("default-rule-path"),
            rule_files: root.list("rule-files"),
            classification_file: path("classification-file"),
            reference_config_file: path("reference-config-file"),
            threshold_file: path("threshold-file"),
            default_log_dir: path("default-log-dir"),
            sensor_name: root.text("sensor-name"),
            outputs: Outputs::read(reading, root.value("outputs")),
            stats: stats(root.section("stats")),
            stream: StreamSection::read(root.section("stream")),
            flow: FlowSection::read(root.section("flow")),
            flow_timeouts: FlowTimeouts::read(root.section("flow-timeouts")),
            vlan_tracking,
            defrag: DefragSection::read(root.section("defrag")),
            decoder: DecoderSection::read(root.section("decoder")),
            host_os_policy: host_os_policy(root.section("host-os-policy")),
            exception_policy,
            exception_policy_set: root.has("exception-policy"),
            app_layer: app_layer(root.section("app-layer"), reading),
            detect: detect(root.section("detect")),
            action_order: action_order(&root),
            packet_alert_max: root.number("packet-alert-max", 15, 1..=65_535),
            pcre_match_limit,
            pcre_recursion_limit,
            asn1_max_frames: root.number("asn1-max-frames", 256, 1..=65_536),
            checksum_checks: checksum_checks(&root),
            datasets: DatasetsSection::read(reading, root.value("datasets")),
            geoip_database: path("geoip-database"),
            reputation_path: path("default-reputation-path"),
            reputation_categories_file: path("reputation-categories-file"),
            reputation_files: root.list("reputation-files"),
            host_memcap: memcap_of("host"),
            ippair_memcap: memcap_of("ippair"),
            live: LiveSection::read(root.section("nfq"), root.section("inline")),
            af_packet: AfPacketSection::read(reading, root.value("af-packet")),
            security: SecuritySection::read(root.section("security")),
            unix_command: UnixCommandSection::read(root.section("unix-command"), root.has("unix-command")),
            metrics: MetricsSection::read(root.section("metrics")),
            flat: Vec::new(),
        };
        for (key, error) in config.vars.check() {
            reading.error(&format!("vars.{key}"), error.message, error.hint);
        }
        root.finish();
        config
    }
}

fn message_files(tree: &Value) -> (Option<PathBuf>, Vec<MessageFile>) {
    let folder = tree.get("default-log-dir").and_then(scalar).map(PathBuf::from);
    let outputs = tree.get("logging").and_then(|logging| logging.get("outputs"));
    let items = outputs.and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    let text = |file: &Value, key: &str| file.get(key).and_then(scalar);
    let files = items
        .iter()
        .filter_map(|item| item.get("file"))
        .filter(|file| text(file, "enabled").is_some_and(|on| parse_bool(&on) == Some(true)))
        .filter_map(|file| {
            Some(MessageFile {
                filename: text(file, "filename").filter(|name| !name.is_empty())?,
                json: text(file, "type").is_some_and(|kind| kind == "json"),
                warnings: text(file, "level").is_none_or(|level| level != "error"),
            })
        })
        .take(FILES_MAX)
        .collect();
    (folder, files)
}

fn vars(root: &Section<'_>, reading: &Reading, usual: bool) -> Vars {
    let section = root.section("vars");
    let map = |key| {
        let groups = section.section(key);
        let mut map = BTreeMap::new();
        for (name, value) in groups.entries() {
            let text = match value {
                Value::Sequence(items) => {
                    Some(format!("[{}]", items.iter().filter_map(scalar).collect::<Vec<_>>().join(",")))
                }
                Value::Null => None,
                value => scalar(value),
            };
            match text {
                Some(text) if !text.trim().is_empty() => {
                    map.insert(name, text);
                }
                _ => {
                    let hint = "write any, an address or port, or a list in brackets; in quotes if it begins with ! or [";
                    reading.error(&groups.below(&name), "the variable has no value", Some(hint.to_owned()));
                }
            }
        }
        map
    };
    let mut vars = Vars { addresses: map("address-groups"), ports: map("port-groups") };
    section.finish();
    if usual {
        let Vars { addresses, ports } = Vars::usual();
        for (name, text) in addresses {
            vars.addresses.entry(name).or_insert(text);
        }
        for (name, text) in ports {
            vars.ports.entry(name).or_insert(text);
        }
    }
    vars
}

fn stats(section: Section<'_>) -> StatsSection {
    let stats = StatsSection {
        enabled: section.flag("enabled", true),
        interval: section.number("interval", 8, 1..=86_400),
        decoder_events: section.flag("decoder-events", true),
        stream_events: section.flag("stream-events", false),
    };
    section.ignore(&["exception-policy"]);
    section.finish();
    stats
}

fn app_layer(section: Section<'_>, reading: &Reading) -> AppLayerSection {
    let mut protocols = BTreeMap::new();
    let names = section.section("protocols");
    for (name, value) in names.entries() {
        let path = names.below(&name);
        let enabled = match value {
            Value::Mapping(map) => map.get("enabled").and_then(scalar).filter(|text| !text.is_empty()),
            Value::Null => None,
            _ => {
                reading.error(
                    &path,
                    "a protocol has settings below it",
                    Some("write \"enabled: yes\" indented below it".to_owned()),
                );
                None
            }
        };
        let enabled = enabled.and_then(|text| match parse_bool(&text) {
            Some(true) => Some(Enabled::Yes),
            Some(false) => Some(Enabled::No),
            None if text == "detection-only" => Some(Enabled::DetectionOnly),
            None => {
                let hint = "write yes, no or detection-only".to_owned();
                reading.error(&format!("{path}.enabled"), format!("{text:?} is unknown here"), Some(hint));
                None
            }
        });
        protocols.insert(name, ProtocolSection { enabled, settings: value.clone() });
    }
    let app_layer = AppLayerSection { error_policy: section.policy("error-policy"), protocols };
    section.finish();
    app_layer
}

fn detect(section: Section<'_>) -> DetectSection {
    let prefilter = section.section("prefilter");
    let prefilter_auto = prefilter.word("default", &[("mpm", false), ("auto", true)], "mpm").unwrap_or(false);
    prefilter.finish();
    let detect = DetectSection {
        profile: section.text_or("profile", "medium"),
        sgh_mpm_context: section.text_or("sgh-mpm-context", "auto"),
        prefilter_auto,
        inspection_recursion_limit: section.number("inspection-recursion-limit", 3000, 0..=1_000_000),
        guess_applayer_tx: section.flag("guess-applayer-tx", false),
    };
    section.finish();
    detect
}

fn action_order(root: &Section<'_>) -> Vec<Action> {
    let default = vec![Action::Pass, Action::Drop, Action::Reject(RejectKind::Source), Action::Alert];
    let words = root.list("action-order");
    if words.is_empty() {
        return default;
    }
    let order: Vec<Action> =
        words.iter().filter_map(|word| crate::rules::parser::action(word.trim())).collect();
    let complete = default.iter().all(|action| order.contains(action)) && order.len() == default.len();
    if !complete || words.len() != order.len() {
        root.wrong(
            "action-order",
            "each action must stand here once",
            "write pass, drop, reject, alert in the order you want",
        );
        return default;
    }
    order
}

/// `capture` is what counts for live interfaces, `pcap-file` for files; either alone counts for both.
fn checksum_checks(root: &Section<'_>) -> Option<bool> {
    let of = |key, name| {
        let section = root.section(key);
        let checks = section.auto_flag(name, &["kernel", "rx-only", "none"]);
        let none = section.text(name).is_some_and(|text| text.trim() == "none");
        section.ignore(&[
            "checksum-checks",
            "checksum-validation",
            "delete-when-done",
            "delay",
            "continuous",
            "tenant-id",
            "recursive",
            "buffer-size",
        ]);
        section.finish();
        if none { Some(false) } else { checks }
    };
    let file = of("pcap-file", "checksum-checks");
    let capture = of("capture", "checksum-validation");
    file.or(capture)
}

/// Reads texts and the files they include.
struct Loader<'r> {
    sources: Vec<Source>,
    bytes: usize,
    twice: Vec<String>,
    include: &'r mut dyn FnMut(&Path) -> Result<String, String>,
}

impl Loader<'_> {
    fn parse(&mut self, path: Option<&Path>, text: &str, below: &str) -> Result<Value, ConfigError> {
        let problem = |line, message: String, hint: Option<String>| {
            ConfigError::from(ConfigProblem {
                key: String::new(),
                file: path.map(Path::to_path_buf),
                line,
                message,
                hint,
            })
        };
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > yaml::BYTES_MAX {
            return Err(problem(
                None,
                format!("the configuration is larger than {} MiB", yaml::BYTES_MAX >> 20),
                None,
            ));
        }
        let (tree, twice) = yaml::parse(text).map_err(|error| {
            let message = match error.column {
                Some(column) => format!("column {column}: {}", error.message),
                None => error.message,
            };
            problem(error.line, message, error.hint)
        })?;
        if !matches!(tree, Value::Mapping(_) | Value::Null) {
            return Err(problem(
                Some(1),
                "this is not a configuration: keys are wanted".to_owned(),
                Some("is it the right file?".to_owned()),
            ));
        }
        let prefix = |key: String| if below.is_empty() { key } else { format!("{below}.{key}") };
        self.twice.extend(twice.into_iter().map(prefix));
        self.sources.push(Source {
            path: path.map(Path::to_path_buf),
            below: below.to_owned(),
            text: text.to_owned(),
        });
        Ok(tree)
    }

    /// Replaces `include: file` by the keys of the file, at every level, and a value `!include file` by what the file holds. Keys further down win over those further up.
    fn expand(
        &mut self,
        node: &mut Value,
        path: &str,
        within: Option<&Path>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        match node {
            Value::Sequence(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.expand(item, &joined(path, &at.to_string()), within, depth)?;
                }
            }
            Value::Mapping(map) => {
                let mut out = Mapping::new();
                for (key, mut value) in std::mem::take(map) {
                    let name = scalar(&key).unwrap_or_default();
                    if name != "include" {
                        self.expand(&mut value, &joined(path, &name), within, depth)?;
                        out.insert(key, value);
                        continue;
                    }
                    for file in files_of(&value) {
                        if let Value::Mapping(included) = self.included(&file, path, within, depth)? {
                            out.extend(included);
                        }
                    }
                }
                *map = out;
            }
            Value::Tagged(tagged) if tagged.tag == "include" => {
                let mut whole = Value::Null;
                for file in files_of(&tagged.value) {
                    match (&mut whole, self.included(&file, path, within, depth)?) {
                        (Value::Mapping(all), Value::Mapping(more)) => all.extend(more),
                        (whole, included) => *whole = included,
                    }
                }
                *node = whole;
            }
            _ => {}
        }
        Ok(())
    }

    fn included(
        &mut self,
        file: &str,
        below: &str,
        within: Option<&Path>,
        depth: usize,
    ) -> Result<Value, ConfigError> {
        let problem = |message: String, hint: &str| {
            ConfigError::from(ConfigProblem {
                key: joined(below, "include"),
                file: within.map(Path::to_path_buf),
                line: None,
                message,
                hint: Some(hint.to_owned()),
            })
        };
        if self.sources.len() >= FILES_MAX || depth >= 8 {
            return Err(problem(format!("{file}: too many included files"), "does a file include itself?"));
        }
        let text = (self.include)(Path::new(file)).map_err(|why| {
            problem(format!("{file} cannot be read: {why}"), "paths are relative to the main file")
        })?;
        let mut tree = self.parse(Some(Path::new(file)), &text, below)?;
        self.expand(&mut tree, below, Some(Path::new(file)), depth + 1)?;
        Ok(tree)
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn files_of(value: &Value) -> Vec<String> {
    match value {
        Value::Sequence(items) => items.iter().filter_map(scalar).filter(|name| !name.is_empty()).collect(),
        value => scalar(value).filter(|name| !name.is_empty()).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UrgentWord;

    fn load(text: &str) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
        Config::from_text(Some(Path::new("my.yaml")), text, &[], &mut |name| {
            Err(format!("no {}", name.display()))
        })
    }

    fn good(text: &str) -> Config {
        let (config, warnings) = load(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(warnings, [], "{text}");
        config
    }

    #[test]
    fn nothing_is_the_default() {
        let (config, warnings) = Config::load(None, &[]).unwrap();
        assert_eq!(Config { flat: Vec::new(), ..config.clone() }, Config::default());
        assert_eq!(warnings, []);
        assert!(config.dump().contains("stream.memcap = 67108864\n"));
        assert!(good("%YAML 1.1\n---\n").outputs.eve.is_empty());
    }

    #[test]
    fn files_for_messages_are_found_even_if_the_rest_is_wrong() {
        let (tree, _) = yaml::parse(
            "default-log-dir: /l\nstream:\n  midstream: maybe\nlogging:\n  outputs:\n  - console:\n      enabled: yes\n  - file:\n      enabled: yes\n      level: error\n      filename: m.json\n      type: json\n  - file:\n      enabled: no\n      filename: x\n",
        )
        .unwrap_or_else(|error| panic!("{}", error.message));
        let (folder, files) = message_files(&tree);
        assert_eq!(folder.as_deref(), Some(Path::new("/l")));
        assert_eq!(files, [MessageFile { filename: "m.json".to_owned(), json: true, warnings: false }]);
        assert_eq!(message_files(&Value::Null), (None, Vec::new()));
    }

    #[test]
    fn a_value_may_be_another_file() {
        let (config, _) =
            Config::from_text(Some(Path::new("my.yaml")), "vars: !include vars.yaml\n", &[], &mut |name| {
                match name.to_str() {
                    Some("vars.yaml") => Ok("address-groups:\n  HOME_NET: 10.0.0.0/8\n".to_owned()),
                    _ => Err("no".to_owned()),
                }
            })
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.vars.addresses["HOME_NET"], "10.0.0.0/8");
    }

    #[test]
    fn sections_are_read() {
        let config = good(
            "%YAML 1.1\n---\nvars:\n  address-groups:\n    HOME_NET: \"[10.0.0.0/8,192.168.0.0/16]\"\n    EXTERNAL_NET: \"!$HOME_NET\"\n    L: [10.0.0.1, 10.0.0.2]\n  port-groups:\n    SSH_PORTS: 22\n\
rule-files:\n  - a.rules\n  - /b.rules\ndefault-rule-path: /rules\nthreshold_file: t.config\n\
stream:\n  memcap: 1gb\n  midstream: yes\n  inline: auto\n  reassembly:\n    depth: 1mb\n    urgent:\n      policy: oob\n\
flow-timeouts:\n  tcp:\n    new: 7\n    emergency-established: 8\n\
host-os-policy:\n  windows: [0.0.0.0/0]\n  linux: [10.0.0.0/8, 10.1.1.1]\n\
defrag:\n  timeout: 30\n  host-config:\n  - dmz:\n      timeout: 20\n      address: [192.168.1.0/24, \"1.1.1.0/24\"]\n\
decoder:\n  teredo:\n    ports: [3544, 1234]\n  vxlan:\n    enabled: false\n\
action-order:\n  - alert\n  - reject\n  - drop\n  - pass\npacket-alert-max: 20\nexception-policy: bypass\n\
app-layer:\n  error-policy: ignore\n  protocols:\n    rdp:\n    imap:\n      enabled: detection-only\n    http:\n      enabled: no\n      libhtp: {x: 1}\n\
pcap-file:\n  checksum-checks: no\nthreading:\n  x: 1\nlogging:\n  y: 2\n",
        );
        assert_eq!(config.vars.addresses["L"], "[10.0.0.1,10.0.0.2]");
        assert_eq!(config.vars.ports["SSH_PORTS"], "22");
        assert_eq!(config.rule_paths(), [Path::new("/rules/a.rules"), Path::new("/b.rules")]);
        assert_eq!(config.threshold_file.as_deref(), Some(Path::new("t.config")));
        assert_eq!(
            (config.stream.memcap, config.stream.midstream, config.stream.inline),
            (1 << 30, true, None)
        );
        assert_eq!(
            (config.stream.reassembly.depth, config.stream.reassembly.urgent_policy),
            (1 << 20, UrgentWord::Oob)
        );
        let tcp = config.flow_timeouts.tcp;
        assert_eq!((tcp.new, tcp.established, tcp.emergency.established), (7, 600, 8));
        let systems: Vec<&str> = config.host_os_policy.iter().map(|(_, os)| os.name()).collect();
        assert_eq!(systems, ["linux", "linux", "windows"]);
        assert_eq!((config.defrag.timeout, config.defrag.host_timeouts.len()), (30, 2));
        assert_eq!(
            (config.decoder.teredo.ports.as_str(), config.decoder.vxlan.enabled),
            ("[3544,1234]", false)
        );
        assert_eq!(
            config.action_order,
            [Action::Alert, Action::Reject(RejectKind::Source), Action::Drop, Action::Pass]
        );
        assert_eq!((config.packet_alert_max, config.checksum_checks), (20, Some(false)));
        let enabled = |name| config.protocol(name).and_then(|protocol: &ProtocolSection| protocol.enabled);
        assert_eq!(
            (enabled("rdp"), enabled("imap"), enabled("http")),
            (None, Some(Enabled::DetectionOnly), Some(Enabled::No))
        );
        assert_eq!(config.protocol("http").unwrap().settings["libhtp"]["x"], 1);
    }

    #[test]
    fn outputs_are_read() {
        let config = good(
            "outputs:\n  - fast:\n      enabled: no\n  - stats\n  - http-log:\n      enabled: no\n  - eve-log:\n      enabled: yes\n      filename: x.json\n      community-id: yes\n      community-id-seed: 7\n      types:\n        - alert:\n            payload: yes\n            payload-buffer-size: 4kb\n            metadata: no\n            http: yes\n        - anomaly:\n            types:\n              stream: yes\n        - drop:\n            flows: all\n        - files:\n            force-hash: [MD5]\n        - http:\n            extended: yes\n        - dns\n        - pgsql:\n            enabled: no\n        - flow\n  - file-store:\n      enabled: yes\n      stream-depth: 0\n",
        );
        let [eve] = config.outputs.eve.as_slice() else { panic!("{:?}", config.outputs) };
        assert_eq!((eve.file.filename.as_str(), eve.community_id, eve.pcap_file), ("x.json", Some(7), false));
        let alert = eve.types.alert.as_ref().unwrap();
        assert!(alert.payload && !alert.packet && alert.tagged_packets && !alert.metadata.flow);
        assert_eq!(
            eve.types.anomaly,
            Some(crate::config::EveAnomaly { decode: false, stream: true, applayer: true, packethdr: false })
        );
        assert_eq!(eve.types.drop.map(|drop| (drop.all_packets, drop.alerts)), Some((true, false)));
        assert_eq!(eve.types.files.as_ref().unwrap().force_hash, ["md5"]);
        assert!(eve.types.flow && !eve.types.netflow && eve.types.stats.is_none());
        let names: Vec<(&str, Option<bool>)> =
            eve.types.protocols.iter().map(|p| (p.name.as_str(), p.extended)).collect();
        assert_eq!(names, [("http", Some(true)), ("dns", None)]);
        assert!(config.outputs.fast.is_none() && config.outputs.stats.is_some());
        assert_eq!(config.outputs.file_store.as_ref().unwrap().stream_depth, Some(0));
    }

    #[test]
    fn warnings_name_key_line_and_likely_meaning() {
        let text = "stream:\n  memcap: 1mb\n  mid-stream: yes\nfoo: 1\noutputs:\n  - lua:\n      enabled: yes\n  - eve-log:\n      types:\n        - anomaly:\n            typs: 1\ndetect:\n  grouping: x\nstream_bar:\n";
        let (_, warnings) = load(text).unwrap();
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "my.yaml:6: outputs.0.lua: the output lua is not supported and writes nothing (use eve-log)",
                "my.yaml:11: outputs.1.eve-log.types.0.anomaly.typs: this key is unknown here and has no effect (did you mean outputs.1.eve-log.types.0.anomaly.types?)",
                "my.yaml:3: stream.mid-stream: this key is unknown here and has no effect (did you mean stream.midstream?)",
                "my.yaml:4: foo: this key is unknown here and has no effect",
                "my.yaml:14: stream_bar: this key is unknown here and has no effect",
            ]
        );
        let (config, warnings) =
            load("stream:\n  memcap: 1mb\n  midstream: yes\nstream:\n  inline: no\n").unwrap();
        assert_eq!((config.stream.midstream, config.stream.inline), (false, Some(false)));
        assert_eq!(warnings[0].message, "this key stands twice; the later one counts");
    }

    #[test]
    fn mistakes_are_told_at_once_with_remedies() {
        let text = "stream:\n  memcap: lots\n  midstream: maybe\nvars:\n  address-groups:\n    A: \"$B\"\n    EMPTY: \"\"\naction-order: [pass, drop]\npacket-alert-max: 0\noutputs: x\nexception-policy: drp\nhost-os-policy:\n  linux: [x]\n";
        let told = load(text).unwrap_err().to_string();
        let mut lines: Vec<&str> = told.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "my.yaml:10: outputs: outputs must be a list (write \"- eve-log:\" below it)",
                "my.yaml:11: exception-policy: \"drp\" is not an exception policy (write one of ignore, drop-packet, drop-flow, reject, pass-packet, pass-flow, bypass, auto)",
                "my.yaml:13: host-os-policy.linux: \"x\" is not an address (write 10.0.0.1, 10.0.0.0/8, 10.0.0.1-10.0.0.9 or fe80::/10)",
                "my.yaml:2: stream.memcap: \"lots\" is not a size (write bytes as 65536, 64kb, 32mb or 1gb)",
                "my.yaml:3: stream.midstream: \"maybe\" is neither yes nor no (write yes or no)",
                "my.yaml:6: vars.address-groups.A: in $A: unknown variable $B (define it in the configuration under vars.address-groups)",
                "my.yaml:7: vars.address-groups.EMPTY: the variable has no value (write any, an address or port, or a list in brackets; in quotes if it begins with ! or [)",
                "my.yaml:8: action-order: each action must stand here once (write pass, drop, reject, alert in the order you want)",
                "my.yaml:9: packet-alert-max: \"0\" is not a number that can stand here (write a number from 1 to 65535)",
            ]
        );
        assert!(load("a: [").unwrap_err().to_string().starts_with("my.yaml:"));
        assert!(load("just text").unwrap_err().to_string().contains("is it the right file?"));
        let two = "outputs:\n  - eve-log: {types: [anomaly]}\n  - eve-log: {types: [anomaly]}\n";
        assert!(load(two).unwrap_err().to_string().contains("only one 'anomaly' logger can be enabled"));
        let missing = Config::load(Some(Path::new("/nonexistent/x.yaml")), &[]).unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/x.yaml") && missing.contains("-c"), "{missing}");
    }

    #[test]
    fn overrides_win_and_are_named_in_mistakes() {
        let set = |pairs: &[(&str, &str)]| {
            let text = "stream:\n  inline: no\noutputs:\n  - fast\n  - eve-log:\n      types:\n        - alert\n        - http\n        - anomaly\n";
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            Config::from_text(None, text, &pairs, &mut |_| Err(String::new()))
        };
        let (config, warnings) = set(&[
            ("stream.inline", "true"),
            ("outputs.1.eve-log.types.2.anomaly.types.stream", "yes"),
            ("vars.address-groups.HOME_NET", "any"),
            ("reputation-files.0", "x.list"),
        ])
        .unwrap();
        assert_eq!(warnings, []);
        assert_eq!(config.stream.inline, Some(true));
        assert!(config.outputs.eve[0].types.anomaly.unwrap().stream);
        assert_eq!(config.vars.addresses["HOME_NET"], "any");
        assert_eq!(config.reputation_files, ["x.list"]);
        assert!(config.dump().contains("outputs.1.eve-log.types.2.anomaly.types.stream = yes\n"));
        let told = set(&[("stream.memcap", "x")]).unwrap_err().to_string();
        assert!(told.starts_with("--set stream.memcap: \"x\" is not a size"), "{told}");
        assert!(set(&[("outputs.9.fast", "x")]).is_err());
    }

    #[test]
    fn included_files_stand_where_they_are_named() {
        let files = |name: &Path| match name.to_str() {
            Some("a.yaml") => Ok("%YAML 1.1\n---\nHOME_NET: any\nBAD_KEY_VALUE:\n".to_owned()),
            Some("b.yaml") => Ok("stream:\n  midstream: yes\n  bad: 1\ninclude: c.yaml\n".to_owned()),
            Some("c.yaml") => Ok("flow:\n  memcap: 1\n".to_owned()),
            Some("loop.yaml") => Ok("include: [loop.yaml, loop.yaml]\n".to_owned()),
            other => Err(format!("{other:?}")),
        };
        let load =
            |text: &str| Config::from_text(Some(Path::new("m.yaml")), text, &[], &mut |name| files(name));
        let (config, warnings) = load("include:\n  - b.yaml\ndefrag: {timeout: 5}\n").unwrap();
        assert_eq!((config.stream.midstream, config.flow.memcap, config.defrag.timeout), (true, 1, 5));
        assert_eq!(
            warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["b.yaml:3: stream.bad: this key is unknown here and has no effect"]
        );
        let told = load("vars:\n  address-groups:\n    include: a.yaml\n").unwrap_err().to_string();
        assert!(told.starts_with("a.yaml:4: vars.address-groups.BAD_KEY_VALUE"), "{told}");
        assert!(load("include: loop.yaml\n").unwrap_err().to_string().contains("include itself"));
        assert!(load("include: x.yaml\n").unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn policies_follow_the_master_switch_and_the_mode() {
        use ExceptionPolicy::{Bypass, DropFlow, DropPacket, Ignore, PassFlow, Reject};
        // each row was seen in what Suricata 7.0.10 says at start-up
        for (text, inline, midstream, memcap) in [
            ("", true, DropFlow, DropFlow),
            ("", false, Ignore, Ignore),
            ("stream: {midstream: yes}", true, Ignore, DropFlow),
            ("{stream: {midstream: yes}, exception-policy: auto}", true, Ignore, DropFlow),
            ("{stream: {midstream: yes}, exception-policy: drop-flow}", true, DropFlow, DropFlow),
            ("exception-policy: drop-flow", false, Ignore, Ignore),
            ("exception-policy: bypass", true, Bypass, Bypass),
            ("exception-policy: reject", false, Reject, Reject),
            ("exception-policy: pass-packet", true, Ignore, ExceptionPolicy::PassPacket),
            ("stream: {midstream-policy: drop-flow}", false, Ignore, Ignore),
            ("stream: {midstream-policy: pass-flow, memcap-policy: ignore}", true, PassFlow, Ignore),
        ] {
            let policies = good(text).policies(inline);
            assert_eq!((policies.midstream, policies.stream_memcap), (midstream, memcap), "{text} {inline}");
        }
        assert_eq!(good("defrag: {memcap-policy: drop-flow}").policies(true).defrag_memcap, DropPacket);
        for bad in [
            "stream: {midstream-policy: drop-packet}",
            "stream: {midstream-policy: pass-packet}",
            "stream: {midstream: yes, midstream-policy: drop-flow}",
            "stream: {midstream: yes, midstream-policy: reject}",
        ] {
            assert!(load(bad).unwrap_err().to_string().contains("midstream-policy"), "{bad}");
        }
    }

    #[test]
    fn mutated_configurations_never_panic() {
        let text = "vars:\n  address-groups: {A: \"[10.0.0.0/8,!$B]\", B: 10.1.1.1}\noutputs:\n  - eve-log: {types: [alert: {metadata: {rule: {raw: yes}}}, drop, dns: }]}\nstream: {memcap: 64mb, inline: auto, reassembly: {depth: 0}}\ndefrag: {host-config: [{a: {timeout: 3, address: [1.1.1.1]}}]}\ninclude: [x]\naction-order: [pass, drop, reject, alert]\n";
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let set = [("outputs.0.eve-log.types.1.drop.flows".to_owned(), "all".to_owned())];
        let run = |text: &str| {
            let read = Config::from_text(None, text, &set, &mut |_| Ok("flow: {memcap: 1}".to_owned()));
            match read {
                Ok((config, _)) => assert!(
                    !config.dump().is_empty()
                        && config.policies(true).defrag_memcap != ExceptionPolicy::DropFlow
                ),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        };
        for cut in 0..text.len() {
            run(&text[..cut]);
            run(&text[cut..]);
        }
        for _ in 0..3000 {
            let mut mutant = text.as_bytes().to_vec();
            for _ in 0..=random(3) {
                let at = random(mutant.len());
                mutant[at] = b"[]{}:,-\"\n x0!$/."[random(16)];
            }
            run(&String::from_utf8_lossy(&mutant));
        }
    }
}
