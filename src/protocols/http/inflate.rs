//! Undoing `Content-Encoding`, layer by layer, under limits.
//!
//! As forgiving as browsers are: gzip checksums are not looked at, `deflate` may or may not have a zlib header, a label may be
//! the wrong one, and what does not decompress at all is passed on as it is.

use flate2::{Decompress, FlushDecompress, Status};
use liblzma::stream::{Action, Stream};

use super::config::Config;
use super::events;

/// Bytes taken out of a layer at a time.
const STEP: usize = 16 << 10;
/// Bytes that have to come out of a guess without an error, or its end, before it is believed: text decompresses for a while.
const GUESS_MAX: usize = 512;
/// Output over input from which output beyond the limit is a bomb; deflate cannot reach it.
const BOMB_RATIO: u64 = 2048;
/// Bytes of a gzip header that are waited for (name and comment have no length of their own).
const GZIP_HEADER_MAX: usize = 8 << 10;
/// Bytes of an LZMA header: properties, dictionary size, length.
const LZMA_HEADER: usize = 13;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Zlib,
    Lzma,
}

enum Engine {
    /// The header is not complete: what came so far.
    Gzip(Vec<u8>),
    ZlibHeader(Vec<u8>),
    /// Raw deflate.
    Raw(Box<Decompress>),
    Lzma(Box<Stream>),
    LzmaHeader(Vec<u8>),
    /// Bytes go through as they are.
    Through,
    /// The stream ended or broke: nothing more comes out.
    Ended,
}

struct Layer {
    coding: Coding,
    engine: Engine,
    /// Something came out: no more guessing.
    produced: bool,
    /// Input kept while nothing came out, to begin again with another coding.
    first: Vec<u8>,
    tries: u8,
    /// What came out of a guess that is not yet believed.
    guess: Vec<u8>,
}

/// The layers of one body, the outermost first.
pub(in crate::protocols) struct Inflate {
    layers: Vec<Layer>,
    input: u64,
    output: u64,
    bomb_limit: u64,
    lzma_memory_max: usize,
    event: Option<&'static str>,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflate").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

impl Inflate {
    /// For the value of `Content-Encoding`; `None` when there is nothing to undo. `event` is told of oddities.
    pub(in crate::protocols) fn new(
        value: &[u8],
        config: &Config,
        event: &mut dyn FnMut(&'static str),
    ) -> Option<Self> {
        if config.layers_max == 0 {
            return None;
        }
        let mut codings = Vec::new();
        let mut names = 0;
        for name in value.split(|c| matches!(c, b',' | b' ' | b'\t')).filter(|name| !name.is_empty()) {
            names += 1;
            if names > config.layers_max {
                event(events::TOO_MANY_ENCODING_LAYERS);
                break;
            }
            let plain: Vec<u8> = name.iter().filter(|&&c| c != 0).map(u8::to_ascii_lowercase).collect();
            let holds = |word: &str| memchr::memmem::find(&plain, word.as_bytes()).is_some();
            match plain.as_slice() {
                b"gzip" | b"x-gzip" => codings.push(Coding::Gzip),
                b"deflate" | b"x-deflate" => codings.push(Coding::Deflate),
                b"lzma" => {
                    if config.lzma {
                        codings.push(Coding::Lzma);
                    }
                }
                b"inflate" | b"none" | b"identity" => {}
                _ => {
                    event(events::ABNORMAL_CE_HEADER);
                    if holds("gzip") {
                        codings.push(Coding::Gzip);
                    } else if holds("deflate") {
                        codings.push(Coding::Deflate);
                    }
                }
            }
        }
        if codings.is_empty() {
            return None;
        }
        // the last applied is undone first
        let layers = codings.into_iter().rev().map(Layer::new).collect();
        Some(Inflate {
            layers,
            input: 0,
            output: 0,
            bomb_limit: config.bomb_limit,
            lzma_memory_max: config.lzma_memory_max,
            event: None,
            scratch: vec![0; STEP],
        })
    }

    /// Takes compressed bytes; `out` gets the plain ones, and says whether more are wanted.
    pub(in crate::protocols) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8]) -> bool) {
        self.input = self.input.saturating_add(bytes.len() as u64);
        self.run(0, bytes, out);
    }

    /// An event that came up since the last call.
    pub(in crate::protocols) fn event(&mut self) -> Option<&'static str> {
        self.event.take()
    }

    /// The body ended: what is held back comes out. Bytes lost in the middle end it too.
    pub(in crate::protocols) fn finish(&mut self, out: &mut dyn FnMut(&[u8]) -> bool) {
        for at in 0..self.layers.len() {
            let Some(layer) = self.layers.get_mut(at) else { break };
            let held = std::mem::take(&mut layer.first);
            let silent = !layer.produced && !matches!(layer.engine, Engine::Through | Engine::Ended);
            layer.engine = Engine::Ended;
            if silent && !held.is_empty() {
                self.event.get_or_insert(events::GZIP_DECOMPRESSION_FAILED);
                self.run(at + 1, &held, out);
            }
        }
    }

    pub(in crate::protocols) fn memory(&self) -> usize {
        // an inflate state with its window is about 44 KiB
        self.layers.iter().map(|layer| layer.first.capacity() + (44 << 10)).sum::<usize>()
            + self.scratch.len()
    }

    /// Runs bytes through the layers from `at` on. False when no more is wanted.
    fn run(&mut self, at: usize, bytes: &[u8], out: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let Some(layer) = self.layers.get_mut(at) else {
            self.output = self.output.saturating_add(bytes.len() as u64);
            let ratio_bad = self.output > self.input.saturating_mul(BOMB_RATIO);
            if self.output > self.bomb_limit && ratio_bad {
                self.event.get_or_insert(events::COMPRESSION_BOMB);
                for layer in &mut self.layers {
                    layer.engine = Engine::Ended;
                }
                return false;
            }
            return out(bytes);
        };
        // the layer leaves its place while bytes go to the ones behind it
        let mut layer = std::mem::replace(layer, Layer::new(Coding::Gzip));
        let going = self.run_layer(&mut layer, at, bytes, out);
        if let Some(place) = self.layers.get_mut(at) {
            if matches!(place.engine, Engine::Ended) {
                layer.engine = Engine::Ended;
            }
            *place = layer;
        }
        going
    }

    fn run_layer(
        &mut self,
        layer: &mut Layer,
        at: usize,
        bytes: &[u8],
        out: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        if !layer.produced && !matches!(layer.engine, Engine::Through | Engine::Ended) {
            layer.first.extend_from_slice(bytes);
        }
        let mut input = bytes.to_vec();
        loop {
            match self.step(layer, at, &input, out) {
                Step::Done(going) => {
                    // much went in and nothing came out: it will not be begun again
                    if layer.produced || layer.first.len() > GZIP_HEADER_MAX {
                        layer.first = Vec::new();
                    }
                    return going;
                }
                Step::Broken if layer.produced => {
                    layer.engine = Engine::Ended;
                    self.event.get_or_insert(events::GZIP_DECOMPRESSION_FAILED);
                    return true;
                }
                Step::Broken => {
                    layer.guess = Vec::new();
                    input = std::mem::take(&mut layer.first);
                    layer.tries += 1;
                    if layer.tries > 3 {
                        self.event.get_or_insert(events::GZIP_DECOMPRESSION_FAILED);
                        layer.engine = Engine::Through;
                    } else {
                        layer.coding = match layer.coding {
                            Coding::Gzip | Coding::Lzma => Coding::Deflate,
                            Coding::Deflate => Coding::Zlib,
                            Coding::Zlib => Coding::Gzip,
                        };
                        layer.engine = layer.coding.engine();
                        layer.first = input.clone();
                    }
                }
            }
        }
    }

    /// Runs one layer over its input.
    fn step(
        &mut self,
        layer: &mut Layer,
        at: usize,
        input: &[u8],
        out: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Step {
        match &mut layer.engine {
            Engine::Ended => Step::Done(true),
            Engine::Through => Step::Done(self.run(at + 1, input, out)),
            Engine::Gzip(header) => {
                header.extend_from_slice(input);
                match gzip_header(header) {
                    Ok(Some(len)) => {
                        let rest = header.get(len..).unwrap_or_default().to_vec();
                        layer.engine = Engine::Raw(Box::new(Decompress::new(false)));
                        self.step(layer, at, &rest, out)
                    }
                    Ok(None) if header.len() <= GZIP_HEADER_MAX => Step::Done(true),
                    _ => Step::Broken,
                }
            }
            Engine::ZlibHeader(header) => {
                header.extend_from_slice(input);
                match header.as_slice() {
                    // RFC 1950 section 2.2
                    &[cmf, flg, ref rest @ ..]
                        if cmf & 15 == 8 && (u16::from(cmf) << 8 | u16::from(flg)) % 31 == 0 =>
                    {
                        let rest = rest.to_vec();
                        layer.engine = Engine::Raw(Box::new(Decompress::new(false)));
                        self.step(layer, at, &rest, out)
                    }
                    [] | [_] => Step::Done(true),
                    _ => Step::Broken,
                }
            }
            Engine::LzmaHeader(header) => {
                header.extend_from_slice(input);
                if header.len() < LZMA_HEADER {
                    return Step::Done(true);
                }
                let Ok(stream) = Stream::new_lzma_decoder(self.lzma_memory_max as u64) else {
                    return Step::Broken;
                };
                let rest = std::mem::take(header);
                layer.engine = Engine::Lzma(Box::new(stream));
                self.step(layer, at, &rest, out)
            }
            Engine::Raw(_) | Engine::Lzma(_) => self.pump(layer, at, input, out),
        }
    }

    fn pump(
        &mut self,
        layer: &mut Layer,
        at: usize,
        mut input: &[u8],
        out: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Step {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(STEP, 0);
        let step = loop {
            let (used, made, end, broken) = match &mut layer.engine {
                Engine::Raw(state) => {
                    let (before_in, before_out) = (state.total_in(), state.total_out());
                    let status = state.decompress(input, &mut scratch, FlushDecompress::None);
                    let used = (state.total_in() - before_in) as usize;
                    let made = (state.total_out() - before_out) as usize;
                    (used, made, matches!(status, Ok(Status::StreamEnd)), status.is_err())
                }
                Engine::Lzma(stream) => {
                    let (before_in, before_out) = (stream.total_in(), stream.total_out());
                    let status = stream.process(input, &mut scratch, Action::Run);
                    let used = (stream.total_in() - before_in) as usize;
                    let made = (stream.total_out() - before_out) as usize;
                    if matches!(status, Err(liblzma::stream::Error::MemLimit)) {
                        self.event.get_or_insert(events::LZMA_MEMLIMIT_REACHED);
                    }
                    let end = matches!(status, Ok(liblzma::stream::Status::StreamEnd));
                    (used, made, end, status.is_err())
                }
                _ => break Step::Done(true),
            };
            input = input.get(used..).unwrap_or_default();
            if made > 0 || end {
                let mut plain = scratch.get(..made).unwrap_or_default();
                let guess;
                // a zlib or gzip header speaks for itself, raw deflate does not
                if !layer.produced && layer.tries > 0 && layer.coding == Coding::Deflate {
                    layer.guess.extend_from_slice(plain);
                    plain = b"";
                    if !broken && (end || layer.guess.len() >= GUESS_MAX) {
                        guess = std::mem::take(&mut layer.guess);
                        plain = &guess;
                    }
                }
                layer.produced |= !plain.is_empty();
                let going = self.run(at + 1, plain, out);
                let dead = self.layers.get(at).is_some_and(|place| matches!(place.engine, Engine::Ended));
                if !going || dead {
                    layer.engine = Engine::Ended;
                    break Step::Done(going);
                }
            }
            if broken {
                break Step::Broken;
            }
            if end {
                // members behind the first, or other data, are not looked at
                layer.engine = Engine::Ended;
                break Step::Done(true);
            }
            if used == 0 && made == 0 {
                break Step::Done(true);
            }
        };
        self.scratch = scratch;
        step
    }
}

enum Step {
    /// The input was used up; whether more is wanted.
    Done(bool),
    /// It does not decompress.
    Broken,
}

impl Coding {
    fn engine(self) -> Engine {
        match self {
            Coding::Gzip => Engine::Gzip(Vec::new()),
            Coding::Deflate => Engine::Raw(Box::new(Decompress::new(false))),
            Coding::Zlib => Engine::ZlibHeader(Vec::new()),
            Coding::Lzma => Engine::LzmaHeader(Vec::new()),
        }
    }
}

impl Layer {
    fn new(coding: Coding) -> Self {
        Layer {
            coding,
            engine: coding.engine(),
            produced: false,
            first: Vec::new(),
            tries: 0,
            guess: Vec::new(),
        }
    }
}

/// The length of a gzip header (RFC 1952 section 2.3); `None` while it is not complete.
fn gzip_header(data: &[u8]) -> Result<Option<usize>, ()> {
    const MAGIC: &[u8] = b"\x1f\x8b\x08";
    if data.iter().zip(MAGIC).any(|(a, b)| a != b) {
        return Err(());
    }
    let Some(&flags) = data.get(3) else { return Ok(None) };
    let mut at = 10;
    if flags & 4 != 0 {
        let Some(&[low, high]) = data.get(at..at + 2).and_then(|len| len.first_chunk()) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let Some(nul) = data.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(None) };
            at += nul + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok((data.len() >= at).then_some(at))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;
    use crate::app::Settings;

    const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog, and again: the quick brown fox";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut enc = GzEncoder::new(Vec::new(), Compression::default());
        enc.write_all(text).unwrap();
        enc.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut enc = ZlibEncoder::new(Vec::new(), Compression::default());
        enc.write_all(text).unwrap();
        enc.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut enc = DeflateEncoder::new(Vec::new(), Compression::default());
        enc.write_all(text).unwrap();
        enc.finish().unwrap()
    }

    fn config(yaml: &str) -> Config {
        let yaml = format!("libhtp: {{default-config: {{{yaml}}}}}");
        Config::new(&Settings::new(serde_yaml::from_str(&yaml).ok()))
    }

    fn undo(value: &str, bytes: &[u8], step: usize, config: &Config) -> (Vec<u8>, Vec<&'static str>) {
        let (mut plain, mut events) = (Vec::new(), Vec::new());
        let Some(mut inflate) = Inflate::new(value.as_bytes(), config, &mut |event| events.push(event))
        else {
            return (bytes.to_vec(), events);
        };
        let mut out = |bytes: &[u8]| {
            plain.extend_from_slice(bytes);
            true
        };
        for piece in bytes.chunks(step) {
            inflate.feed(piece, &mut out);
            events.extend(inflate.event());
        }
        inflate.finish(&mut out);
        events.extend(inflate.event());
        (plain, events)
    }

    #[test]
    fn every_coding_under_every_label_however_cut() {
        let lzma = {
            let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
            let stream = Stream::new_lzma_encoder(&options).unwrap();
            let mut enc = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            enc.write_all(TEXT).unwrap();
            enc.finish().unwrap()
        };
        let config = config("lzma-enabled: yes, lzma-memlimit: 64mb");
        for (value, bytes) in [
            ("gzip", gzip(TEXT)),
            ("x-gzip", gzip(TEXT)),
            ("deflate", deflate(TEXT)),
            ("deflate", zlib(TEXT)),
            ("gzip", zlib(TEXT)),
            ("gzip", deflate(TEXT)),
            ("deflate", gzip(TEXT)),
            ("gzip, deflate", zlib(&gzip(TEXT))),
            ("gzip,gzip", gzip(&gzip(TEXT))),
            ("lzma", lzma),
            ("none", TEXT.to_vec()),
            ("identity", TEXT.to_vec()),
        ] {
            for step in [1, 2, 3, 7, 1000] {
                let (plain, events) = undo(value, &bytes, step, &config);
                assert_eq!(plain, TEXT, "{value} cut at {step}");
                assert!(events.is_empty(), "{value} {events:?}");
            }
        }
    }

    #[test]
    fn a_lie_goes_through_as_it_is() {
        for step in [1, 5, 1000] {
            let (plain, events) = undo("gzip", b"{\"not\": \"compressed\"}", step, &config(""));
            assert_eq!(plain, b"{\"not\": \"compressed\"}", "cut at {step}");
            assert_eq!(events, [events::GZIP_DECOMPRESSION_FAILED]);
        }
    }

    #[test]
    fn limits() {
        let (_, events) = undo("gzip, gzip, gzip", &gzip(&gzip(TEXT)), 9, &config(""));
        assert_eq!(events, [events::TOO_MANY_ENCODING_LAYERS]);
        let (plain, _) = undo("gzip", &gzip(TEXT), 9, &config("response-body-decompress-layer-limit: 0"));
        assert_eq!(plain, gzip(TEXT));
        let bomb = gzip(&gzip(&vec![0; 64 << 20]));
        let (plain, events) = undo("gzip, gzip", &bomb, 1000, &config(""));
        assert!(plain.len() < 32 << 20, "{}", plain.len());
        assert_eq!(events, [events::COMPRESSION_BOMB]);
        let (_, events) = undo("foo-gzip", &gzip(TEXT), 9, &config(""));
        assert_eq!(events, [events::ABNORMAL_CE_HEADER]);
    }

    #[test]
    fn gzip_headers_with_everything() {
        let mut bytes = b"\x1f\x8b\x08\x1e\0\0\0\0\0\0\x05\0extrafilename\0comment\0\x34\x12".to_vec();
        bytes.extend_from_slice(&deflate(TEXT));
        bytes.extend_from_slice(b"wrong checksum and junk");
        for step in [1, 4, 1000] {
            assert_eq!(undo("gzip", &bytes, step, &config("")).0, TEXT);
        }
    }
}
