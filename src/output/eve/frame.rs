//! `frame{…}` of an alert: the frame that a rule matched in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::alert::printable;
use crate::json::JsonWriter;
use crate::types::Direction;

/// A frame as a record tells of it.
#[derive(Clone, Copy, Debug)]
pub struct FrameRecord<'a> {
    /// Its type, without the protocol.
    pub kind: &'a str,
    /// Unique in its direction.
    pub id: u32,
    /// Whose bytes it is made of.
    pub dir: Direction,
    /// Its place in the stream; `None` in a datagram.
    pub stream_offset: Option<u64>,
    /// Bytes: of the whole frame when that is known, else as many as arrived.
    pub length: u64,
    /// It arrived to its end.
    pub complete: bool,
    /// The transaction that it belongs to.
    pub tx: Option<u64>,
    /// What is there of it.
    pub payload: &'a [u8],
}

/// Writes `"frame":{…}`.
pub fn write_frame(frame: &FrameRecord<'_>, out: &mut JsonWriter) {
    let payload = |out: &mut JsonWriter| {
        out.text("payload", &STANDARD.encode(frame.payload));
        out.text("payload_printable", &printable(frame.payload));
    };
    out.open_object("frame");
    out.text("type", frame.kind);
    out.number("id", frame.id);
    out.text("direction", if frame.dir == Direction::ToServer { "toserver" } else { "toclient" });
    if let Some(offset) = frame.stream_offset {
        out.number("stream_offset", offset);
        out.number("length", frame.length);
        payload(out);
        out.flag("complete", frame.complete);
    } else {
        out.number("length", frame.length);
        out.flag("complete", frame.complete);
        payload(out);
    }
    if let Some(tx) = frame.tx {
        out.number("tx_id", tx);
    }
    out.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_streams_and_datagrams_have_the_peers_shape() {
        let mut frame = FrameRecord {
            kind: "pdu",
            id: 3,
            dir: Direction::ToServer,
            stream_offset: Some(2),
            length: 3,
            complete: true,
            tx: Some(0),
            payload: b"a\0b",
        };
        for (offset, expected) in [
            (
                Some(2),
                r#"{"frame":{"type":"pdu","id":3,"direction":"toserver","stream_offset":2,"length":3,"payload":"YQBi","payload_printable":"a.b","complete":true,"tx_id":0}}"#,
            ),
            (
                None,
                r#"{"frame":{"type":"pdu","id":3,"direction":"toserver","length":3,"complete":true,"payload":"YQBi","payload_printable":"a.b","tx_id":0}}"#,
            ),
        ] {
            frame.stream_offset = offset;
            let mut out = JsonWriter::new();
            out.open();
            write_frame(&frame, &mut out);
            out.close();
            assert_eq!(std::str::from_utf8(out.as_bytes()).unwrap(), expected);
        }
    }
}
