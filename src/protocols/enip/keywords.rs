//! The rule keywords of EtherNet/IP, and its record.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::protocols::exchange::{Field, Format, Shape, buffer};
use crate::types::Direction;

/// Commands, section 2-3.2.
pub(super) const COMMANDS: &[(&str, u64)] = &[
    ("nop", 0),
    ("list_services", 0x04),
    ("list_identity", 0x63),
    ("list_interfaces", 0x64),
    ("register_session", 0x65),
    ("unregister_session", 0x66),
    ("send_rr_data", 0x6f),
    ("send_unit_data", 0x70),
    ("indicate_status", 0x72),
    ("cancel", 0x73),
];

/// Status of the header, section 2-3.5.
pub(super) const STATUSES: &[(&str, u64)] = &[
    ("success", 0),
    ("invalid_cmd", 1),
    ("no_resources", 2),
    ("incorrect_data", 3),
    ("invalid_session", 0x64),
    ("invalid_length", 0x65),
    ("unsupported_prot_rev", 0x69),
    ("encap_header_error", 0x6a),
];

/// Services that many classes have (volume 1, appendix A), and those of connections and tags.
const SERVICES: &[(&str, u64)] = &[
    ("get_attributes_all", 1),
    ("set_attributes_all", 2),
    ("get_attribute_list", 3),
    ("set_attribute_list", 4),
    ("reset", 5),
    ("start", 6),
    ("stop", 7),
    ("create", 8),
    ("delete", 9),
    ("multiple_service", 0x0a),
    ("apply_attributes", 0x0d),
    ("get_attribute_single", 0x0e),
    ("set_attribute_single", 0x10),
    ("find_next_object_instance", 0x11),
    ("restore", 0x15),
    ("save", 0x16),
    ("no_operation", 0x17),
    ("get_member", 0x18),
    ("set_member", 0x19),
    ("insert_member", 0x1a),
    ("remove_member", 0x1b),
    ("read_tag", 0x4c),
    ("write_tag", 0x4d),
    ("forward_close", 0x4e),
    ("unconnected_send", 0x52),
    ("write_tag_fragmented", 0x53),
    ("forward_open", 0x54),
    ("large_forward_open", 0x5b),
];

const fn places(slot: Slot) -> [Place; 2] {
    [
        Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Multi },
        Place { dir: Direction::ToClient, slot, progress: DONE, kind: Kind::Multi },
    ]
}

const fn number(
    name: &'static str,
    aliases: &'static [&'static str],
    help: &'static str,
    places: &'static [Place],
    names: &'static [(&'static str, u64)],
) -> NumberSpec {
    NumberSpec { name, aliases, help, places, names }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("enip.product_name", "the product's name in an identity", &places(PRODUCT_NAME)),
    buffer("enip.service_name", "each service that is listed", &places(SERVICE_NAME)),
];

/// Numbers, of messages of either side.
pub static NUMBERS: &[NumberSpec] = &[
    number(
        "enip_command",
        &["enip.command"],
        "the command of the header, by number or name",
        &places(COMMAND),
        COMMANDS,
    ),
    number("enip.status", &[], "the status of the header, by number or name", &places(STATUS), STATUSES),
    number(
        "enip.protocol_version",
        &[],
        "the version of the protocol of a session, an identity or a listed service",
        &places(PROTOCOL_VERSION),
        &[],
    ),
    number("enip.capabilities", &[], "what a listed service can do, as bits", &places(CAPABILITIES), &[]),
    number("enip.vendor_id", &[], "the vendor in an identity", &places(VENDOR), &[]),
    number("enip.device_type", &[], "the type of device in an identity", &places(DEVICE_TYPE), &[]),
    number("enip.product_code", &[], "the product's code in an identity", &places(PRODUCT_CODE), &[]),
    number(
        "enip.revision",
        &[],
        "the revision in an identity, the major number in the upper byte",
        &places(REVISION),
        &[],
    ),
    number("enip.identity_status", &[], "the status in an identity", &places(IDENTITY_STATUS), &[]),
    number("enip.serial", &[], "the serial number in an identity", &places(SERIAL), &[]),
    number("enip.state", &[], "the state in an identity", &places(STATE), &[]),
    number("enip.cip_class", &[], "each class that a CIP request names", &places(CLASS), &[]),
    number("enip.cip_instance", &[], "each instance that a CIP request names", &places(INSTANCE), &[]),
    number("enip.cip_attribute", &[], "each attribute that a CIP request names", &places(ATTRIBUTE), &[]),
    number("enip.cip_status", &[], "the status of each CIP answer", &places(CIP_STATUS), &[]),
    number(
        "enip.cip_extendedstatus",
        &[],
        "each word of extended status of CIP answers",
        &places(EXTENDED_STATUS),
        &[],
    ),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "enip",
    beside: &[],
    request: &[
        Field("command", SHOWN_COMMAND, Shape::Word(COMMANDS)),
        Field("status", SHOWN_STATUS, Shape::Word(STATUSES)),
        Field("session", SESSION, Shape::Number),
        Field(
            "cip",
            SHOWN_SERVICE,
            Shape::Object(&[
                Field("services", SHOWN_SERVICE, Shape::Words(SERVICES)),
                Field("classes", CLASS, Shape::Words(&[])),
                Field("instances", INSTANCE, Shape::Words(&[])),
                Field("attributes", ATTRIBUTE, Shape::Words(&[])),
            ]),
        ),
    ],
    response: &[
        Field("command", ANSWERED_COMMAND, Shape::Word(COMMANDS)),
        Field("status", ANSWERED_STATUS, Shape::Word(STATUSES)),
        Field("session", ANSWERED_SESSION, Shape::Number),
        Field(
            "identity",
            PRODUCT_NAME,
            Shape::Object(&[
                Field("product_name", PRODUCT_NAME, Shape::Text),
                Field("vendor_id", VENDOR, Shape::Number),
                Field("device_type", DEVICE_TYPE, Shape::Number),
                Field("product_code", PRODUCT_CODE, Shape::Number),
                Field("revision", REVISION, Shape::Number),
                Field("status", IDENTITY_STATUS, Shape::Number),
                Field("serial", SERIAL, Shape::Number),
                Field("state", STATE, Shape::Number),
            ]),
        ),
        Field("services", SERVICE_NAME, Shape::List),
        Field(
            "cip",
            ANSWERED_SERVICE,
            Shape::Object(&[
                Field("services", ANSWERED_SERVICE, Shape::Words(SERVICES)),
                Field("status", CIP_STATUS, Shape::Words(&[])),
                Field("extended_status", EXTENDED_STATUS, Shape::Words(&[])),
            ]),
        ),
    ],
};
