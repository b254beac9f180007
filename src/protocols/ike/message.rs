//! One message of either version, and what the flow has said before.

use std::sync::Arc;

use super::{names, slots};
use crate::app::Slot;
use crate::protocols::reader::{Reader, hex};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Payloads of a message, and attributes of it, that are kept.
pub(super) const PAYLOADS_MAX: usize = 256;

const HEADER_LEN: usize = 28;

mod v1 {
    pub(super) const SA: u8 = 1;
    pub(super) const PROPOSAL: u8 = 2;
    pub(super) const TRANSFORM: u8 = 3;
    pub(super) const KEY_EXCHANGE: u8 = 4;
    pub(super) const NONCE: u8 = 10;
    pub(super) const VENDOR: u8 = 13;
}

mod v2 {
    pub(super) const SA: u8 = 33;
    pub(super) const KEY_EXCHANGE: u8 = 34;
    pub(super) const NONCE: u8 = 40;
    pub(super) const NOTIFY: u8 = 41;
    pub(super) const ENCRYPTED: u8 = 46;
}

/// Attributes of one transform: the place of each in [`names::ATTRIBUTES`], and its value.
pub(super) type Attributes = Vec<(usize, u64)>;

/// What was said in a flow of version 1 and holds for all messages that follow, and what version 2's responder chose.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// Domain of interpretation.
    pub(super) doi: Option<u32>,
    /// What the responder chose.
    pub(super) chosen: Attributes,
    /// It has.
    pub(super) has_chosen: bool,
    /// Of each side.
    pub(super) key_exchange: [Vec<u8>; 2],
    pub(super) nonce: [Vec<u8>; 2],
}

impl Shared {
    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let texts = self.key_exchange.iter().chain(&self.nonce).map(Vec::capacity).sum::<usize>();
        size_of::<Self>() + texts + self.chosen.capacity() * size_of::<(usize, u64)>()
    }
}

/// What is kept of one message, beside what rules ask for.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) dir: Direction,
    pub(super) major: u8,
    pub(super) minor: u8,
    pub(super) exchange: u8,
    pub(super) id: u32,
    /// Of version 2: the sender began the association.
    pub(super) is_initiator: bool,
    pub(super) is_encrypted: bool,
    /// In the order they came.
    pub(super) payloads: Vec<u8>,
    /// Transforms that the client of version 1 proposes.
    pub(super) proposals: Vec<Attributes>,
    /// Of version 2.
    pub(super) notifies: Vec<u16>,
    pub(super) extended: bool,
    pub(super) shared: Arc<Shared>,
}

/// Whether a datagram is a message, as far as its header tells. Of version 1 the length is not looked at: what is malformed behind
/// a header is malformed IKE.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return false };
    let length = u32::from_be_bytes([header[24], header[25], header[26], header[27]]) as usize;
    let version = header[17] >> 4;
    match version {
        1 => true,
        2 => (34..=37).contains(&header[18]) && length == bytes.len(),
        _ => false,
    }
}

impl Message {
    /// Reads a datagram; gives back what rules ask for, what is kept for records, and what is odd.
    #[allow(clippy::type_complexity, reason = "three parts of one answer, taken apart at once")]
    pub(super) fn read(
        dir: Direction,
        bytes: &[u8],
        shared: &mut Arc<Shared>,
        extended: bool,
    ) -> Option<(Values, Message, Vec<&'static str>)> {
        let mut reader = Reader(bytes);
        let (initiator, responder) = (reader.take(8)?, reader.take(8)?);
        let (first, version) = (reader.u8()?, reader.u8()?);
        let (exchange, flags) = (reader.u8()?, reader.u8()?);
        let (id, length) = (reader.u32()?, reader.u32()? as usize);
        let body = reader.take(length.checked_sub(HEADER_LEN)?)?;
        let mut values = Values::default();
        values.push(slots::INIT_SPI, hex(initiator).as_bytes());
        values.push(slots::RESP_SPI, hex(responder).as_bytes());
        values.push_number(slots::EXCHANGE, exchange);
        let mut message = Message {
            dir,
            major: version >> 4,
            minor: version & 15,
            exchange,
            id,
            is_initiator: flags & 8 != 0,
            is_encrypted: false,
            payloads: Vec::new(),
            proposals: Vec::new(),
            notifies: Vec::new(),
            extended,
            shared: Arc::clone(shared),
        };
        let mut events = Vec::new();
        match message.major {
            1 if flags & 1 != 0 => {
                message.is_encrypted = true;
                message.payloads.push(first);
            }
            1 => message.read_v1(first, body, &mut values, shared, &mut events)?,
            2 => message.read_v2(first, body, &mut values, shared, &mut events),
            _ => return None,
        }
        message.shared = Arc::clone(shared);
        Some((values, message, events))
    }

    fn read_v1(
        &mut self,
        first: u8,
        body: &[u8],
        values: &mut Values,
        shared: &mut Arc<Shared>,
        events: &mut Vec<&'static str>,
    ) -> Option<()> {
        let side = self.dir.index();
        let (payloads, rest) = chain(first, body)?;
        if !rest.is_empty() {
            events.push("payload_extra_data");
        }
        let mut transforms = Vec::new();
        for (kind, payload) in payloads {
            self.payloads.push(kind);
            match kind {
                v1::SA => {
                    let mut reader = Reader(payload);
                    let doi = reader.u32()?;
                    Arc::make_mut(shared).doi = Some(doi);
                    // RFC 2407: only the domain of IPsec says how it goes on
                    if doi == 1 && reader.u32().is_some() {
                        // what is there of them
                        let _ = self.proposals_v1(reader.0, &mut transforms);
                    }
                }
                v1::KEY_EXCHANGE => {
                    Arc::make_mut(shared).key_exchange[side] = payload.to_vec();
                    values.push(slots::KEY_EXCHANGE, payload);
                    values.push_number(slots::KEY_EXCHANGE_LEN, payload.len() as u64);
                }
                v1::NONCE => {
                    Arc::make_mut(shared).nonce[side] = payload.to_vec();
                    values.push(slots::NONCE, payload);
                    values.push_number(slots::NONCE_LEN, payload.len() as u64);
                }
                v1::VENDOR => values.push(slots::VENDOR, hex(payload).as_bytes()),
                _ => {}
            }
        }
        match self.dir {
            Direction::ToServer => self.proposals = transforms,
            Direction::ToClient => {
                if transforms.len() > 1 {
                    events.push("multiple_server_proposal");
                }
                if let Some(chosen) = transforms.into_iter().next() {
                    choose(values, &chosen);
                    Arc::make_mut(shared).chosen = chosen;
                }
            }
        }
        Some(())
    }

    /// RFC 2408 sections 3.5 and 3.6.
    fn proposals_v1(&mut self, bytes: &[u8], transforms: &mut Vec<Attributes>) -> Option<()> {
        let (proposals, _) = chain(v1::PROPOSAL, bytes)?;
        let mut left = PAYLOADS_MAX;
        for (_, proposal) in proposals.iter().filter(|(kind, _)| *kind == v1::PROPOSAL) {
            self.payloads.push(v1::PROPOSAL);
            let mut reader = Reader(proposal);
            reader.take(2)?;
            let spi = reader.u8()?;
            reader.u8()?;
            reader.take(spi.into())?;
            let (inner, _) = chain(v1::TRANSFORM, reader.0)?;
            for (_, transform) in inner.iter().filter(|(kind, _)| *kind == v1::TRANSFORM) {
                self.payloads.push(v1::TRANSFORM);
                let mut reader = Reader(transform);
                reader.take(4)?;
                let mut attributes = Vec::new();
                while !reader.is_empty() && left > 0 {
                    left -= 1;
                    let (kind, value) = (reader.u16()?, reader.u16()?);
                    let value = if kind & 0x8000 != 0 {
                        u64::from(value)
                    } else {
                        let value = reader.take(value.into())?;
                        value.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
                    };
                    let kind = kind & 0x7fff;
                    let known = names::ATTRIBUTES.iter().position(|(_, number)| kind > 0 && *number == kind);
                    attributes.push((known.unwrap_or(names::UNKNOWN), value));
                }
                transforms.push(attributes);
            }
        }
        Some(())
    }

    fn read_v2(
        &mut self,
        first: u8,
        body: &[u8],
        values: &mut Values,
        shared: &mut Arc<Shared>,
        events: &mut Vec<&'static str>,
    ) {
        let Some((payloads, _)) = chain(first, body) else { return };
        for (kind, payload) in payloads {
            match kind {
                v2::SA if self.read_sa_v2(payload, values, shared, events).is_none() => {
                    self.payloads.clear();
                    return;
                }
                v2::KEY_EXCHANGE => {
                    let key = payload.get(4..).unwrap_or_default();
                    values.push(slots::KEY_EXCHANGE, key);
                    values.push_number(slots::KEY_EXCHANGE_LEN, key.len() as u64);
                }
                v2::NONCE => {
                    values.push(slots::NONCE, payload);
                    values.push_number(slots::NONCE_LEN, payload.len() as u64);
                }
                v2::NOTIFY => {
                    if let Some([high, low]) = payload.get(2..4).and_then(|kind| kind.first_chunk()) {
                        self.notifies.push(u16::from_be_bytes([*high, *low]));
                    }
                }
                _ => {}
            }
            self.payloads.push(kind);
            if kind == v2::ENCRYPTED {
                // what follows is inside
                self.payloads.extend(body_next(first, body, kind));
                return;
            }
        }
        self.payloads.push(0);
    }

    /// RFC 7296 section 3.3; `None` when it cannot be read.
    fn read_sa_v2(
        &mut self,
        payload: &[u8],
        values: &mut Values,
        shared: &mut Arc<Shared>,
        events: &mut Vec<&'static str>,
    ) -> Option<()> {
        let (proposals, _) = chain(v1::PROPOSAL, payload)?;
        for (at, (_, proposal)) in proposals.iter().enumerate() {
            let mut reader = Reader(proposal);
            reader.take(2)?;
            let (spi, count) = (reader.u8()?, reader.u8()?);
            reader.take(spi.into())?;
            let (transforms, _) = chain(if count == 0 { 0 } else { v1::TRANSFORM }, reader.0)?;
            let mut attributes = Vec::new();
            for (_, transform) in &transforms {
                let mut reader = Reader(transform);
                let kind = reader.u8()?;
                reader.u8()?;
                let value = u64::from(reader.u16()?);
                match kind {
                    1 => attributes.push((names::ALG_ENC, value)),
                    2 => attributes.push((names::ALG_PRF, value)),
                    3 => attributes.push((names::ALG_AUTH, value)),
                    4 => attributes.push((names::ALG_DH, value)),
                    5 => attributes.push((names::ALG_ESN, value)),
                    _ => note(events, "unknown_proposal"),
                }
            }
            judge(&attributes, events);
            if self.dir == Direction::ToClient && at == 0 {
                if proposals.len() > 1 {
                    note(events, "multiple_server_proposal");
                }
                choose(values, &attributes);
                let shared = Arc::make_mut(shared);
                (shared.chosen, shared.has_chosen) = (attributes, true);
            }
        }
        Some(())
    }
}

fn note(events: &mut Vec<&'static str>, event: &'static str) {
    if !events.contains(&event) {
        events.push(event);
    }
}

/// What a rule can ask of the chosen association.
fn choose(values: &mut Values, chosen: &Attributes) {
    for (attribute, value) in chosen {
        values.push_number(Slot(slots::CHOSEN + *attribute as u16), *value);
    }
}

/// What is weak about a proposal of version 2 (RFC 8247).
fn judge(attributes: &Attributes, events: &mut Vec<&'static str>) {
    let all = |kind| attributes.iter().filter(move |(known, _)| *known == kind).map(|(_, value)| *value);
    let authenticates = |enc: u64| matches!(enc, 14..=16 | 18..=21 | 25..=28);
    for enc in all(names::ALG_ENC) {
        if matches!(enc, 1..=9 | 11) {
            note(events, "weak_crypto_enc");
        }
    }
    for prf in all(names::ALG_PRF) {
        match prf {
            0 => note(events, "invalid_proposal"),
            1 | 2 => note(events, "weak_crypto_prf"),
            _ => {}
        }
    }
    for auth in all(names::ALG_AUTH).filter(|auth| (1..=7).contains(auth)) {
        let _ = auth;
        note(events, "weak_crypto_auth");
    }
    for group in all(names::ALG_DH) {
        match group {
            0 => note(events, "invalid_proposal"),
            1 | 2 | 5 | 22 => note(events, "weak_crypto_dh"),
            _ => {}
        }
    }
    if all(names::ALG_DH).next().is_none() {
        note(events, "weak_crypto_no_dh");
    }
    if all(names::ALG_ENC).next().is_none() {
        note(events, "no_encryption");
    }
    if !all(names::ALG_AUTH).any(|auth| auth != 0) && !all(names::ALG_ENC).any(authenticates) {
        note(events, "weak_crypto_no_auth");
    }
}

/// Payloads by kind, and what is left.
type Chain<'a> = (Vec<(u8, &'a [u8])>, &'a [u8]);

/// A chain of payloads (RFC 2408 section 3.2, RFC 7296 section 3.2) that begins with one of that kind, and what is left behind it.
fn chain(first: u8, bytes: &[u8]) -> Option<Chain<'_>> {
    let (mut kind, mut reader) = (first, Reader(bytes));
    let mut found = Vec::new();
    while kind != 0 && found.len() < PAYLOADS_MAX {
        // what is behind an encrypted payload of version 2 is in it
        if reader.is_empty() && found.last().is_some_and(|(kind, _)| *kind == v2::ENCRYPTED) {
            break;
        }
        let next = reader.u8()?;
        reader.u8()?;
        let length = usize::from(reader.u16()?).checked_sub(4)?;
        found.push((kind, reader.take(length)?));
        kind = next;
    }
    Some((found, reader.0))
}

/// The kind that the payload of that kind says is next.
fn body_next(first: u8, bytes: &[u8], wanted: u8) -> Option<u8> {
    let (mut kind, mut reader) = (first, Reader(bytes));
    for _ in 0..PAYLOADS_MAX {
        let next = reader.u8()?;
        if kind == wanted {
            return Some(next);
        }
        reader.u8()?;
        let length = usize::from(reader.u16()?).checked_sub(4)?;
        reader.take(length)?;
        kind = next;
    }
    None
}
