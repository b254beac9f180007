//! Client and server hello (RFC 8446 sections 4.1.2 and 4.1.3, RFC 5246 section 7.4.1), and what is kept of their
//! extensions.

use super::version::Version;

/// What is kept of a client hello.
#[derive(Clone, Debug, Default)]
pub(in crate::protocols) struct ClientHello {
    /// `legacy_version`.
    pub(in crate::protocols) legacy: Version,
    pub(in crate::protocols) random: [u8; 32],
    pub(in crate::protocols) session: Vec<u8>,
    pub(in crate::protocols) ciphers: Vec<u16>,
    /// Types, in the order sent.
    pub(in crate::protocols) extensions: Vec<u16>,
    pub(in crate::protocols) sni: Option<Vec<u8>>,
    pub(in crate::protocols) alpn: Vec<Vec<u8>>,
    pub(in crate::protocols) groups: Vec<u16>,
    pub(in crate::protocols) formats: Vec<u8>,
    pub(in crate::protocols) signatures: Vec<u16>,
    pub(in crate::protocols) versions: Vec<u16>,
    /// It has a session ticket extension, even an empty one.
    pub(in crate::protocols) ticket: bool,
    /// What was wrong with it.
    pub(in crate::protocols) events: Vec<&'static str>,
}

/// What is kept of a server hello.
#[derive(Clone, Debug, Default)]
pub(in crate::protocols) struct ServerHello {
    /// `legacy_version`.
    pub(in crate::protocols) legacy: Version,
    /// From supported_versions, else the legacy one.
    pub(in crate::protocols) version: Version,
    pub(in crate::protocols) random: [u8; 32],
    pub(in crate::protocols) session: Vec<u8>,
    pub(in crate::protocols) cipher: u16,
    pub(in crate::protocols) extensions: Vec<u16>,
    pub(in crate::protocols) alpn: Option<Vec<u8>>,
}

/// The event of a hello that could not be read to its end.
const INVALID_LENGTH: &str = "handshake_invalid_length";

/// Lengths inside contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) struct Malformed;

/// The random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What stands for every extension that means nothing, where they are not told apart.
pub(in crate::protocols) const GREASE: u16 = 0xfafa;

/// A value that means nothing, sent to keep implementations tolerant (RFC 8701).
pub(in crate::protocols) fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl ClientHello {
    /// Out of the body of the message. What was read before a contradiction is kept and the contradiction noted.
    pub(in crate::protocols) fn read(body: &[u8]) -> ClientHello {
        let mut hello = ClientHello::default();
        if hello.fill(&mut Cursor(body)).is_err() {
            hello.events.push(INVALID_LENGTH);
        }
        hello
    }

    /// Lengths inside contradict each other.
    pub(in crate::protocols) fn is_malformed(&self) -> bool {
        self.events.contains(&INVALID_LENGTH)
    }

    fn fill(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        self.legacy = Version(cursor.u16()?);
        self.random = cursor.array()?;
        self.session = cursor.short()?.to_vec();
        let ciphers = cursor.long()?;
        if ciphers.len() % 2 != 0 {
            return Err(Malformed);
        }
        self.ciphers = words(ciphers).collect();
        cursor.short()?;
        if cursor.0.is_empty() {
            return Ok(());
        }
        let mut all = Cursor(cursor.long()?);
        while !all.0.is_empty() {
            let kind = all.u16()?;
            let data = all.long()?;
            let repeated = self.extensions.contains(&kind);
            self.extensions.push(kind);
            self.extension(kind, data, repeated);
        }
        Ok(())
    }

    /// Whatever is wrong inside one extension must not hide the others.
    fn extension(&mut self, kind: u16, data: &[u8], repeated: bool) {
        match kind {
            0 if repeated => self.events.push("multiple_sni_extensions"),
            0 => self.server_name(data),
            10 => self.groups = list(data).map(words).into_iter().flatten().collect(),
            11 => self.formats = Cursor(data).short().unwrap_or_default().to_vec(),
            13 => self.signatures = list(data).map(words).into_iter().flatten().collect(),
            16 => self.alpn = names(data),
            35 => self.ticket = true,
            43 => self.versions = words(Cursor(data).short().unwrap_or_default()).collect(),
            _ => {}
        }
    }

    fn server_name(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let mut cursor = Cursor(data);
        let (Ok(_), Ok([kind])) = (cursor.u16(), cursor.array()) else {
            self.events.push("invalid_sni_length");
            return;
        };
        if kind != 0 {
            self.events.push("invalid_sni_type");
            return;
        }
        match cursor.long() {
            Ok(name) if !name.is_empty() => self.sni = Some(name.to_vec()),
            _ => self.events.push("invalid_sni_length"),
        }
    }

    /// The highest version offered.
    pub(in crate::protocols) fn version(&self) -> Version {
        let offered = self.versions.iter().copied().filter(|&version| !is_grease(version)).map(Version);
        offered.max_by_key(|version| version.rank()).unwrap_or(self.legacy)
    }
}

impl ServerHello {
    /// Out of the body of the message.
    pub(in crate::protocols) fn read(body: &[u8]) -> Result<ServerHello, Malformed> {
        let mut cursor = Cursor(body);
        let mut hello = ServerHello { legacy: Version(cursor.u16()?), ..ServerHello::default() };
        hello.version = hello.legacy;
        hello.random = cursor.array()?;
        // The hello of the early drafts of TLS 1.3 had neither session nor compression.
        let draft = hello.legacy.is_tls13();
        if !draft {
            hello.session = cursor.short()?.to_vec();
        }
        hello.cipher = cursor.u16()?;
        if !draft {
            cursor.array::<1>()?;
        }
        if cursor.0.is_empty() {
            return Ok(hello);
        }
        let mut all = Cursor(cursor.long()?);
        while !all.0.is_empty() {
            let kind = all.u16()?;
            let data = all.long()?;
            hello.extensions.push(kind);
            match kind {
                16 => hello.alpn = names(data).into_iter().next(),
                43 => {
                    if let Ok(version) = Cursor(data).u16() {
                        hello.version = Version(version);
                    }
                }
                _ => {}
            }
        }
        Ok(hello)
    }

    /// It asks for another client hello.
    pub(in crate::protocols) fn is_retry(&self) -> bool {
        self.random == RETRY
    }
}

/// Bytes behind a length of two bytes, as far as they are there.
fn list(data: &[u8]) -> Option<&[u8]> {
    Cursor(data).long().ok()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn names(data: &[u8]) -> Vec<Vec<u8>> {
    let mut cursor = Cursor(list(data).unwrap_or_default());
    let mut names = Vec::new();
    while let Ok(name) = cursor.short() {
        names.push(name.to_vec());
    }
    names
}

/// Reads from the front of some bytes.
pub(in crate::protocols) struct Cursor<'a>(pub(in crate::protocols) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(in crate::protocols) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(in crate::protocols) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(in crate::protocols) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(in crate::protocols) fn u24(&mut self) -> Result<usize, Malformed> {
        let [high, middle, low] = self.array()?;
        Ok(usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low))
    }

    /// Bytes behind a length of one byte.
    pub(in crate::protocols) fn short(&mut self) -> Result<&'a [u8], Malformed> {
        let [len] = self.array()?;
        self.take(len.into())
    }

    /// Bytes behind a length of two bytes.
    pub(in crate::protocols) fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(len.into())
    }
}
