//! Messages: X.224 ([MS-RDPBCGR] sections 2.2.1.1 and 2.2.1.2) and the client's part of MCS (section 2.2.1.3).

use crate::protocols::reader::Reader;

/// Channels that are kept.
pub(super) const CHANNELS_MAX: usize = 32;

/// A message that is told.
#[derive(Debug, Default)]
pub(super) enum Message {
    InitialRequest(InitialRequest),
    InitialResponse(Answer),
    ConnectRequest(Box<Client>),
    #[default]
    ConnectResponse,
    /// Serial numbers of the server's certificates, in hexadecimal.
    TlsHandshake(Vec<String>),
}

/// What the first request says.
#[derive(Debug, Default)]
pub(super) struct InitialRequest {
    pub(super) cookie: Option<Vec<u8>>,
    /// Flags of the negotiation, when they are sound.
    pub(super) flags: u8,
}

/// What the first response says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing that can be told.
    Silent,
    Protocol {
        flags: u8,
        protocol: &'static str,
    },
    Failure(u32),
}

/// What the client says of itself.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) core: Option<Core>,
    pub(super) channels: Option<Vec<Vec<u8>>>,
}

/// Section 2.2.1.3.2.
#[derive(Debug, Default)]
pub(super) struct Core {
    pub(super) version: u32,
    pub(super) size: (u16, u16),
    pub(super) color_depth: Option<u8>,
    pub(super) layout: u32,
    pub(super) build: u32,
    pub(super) name: String,
    pub(super) keyboard: (u32, u32),
    pub(super) function_keys: u32,
    pub(super) product: Option<u16>,
    pub(super) serial: Option<u32>,
    pub(super) capabilities: Option<u16>,
    pub(super) id: String,
    pub(super) connection: Option<u8>,
}

const COOKIE: &[u8] = b"Cookie: mstshash=";

/// What is behind the fixed part of a connection request.
pub(super) fn initial_request(bytes: &[u8]) -> InitialRequest {
    let mut request = InitialRequest::default();
    let mut rest = bytes;
    if bytes.starts_with(b"Cookie: ")
        && let Some(end) = memchr::memmem::find(bytes, b"\r\n")
    {
        request.cookie =
            bytes.get(COOKIE.len()..end).filter(|_| bytes.starts_with(COOKIE)).map(<[u8]>::to_vec);
        rest = bytes.get(end + 2..).unwrap_or_default();
    }
    // correlation information stands alone; the other two may be together
    if let [1, flags @ (1..=3 | 8), 8, 0, ..] = rest {
        request.flags = *flags;
    }
    request
}

/// What is behind the fixed part of a connection confirmation.
pub(super) fn initial_response(bytes: &[u8]) -> Answer {
    let mut reader = Reader(bytes);
    let (Some(kind), Some(flags), Some(8), Some(value)) =
        (reader.u8(), reader.u8(), reader.u16_le(), reader.u32_le())
    else {
        return Answer::Silent;
    };
    match (kind, value) {
        (2, _) if flags & 0xe0 != 0 => Answer::Silent,
        (2, 0) => Answer::Protocol { flags, protocol: "rdp" },
        (2, 1) => Answer::Protocol { flags, protocol: "ssl" },
        (2, 2) => Answer::Protocol { flags, protocol: "hybrid" },
        (2, 4) => Answer::Protocol { flags, protocol: "rds_tls" },
        (2, 8) => Answer::Protocol { flags, protocol: "hybrid_ex" },
        (3, 1..=6) => Answer::Failure(value),
        _ => Answer::Silent,
    }
}

/// An element of basic encoding whose tag is read: what is in it.
fn element<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let (len, header) = crate::protocols::ber::length(reader.0)?;
    reader.take(header)?;
    reader.take(len)
}

/// A length in packed encoding.
fn packed(reader: &mut Reader<'_>) -> Option<usize> {
    let first = reader.u8()?;
    Some(match first & 0x80 {
        0 => first.into(),
        _ => usize::from(first & 0x3f) << 8 | usize::from(reader.u8()?),
    })
}

/// The blocks in an MCS Connect-Initial, behind its tag.
pub(super) fn client(bytes: &[u8]) -> Option<Client> {
    let mut reader = Reader(bytes);
    let mut mcs = Reader(element(&mut reader)?);
    // selectors, a flag, three sets of parameters
    for _ in 0..6 {
        mcs.u8()?;
        element(&mut mcs)?;
    }
    mcs.u8()?;
    let mut gcc = Reader(element(&mut mcs)?);
    // T.124: the object identifier of the conference
    if gcc.take(7)? != b"\0\x05\0\x14\x7c\0\x01" {
        return None;
    }
    packed(&mut gcc)?;
    // a request to create one, with the key Duca
    if gcc.take(12)? != b"\0\x08\0\x10\0\x01\xc0\0Duca" {
        return None;
    }
    let len = packed(&mut gcc)?;
    let mut blocks = Reader(gcc.take(len.min(gcc.0.len()))?);
    let mut client = Client::default();
    while let (Some(kind), Some(len)) = (blocks.u16_le(), blocks.u16_le()) {
        let Some(inside) = usize::from(len).checked_sub(4).and_then(|len| blocks.take(len)) else { break };
        match kind {
            0xc001 if client.core.is_none() => client.core = core(inside),
            0xc003 if client.channels.is_none() => client.channels = channels(inside),
            _ => {}
        }
    }
    Some(client)
}

/// UTF-16 up to a zero.
fn utf16(bytes: &[u8]) -> String {
    let words = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(words.take_while(|word| *word != 0))
        .map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn core(bytes: &[u8]) -> Option<Core> {
    let mut reader = Reader(bytes);
    let mut core = Core { version: reader.u32_le()?, ..Core::default() };
    core.size = (reader.u16_le()?, reader.u16_le()?);
    core.color_depth = depth(reader.u16_le()?).filter(|depth| *depth <= 8);
    reader.u16_le()?;
    core.layout = reader.u32_le()?;
    core.build = reader.u32_le()?;
    core.name = utf16(reader.take(32)?);
    core.keyboard = (reader.u32_le()?, reader.u32_le()?);
    core.function_keys = reader.u32_le()?;
    reader.take(64)?;
    // what comes now may be missing from any place on, and what makes no sense ends it
    let _ = optional(reader, &mut core);
    Some(core)
}

fn depth(code: u16) -> Option<u8> {
    Some(match code {
        0xca00 => 4,
        0xca01 => 8,
        0xca02 => 15,
        0xca03 => 16,
        0xca04 => 24,
        _ => return None,
    })
}

fn optional(mut reader: Reader<'_>, core: &mut Core) -> Option<()> {
    core.color_depth = Some(depth(reader.u16_le()?)?);
    core.product = Some(reader.u16_le()?);
    core.serial = Some(reader.u32_le()?);
    let high = reader.u16_le()?;
    core.color_depth = Some(u8::try_from(high).ok().filter(|high| matches!(high, 4 | 8 | 15 | 16 | 24))?);
    reader.u16_le()?;
    core.capabilities = Some(reader.u16_le().filter(|bits| *bits < 0x800)?);
    core.id = utf16(reader.take(64)?);
    core.connection = Some(reader.u8()?);
    Some(())
}

fn channels(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(bytes);
    let count = reader.u32_le()? as usize;
    let mut channels = Vec::new();
    for _ in 0..count.min(CHANNELS_MAX) {
        let Some(name) = reader.take(8) else { break };
        reader.take(4)?;
        let end = memchr::memchr(0, name).unwrap_or(name.len());
        channels.push(name.get(..end)?.to_vec());
    }
    Some(channels)
}
