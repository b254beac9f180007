//! Frames taken apart as far as tests change them: TCP over Ethernet and IP, and any byte anywhere.

use super::Random;
use super::engine::Packet;

/// Where things are in an Ethernet frame with TCP in IP, not in a fragment and not behind extension headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcp {
    ip: usize,
    tcp: usize,
    /// First byte of the payload.
    pub(crate) payload: usize,
    /// Behind its last byte.
    pub(crate) end: usize,
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const URG: u8 = 0x20;

impl Tcp {
    /// Of that frame, if it is one.
    pub(crate) fn of(bytes: &[u8]) -> Option<Tcp> {
        let mut ip = 14;
        let mut kind = be16(bytes, 12)?;
        while kind == 0x8100 {
            kind = be16(bytes, ip + 2)?;
            ip += 4;
        }
        let (tcp, end) = match kind {
            0x0800 if bytes.get(ip + 9) == Some(&6) && be16(bytes, ip + 6)? & 0x3fff == 0 => {
                (ip + usize::from(bytes[ip] & 15) * 4, ip + usize::from(be16(bytes, ip + 2)?))
            }
            0x86dd if bytes.get(ip + 6) == Some(&6) => (ip + 40, ip + 40 + usize::from(be16(bytes, ip + 4)?)),
            _ => return None,
        };
        let payload = tcp + usize::from(bytes.get(tcp + 12)? >> 4) * 4;
        (payload <= end && end <= bytes.len()).then_some(Tcp { ip, tcp, payload, end })
    }

    fn flags(self, bytes: &[u8]) -> u8 {
        bytes[self.tcp + 13]
    }

    fn seq(self, bytes: &[u8]) -> u32 {
        u32::from_be_bytes([
            bytes[self.tcp + 4],
            bytes[self.tcp + 5],
            bytes[self.tcp + 6],
            bytes[self.tcp + 7],
        ])
    }

    /// Addresses and ports as they stand in the frame, to tell directions apart.
    fn way(self, bytes: &[u8]) -> Vec<u8> {
        let addresses = if bytes[self.ip] >> 4 == 4 { 12..20 } else { 8..40 };
        let mut way = bytes[self.ip + addresses.start..self.ip + addresses.end].to_vec();
        way.extend_from_slice(&bytes[self.tcp..self.tcp + 4]);
        way
    }

    /// Plain data: nothing else about the segment matters.
    fn is_data(self, bytes: &[u8]) -> bool {
        self.end > self.payload && self.flags(bytes) & (SYN | RST | URG) == 0
    }

    /// The same frame with only those bytes of its payload.
    fn piece(self, bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
        let mut piece = bytes[..self.payload].to_vec();
        piece.extend_from_slice(&bytes[self.payload + from..self.payload + to]);
        let len = (piece.len() - self.ip) as u16;
        if bytes[self.ip] >> 4 == 4 {
            piece[self.ip + 2..self.ip + 4].copy_from_slice(&len.to_be_bytes());
        } else {
            piece[self.ip + 4..self.ip + 6].copy_from_slice(&(len - 40).to_be_bytes());
        }
        let seq = self.seq(bytes).wrapping_add(from as u32);
        piece[self.tcp + 4..self.tcp + 8].copy_from_slice(&seq.to_be_bytes());
        if to < self.end - self.payload {
            piece[self.tcp + 13] &= !(FIN | PSH);
        }
        piece
    }
}

/// The same streams in other segments: each is cut at up to `cuts` places. Checksums are not made again.
pub(crate) fn cut(packets: &[Packet], cuts: usize, random: &mut Random) -> Vec<Packet> {
    let mut out = Vec::new();
    for packet in packets {
        let Some(tcp) = Tcp::of(&packet.bytes).filter(|tcp| tcp.is_data(&packet.bytes)) else {
            out.push(packet.clone());
            continue;
        };
        let len = tcp.end - tcp.payload;
        let mut places: Vec<usize> =
            (0..cuts).map(|_| 1 + random.below(len)).filter(|at| *at < len).collect();
        places.extend([0, len]);
        places.sort_unstable();
        places.dedup();
        for pair in places.windows(2) {
            let bytes = tcp.piece(&packet.bytes, pair[0], pair[1]);
            out.push(Packet { timestamp: packet.timestamp, link: packet.link, bytes });
        }
    }
    out
}

/// Data segments of one direction that follow each other arrive in another order; a segment that ends the stream stays.
pub(crate) fn reorder(packets: &[Packet], random: &mut Random) -> Vec<Packet> {
    let mut out = packets.to_vec();
    let mut start = 0;
    while start < out.len() {
        let Some(way) = movable(&out[start]) else {
            start += 1;
            continue;
        };
        let run = out[start..].iter().take_while(|packet| movable(packet).as_ref() == Some(&way)).count();
        let times: Vec<_> = out[start..start + run].iter().map(|packet| packet.timestamp).collect();
        random.shuffle(&mut out[start..start + run]);
        for (packet, time) in out[start..start + run].iter_mut().zip(times) {
            packet.timestamp = time;
        }
        start += run;
    }
    out
}

fn movable(packet: &Packet) -> Option<Vec<u8>> {
    let tcp = Tcp::of(&packet.bytes)?;
    let plain = tcp.is_data(&packet.bytes) && tcp.flags(&packet.bytes) & FIN == 0;
    plain.then(|| tcp.way(&packet.bytes))
}

/// Every third data segment or so arrives twice.
pub(crate) fn duplicate(packets: &[Packet], random: &mut Random) -> Vec<Packet> {
    let mut out = Vec::new();
    for packet in packets {
        out.push(packet.clone());
        if movable(packet).is_some() && random.below(3) == 0 {
            out.push(packet.clone());
        }
    }
    out
}

/// Frames as an enemy or a bad disk leaves them: bytes changed, cut off, doubled, moved, lengths lied about.
pub(crate) fn mutate(packets: &[Packet], random: &mut Random) -> Vec<Packet> {
    let mut out = packets.to_vec();
    let rounds = 1 + random.below(12);
    for _ in 0..rounds {
        if out.is_empty() {
            return out;
        }
        let at = random.below(out.len());
        match random.below(9) {
            0 => {
                let packet = out[at].clone();
                let to = random.below(out.len());
                out.insert(to, packet);
            }
            1 => drop(out.remove(at)),
            2 => {
                let to = random.below(out.len());
                out.swap(at, to);
            }
            3 => {
                let bytes = &mut out[at].bytes;
                bytes.truncate(random.below(bytes.len() + 1));
            }
            4 => {
                let extra = random.below(2000);
                let byte = random.below(256) as u8;
                out[at].bytes.extend(std::iter::repeat_n(byte, extra));
            }
            5 => {
                // a header field: what decides is near the front
                let bytes = &mut out[at].bytes;
                let place = random.below(bytes.len().min(80));
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
                }
            }
            6 => {
                let step = random.below(5) as u64 * 40_000_000_000;
                for packet in &mut out[at..] {
                    packet.timestamp.0 = packet.timestamp.0.saturating_add(step);
                }
            }
            7 => {
                let other = out[random.below(packets.len().min(out.len()))].bytes.clone();
                let bytes = &mut out[at].bytes;
                let (from, to) = (random.below(other.len()), random.below(bytes.len()));
                let len = random.below(64).min(other.len() - from).min(bytes.len() - to);
                bytes[to..to + len].copy_from_slice(&other[from..from + len]);
            }
            _ => {
                for _ in 0..1 + random.below(8) {
                    let bytes = &mut out[at].bytes;
                    let place = random.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
        }
    }
    out
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
