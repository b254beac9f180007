//! Recognising DNS from first bytes.
//!
//! On port 53 a sound header is enough. On any other port the bytes must be one whole, ordinary message (one question of
//! class IN with a hostname-like name and a known type; nothing behind the message), because twelve bytes of anything look
//! like a header. mDNS, LLMNR and NetBIOS names speak nearly the same and are left alone.

use super::codes::RrType;
use super::message::{HEADER_LEN, Header, Message};
use super::name::Broken;
use crate::app::Probe;
use crate::types::{Direction, Proto};

/// Where DNS is served.
pub(super) const PORT: u16 = 53;

/// mDNS, LLMNR, NetBIOS name service.
const RELATIVES: [u16; 3] = [5353, 5355, 137];

/// See [`crate::app::Protocol::probe`].
pub(super) fn probe(transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
    let (found, response) = match (transport, port) {
        (Proto::UDP, PORT) => lenient(bytes),
        (Proto::TCP, PORT) => framed(bytes, lenient_head),
        (_, port) if RELATIVES.contains(&port) => return Probe::No,
        (Proto::UDP, _) => (strict(bytes), answers(bytes)),
        (Proto::TCP, _) => framed(bytes, strict_head),
        _ => return Probe::No,
    };
    match found {
        // LLMNR answers come from their own port to any: no recursion, no authority.
        Probe::Yes
            if port != PORT
                && response
                && dir == Direction::ToServer
                && !conversational(bytes, transport) =>
        {
            Probe::No
        }
        // A side that says the opposite of what it should is the other side.
        Probe::Yes if response != (dir == Direction::ToClient) => Probe::Reversed,
        found => found,
    }
}

/// A response in which some server says that it was asked as one: recursion or authority.
fn conversational(bytes: &[u8], transport: Proto) -> bool {
    let message = if transport == Proto::TCP { bytes.get(2..) } else { Some(bytes) };
    message.and_then(Header::read).is_some_and(|header| header.flags & 0x0580 != 0)
}

fn answers(message: &[u8]) -> bool {
    Header::read(message).is_some_and(|header| header.is_response())
}

/// A header whose counts the message has room for, and names that can be read as far as the bytes go.
fn lenient(message: &[u8]) -> (Probe, bool) {
    let Some(header) = Header::read(message) else { return (Probe::No, false) };
    if !roomy(&header, message.len()) {
        return (Probe::No, false);
    }
    let read =
        if header.is_response() { Message::read_response(message) } else { Message::read_request(message) };
    match read {
        Ok(_) | Err(Broken::Incomplete) => (Probe::Yes, header.is_response()),
        Err(Broken::Invalid) => (Probe::No, false),
    }
}

/// No record is shorter than two bytes.
fn roomy(header: &Header, len: usize) -> bool {
    let records: usize = header.counts.iter().map(|&count| usize::from(count)).sum();
    HEADER_LEN + 2 * records <= len
}

/// Looks behind the two length bytes of TCP framing.
fn framed(bytes: &[u8], look: fn(&Header, &[u8], usize) -> Probe) -> (Probe, bool) {
    let Some((length, message)) = bytes.split_at_checked(2) else { return (Probe::More, false) };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < HEADER_LEN {
        return (Probe::No, false);
    }
    let Some(header) = Header::read(message) else { return (Probe::More, false) };
    let seen = &message[..message.len().min(length)];
    if !roomy(&header, length) {
        return (Probe::No, false);
    }
    (look(&header, seen, length), header.is_response())
}

fn lenient_head(_header: &Header, seen: &[u8], _length: usize) -> Probe {
    match Message::read_request(seen) {
        Ok(_) | Err(Broken::Incomplete) => Probe::Yes,
        Err(Broken::Invalid) => Probe::No,
    }
}

/// Of a message cut by its segment: an ordinary header and question, and no more than the length says.
fn strict_head(header: &Header, seen: &[u8], length: usize) -> Probe {
    if !ordinary(header) {
        return Probe::No;
    }
    if seen.len() == length {
        return strict(seen);
    }
    match Message::read_request(seen) {
        Ok(message) if hostname_question(&message) => Probe::Yes,
        Err(Broken::Incomplete) => Probe::More,
        _ => Probe::No,
    }
}

fn ordinary(header: &Header) -> bool {
    let [questions, answers, authorities, additionals] = header.counts;
    let quiet = header.is_response() || (answers == 0 && authorities == 0 && header.rcode() == 0);
    header.opcode() == 0 && !header.z() && header.rcode() <= 5 && questions == 1 && quiet && additionals <= 32
}

/// A whole message on a port that promises nothing.
fn strict(bytes: &[u8]) -> Probe {
    let Some(header) = Header::read(bytes) else { return Probe::No };
    if !ordinary(&header) || !roomy(&header, bytes.len()) {
        return Probe::No;
    }
    // Records of a request (EDNS) are read too: together they must fill the message.
    match Message::read_whole(bytes) {
        Ok((message, end)) if end == bytes.len() && hostname_question(&message) => Probe::Yes,
        _ => Probe::No,
    }
}

fn hostname_question(message: &Message) -> bool {
    let Some(question) = message.questions.first() else { return false };
    let name = message.names.text(question.name);
    question.class == 1
        && question.rrtype != RrType::OPT
        && (question.rrtype.name().is_some() || matches!(question.rrtype.0, 64 | 257))
        && !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=+/*".contains(byte))
}

/// Where in a stream that lost bytes the next message begins: the first place with a believable frame, or, with none,
/// how many bytes from the front can never be one.
pub(super) fn resync(dir: Direction, bytes: &[u8]) -> Result<usize, usize> {
    for at in 0..bytes.len() {
        let (found, response) = framed(&bytes[at..], strict_head);
        match found {
            Probe::Yes if response == (dir == Direction::ToClient) => return Ok(at),
            Probe::More => return Err(at),
            _ => {}
        }
    }
    Err(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `www.example.com` A, recursion desired.
    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";

    fn with_flags(high: u8, low: u8) -> Vec<u8> {
        let mut message = QUERY.to_vec();
        (message[2], message[3]) = (high, low);
        message
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u16).to_be_bytes()[..], message].concat()
    }

    #[track_caller]
    fn check(transport: Proto, dir: Direction, port: u16, bytes: &[u8], expected: Probe) {
        assert_eq!(probe(transport, dir, port, bytes), expected);
    }

    #[test]
    fn a_sound_header_is_enough_on_port_53() {
        let response = with_flags(0x81, 0x80);
        for (dir, message, expected) in [
            (Direction::ToServer, QUERY, Probe::Yes),
            (Direction::ToServer, &response, Probe::Reversed),
            (Direction::ToClient, &response, Probe::Yes),
            (Direction::ToClient, QUERY, Probe::Reversed),
        ] {
            check(Proto::UDP, dir, 53, message, expected);
            check(Proto::TCP, dir, 53, &framed(message), expected);
        }
        check(Proto::UDP, Direction::ToServer, 53, &with_flags(0x49, 0), Probe::Yes);
        check(Proto::UDP, Direction::ToServer, 53, &QUERY[..20], Probe::Yes);
        check(Proto::UDP, Direction::ToServer, 53, &QUERY[..12], Probe::No);
        check(Proto::UDP, Direction::ToServer, 53, &[0xff; 40], Probe::No);
        check(Proto::UDP, Direction::ToServer, 53, b"\0\x01", Probe::No);
        check(
            Proto::UDP,
            Direction::ToServer,
            53,
            b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01",
            Probe::No,
        );
        let stream = framed(QUERY);
        for end in 0..14 {
            check(Proto::TCP, Direction::ToServer, 53, &stream[..end], Probe::More);
        }
        check(Proto::TCP, Direction::ToServer, 53, b"GET / HTTP/1.1\r\n\r\n", Probe::No);
        check(Proto::TCP, Direction::ToServer, 53, b"\0\0", Probe::No);
    }

    #[test]
    fn elsewhere_only_a_whole_ordinary_message_counts() {
        check(Proto::UDP, Direction::ToServer, 5399, QUERY, Probe::Yes);
        check(Proto::TCP, Direction::ToServer, 5399, &framed(QUERY), Probe::Yes);
        check(Proto::TCP, Direction::ToServer, 5399, &framed(QUERY)[..20], Probe::More);
        check(Proto::UDP, Direction::ToServer, 40_000, &with_flags(0x81, 0x80), Probe::Reversed);
        for refused in [
            &[QUERY, b"x"].concat()[..],
            &QUERY[..30],
            &with_flags(0x49, 0),
            &with_flags(0x01, 0x40),
            &with_flags(0x80, 0),
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03w\x01w\0\0\x01\0\x01",
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01w\0\0\x01\0\x03",
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01w\0\xff\x77\0\x01",
            &[0; 40],
        ] {
            check(Proto::UDP, Direction::ToServer, 5399, refused, Probe::No);
        }
        for port in RELATIVES {
            check(Proto::UDP, Direction::ToServer, port, QUERY, Probe::No);
        }
        check(Proto::ICMP, Direction::ToServer, 5399, QUERY, Probe::No);
    }

    #[test]
    fn a_stream_with_a_hole_is_taken_up_again() {
        let stream = [&b"lost and found"[..], &framed(QUERY), &framed(QUERY)].concat();
        assert_eq!(resync(Direction::ToServer, &stream), Ok(14));
        // Fewer bytes than a header has may yet become one.
        assert_eq!(resync(Direction::ToClient, &stream), Err(stream.len() - 13));
        assert_eq!(resync(Direction::ToServer, &stream[..20]), Err(7));
        assert_eq!(resync(Direction::ToServer, b""), Err(0));
    }
}
