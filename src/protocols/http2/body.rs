//! Undoing `content-encoding`: gzip and deflate as HTTP/1 does, Brotli (RFC 7932) here.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;

use crate::protocols::http::config::Config;
use crate::protocols::http::inflate::Inflate;

/// Bytes that a body may have for nothing, and for each byte sent: beyond it is a bomb.
const BROTLI_FREE: u64 = 64 << 10;
const BROTLI_RATIO: u64 = 256;

/// How a body begins whose window is larger than RFC 7932 allows (section 9.1 reserves it): the library would take it, and up to a
/// gigabyte of memory.
const RESERVED_WINDOW: u8 = 0x11;

/// What is done to the bytes of a body.
#[derive(Default)]
pub(super) enum Decoder {
    /// Nothing.
    #[default]
    Plain,
    Inflate(Box<Inflate>),
    Brotli(Box<DecompressorWriter<Sink>>),
    /// It broke: nothing more comes out.
    Ended,
}

impl Decoder {
    /// For the value of `content-encoding`.
    pub(super) fn new(value: &[u8], config: &Config) -> Self {
        if value.trim_ascii().eq_ignore_ascii_case(b"br") {
            return Decoder::Brotli(Box::new(DecompressorWriter::new(Sink::default(), 4096)));
        }
        match Inflate::new(value, config, &mut |_| {}) {
            Some(inflate) => Decoder::Inflate(Box::new(inflate)),
            None => Decoder::Plain,
        }
    }

    /// Whether it holds memory of its own.
    pub(super) fn is_working(&self) -> bool {
        matches!(self, Decoder::Inflate(_) | Decoder::Brotli(_))
    }

    /// Takes bytes as sent; `out` gets the plain ones. False when it broke just now.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
        let sound = match self {
            Decoder::Plain => {
                out(bytes);
                true
            }
            Decoder::Ended => true,
            Decoder::Inflate(inflate) => {
                inflate.feed(bytes, &mut |plain| {
                    out(plain);
                    true
                });
                inflate.event().is_none()
            }
            Decoder::Brotli(writer) => {
                let room = (bytes.len() as u64).saturating_mul(BROTLI_RATIO);
                let sink = writer.get_mut();
                sink.room = sink.room.saturating_add(room);
                let reserved = !std::mem::replace(&mut sink.begun, true)
                    && bytes.first().is_some_and(|first| first & 0x7f == RESERVED_WINDOW);
                let sound = !reserved && writer.write_all(bytes).is_ok();
                out(&std::mem::take(&mut writer.get_mut().bytes));
                sound
            }
        };
        if !sound {
            *self = Decoder::Ended;
        }
        sound
    }

    /// The body ended: what is held back comes out.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) -> bool {
        match std::mem::replace(self, Decoder::Ended) {
            Decoder::Inflate(mut inflate) => {
                inflate.finish(&mut |plain| {
                    out(plain);
                    true
                });
                inflate.event().is_none()
            }
            Decoder::Brotli(mut writer) => {
                let sound = writer.close().is_ok();
                out(&std::mem::take(&mut writer.get_mut().bytes));
                sound
            }
            Decoder::Plain | Decoder::Ended => true,
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Decoder::Plain => "Plain",
            Decoder::Inflate(_) => "Inflate",
            Decoder::Brotli(_) => "Brotli",
            Decoder::Ended => "Ended",
        })
    }
}

/// What comes out, up to what it may be.
#[derive(Debug)]
pub(super) struct Sink {
    bytes: Vec<u8>,
    /// Something was fed.
    begun: bool,
    room: u64,
}

impl Default for Sink {
    fn default() -> Self {
        Sink { bytes: Vec::new(), begun: false, room: BROTLI_FREE }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            return Err(io::Error::other("too much for what was sent"));
        };
        self.room = room;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Settings;

    fn decode(coding: &[u8], bytes: &[u8], step: usize) -> (Vec<u8>, bool) {
        let mut decoder = Decoder::new(coding, &Config::new(&Settings::default()));
        let mut plain = Vec::new();
        let mut sound = true;
        for piece in bytes.chunks(step) {
            sound &= decoder.feed(piece, &mut |bytes| plain.extend_from_slice(bytes));
        }
        sound &= decoder.finish(&mut |bytes| plain.extend_from_slice(bytes));
        (plain, sound)
    }

    /// RFC 7932 has no vectors; this is `brotli -q 1` of a text, stored.
    const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";

    #[test]
    fn bodies_come_out_in_pieces_of_any_size() {
        for step in 1..BROTLI.len() {
            assert_eq!(decode(b"br", BROTLI, step), (b"hello".to_vec(), true), "{step}");
            assert_eq!(decode(b"identity", b"hello", step), (b"hello".to_vec(), true));
        }
        assert!(!decode(b"br", &[0x11; 4], 4).1);
    }

    #[test]
    fn a_bomb_is_no_longer_than_it_may_be() {
        let mut sink = Sink::default();
        assert!(sink.write_all(&[0; 60 << 10]).is_ok());
        assert!(sink.write_all(&[0; 60 << 10]).is_err());
        assert!(sink.bytes.len() <= 64 << 10);
    }
}
