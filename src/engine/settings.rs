//! What the engine is told: the sections of the configuration, each in the words of its stage.

use std::sync::Arc;

use crate::decode::DecodeConfig;
use crate::detect::DetectConfig;
use crate::flow::FlowConfig;
use crate::output::FileStore;
use crate::stream::StreamConfig;
use crate::verdict::ExceptionPolicy;

/// Bytes that a worker may take for what it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TCP sessions.
    pub stream: u64,
    /// What is put together of them.
    pub reassembly: u64,
    /// Flows.
    pub flow: u64,
    /// Fragments.
    pub defrag: u64,
}

impl EngineConfig {
    /// The limits to begin with.
    pub fn limits(&self) -> Limits {
        Limits {
            stream: self.stream.memcap,
            reassembly: self.stream.reassembly_memcap,
            flow: self.flow.memcap,
            defrag: self.decode.defrag.memcap as u64,
        }
    }
}

/// Everything a worker needs to know beside the rules.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// Packets.
    pub decode: DecodeConfig,
    /// Flows.
    pub flow: FlowConfig,
    /// TCP.
    pub stream: StreamConfig,
    /// Rules.
    pub detect: DetectConfig,
    /// Checksums count until the first frames of a capture show that nobody computed them.
    pub checksums_auto: bool,
    /// We stand in the way of packets: what rules drop is dropped.
    pub inline: bool,
    /// What happens to a flow whose protocol parser fails.
    pub app_error_policy: ExceptionPolicy,
    /// What is recorded.
    pub records: RecordConfig,
    /// Rules are measured (`--profile`).
    pub profile: bool,
    /// Who is rejected is told so: answers are made ([`super::Worker::replies`]).
    pub replies: bool,
    /// Traffic is live: of a direction that is not reassembled any more nothing is waited for.
    pub live: bool,
    /// `stream.reassembly.depth` is for streams of which no protocol is known; the others are read to their end.
    pub depth_for_unknown: bool,
    /// Nothing is really dropped: records say so.
    pub dry_run: bool,
    /// Where files are stored.
    pub file_store: Option<FileStoreConfig>,
}

/// How files are stored.
#[derive(Clone, Debug)]
pub struct FileStoreConfig {
    /// Every file, not only those that rules name.
    pub force: bool,
    /// Bytes of a stream that files are taken from, where that is more than for other streams; 0 is no limit.
    pub depth: Option<u64>,
    /// The folder.
    pub store: Arc<FileStore>,
}

/// Which EVE records are written, and with what in them.
#[derive(Clone, Debug, Default)]
pub struct RecordConfig {
    /// Alerts.
    pub alert: Option<AlertFields>,
    /// Anomalies of the decoder, the stream and protocols.
    pub anomaly: Option<AnomalyTypes>,
    /// Drops: `Some(true)` every packet, `Some(false)` the first of each flow.
    pub drop: Option<bool>,
    /// Alerts within drop records.
    pub drop_alerts: bool,
    /// Flows at their end.
    pub flow: bool,
    /// The same, each direction by itself.
    pub netflow: bool,
    /// Frames.
    pub frames: bool,
    /// Files.
    pub files: bool,
    /// Files that rules name are stored.
    pub stores: bool,
    /// Counters at the end.
    pub stats: bool,
    /// Transactions of these protocols.
    pub transactions: Vec<String>,
    /// `community_id` with this seed.
    pub community_id: Option<u16>,
    /// Flow bits in records.
    pub metadata: bool,
    /// Link addresses in records of packets.
    pub ethernet: bool,
}

impl RecordConfig {
    /// What is recorded when no configuration says: everything but anomalies of the decoder and the stream.
    pub fn everything() -> Self {
        RecordConfig {
            alert: Some(AlertFields {
                app_layer: true,
                flow: true,
                rule_metadata: true,
                ..AlertFields::default()
            }),
            anomaly: Some(AnomalyTypes { app_layer: true, ..AnomalyTypes::default() }),
            drop: Some(false),
            drop_alerts: true,
            flow: true,
            netflow: false,
            frames: false,
            files: true,
            stores: false,
            stats: true,
            transactions: crate::protocols::ALL
                .iter()
                .map(|entry| entry.protocol.logger().to_owned())
                .collect(),
            community_id: None,
            metadata: true,
            ethernet: false,
        }
    }
}

/// What alerts hold beside the rule and the ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertFields {
    /// `payload`, base64.
    pub payload: bool,
    /// `payload_printable`
    pub payload_printable: bool,
    /// Bytes of either.
    pub payload_max: usize,
    /// `packet`, base64.
    pub packet: bool,
    /// The transaction.
    pub app_layer: bool,
    /// The flow.
    pub flow: bool,
    /// The rule's metadata.
    pub rule_metadata: bool,
    /// The rule's references.
    pub references: bool,
    /// The rule as written.
    pub rule_text: bool,
    /// What became of the packet.
    pub verdict: bool,
    /// Tagged packets.
    pub tagged: bool,
}

/// Which anomalies are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnomalyTypes {
    /// Of the decoder.
    pub decode: bool,
    /// Of the stream.
    pub stream: bool,
    /// Of protocols.
    pub app_layer: bool,
}
