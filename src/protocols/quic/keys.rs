//! Keys of Initial packets: RFC 9001 section 5.2 (which), 5.4 (header protection), 5.3 (packet protection).

use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockEncrypt as _, KeyInit as _};
use aes_gcm::{AeadInPlace as _, Aes128Gcm};
use hkdf::Hkdf;
use sha2::Sha256;

use super::version::{Secrets, Version};
use crate::types::Direction;

const TAG_LEN: usize = 16;
const SAMPLE_LEN: usize = 16;

/// What the Initial packets of one connection are protected with.
pub(super) struct Keys {
    pub(super) version: Version,
    /// The connection id that they follow from.
    pub(super) connection: Vec<u8>,
    sides: [Side; 2],
}

struct Side {
    packet: Aes128Gcm,
    nonce: [u8; 12],
    header: Aes128,
}

impl Keys {
    /// For the connection that a client began with that destination id.
    pub(super) fn new(version: Version, connection: &[u8]) -> Option<Self> {
        let secrets = version.secrets()?;
        let (_, initial) = Hkdf::<Sha256>::extract(Some(&secrets.salt), connection);
        Some(Keys {
            version,
            connection: connection.to_vec(),
            sides: [Side::new(&initial, "client in", &secrets)?, Side::new(&initial, "server in", &secrets)?],
        })
    }

    /// The payload of a packet whose number begins at `number_at`; `None` when it was not protected with these keys.
    pub(super) fn open(&self, dir: Direction, packet: &[u8], number_at: usize) -> Option<Vec<u8>> {
        let side = &self.sides[dir.index()];
        let sample_at = number_at.checked_add(4)?;
        let sample = packet.get(sample_at..sample_at.checked_add(SAMPLE_LEN)?)?;
        let mut mask = *GenericArray::from_slice(sample);
        side.header.encrypt_block(&mut mask);
        let (head, _) = packet.split_at_checked(sample_at)?;
        let mut head = head.to_vec();
        let first = head.first_mut()?;
        *first ^= mask[0] & 0x0f;
        let number_len = usize::from(*first & 3) + 1;
        head.truncate(number_at + number_len);
        let mut nonce = side.nonce;
        for (at, byte) in head.iter_mut().skip(number_at).enumerate() {
            *byte ^= mask[1 + at];
            // the number, truncated: an Initial packet's is small
            nonce[12 - number_len + at] ^= *byte;
        }
        let (body, tag) = packet.get(head.len()..)?.split_last_chunk::<TAG_LEN>()?;
        let mut body = body.to_vec();
        side.packet
            .decrypt_in_place_detached(
                GenericArray::from_slice(&nonce),
                &head,
                &mut body,
                GenericArray::from_slice(tag),
            )
            .ok()?;
        Some(body)
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.connection.len()
    }
}

impl Side {
    fn new(initial: &Hkdf<Sha256>, label: &str, secrets: &Secrets) -> Option<Self> {
        let secret: [u8; 32] = expand(initial, label)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let [key, iv, hp] = secrets.labels;
        let key: [u8; 16] = expand(&secret, key)?;
        let header: [u8; 16] = expand(&secret, hp)?;
        Some(Side {
            packet: Aes128Gcm::new(GenericArray::from_slice(&key)),
            nonce: expand(&secret, iv)?,
            header: Aes128::new(GenericArray::from_slice(&header)),
        })
    }
}

/// HKDF-Expand-Label without context, RFC 8446 section 7.1.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let len = u16::try_from(N).ok()?.to_be_bytes();
    let label_len = u8::try_from(PREFIX.len() + label.len()).ok()?;
    let mut out = [0; N];
    secret.expand_multi_info(&[&len, &[label_len], PREFIX, label.as_bytes(), &[0]], &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
impl Keys {
    /// What [`Keys::open`] undoes: a header that ends with a number of four bytes, and a payload, as a packet.
    pub(super) fn seal(&self, dir: Direction, header: &[u8], payload: &[u8]) -> Vec<u8> {
        let side = &self.sides[dir.index()];
        let number_at = header.len() - 4;
        let mut nonce = side.nonce;
        for (at, byte) in header[number_at..].iter().enumerate() {
            nonce[8 + at] ^= byte;
        }
        let mut body = payload.to_vec();
        let nonce = GenericArray::from_slice(&nonce);
        let tag = side.packet.encrypt_in_place_detached(nonce, header, &mut body).unwrap();
        let mut packet = [header, &body, &tag].concat();
        let mut mask = *GenericArray::from_slice(&packet[header.len()..header.len() + SAMPLE_LEN]);
        side.header.encrypt_block(&mut mask);
        packet[0] ^= mask[0] & 0x0f;
        for at in 0..4 {
            packet[number_at + at] ^= mask[1 + at];
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9001 appendix A.1.
    #[test]
    fn secrets_are_those_of_the_specification() {
        let connection = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let secrets = Version(1).secrets().unwrap();
        let (_, initial) = Hkdf::<Sha256>::extract(Some(&secrets.salt), &connection);
        let client: [u8; 32] = expand(&initial, "client in").unwrap();
        assert_eq!(client[..4], [0xc0, 0x0c, 0xf1, 0x51]);
        let client = Hkdf::<Sha256>::from_prk(&client).unwrap();
        assert_eq!(expand::<16>(&client, "quic key").unwrap()[..4], [0x1f, 0x36, 0x96, 0x13]);
        assert_eq!(expand::<12>(&client, "quic iv").unwrap()[..4], [0xfa, 0x04, 0x4b, 0x2f]);
        assert_eq!(expand::<16>(&client, "quic hp").unwrap()[..4], [0x9f, 0x50, 0x44, 0x9e]);
    }
}
