//! The rule keywords of Kafka, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, asked, asked_each, buffer, number};

/// What may be asked (Kafka documentation, "Api Keys").
pub(super) const API_KEYS: &[(&str, u64)] = &[
    ("produce", 0),
    ("fetch", 1),
    ("list_offsets", 2),
    ("metadata", 3),
    ("offset_commit", 8),
    ("offset_fetch", 9),
    ("find_coordinator", 10),
    ("join_group", 11),
    ("heartbeat", 12),
    ("leave_group", 13),
    ("sync_group", 14),
    ("describe_groups", 15),
    ("list_groups", 16),
    ("sasl_handshake", 17),
    ("api_versions", 18),
    ("create_topics", 19),
    ("delete_topics", 20),
    ("delete_records", 21),
    ("init_producer_id", 22),
    ("add_partitions_to_txn", 24),
    ("add_offsets_to_txn", 25),
    ("end_txn", 26),
    ("txn_offset_commit", 28),
    ("describe_acls", 29),
    ("create_acls", 30),
    ("delete_acls", 31),
    ("describe_configs", 32),
    ("alter_configs", 33),
    ("describe_log_dirs", 35),
    ("sasl_authenticate", 36),
    ("create_partitions", 37),
    ("create_delegation_token", 38),
    ("delete_groups", 42),
    ("elect_leaders", 43),
    ("incremental_alter_configs", 44),
    ("alter_partition_reassignments", 45),
    ("list_partition_reassignments", 46),
    ("offset_delete", 47),
    ("describe_client_quotas", 48),
    ("alter_client_quotas", 49),
    ("describe_user_scram_credentials", 50),
    ("alter_user_scram_credentials", 51),
    ("describe_cluster", 60),
    ("describe_producers", 61),
    ("describe_transactions", 65),
    ("list_transactions", 66),
    ("consumer_group_heartbeat", 68),
    ("consumer_group_describe", 69),
    ("get_telemetry_subscriptions", 71),
    ("push_telemetry", 72),
    ("describe_topic_partitions", 75),
];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("kafka.client_id", "what the client says that it is", &[asked(CLIENT_ID)]),
    buffer("kafka.topic", "each topic that the request names", &[asked_each(TOPIC)]),
    buffer("kafka.group", "the group that the client is part of", &[asked(GROUP)]),
    buffer("kafka.user", "the name that a client signs in with (SASL PLAIN)", &[asked(USER)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number(
        "kafka.api_key",
        "what is asked, by number or name (produce, delete_topics)",
        &[asked(API_KEY)],
        API_KEYS,
    ),
    number("kafka.api_version", "the version of what is asked", &[asked(API_VERSION)], &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "kafka",
    beside: &[],
    request: &[
        Field("api", API_KEY, Shape::Word(API_KEYS)),
        Field("version", API_VERSION, Shape::Number),
        Field("client_id", CLIENT_ID, Shape::Text),
        Field("topics", TOPIC, Shape::List),
        Field("group", GROUP, Shape::Text),
        Field("mechanism", MECHANISM, Shape::Text),
        Field("user", USER, Shape::Text),
    ],
    response: &[Field("size", ANSWER_SIZE, Shape::Number)],
};
