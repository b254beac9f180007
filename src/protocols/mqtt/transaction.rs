//! An MQTT transaction: a message and those that acknowledge it.

use smallvec::SmallVec;

use super::message::{Body, Message, kind};
use super::{Options, log, slots};
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Messages of one exchange that are kept; whoever repeats PUBREC adds nothing.
const MESSAGES_MAX: usize = 8;

/// An exchange.
#[derive(Debug)]
pub(super) struct MqttTx {
    pub(super) id: u64,
    dir: Direction,
    version: u8,
    pub(super) options: Options,
    pub(super) messages: SmallVec<[Message; 1]>,
    done: bool,
    events: Vec<(Direction, &'static str)>,
}

impl MqttTx {
    /// Begun in that direction.
    pub(super) fn new(id: u64, dir: Direction, version: u8, options: Options) -> Self {
        let (messages, events) = (SmallVec::new(), Vec::new());
        MqttTx { id, dir, version, options, messages, done: false, events }
    }

    pub(super) fn add(&mut self, message: Message) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(message);
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        self.done = true;
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        self.events.push((dir, name));
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.messages.capacity() * size_of::<Message>()
            + self.messages.iter().map(Message::memory).sum::<usize>()
    }
}

/// The reason codes of a message.
fn codes(body: &Body) -> Option<&[u8]> {
    match body {
        Body::Connack { code, .. } => Some(std::slice::from_ref(code)),
        Body::Acknowledge { code, .. } | Body::Reason { code, .. } => code.as_ref().map(std::slice::from_ref),
        Body::Suback { codes, .. } => Some(codes),
        Body::Unsuback { codes, .. } => codes.as_deref(),
        _ => None,
    }
}

impl Transaction for MqttTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        if self.done { DONE } else { 1 }
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let [subscribe_max, unsubscribe_max] = self.options.topics_max;
        let first = &self.messages.first()?.body;
        match (first, slot) {
            (Body::Subscribe { topics, .. }, slots::SUBSCRIBE_TOPIC) if nth < subscribe_max => {
                topics.get(nth).map(|(topic, _)| &topic[..])
            }
            (Body::Unsubscribe { topics, .. }, slots::UNSUBSCRIBE_TOPIC) if nth < unsubscribe_max => {
                topics.get(nth).map(|topic| &topic[..])
            }
            _ if nth > 0 => None,
            (Body::Connect(connect), slots::PROTOCOL_STRING) => Some(&connect.name),
            (Body::Connect(connect), slots::CLIENT_ID) => Some(&connect.client),
            (Body::Connect(connect), slots::USERNAME) => connect.username.as_deref(),
            (Body::Connect(connect), slots::PASSWORD) => connect.password.as_deref(),
            (Body::Connect(connect), slots::WILL_TOPIC) => {
                connect.will.as_ref().map(|(topic, ..)| &topic[..])
            }
            (Body::Connect(connect), slots::WILL_MESSAGE) => {
                connect.will.as_ref().map(|(_, message, _)| &message[..])
            }
            (Body::Publish { topic, .. }, slots::PUBLISH_TOPIC) => Some(topic),
            (Body::Publish { message, .. }, slots::PUBLISH_MESSAGE) => Some(message),
            _ => None,
        }
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        if !self.done {
            return None;
        }
        let message = || self.messages.get(nth);
        match slot {
            slots::TYPE => Some(message()?.kind.into()),
            slots::FLAGS => Some(message()?.flags.into()),
            slots::QOS => Some(message()?.qos().into()),
            slots::PROTOCOL_VERSION if nth == 0 => {
                Some(match &self.messages.first().map(|first| &first.body) {
                    Some(Body::Connect(connect)) => connect.version.into(),
                    _ => self.version.into(),
                })
            }
            slots::REASON_CODE => {
                let codes = self.messages.iter().find_map(|message| codes(&message.body))?;
                codes.get(nth).map(|code| (*code).into())
            }
            slots::SESSION_PRESENT if nth == 0 => {
                self.messages.iter().find_map(|message| match message.body {
                    Body::Connack { present, .. } => Some(present.into()),
                    _ => None,
                })
            }
            slots::CONNECT_FLAGS if nth == 0 => match &self.messages.first()?.body {
                Body::Connect(connect) => Some(connect.flags.into()),
                _ => None,
            },
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn log(&self, out: &mut JsonWriter) {
        log::exchange(self, out);
    }

    fn logs(&self) -> bool {
        // a CONNECT alone is worth telling, whatever came of it
        self.done || self.messages.first().is_some_and(|first| first.kind >= kind::CONNECT)
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Side(self.dir)
    }

    fn record_has_id(&self) -> bool {
        false
    }
}
