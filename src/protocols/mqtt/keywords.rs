//! The rule keywords of MQTT.

use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::rules::value::split_commas;
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, kind: Kind) -> Place {
    Place { dir, slot, progress: DONE, kind }
}

const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer(
        "mqtt.connect.protocol_string",
        "the name of the protocol",
        &[place(S, PROTOCOL_STRING, Kind::Bytes)],
    ),
    buffer("mqtt.connect.clientid", "the identifier of the client", &[place(S, CLIENT_ID, Kind::Bytes)]),
    buffer("mqtt.connect.username", "the user name", &[place(S, USERNAME, Kind::Bytes)]),
    buffer("mqtt.connect.password", "the password", &[place(S, PASSWORD, Kind::Bytes)]),
    buffer("mqtt.connect.willtopic", "the topic of the will", &[place(S, WILL_TOPIC, Kind::Bytes)]),
    buffer("mqtt.connect.willmessage", "the message of the will", &[place(S, WILL_MESSAGE, Kind::Bytes)]),
    buffer(
        "mqtt.publish.topic",
        "the topic that is published to",
        &[place(S, PUBLISH_TOPIC, Kind::Bytes), place(C, PUBLISH_TOPIC, Kind::Bytes)],
    ),
    buffer(
        "mqtt.publish.message",
        "the message that is published",
        &[place(S, PUBLISH_MESSAGE, Kind::Bytes), place(C, PUBLISH_MESSAGE, Kind::Bytes)],
    ),
    buffer("mqtt.subscribe.topic", "each topic subscribed to", &[place(S, SUBSCRIBE_TOPIC, Kind::Multi)]),
    buffer(
        "mqtt.unsubscribe.topic",
        "each topic unsubscribed from",
        &[place(S, UNSUBSCRIBE_TOPIC, Kind::Multi)],
    ),
];

/// Numbers. Some are those of exchanges that the client began alone, as in the reference engine.
pub static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "mqtt.type",
        aliases: &[],
        help: "the kind of a message of the exchange",
        places: &[place(S, TYPE, Kind::Multi), place(C, TYPE, Kind::Multi)],
        names: &[
            ("UNASSIGNED", 0),
            ("CONNECT", 1),
            ("CONNACK", 2),
            ("PUBLISH", 3),
            ("PUBACK", 4),
            ("PUBREC", 5),
            ("PUBREL", 6),
            ("PUBCOMP", 7),
            ("SUBSCRIBE", 8),
            ("SUBACK", 9),
            ("UNSUBSCRIBE", 10),
            ("UNSUBACK", 11),
            ("PINGREQ", 12),
            ("PINGRESP", 13),
            ("DISCONNECT", 14),
            ("AUTH", 15),
        ],
    },
    NumberSpec {
        name: "mqtt.qos",
        aliases: &[],
        help: "the quality of service of a message",
        places: &[place(S, QOS, Kind::Multi)],
        names: &[],
    },
    NumberSpec {
        name: "mqtt.protocol_version",
        aliases: &[],
        help: "the version that the client named",
        places: &[place(S, PROTOCOL_VERSION, Kind::Bytes)],
        names: &[],
    },
    NumberSpec {
        name: "mqtt.reason_code",
        aliases: &["mqtt.connack.return_code"],
        help: "a reason code, or the return code of CONNACK",
        places: &[place(S, REASON_CODE, Kind::Multi), place(C, REASON_CODE, Kind::Multi)],
        names: &[],
    },
    NumberSpec {
        name: "mqtt.connack.session_present",
        aliases: &[],
        help: "yes when the server had a session of the client",
        places: &[place(C, SESSION_PRESENT, Kind::Bytes)],
        names: &[("yes", 1), ("true", 1), ("no", 0), ("false", 0)],
    },
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[
    &Flags {
        name: "mqtt.flags",
        help: "flags of a message: dup, retain",
        slot: FLAGS,
        names: &[("dup", 0x08), ("retain", 0x01)],
    },
    &Flags {
        name: "mqtt.connect.flags",
        help: "flags of CONNECT: username, password, will, will_retain, clean_session",
        slot: CONNECT_FLAGS,
        names: &[
            ("username", 0x80),
            ("password", 0x40),
            ("will_retain", 0x20),
            ("will", 0x04),
            ("clean_session", 0x02),
        ],
    },
];

/// `mqtt.flags:dup,!retain`
struct Flags {
    name: &'static str,
    help: &'static str,
    slot: Slot,
    names: &'static [(&'static str, u64)],
}

impl Keyword for Flags {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), format!("{} needs a flag", self.name)));
        };
        let mut test = FlagsTest { slot: self.slot, set: 0, clear: 0 };
        for part in split_commas(value)? {
            let text = part.node.trim();
            let (not, name) = text.strip_prefix('!').map_or((false, text), |name| (true, name.trim()));
            let Some((_, bit)) = self.names.iter().find(|(known, _)| *known == name) else {
                let names: Vec<&str> = self.names.iter().map(|(name, _)| *name).collect();
                return Err(part.error(format!("unknown flag '{name}'")).hint(names.join(", ")));
            };
            *(if not { &mut test.clear } else { &mut test.set }) |= bit;
        }
        rule.tx_tests.push(Box::new(test));
        if let (Some(id), RuleProtocol::Tcp | RuleProtocol::Ip(_)) =
            (rule.registry.protocol_named("mqtt"), rule.protocol)
        {
            rule.protocol = RuleProtocol::App(id);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FlagsTest {
    slot: Slot,
    set: u64,
    clear: u64,
}

impl TxTest for FlagsTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        let mut flags = (0..).map_while(|nth| tx.number(self.slot, nth));
        dir == S && flags.any(|flags| flags & self.set == self.set && flags & self.clear == 0)
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == S).then_some(DONE)
    }
}
