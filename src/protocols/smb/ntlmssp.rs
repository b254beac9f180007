//! Who signs in: the NTLMSSP message (MS-NLMP section 2.2.1.3) in a security blob, or the ticket of Kerberos (RFC 4120).

use super::wire::{Reader, name};

/// Who signs in by NTLM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ntlmssp {
    pub(super) domain: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) host: Vec<u8>,
    /// Major, minor, build, revision.
    pub(super) version: Option<(u8, u8, u16, u8)>,
}

/// What a ticket is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kerberos {
    pub(super) realm: Vec<u8>,
    pub(super) names: Vec<Vec<u8>>,
}

/// What a security blob says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) ntlmssp: Option<Ntlmssp>,
    pub(super) kerberos: Option<Kerberos>,
    /// There was an NTLMSSP message that could not be read.
    pub(super) malformed: bool,
}

const SIGNATURE: &[u8] = b"NTLMSSP\0";
const AUTHENTICATE: u32 = 3;
const UNICODE: u32 = 1;
const VERSION: u32 = 0x0200_0000;

impl Identity {
    /// Of a security blob, whatever wraps it.
    pub(super) fn read(blob: &[u8]) -> Identity {
        let mut identity = Identity::default();
        if let Some(at) = memchr::memmem::find(blob, SIGNATURE) {
            let message = &blob[at..];
            let kind = message.get(8..12).and_then(|kind| Reader(kind).u32());
            if kind == Some(AUTHENTICATE) {
                identity.ntlmssp = authenticate(message);
                identity.malformed = identity.ntlmssp.is_none();
            }
        } else {
            identity.kerberos = ticket(blob);
        }
        identity
    }
}

fn authenticate(message: &[u8]) -> Option<Ntlmssp> {
    let mut reader = Reader(message.get(12..)?);
    let mut field = || {
        let (length, _, offset) = (reader.u16()?, reader.u16()?, reader.u32()?);
        Some((usize::from(length), usize::try_from(offset).ok()?))
    };
    let (lm, nt) = (field()?, field()?);
    let (domain, user, host, _key) = (field()?, field()?, field()?, field()?);
    let flags = reader.u32()?;
    // some that say they have a version have their texts in its place
    let first = [lm, nt, domain, user, host].iter().filter(|(len, _)| *len > 0).map(|(_, at)| *at).min();
    let version = match flags & VERSION {
        0 => None,
        _ if first.is_some_and(|at| at < 72) => None,
        _ => {
            let (major, minor, build) = (reader.u8()?, reader.u8()?, reader.u16()?);
            let &[_, _, _, revision] = reader.take(4)? else { return None };
            Some((major, minor, build, revision))
        }
    };
    let text = |(length, offset): (usize, usize)| {
        let bytes = message.get(offset..offset.checked_add(length)?)?;
        Some(name(bytes, flags & UNICODE != 0))
    };
    Some(Ntlmssp { domain: text(domain)?, user: text(user)?, host: text(host)?, version })
}

/// One element of DER: its tag, its content, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None;
        }
        let (number, behind) = rest.split_at_checked(digits)?;
        length = number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = behind;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The content of the first element if it has that tag.
fn within(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    element(bytes).filter(|(found, ..)| *found == tag).map(|(_, content, _)| content)
}

/// The first element of that tag among those that stand side by side.
fn member(mut bytes: &[u8], tag: u8) -> Option<&[u8]> {
    while let Some((found, content, rest)) = element(bytes) {
        if found == tag {
            return Some(content);
        }
        bytes = rest;
    }
    None
}

const KRB5: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// Realm and service of the ticket in a request (`AP-REQ`).
fn ticket(blob: &[u8]) -> Option<Kerberos> {
    // the token follows its mechanism and two bytes that say what it is; the mechanism is offered in a list before that
    let mut from = 0;
    loop {
        let found = memchr::memmem::find(blob.get(from..)?, KRB5)?;
        from += found + KRB5.len();
        if let Some(kerberos) = blob.get(from..).and_then(|rest| rest.strip_prefix(&[1, 0])).and_then(request)
        {
            return Some(kerberos);
        }
    }
}

fn request(token: &[u8]) -> Option<Kerberos> {
    let ticket = member(within(within(token, 0x6e)?, 0x30)?, 0xa3)?;
    let ticket = within(within(ticket, 0x61)?, 0x30)?;
    let realm = within(member(ticket, 0xa1)?, 0x1b)?.to_vec();
    let mut strings = within(member(within(member(ticket, 0xa2)?, 0x30)?, 0xa1)?, 0x30)?;
    let mut names = Vec::new();
    while let Some((0x1b, text, rest)) = element(strings) {
        names.push(text.to_vec());
        strings = rest;
    }
    Some(Kerberos { realm, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flags: u32) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &3u32.to_le_bytes()].concat();
        for (length, offset) in [(0u16, 88u32), (0, 88), (6, 72), (4, 78), (6, 82), (0, 88)] {
            bytes.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(flags.to_le_bytes());
        bytes.extend([10, 0, 0x5a, 0x29, 0, 0, 0, 15]);
        bytes.extend(b"D\0O\0M\0m\0e\0P\0C\x001\0");
        bytes
    }

    #[test]
    fn who_signs_in_is_read() {
        let blob = [b"\x60\x10".as_slice(), &message(UNICODE | VERSION)].concat();
        let ntlmssp = Identity::read(&blob).ntlmssp.unwrap();
        assert_eq!(
            (&ntlmssp.domain[..], &ntlmssp.user[..], &ntlmssp.host[..]),
            (&b"DOM"[..], &b"me"[..], &b"PC1"[..])
        );
        assert_eq!(ntlmssp.version, Some((10, 0, 10586, 15)));
    }

    #[test]
    fn cut_messages_are_malformed_or_nothing() {
        let whole = message(UNICODE | VERSION);
        for end in 0..whole.len() {
            let identity = Identity::read(&whole[..end]);
            assert_eq!(identity.ntlmssp, None);
            assert_eq!(identity.malformed, end >= 12, "{end}");
        }
    }

    #[test]
    fn a_ticket_tells_realm_and_service() {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
        let names = wrap(0x30, &[wrap(0x1b, b"cifs"), wrap(0x1b, b"dc")].concat());
        let name = wrap(0xa2, &wrap(0x30, &[wrap(0xa0, b"\x02\x01\x02"), wrap(0xa1, &names)].concat()));
        let ticket = [wrap(0xa0, b"\x02\x01\x05"), wrap(0xa1, &wrap(0x1b, b"REALM")), name].concat();
        let ticket = wrap(0xa3, &wrap(0x61, &wrap(0x30, &ticket)));
        let token = [KRB5, &[1, 0], &wrap(0x6e, &wrap(0x30, &ticket))].concat();
        let blob = [KRB5, &b"\xa2"[..], &token].concat();
        let kerberos = Identity::read(&blob).kerberos.unwrap();
        assert_eq!(
            kerberos,
            Kerberos { realm: b"REALM".to_vec(), names: vec![b"cifs".to_vec(), b"dc".to_vec()] }
        );
        for end in 0..blob.len() {
            assert_eq!(Identity::read(&blob[..end]).kerberos, None);
        }
    }
}
