//! The sign-in: the server's greeting, the client's answer, and recognition from either (MySQL documentation, "Connection Phase").

use super::slots;
use crate::app::Probe;
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// What a side can do.
pub(super) mod capability {
    pub(in super::super) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(in super::super) const COMPRESS: u32 = 1 << 5;
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    pub(in super::super) const SSL: u32 = 1 << 11;
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in super::super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(in super::super) const CONNECT_ATTRIBUTES: u32 = 1 << 20;
    pub(in super::super) const LONG_AUTH: u32 = 1 << 21;
    pub(in super::super) const DEPRECATE_EOF: u32 = 1 << 24;
    pub(in super::super) const ZSTD: u32 = 1 << 26;
    pub(in super::super) const QUERY_ATTRIBUTES: u32 = 1 << 27;
}
use capability::*;

/// A number with its length in front; `None` for what stands for NULL or an error.
pub(super) fn length_encoded(front: &mut Reader<'_>) -> Option<u64> {
    match front.u8()? {
        small @ 0..=0xfa => Some(small.into()),
        0xfc => front.u16_le().map(u64::from),
        0xfd => {
            let bytes = front.take(3)?;
            Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        }
        0xfe => front.u64_le(),
        _ => None,
    }
}

/// A text with its length in front.
pub(super) fn length_encoded_text<'a>(front: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = length_encoded(front)?;
    front.take(usize::try_from(len).ok()?)
}

/// The server's greeting: its version and what it can do.
pub(super) fn greeting(payload: &[u8]) -> Option<(&[u8], u32)> {
    let mut front = Reader(payload);
    if front.u8()? != 10 {
        return None;
    }
    let version = front.text()?;
    front.take(4 + 8 + 1)?;
    let low = front.u16_le()?;
    let high = front.take(3).and_then(|_| front.u16_le()).unwrap_or(0);
    Some((version, u32::from(high) << 16 | u32::from(low)))
}

/// What a login says; `None` for one that cannot be read.
pub(super) fn login(payload: &[u8], values: &mut Values) -> Option<u32> {
    let mut front = Reader(payload);
    let low = front.u16_le()?;
    if u32::from(low) & PROTOCOL_41 == 0 {
        front.take(3)?;
        values.push(slots::USER, front.text()?);
        return Some(low.into());
    }
    let can = u32::from(front.u16_le()?) << 16 | u32::from(low);
    front.take(4 + 1 + 23)?;
    if can & SSL != 0 && front.0.is_empty() {
        values.push_number(slots::TLS, 1u8);
        return Some(can);
    }
    values.push(slots::USER, front.text()?);
    if can & LONG_AUTH != 0 {
        length_encoded_text(&mut front)?;
    } else if can & SECURE_CONNECTION != 0 {
        let len = front.u8()?;
        front.take(len.into())?;
    } else {
        front.text()?;
    }
    if can & CONNECT_WITH_DB != 0
        && let Some(database) = front.text().filter(|name| !name.is_empty())
    {
        values.push(slots::DATABASE, database);
    }
    if can & PLUGIN_AUTH != 0
        && let Some(plugin) = front.text()
    {
        values.push(slots::PLUGIN, plugin);
    }
    if can & CONNECT_ATTRIBUTES != 0
        && let Some(attributes) = length_encoded_text(&mut front)
    {
        let mut front = Reader(attributes);
        while let Some(name) = length_encoded_text(&mut front)
            && let Some(value) = length_encoded_text(&mut front)
        {
            if name == b"program_name" {
                values.push(slots::PROGRAM, value);
            }
        }
    }
    Some(can)
}

/// Whether the client's first packet is but a request for TLS.
pub(super) fn is_tls_request(payload: &[u8]) -> bool {
    payload.len() == 32
        && payload.first_chunk().is_some_and(|low| u32::from(u16::from_le_bytes(*low)) & SSL != 0)
}

/// See [`crate::app::Protocol::probe`]: greeting and login are known on any port, the rest on MySQL's own.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let Some((&[a, b, c, number, first], rest)) = bytes.split_first_chunk::<5>() else {
        return match bytes {
            [_, _, c, ..] if *c > 15 => Probe::No,
            [_, _, _, number] if *number > 1 => Probe::No,
            [.., _] | [] => Probe::More,
        };
    };
    let len = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    match (dir, number) {
        (Direction::ToClient, 0) if first == 10 && (20..1024).contains(&len) => {
            let version =
                rest.iter().take(100).take_while(|byte| byte.is_ascii_graphic() || **byte == b' ').count();
            match rest.get(version) {
                Some(0) if version > 0 => Probe::Yes,
                None => Probe::More,
                Some(_) => Probe::No,
            }
        }
        (Direction::ToClient, 0) if first == 0xff && usual && (4..1024).contains(&len) => Probe::Yes,
        // logins of before version 4.1 have nothing to be known by
        (Direction::ToServer, 1) if usual && (6..4096).contains(&len) => Probe::Yes,
        (Direction::ToServer, 1) if (32..4096).contains(&len) => {
            // flags, greatest packet, character set, then 19 zeros (MariaDB uses the four behind them)
            match rest.get(8..27) {
                _ if rest.first().is_some_and(|flags| flags & 2 == 0) => Probe::No,
                None => Probe::More,
                Some(zeros) if zeros.iter().all(|byte| *byte == 0) => Probe::Yes,
                Some(_) => Probe::No,
            }
        }
        // the middle of a session
        (Direction::ToServer, 0) if usual && (1..0x20).contains(&first) && len > 0 => Probe::Yes,
        (Direction::ToClient, 1..=2) if usual && len > 0 => Probe::Yes,
        _ => Probe::No,
    }
}
