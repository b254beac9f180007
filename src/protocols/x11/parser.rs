//! The beginning of both sides, section 8 of the protocol.

use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a name that are kept.
pub(super) const NAME_MAX: usize = 256;

/// How the beginning is read.
#[derive(Default)]
pub(super) struct Setup {
    little: bool,
}

fn word(reader: &mut Reader<'_>, little: bool) -> Option<u16> {
    if little { reader.u16_le() } else { reader.u16() }
}

fn padded(len: u16) -> usize {
    (usize::from(len) + 3) & !3
}

impl Setup {
    fn request(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let mut reader = Reader(bytes);
        self.little = match reader.u8() {
            Some(b'l') => true,
            Some(b'B') => false,
            _ => return Err("malformed_message"),
        };
        let mut head = || {
            reader.u8()?;
            let mut next = || word(&mut reader, self.little);
            Some((next()?, next()?, next()?, next()?, next()?))
        };
        let Some((major, minor, name, data, _)) = head() else { return Ok(Step::Needs(12)) };
        let end = 12 + padded(name) + padded(data);
        if bytes.len() < end {
            return Ok(Step::Needs(end));
        }
        let name = reader.take(name.into()).unwrap_or_default();
        let mut values = Values::default();
        values.push(VERSION, format!("{major}.{minor}").as_bytes());
        values.push(AUTHORIZATION, name.get(..NAME_MAX).unwrap_or(name));
        out.open(0, values);
        Ok(Step::Took(end))
    }

    fn response(&self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let mut reader = Reader(bytes);
        let mut head = || {
            let (status, reason) = (reader.u8()?, reader.u8()?);
            reader.take(4)?;
            Some((status, reason, word(&mut reader, self.little)?))
        };
        let Some((status, reason, words)) = head() else { return Ok(Step::Needs(8)) };
        let len = usize::from(words) * 4;
        // a maker's name has its length further behind
        let wanted = 8 + len.min(32 + NAME_MAX);
        let Some(rest) = bytes.get(8..wanted) else { return Ok(Step::Needs(wanted)) };
        let text = match status {
            0 => rest.get(..usize::from(reason).min(NAME_MAX)),
            1 => {
                let mut inside = Reader(rest.get(16..).unwrap_or_default());
                let len = word(&mut inside, self.little).map_or(0, usize::from).min(NAME_MAX);
                rest.get(32..).map(|rest| rest.get(..len).unwrap_or(rest))
            }
            2 => rest.get(..NAME_MAX.min(rest.len())),
            _ => return Err("malformed_message"),
        };
        if let Some(exchange) = out.oldest() {
            let name: &[u8] = match status {
                0 => b"failed",
                1 => b"success",
                _ => b"authenticate",
            };
            exchange.values.push(STATUS, name);
            exchange.values.push(RESPONSE, text.unwrap_or_default());
        }
        out.finish_oldest();
        Ok(Step::Opaque(wanted))
    }
}

impl Dialect for Setup {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        match dir {
            // further requests of a client that does not wait are of no interest
            Direction::ToServer if out.oldest().is_some() => Ok(Step::Took(bytes.len())),
            Direction::ToServer => self.request(bytes, out),
            Direction::ToClient => self.response(bytes, out),
        }
    }
}

/// See [`crate::app::Protocol::probe`]: byte order, and version 11.0.
pub(super) fn probe(dir: Direction, bytes: &[u8]) -> Probe {
    let begins = |start: &[u8]| {
        let len = bytes.len().min(start.len());
        bytes.get(..len) == start.get(..len)
    };
    let [big, little] = [&b"B\0\0\x0b\0\0"[..], b"l\0\x0b\0\0\0"];
    let unused = |at: usize| bytes.get(at..).is_none_or(|rest| rest.iter().take(2).all(|byte| *byte == 0));
    // the byte behind the order may be anything, and is 0
    if dir == Direction::ToClient || !(begins(big) || begins(little)) || !unused(10) {
        return Probe::No;
    }
    if bytes.len() < 12 { Probe::More } else { Probe::Yes }
}
