//! Requests: the header, and where the topics of each kind stand (Kafka documentation, "The Messages").

use super::slots;
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;

/// Topics of a request that are kept.
pub(super) const TOPICS_MAX: usize = 256;

/// What is asked.
mod api {
    pub(super) const PRODUCE: u16 = 0;
    pub(super) const FETCH: u16 = 1;
    pub(super) const LIST_OFFSETS: u16 = 2;
    pub(super) const METADATA: u16 = 3;
    pub(super) const OFFSET_COMMIT: u16 = 8;
    pub(super) const OFFSET_FETCH: u16 = 9;
    pub(super) const SASL_HANDSHAKE: u16 = 17;
    pub(super) const CREATE_TOPICS: u16 = 19;
    pub(super) const DELETE_TOPICS: u16 = 20;
    pub(super) const SASL_AUTHENTICATE: u16 = 36;
}

/// The first version of each kind with compact lengths and tagged fields, where that matters here.
const FLEXIBLE: &[(u16, u16)] = &[
    (api::PRODUCE, 9),
    (api::FETCH, 12),
    (api::LIST_OFFSETS, 6),
    (api::METADATA, 9),
    (api::OFFSET_COMMIT, 8),
    (api::OFFSET_FETCH, 6),
    (11, 6),
    (12, 4),
    (13, 4),
    (14, 4),
    (api::CREATE_TOPICS, 5),
    (api::DELETE_TOPICS, 4),
    (api::SASL_AUTHENTICATE, 2),
    (68, 0),
];

/// Greatest number of a kind and of its versions that is believed in.
pub(super) const KEY_MAX: u16 = 100;
pub(super) const VERSION_MAX: u16 = 30;

/// What stands in front of every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) key: u16,
    pub(super) version: u16,
    pub(super) correlation: u32,
    pub(super) client: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The header, and what is behind it.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Header<'a>, Reader<'a>)> {
        let mut front = Reader(bytes);
        let key = front.u16()?;
        let version = front.u16()?;
        let correlation = front.u32()?;
        let client = match front.u16()? as i16 {
            -1 => None,
            len => Some(front.take(usize::try_from(len).ok()?)?),
        };
        let header = Header { key, version, correlation, client };
        header.is_sound().then_some((header, front))
    }

    fn is_sound(&self) -> bool {
        self.key <= KEY_MAX
            && self.version <= VERSION_MAX
            && self.client.is_none_or(|client| client.iter().all(|byte| (b' '..0x7f).contains(byte)))
    }
}

/// A reader that knows in which of both forms lengths are.
struct Fields<'a> {
    front: Reader<'a>,
    flexible: bool,
}

impl<'a> Fields<'a> {
    /// Tagged fields, which say nothing here.
    fn tags(&mut self) -> Option<()> {
        if self.flexible {
            for _ in 0..self.front.varint()?.min(64) {
                self.front.varint()?;
                let len = self.front.varint()?;
                self.front.take(usize::try_from(len).ok()?)?;
            }
        }
        Some(())
    }

    /// A length; `None` inside for what is null.
    fn len(&mut self, wide: bool) -> Option<Option<usize>> {
        if self.flexible {
            let len = self.front.varint()?;
            return Some(match len.checked_sub(1) {
                Some(len) => Some(usize::try_from(len).ok()?),
                None => None,
            });
        }
        let len = if wide { self.front.u32()? as i32 } else { i32::from(self.front.u16()? as i16) };
        Some(usize::try_from(len).ok())
    }

    fn text(&mut self) -> Option<Option<&'a [u8]>> {
        match self.len(false)? {
            Some(len) => self.front.take(len).map(Some),
            None => Some(None),
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.len(true)?.unwrap_or(0);
        self.front.take(len)
    }

    /// How many elements follow.
    fn count(&mut self) -> Option<usize> {
        Some(self.len(true)?.unwrap_or(0))
    }
}

/// What the body of a request says. `None` when it ends too soon; what was found stands.
pub(super) fn body(header: &Header<'_>, front: Reader<'_>, values: &mut Values) -> Option<()> {
    let Header { key, version, .. } = *header;
    let flexible = FLEXIBLE.iter().any(|(known, from)| *known == key && version >= *from);
    let mut fields = Fields { front, flexible };
    // tagged fields of the header
    fields.tags()?;
    match key {
        api::PRODUCE if version <= 12 => {
            if version >= 3 {
                fields.text()?;
            }
            fields.front.take(2 + 4)?;
            topics(&mut fields, values, |fields| {
                fields.front.take(4)?;
                fields.bytes().map(|_| ())
            })
        }
        api::FETCH if version <= 12 => {
            fields.front.take(4 + 4 + 4)?;
            fields.front.take(if version >= 3 { 4 } else { 0 })?;
            fields.front.take(if version >= 4 { 1 } else { 0 })?;
            fields.front.take(if version >= 7 { 8 } else { 0 })?;
            let fixed = [
                4,
                8,
                4,
                if version >= 9 { 4 } else { 0 },
                if version >= 5 { 8 } else { 0 },
                if version >= 12 { 4 } else { 0 },
            ];
            let fixed = fixed.iter().sum();
            topics(&mut fields, values, move |fields| fields.front.take(fixed).map(|_| ()))
        }
        api::LIST_OFFSETS => {
            fields.front.take(if version >= 2 { 5 } else { 4 })?;
            let fixed = 4 + 8 + if version == 0 || version >= 4 { 4 } else { 0 };
            topics(&mut fields, values, move |fields| fields.front.take(fixed).map(|_| ()))
        }
        api::METADATA => {
            for _ in 0..fields.count()? {
                fields.front.take(if version >= 10 { 16 } else { 0 })?;
                let name = fields.text()?;
                push(name, values);
                fields.tags()?;
            }
            Some(())
        }
        api::OFFSET_COMMIT if version <= 9 => {
            group(&mut fields, values)?;
            if version >= 1 {
                fields.front.take(4)?;
                fields.text()?;
            }
            if version >= 7 {
                fields.text()?;
            }
            fields.front.take(if (2..=4).contains(&version) { 8 } else { 0 })?;
            topics(&mut fields, values, move |fields| {
                fields.front.take(4 + 8)?;
                fields.front.take(if version == 1 { 8 } else { 0 })?;
                fields.front.take(if version >= 6 { 4 } else { 0 })?;
                fields.text().map(|_| ())
            })
        }
        api::OFFSET_FETCH if version <= 7 => {
            group(&mut fields, values)?;
            for _ in 0..fields.count()? {
                let name = fields.text()?;
                push(name, values);
                let partitions = fields.count()?;
                fields.front.take(partitions.checked_mul(4)?)?;
                fields.tags()?;
            }
            Some(())
        }
        api::CREATE_TOPICS => {
            for _ in 0..fields.count()? {
                let name = fields.text()?;
                push(name, values);
                fields.front.take(4 + 2)?;
                for _ in 0..fields.count()? {
                    fields.front.take(4)?;
                    let brokers = fields.count()?;
                    fields.front.take(brokers.checked_mul(4)?)?;
                    fields.tags()?;
                }
                for _ in 0..fields.count()? {
                    fields.text()?;
                    fields.text()?;
                    fields.tags()?;
                }
                fields.tags()?;
            }
            Some(())
        }
        api::DELETE_TOPICS => {
            for _ in 0..fields.count()? {
                let name = fields.text()?;
                push(name, values);
                if version >= 6 {
                    fields.front.take(16)?;
                    fields.tags()?;
                }
            }
            Some(())
        }
        // heartbeat, joining, leaving and synchronising of a group
        11..=14 | 68 => group(&mut fields, values),
        api::SASL_HANDSHAKE => {
            let mechanism = fields.text()?.unwrap_or_default();
            values.push(slots::MECHANISM, mechanism);
            Some(())
        }
        api::SASL_AUTHENTICATE => {
            let bytes = fields.bytes()?;
            let user = match bytes.strip_prefix(b"n,,n=") {
                Some(rest) => rest.split(|byte| *byte == b',').next(),
                None => bytes.split(|byte| *byte == 0).nth(1),
            };
            if let Some(user) = user {
                values.push(slots::USER, user);
            }
            Some(())
        }
        _ => Some(()),
    }
}

fn group(fields: &mut Fields<'_>, values: &mut Values) -> Option<()> {
    if let Some(group) = fields.text()? {
        values.push(slots::GROUP, group);
    }
    Some(())
}

fn push(name: Option<&[u8]>, values: &mut Values) {
    if let Some(name) = name
        && values.text(slots::TOPIC, TOPICS_MAX - 1).is_none()
    {
        values.push(slots::TOPIC, name);
    }
}

/// A list of topics, each with its partitions.
fn topics(
    fields: &mut Fields<'_>,
    values: &mut Values,
    partition: impl Fn(&mut Fields<'_>) -> Option<()>,
) -> Option<()> {
    for _ in 0..fields.count()? {
        let name = fields.text()?;
        push(name, values);
        for _ in 0..fields.count()? {
            partition(fields)?;
            fields.tags()?;
        }
        fields.tags()?;
    }
    Some(())
}
