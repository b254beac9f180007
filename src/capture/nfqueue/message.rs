//! The messages of the kernel's packet queue (`linux/netfilter/nfnetlink_queue.h`): requests built, packets read. No system call
//! is made here.

/// Subsystem of nfnetlink, in the upper byte of a message type.
const QUEUE: u16 = 3 << 8;
const PACKET: u16 = QUEUE;
const VERDICT: u16 = QUEUE | 1;
const CONFIG: u16 = QUEUE | 2;
const VERDICT_BATCH: u16 = QUEUE | 3;
const ERROR: u16 = 2;

const REQUEST: u16 = 1;
const ACK: u16 = 4;

const CFG_CMD: u16 = 1;
const CFG_PARAMS: u16 = 2;
const CFG_QUEUE_MAXLEN: u16 = 3;
const CFG_MASK: u16 = 4;
const CFG_FLAGS: u16 = 5;

const PACKET_HDR: u16 = 1;
const VERDICT_HDR: u16 = 2;
const MARK: u16 = 3;
const INDEV: u16 = 5;
const PHYSINDEV: u16 = 7;
const PAYLOAD: u16 = 10;
const CAP_LEN: u16 = 13;
const SKB_INFO: u16 = 14;

/// Upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;

/// The checksum is yet to be filled in by hardware.
const CSUM_NOT_READY: u32 = 1;
/// The checksum was not looked at by the kernel.
const CSUM_NOT_VERIFIED: u32 = 4;

/// When the queue is full, or nobody reads it, packets go on.
pub(super) const FAIL_OPEN: u32 = 1;
/// Packets come as large as the kernel has them: neither cut up nor checksummed for us.
pub(super) const GSO: u32 = 4;

/// Bytes of the largest packet that fits into an attribute (`NFQNL_MAX_COPY_RANGE`).
const COPY_RANGE: u32 = 0xffff - 4;
/// The whole packet is wanted (`NFQNL_COPY_PACKET`).
const COPY_PACKET: u8 = 2;

/// What becomes of a packet (`linux/netfilter.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `NF_DROP`
    Drop,
    /// `NF_ACCEPT`
    Accept,
    /// `NF_REPEAT`: through the hook again.
    Repeat,
    /// `NF_QUEUE`: to another queue; with `bypass` it goes on where nobody reads that.
    Queue { number: u16, bypass: bool },
}

impl Answer {
    const fn code(self) -> u32 {
        match self {
            Answer::Drop => 0,
            Answer::Accept => 1,
            Answer::Repeat => 4,
            Answer::Queue { number, bypass } => 3 | (number as u32) << 16 | if bypass { 0x8000 } else { 0 },
        }
    }
}

/// A packet, or what else came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A packet.
    Packet(Queued<'a>),
    /// The answer to a request: 0, or an error of the system.
    Answer(i32),
}

/// A packet that waits for its verdict.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Queued<'a> {
    /// Its number in the queue.
    pub(super) id: u32,
    /// From the IP header on; `None` while the queue is not set up.
    pub(super) payload: Option<&'a [u8]>,
    /// How long it is.
    pub(super) len: u32,
    /// Its mark.
    pub(super) mark: u32,
    /// The interface that it came from; of a bridge, the port.
    pub(super) iface: u32,
    /// Its checksums may be judged.
    pub(super) checksums: bool,
}

/// The messages in what was received at once.
pub(super) fn each(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (found, rest) = read(bytes)?;
            bytes = rest;
            if found.is_some() {
                return found;
            }
        }
    })
}

/// The first message in these bytes, and what is behind it.
fn read(bytes: &[u8]) -> Option<(Option<Message<'_>>, &[u8])> {
    let len = usize::try_from(native32(bytes, 0)?).ok()?;
    let message = bytes.get(..len).filter(|message| message.len() >= 16)?;
    let rest = bytes.get(aligned(len)..).unwrap_or_default();
    let kind = native16(message, 4)?;
    let found = match kind {
        ERROR => Some(Message::Answer(native32(message, 16)? as i32)),
        PACKET => packet(message.get(20..)?).map(Message::Packet),
        _ => None,
    };
    Some((found, rest))
}

fn packet(mut attributes: &[u8]) -> Option<Queued<'_>> {
    let mut queued = Queued { checksums: true, ..Queued::default() };
    let (mut seen, mut cap_len) = (false, None);
    while let (Some(len), Some(kind)) = (native16(attributes, 0), native16(attributes, 2)) {
        let len = usize::from(len);
        let Some(value) = attributes.get(4..len) else { break };
        match kind & TYPE_MASK {
            PACKET_HDR => {
                queued.id = be32(value, 0)?;
                seen = true;
            }
            MARK => queued.mark = be32(value, 0)?,
            INDEV if queued.iface == 0 => queued.iface = be32(value, 0)?,
            PHYSINDEV => queued.iface = be32(value, 0)?,
            PAYLOAD => queued.payload = Some(value),
            CAP_LEN => cap_len = Some(be32(value, 0)?),
            SKB_INFO => {
                let info = be32(value, 0)?;
                queued.checksums = info & CSUM_NOT_READY == 0 && info & CSUM_NOT_VERIFIED != 0;
            }
            _ => {}
        }
        attributes = attributes.get(aligned(len)..).unwrap_or_default();
    }
    queued.len = cap_len.unwrap_or_else(|| queued.payload.map_or(0, |bytes| bytes.len() as u32));
    seen.then_some(queued)
}

/// Asks for a queue, with all that is wanted of it.
pub(super) fn bind(out: &mut Vec<u8>, queue: u16, queue_max: u32, flags: u32) {
    let start = begin(out, CONFIG, REQUEST | ACK, queue);
    // command 1 is BIND; the family has no meaning any more
    attribute(out, CFG_CMD, &[1, 0, 0, 0]);
    let range = COPY_RANGE.to_be_bytes();
    attribute(out, CFG_PARAMS, &[range[0], range[1], range[2], range[3], COPY_PACKET]);
    attribute(out, CFG_QUEUE_MAXLEN, &queue_max.to_be_bytes());
    attribute(out, CFG_MASK, &(FAIL_OPEN | GSO).to_be_bytes());
    attribute(out, CFG_FLAGS, &flags.to_be_bytes());
    end(out, start);
}

/// Answers one packet; `mark` is given to it.
pub(super) fn verdict(out: &mut Vec<u8>, queue: u16, id: u32, answer: Answer, mark: Option<u32>) {
    answers(out, VERDICT, queue, id, answer, mark, &[]);
}

/// Answers one packet, which goes on with other bytes. The kernel takes its checksums for whole then.
pub(super) fn verdict_changed(
    out: &mut Vec<u8>,
    queue: u16,
    id: u32,
    answer: Answer,
    mark: Option<u32>,
    payload: &[u8],
) {
    answers(out, VERDICT, queue, id, answer, mark, payload);
}

/// Answers all packets that wait, up to that one.
pub(super) fn verdict_upto(out: &mut Vec<u8>, queue: u16, id: u32, answer: Answer, mark: Option<u32>) {
    answers(out, VERDICT_BATCH, queue, id, answer, mark, &[]);
}

fn answers(
    out: &mut Vec<u8>,
    kind: u16,
    queue: u16,
    id: u32,
    answer: Answer,
    mark: Option<u32>,
    payload: &[u8],
) {
    let start = begin(out, kind, REQUEST, queue);
    let ([a, b, c, d], [e, f, g, h]) = (answer.code().to_be_bytes(), id.to_be_bytes());
    attribute(out, VERDICT_HDR, &[a, b, c, d, e, f, g, h]);
    if let Some(mark) = mark {
        attribute(out, MARK, &mark.to_be_bytes());
    }
    if !payload.is_empty() {
        attribute(out, PAYLOAD, payload);
    }
    end(out, start);
}

fn begin(out: &mut Vec<u8>, kind: u16, flags: u16, queue: u16) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    // nfgenmsg: family and version 0, the queue in network order
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&queue.to_be_bytes());
    start
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(aligned(out.len()), 0);
}

fn end(out: &mut [u8], start: usize) {
    let len = (out.len() - start) as u32;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&len.to_ne_bytes());
    }
}

const fn aligned(len: usize) -> usize {
    len.saturating_add(3) & !3
}

fn native16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_ne_bytes(*pair))
}

fn native32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as the kernel sends it.
    fn sent(id: u32, payload: &[u8], info: Option<u32>) -> Vec<u8> {
        let mut out = Vec::new();
        let start = begin(&mut out, PACKET, 0, 7);
        attribute(&mut out, PACKET_HDR, &[&id.to_be_bytes()[..], &[8, 0, 2]].concat());
        attribute(&mut out, INDEV, &3u32.to_be_bytes());
        attribute(&mut out, PHYSINDEV, &5u32.to_be_bytes());
        attribute(&mut out, MARK, &9u32.to_be_bytes());
        if let Some(info) = info {
            attribute(&mut out, SKB_INFO, &info.to_be_bytes());
        }
        attribute(&mut out, PAYLOAD, payload);
        end(&mut out, start);
        out
    }

    #[test]
    fn a_packet_is_read() {
        for (info, checksums) in
            [(None, true), (Some(1), false), (Some(4), true), (Some(0), false), (Some(7), false)]
        {
            let bytes = sent(42, b"hello", info);
            let Some((Some(Message::Packet(found)), rest)) = read(&bytes) else { panic!("a packet") };
            assert!(rest.is_empty());
            let expected = Queued { id: 42, payload: Some(b"hello"), len: 5, mark: 9, iface: 5, checksums };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn cut_anywhere_and_changed_anywhere_it_does_no_harm() {
        let bytes = sent(42, &[0x45; 60], Some(4));
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_none(), "{cut}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 3, 4, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }

    #[test]
    fn verdicts_are_as_the_kernel_wants_them() {
        let mut out = Vec::new();
        verdict_upto(&mut out, 258, 7, Answer::Accept, None);
        assert_eq!(out.len(), 32);
        assert_eq!(out[18..20], [1, 2]);
        assert_eq!(out[24..32], [0, 0, 0, 1, 0, 0, 0, 7]);
        out.clear();
        verdict(&mut out, 1, 8, Answer::Drop, Some(5));
        assert_eq!(out.len(), 40);
        assert_eq!(out[..4], 40u32.to_ne_bytes());
        assert_eq!(out[36..40], [0, 0, 0, 5]);
        out.clear();
        verdict_changed(&mut out, 1, 8, Answer::Accept, None, b"other");
        assert_eq!(out.len(), 44, "padded");
        assert_eq!(out[32..34], 9u16.to_ne_bytes());
        assert_eq!(out[34..36], PAYLOAD.to_ne_bytes());
        assert_eq!(out[36..41], *b"other");
        // NF_QUEUE has the queue in its upper half, and may be told to let pass where nobody reads it
        assert_eq!(Answer::Queue { number: 7, bypass: false }.code(), 0x7_0003);
        assert_eq!(Answer::Queue { number: 7, bypass: true }.code(), 0x7_8003);
    }
}
