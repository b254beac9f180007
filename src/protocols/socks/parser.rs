//! Both sides, step by step.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a user's name, or of a host's in version 4a.
const TEXT_MAX: usize = 255;

const GRANTED_4: u8 = 90;
const PASSWORD: u8 = 2;
const GSSAPI: u8 = 1;

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Greeting,
    SignIn,
    Request,
}

/// How the beginning is read.
#[derive(Default)]
pub(super) struct Steps {
    /// Of the client.
    expected: Expected,
    /// What the server answers next.
    answered: Expected,
    version: u8,
}

/// The message at the front with its length: `Ok(None)` when it is not whole.
type Read = Result<Option<(Values, usize)>, &'static str>;

/// Version 4: command, port, address, user; a name behind it when the address is 0.0.0.x.
fn request_4(bytes: &[u8]) -> Read {
    let mut reader = Reader(bytes);
    let mut values = Values::default();
    let mut whole = || {
        let head = (reader.u8()?, reader.u8()?, reader.u16()?, reader.u32()?);
        let user = reader.text()?;
        let name = if (1..256).contains(&head.3) { Some(reader.text()?) } else { None };
        Some((head, user, name, bytes.len() - reader.0.len()))
    };
    let Some(((_, command, port, address), user, name, taken)) = whole() else {
        return if bytes.len() > 8 + 2 * (TEXT_MAX + 1) { Err("malformed_request") } else { Ok(None) };
    };
    if !matches!(command, 1 | 2) || user.len() > TEXT_MAX || name.is_some_and(|name| name.len() > TEXT_MAX) {
        return Err("malformed_request");
    }
    values.push_number(VERSION, 4u8);
    values.push_number(COMMAND, command);
    match name {
        Some(name) => values.push(HOST, name),
        None => values.push(HOST, Ipv4Addr::from(address).to_string().as_bytes()),
    }
    values.push_number(PORT, port);
    if !user.is_empty() {
        values.push(USER, user);
    }
    Ok(Some((values, taken)))
}

fn greeting_5(bytes: &[u8]) -> Read {
    let [_, count, rest @ ..] = bytes else { return Ok(None) };
    let Some(methods) = rest.get(..usize::from(*count)) else { return Ok(None) };
    let mut values = Values::default();
    values.push_number(VERSION, 5u8);
    methods.iter().for_each(|method| values.push_number(OFFERED, *method));
    Ok(Some((values, 2 + methods.len())))
}

/// RFC 1929: the password is not kept.
fn sign_in(bytes: &[u8]) -> Read {
    let [version, rest @ ..] = bytes else { return Ok(None) };
    if *version != 1 {
        return Err("malformed_request");
    }
    let mut reader = Reader(rest);
    let mut whole = || {
        let mut text = || {
            let len = reader.u8()?;
            reader.take(len.into())
        };
        let (user, _password) = (text()?, text()?);
        Some(user)
    };
    let Some(user) = whole() else { return Ok(None) };
    let mut values = Values::default();
    values.push_number(VERSION, 5u8);
    values.push(USER, user);
    Ok(Some((values, bytes.len() - reader.0.len())))
}

/// An address and a port, RFC 1928 section 5.
fn address(reader: &mut Reader<'_>) -> Result<Option<(Vec<u8>, u16)>, ()> {
    let Some(kind) = reader.u8() else { return Ok(None) };
    let host = match kind {
        1 => reader.u32().map(|address| Ipv4Addr::from(address).to_string().into_bytes()),
        4 => reader
            .take(16)
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
            .map(|address| Ipv6Addr::from(address).to_string().into_bytes()),
        3 => reader.u8().and_then(|len| reader.take(len.into())).map(<[u8]>::to_vec),
        _ => return Err(()),
    };
    Ok(host.and_then(|host| Some((host, reader.u16()?))))
}

fn request_5(bytes: &[u8]) -> Read {
    let mut reader = Reader(bytes);
    let (Some(version), Some(command), Some(_)) = (reader.u8(), reader.u8(), reader.u8()) else {
        return Ok(None);
    };
    if version != 5 || !matches!(command, 1..=3) {
        return Err("malformed_request");
    }
    let Some((host, port)) = address(&mut reader).map_err(|()| "malformed_request")? else { return Ok(None) };
    let mut values = Values::default();
    values.push_number(VERSION, 5u8);
    values.push_number(COMMAND, command);
    values.push(HOST, &host);
    values.push_number(PORT, port);
    Ok(Some((values, bytes.len() - reader.0.len())))
}

impl Steps {
    fn request(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let read = match (self.expected, bytes.first()) {
            (Expected::Greeting, Some(4)) => request_4(bytes),
            (Expected::Greeting, Some(5)) => greeting_5(bytes),
            (Expected::Greeting, _) => Err("malformed_request"),
            (Expected::SignIn, _) => sign_in(bytes),
            (Expected::Request, _) => request_5(bytes),
        };
        let Some((values, taken)) = read? else { return Ok(Step::Needs(bytes.len() + 1)) };
        if self.expected == Expected::Greeting {
            self.version = bytes.first().copied().unwrap_or_default();
        }
        let waits = if self.version == 4 { Expected::Request } else { self.expected };
        // who does not wait for the method is believed to need none
        self.expected = Expected::Request;
        if self.answered == Expected::Greeting || out.oldest().is_none() {
            self.answered = waits;
        }
        out.open_in_turn(values);
        Ok(Step::Took(taken))
    }

    fn response(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let mut reader = Reader(bytes);
        if self.version == 4 {
            let (Some(zero), Some(reply), Some(_)) = (reader.u8(), reader.u8(), reader.take(6)) else {
                return Ok(Step::Needs(8));
            };
            if zero != 0 {
                return Err("malformed_response");
            }
            note(out, REPLY, reply);
            return Ok(if reply == GRANTED_4 { Step::Change(8) } else { Step::Took(8) });
        }
        let (Some(version), Some(code)) = (reader.u8(), reader.u8()) else { return Ok(Step::Needs(2)) };
        match self.answered {
            Expected::Greeting if version == 5 => {
                note(out, METHOD, code);
                self.answered = Expected::Request;
                match code {
                    PASSWORD => (self.expected, self.answered) = (Expected::SignIn, Expected::SignIn),
                    // what GSSAPI says has a framing of its own
                    GSSAPI => return Ok(Step::Opaque(2)),
                    _ => {}
                }
                Ok(Step::Took(2))
            }
            Expected::SignIn if version == 1 => {
                note(out, REPLY, code);
                self.answered = Expected::Request;
                Ok(Step::Took(2))
            }
            Expected::Request if version == 5 => {
                reader.u8();
                match address(&mut reader) {
                    Err(()) => Err("malformed_response"),
                    Ok(None) => Ok(Step::Needs(bytes.len() + 1)),
                    Ok(Some(_)) => {
                        note(out, REPLY, code);
                        let taken = bytes.len() - reader.0.len();
                        Ok(if code == 0 { Step::Change(taken) } else { Step::Took(taken) })
                    }
                }
            }
            _ => Err("malformed_response"),
        }
    }
}

fn note(out: &mut Exchanges, slot: crate::app::Slot, code: u8) {
    if let Some(exchange) = out.oldest() {
        exchange.values.push_number(slot, code);
    }
    out.finish_oldest();
}

impl Dialect for Steps {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        match dir {
            Direction::ToServer => self.request(bytes, out),
            Direction::ToClient => self.response(bytes, out),
        }
    }
}

/// See [`crate::app::Protocol::probe`]: a greeting and nothing behind it, on any port; its beginning on the usual one too.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    if dir == Direction::ToClient {
        return Probe::No;
    }
    match bytes {
        [] => Probe::More,
        [5] | [5, 1..=9] if usual => Probe::More,
        [5, count @ 1..=9, methods @ ..] => {
            // registered ones, those for private use, and the old ones
            let known = methods.iter().all(|method| matches!(method, 0..=9 | 0x80..=0xfe));
            match methods.len().cmp(&usize::from(*count)) {
                std::cmp::Ordering::Equal if known => Probe::Yes,
                std::cmp::Ordering::Less if known && usual => Probe::More,
                _ => Probe::No,
            }
        }
        [4] | [4, 1 | 2] if usual => Probe::More,
        [4, 1 | 2, rest @ ..] => match request_4(bytes) {
            Ok(Some((values, taken))) if taken == bytes.len() && rest.get(..2) != Some(&[0, 0]) => {
                let printable =
                    |slot| values.text(slot, 0).is_none_or(|text| text.iter().all(u8::is_ascii_graphic));
                if printable(USER) && printable(HOST) { Probe::Yes } else { Probe::No }
            }
            Ok(None) if usual => Probe::More,
            _ => Probe::No,
        },
        _ => Probe::No,
    }
}
