//! A chain of certificates as sent in clear (RFC 5246 section 7.4.2), and what rules and records want of its leaf.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use sha1::{Digest as _, Sha1};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Error};
use x509_parser::time::ASN1Time;

use crate::protocols::hello::messages::Cursor;

/// Certificates kept of one chain.
const CHAIN_MAX: usize = 32;

/// A chain: the DER of each certificate, and the leaf taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    bytes: Vec<u8>,
    certificates: Vec<Range<usize>>,
    pub(super) leaf: Option<Leaf>,
}

/// What is kept of the first certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// `AA:BB`.
    pub(super) serial: String,
    /// `aa:bb`, SHA-1.
    pub(super) fingerprint: String,
    pub(super) not_before: Moment,
    pub(super) not_after: Moment,
    pub(super) names: Vec<Vec<u8>>,
}

/// A point in time as certificates tell it.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// Since 1970, negative before.
    pub(super) seconds: i64,
    /// `2026-11-23T16:31:56`.
    pub(super) text: String,
}

impl Chain {
    /// Out of the body of a Certificate message; what is wrong with it is told in `events`.
    pub(super) fn read(body: &[u8], events: &mut Vec<&'static str>) -> Option<Chain> {
        let mut cursor = Cursor(body);
        let all = cursor.u24().and_then(|len| cursor.take(len)).ok()?;
        if all.is_empty() {
            return None;
        }
        let mut chain = Chain { bytes: all.to_vec(), ..Chain::default() };
        let mut cursor = Cursor(all);
        while !cursor.0.is_empty() && chain.certificates.len() < CHAIN_MAX {
            let Ok(der) = cursor.u24().and_then(|len| cursor.take(len)) else {
                events.push("invalid_certificate");
                break;
            };
            let end = all.len() - cursor.0.len();
            chain.certificates.push(end - der.len()..end);
        }
        let Some(first) = chain.at(0) else { return Some(chain) };
        match Leaf::read(first) {
            Ok(leaf) => chain.leaf = Some(leaf),
            Err(event) => events.extend([event, "invalid_handshake_message"]),
        }
        Some(chain)
    }

    /// The DER of the `nth`, leaf first.
    pub(super) fn at(&self, nth: usize) -> Option<&[u8]> {
        self.bytes.get(self.certificates.get(nth)?.clone())
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() * 2
    }
}

impl Leaf {
    fn read(der: &[u8]) -> Result<Leaf, &'static str> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| match error {
            _ if is_cut_in_header(der) => "certificate_invalid_length",
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => event(&error),
            x509_parser::nom::Err::Incomplete(_) => "invalid_certificate",
        })?;
        let mut names = Vec::new();
        for extension in certificate.extensions() {
            if let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() {
                names.extend(alternative.general_names.iter().filter_map(name));
            }
        }
        let validity = certificate.validity();
        Ok(Leaf {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: colons(certificate.raw_serial(), true),
            fingerprint: colons(&Sha1::digest(der), false),
            not_before: moment(&validity.not_before),
            not_after: moment(&validity.not_after),
            names,
        })
    }
}

/// Whether the certificate ends within the tag and length of its first element (X.690 section 8.1).
fn is_cut_in_header(der: &[u8]) -> bool {
    /// The bytes behind a header, as many as it says or as there are; `None` when the header is cut.
    fn content(bytes: &[u8]) -> Option<&[u8]> {
        let (&[_, first], rest) = bytes.split_first_chunk::<2>()?;
        let long = usize::from(first & 0x7f);
        if first & 0x80 == 0 {
            return Some(rest.get(..long).unwrap_or(rest));
        }
        let (digits, rest) = rest.split_at_checked(long)?;
        let len = digits
            .iter()
            .fold(0usize, |len, digit| len.saturating_mul(256).saturating_add(usize::from(*digit)));
        Some(rest.get(..len).unwrap_or(rest))
    }
    content(der).is_none_or(|inner| content(inner).is_none())
}

fn moment(time: &ASN1Time) -> Moment {
    let date = time.to_datetime();
    let (hour, minute, second) = date.to_hms();
    Moment {
        seconds: time.timestamp(),
        text: format!(
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}",
            date.year(),
            date.month() as u8,
            date.day()
        ),
    }
}

fn event(error: &X509Error) -> &'static str {
    match error {
        X509Error::InvalidVersion => "certificate_invalid_version",
        X509Error::InvalidSerial => "certificate_invalid_serial",
        X509Error::InvalidAlgorithmIdentifier => "certificate_invalid_algorithmidentifier",
        X509Error::InvalidX509Name => "certificate_invalid_x509name",
        X509Error::InvalidDate => "certificate_invalid_date",
        X509Error::InvalidExtensions | X509Error::DuplicateExtensions => "certificate_invalid_extensions",
        _ => "invalid_certificate",
    }
}

fn name(name: &GeneralName<'_>) -> Option<Vec<u8>> {
    Some(match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            text.as_bytes().to_vec()
        }
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => Ipv4Addr::from(v4).to_string().into_bytes(),
            (_, Ok(v6)) => Ipv6Addr::from(v6).to_string().into_bytes(),
            _ => return None,
        },
        GeneralName::DirectoryName(name) => name.to_string().into_bytes(),
        _ => return None,
    })
}

fn colons(bytes: &[u8], upper: bool) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let colon = if at > 0 { ":" } else { "" };
        let _ = if upper { write!(text, "{colon}{byte:02X}") } else { write!(text, "{colon}{byte:02x}") };
    }
    text
}
