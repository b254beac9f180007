//! Single messages (OASIS MQTT 3.1.1 and 5.0, chapters 2 and 3).

/// Properties that are kept of one message.
pub(super) const PROPERTIES_MAX: usize = 256;

/// Topics that are kept of one message.
pub(super) const TOPICS_MAX: usize = 1024;

/// Kinds of messages, by number.
pub(super) mod kind {
    pub(in super::super) const CONNECT: u8 = 1;
    pub(in super::super) const CONNACK: u8 = 2;
    pub(in super::super) const PUBLISH: u8 = 3;
    pub(in super::super) const PUBACK: u8 = 4;
    pub(in super::super) const PUBREC: u8 = 5;
    pub(in super::super) const PUBREL: u8 = 6;
    pub(in super::super) const PUBCOMP: u8 = 7;
    pub(in super::super) const SUBSCRIBE: u8 = 8;
    pub(in super::super) const SUBACK: u8 = 9;
    pub(in super::super) const UNSUBSCRIBE: u8 = 10;
    pub(in super::super) const UNSUBACK: u8 = 11;
    pub(in super::super) const PINGREQ: u8 = 12;
    pub(in super::super) const PINGRESP: u8 = 13;
    pub(in super::super) const DISCONNECT: u8 = 14;
    pub(in super::super) const AUTH: u8 = 15;
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    /// Low four bits of the first byte.
    pub(super) flags: u8,
    /// Bytes behind the header.
    pub(super) len: usize,
    /// Bytes of the header.
    pub(super) head: usize,
}

impl Header {
    /// `Ok(None)` when it is not whole.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        Ok(variable(rest)?.map(|(len, taken)| Header {
            kind: first >> 4,
            flags: first & 15,
            len: len as usize,
            head: 1 + taken,
        }))
    }

    /// Quality of service.
    pub(super) fn qos(self) -> u8 {
        self.flags >> 1 & 3
    }
}

/// A variable byte integer and how many bytes it takes; `Ok(None)` when it is not whole.
fn variable(bytes: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        number |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((number, at + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Malformed) }
}

/// What a property is, by EVE's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Property {
    Number(&'static str, u32),
    Text(&'static str, Vec<u8>),
    /// The user's own.
    Pair(Vec<u8>, Vec<u8>),
}

pub(super) type Properties = Vec<Property>;

/// What CONNECT says.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) name: Vec<u8>,
    pub(super) version: u8,
    pub(super) flags: u8,
    pub(super) client: Vec<u8>,
    /// Topic, message, properties.
    pub(super) will: Option<(Vec<u8>, Vec<u8>, Properties)>,
    pub(super) username: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) properties: Properties,
}

/// What is behind the fixed header.
#[derive(Debug)]
pub(super) enum Body {
    Connect(Box<Connect>),
    Connack {
        present: bool,
        code: u8,
        properties: Properties,
    },
    Publish {
        topic: Vec<u8>,
        id: Option<u16>,
        message: Vec<u8>,
        properties: Properties,
    },
    /// PUBACK, PUBREC, PUBREL, PUBCOMP
    Acknowledge {
        id: u16,
        code: Option<u8>,
        properties: Properties,
    },
    Subscribe {
        id: u16,
        topics: Vec<(Vec<u8>, u8)>,
        properties: Properties,
    },
    Suback {
        id: u16,
        codes: Vec<u8>,
    },
    Unsubscribe {
        id: u16,
        topics: Vec<Vec<u8>>,
        properties: Properties,
    },
    Unsuback {
        id: u16,
        codes: Option<Vec<u8>>,
    },
    /// PINGREQ, PINGRESP
    Ping,
    /// DISCONNECT, AUTH
    Reason {
        code: Option<u8>,
        properties: Properties,
    },
    /// Longer than what is read: its length, header included.
    Skipped(usize),
}

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) body: Body,
}

impl Message {
    pub(super) fn qos(&self) -> u8 {
        self.flags >> 1 & 3
    }

    /// Reads what is behind the header; `version` is the flow's.
    pub(super) fn read(header: Header, bytes: &[u8], version: u8) -> Result<Message, Malformed> {
        let five = version == 5;
        let mut reader = Reader(bytes);
        let body = match header.kind {
            kind::CONNECT => Body::Connect(Box::new(reader.connect()?)),
            kind::CONNACK => {
                let present = reader.byte()? & 1 != 0;
                let code = reader.byte()?;
                Body::Connack { present, code, properties: reader.properties_if(five)? }
            }
            kind::PUBLISH => {
                let topic = reader.text()?.to_vec();
                let id = if header.qos() > 0 { Some(reader.word()?) } else { None };
                let properties = reader.properties_if(five)?;
                Body::Publish { topic, id, message: reader.0.to_vec(), properties }
            }
            kind::PUBACK | kind::PUBREC | kind::PUBREL | kind::PUBCOMP => {
                let id = reader.word()?;
                // what is left out is success
                let code = if !five {
                    None
                } else if reader.0.is_empty() {
                    Some(0)
                } else {
                    Some(reader.byte()?)
                };
                let properties = reader.properties_if(five && !reader.0.is_empty())?;
                Body::Acknowledge { id, code, properties }
            }
            kind::SUBSCRIBE => {
                let id = reader.word()?;
                let properties = reader.properties_if(five)?;
                let mut topics = Vec::new();
                while !reader.0.is_empty() || topics.is_empty() {
                    let topic = reader.text()?;
                    let qos = reader.byte()? & 3;
                    if topics.len() < TOPICS_MAX {
                        topics.push((topic.to_vec(), qos));
                    }
                }
                Body::Subscribe { id, topics, properties }
            }
            kind::SUBACK => {
                let id = reader.word()?;
                reader.properties_if(five)?;
                Body::Suback { id, codes: reader.codes()? }
            }
            kind::UNSUBSCRIBE => {
                let id = reader.word()?;
                let properties = reader.properties_if(five)?;
                let mut topics = Vec::new();
                while !reader.0.is_empty() || topics.is_empty() {
                    let topic = reader.text()?;
                    if topics.len() < TOPICS_MAX {
                        topics.push(topic.to_vec());
                    }
                }
                Body::Unsubscribe { id, topics, properties }
            }
            kind::UNSUBACK => {
                let id = reader.word()?;
                reader.properties_if(five)?;
                Body::Unsuback { id, codes: if five { Some(reader.codes()?) } else { None } }
            }
            kind::PINGREQ | kind::PINGRESP => Body::Ping,
            kind::DISCONNECT | kind::AUTH => {
                let code = if header.kind == kind::AUTH && !five {
                    Some(reader.byte()?)
                } else if !five {
                    None
                } else if reader.0.is_empty() || (header.kind == kind::DISCONNECT && reader.0.len() == 1) {
                    // a reason without the length of properties: the reference engine does not take it
                    reader.0 = &[];
                    Some(0)
                } else {
                    Some(reader.byte()?)
                };
                let properties = reader.properties_if(five && !reader.0.is_empty())?;
                Body::Reason { code, properties }
            }
            _ => return Err(Malformed),
        };
        Ok(Message { kind: header.kind, flags: header.flags, body })
    }

    /// Memory held beside itself, bytes, roughly.
    pub(super) fn memory(&self) -> usize {
        let properties = |list: &Properties| list.iter().map(Property::memory).sum::<usize>();
        match &self.body {
            Body::Connect(connect) => {
                let will = connect
                    .will
                    .as_ref()
                    .map_or(0, |(topic, message, list)| topic.len() + message.len() + properties(list));
                size_of::<Connect>()
                    + connect.name.len()
                    + connect.client.len()
                    + connect.username.as_ref().map_or(0, Vec::len)
                    + connect.password.as_ref().map_or(0, Vec::len)
                    + will
                    + properties(&connect.properties)
            }
            Body::Connack { properties: list, .. }
            | Body::Acknowledge { properties: list, .. }
            | Body::Reason { properties: list, .. } => properties(list),
            Body::Publish { topic, message, properties: list, .. } => {
                topic.len() + message.len() + properties(list)
            }
            Body::Subscribe { topics, properties: list, .. } => {
                topics.iter().map(|(topic, _)| 32 + topic.len()).sum::<usize>() + properties(list)
            }
            Body::Unsubscribe { topics, properties: list, .. } => {
                topics.iter().map(|topic| 24 + topic.len()).sum::<usize>() + properties(list)
            }
            Body::Suback { codes, .. } => codes.len(),
            Body::Unsuback { codes, .. } => codes.as_ref().map_or(0, Vec::len),
            Body::Ping | Body::Skipped(_) => 0,
        }
    }
}

impl Property {
    fn memory(&self) -> usize {
        size_of::<Property>()
            + match self {
                Property::Number(..) => 0,
                Property::Text(_, text) => text.len(),
                Property::Pair(name, value) => name.len() + value.len(),
            }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed)
    }

    fn word(&mut self) -> Result<u16, Malformed> {
        self.take(2)?.try_into().map(u16::from_be_bytes).map_err(|_| Malformed)
    }

    fn long(&mut self) -> Result<u32, Malformed> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Malformed)
    }

    fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.word()?;
        self.take(len.into())
    }

    fn variable(&mut self) -> Result<u32, Malformed> {
        let (number, taken) = variable(self.0)?.ok_or(Malformed)?;
        self.take(taken)?;
        Ok(number)
    }

    /// Everything that is left, of which there must be something.
    fn codes(&mut self) -> Result<Vec<u8>, Malformed> {
        if self.0.is_empty() {
            return Err(Malformed);
        }
        let codes = std::mem::take(&mut self.0);
        Ok(codes.iter().take(TOPICS_MAX).copied().collect())
    }

    fn properties_if(&mut self, wanted: bool) -> Result<Properties, Malformed> {
        let mut properties = Vec::new();
        if !wanted {
            return Ok(properties);
        }
        let len = self.variable()?;
        let mut inner = Reader(self.take(len as usize)?);
        while !inner.0.is_empty() {
            let property = inner.property()?;
            if properties.len() < PROPERTIES_MAX {
                properties.push(property);
            }
        }
        Ok(properties)
    }

    /// MQTT 5.0 section 2.2.2.2.
    fn property(&mut self) -> Result<Property, Malformed> {
        use Property::{Number, Pair, Text};
        Ok(match self.variable()? {
            0x01 => Number("payload_format_indicator", self.byte()?.into()),
            0x02 => Number("message_expiry_interval", self.long()?),
            0x03 => Text("content_type", self.text()?.to_vec()),
            0x08 => Text("response_topic", self.text()?.to_vec()),
            0x09 => Text("correlation_data", self.text()?.to_vec()),
            0x0b => Number("subscription_identifier", self.variable()?),
            0x11 => Number("session_expiry_interval", self.long()?),
            0x12 => Text("assigned_client_identifier", self.text()?.to_vec()),
            0x13 => Number("server_keep_alive", self.word()?.into()),
            0x15 => Text("authentication_method", self.text()?.to_vec()),
            0x16 => Text("authentication_data", self.text()?.to_vec()),
            0x17 => Number("request_problem_information", self.byte()?.into()),
            0x18 => Number("will_delay_interval", self.long()?),
            0x19 => Number("request_response_information", self.byte()?.into()),
            0x1a => Text("response_information", self.text()?.to_vec()),
            0x1c => Text("server_reference", self.text()?.to_vec()),
            0x1f => Text("reason_string", self.text()?.to_vec()),
            0x21 => Number("receive_maximum", self.word()?.into()),
            0x22 => Number("topic_alias_maximum", self.word()?.into()),
            0x23 => Number("topic_alias", self.word()?.into()),
            0x24 => Number("maximum_qos", self.byte()?.into()),
            0x25 => Number("retain_available", self.byte()?.into()),
            0x26 => Pair(self.text()?.to_vec(), self.text()?.to_vec()),
            0x27 => Number("maximum_packet_size", self.long()?),
            0x28 => Number("wildcard_subscription_available", self.byte()?.into()),
            0x29 => Number("subscription_identifier_available", self.byte()?.into()),
            0x2a => Number("shared_subscription_available", self.byte()?.into()),
            _ => return Err(Malformed),
        })
    }

    fn connect(&mut self) -> Result<Connect, Malformed> {
        let name = self.text()?.to_vec();
        let version = self.byte()?;
        let flags = self.byte()?;
        let _keep_alive = self.word()?;
        let properties = self.properties_if(version == 5)?;
        let client = self.text()?.to_vec();
        let will = if flags & 0x04 != 0 {
            let properties = self.properties_if(version == 5)?;
            Some((self.text()?.to_vec(), self.text()?.to_vec(), properties))
        } else {
            None
        };
        let username = if flags & 0x80 != 0 { Some(self.text()?.to_vec()) } else { None };
        let password = if flags & 0x40 != 0 { Some(self.text()?.to_vec()) } else { None };
        Ok(Connect { name, version, flags, client, will, username, password, properties })
    }
}
