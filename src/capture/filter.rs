//! Programs for the kernel's packet filter (classic BPF, `Documentation/networking/filter.rst`): which frames a socket is
//! shown, and which of several sockets shows a frame.

use std::collections::BTreeMap;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) operand: u32,
}

/// Which frames of an interface are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum See {
    /// Those that come in by it.
    Incoming,
    /// Those that this host sends by it.
    Outgoing,
    /// All.
    Both,
    /// None.
    Nothing,
}

impl See {
    /// Whether a frame that goes that way is looked at.
    pub(super) fn holds(self, outgoing: bool) -> bool {
        match self {
            See::Both => true,
            See::Incoming => !outgoing,
            See::Outgoing => outgoing,
            See::Nothing => false,
        }
    }
}

/// Instructions that the kernel takes at most (`BPF_MAXINSNS`).
const INSTRUCTIONS_MAX: usize = 4096;
/// `PACKET_OUTGOING`
const OUTGOING: u32 = 4;
/// Offsets from here on are those of the network header (`SKF_NET_OFF`).
const NETWORK: u32 = -0x10_0000_i32 as u32;
/// What the kernel knows of a frame beside its bytes (`SKF_AD_OFF`): its protocol, its direction, its interface.
const PROTOCOL: u32 = -0x1000_i32 as u32;
const DIRECTION: u32 = PROTOCOL + 4;
const INTERFACE: u32 = PROTOCOL + 8;
const RANDOM: u32 = PROTOCOL + 56;

const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_WORD_AT_X: u16 = 0x40;
const LOAD_BYTE_AT_X: u16 = 0x50;
const LOAD_MEMORY: u16 = 0x60;
const LOAD_X: u16 = 0x01;
/// X becomes the length of the IPv4 header that begins there.
const LOAD_X_HEADER: u16 = 0xb1;
const LOAD_X_MEMORY: u16 = 0x61;
const STORE: u16 = 0x02;
const MULTIPLY: u16 = 0x24;
const SHIFT_RIGHT: u16 = 0x74;
const AND: u16 = 0x54;
const XOR_X: u16 = 0xac;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const RETURN_A: u16 = 0x16;

const fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, if_true: 0, if_false: 0, operand }
}

/// Jumps over so many instructions when the accumulator is, or is not, that.
const fn equal(operand: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code: JUMP_EQUAL, if_true, if_false, operand }
}

/// What comes in.
pub(super) const INCOMING: &[Instruction] =
    &[plain(LOAD_WORD, DIRECTION), equal(OUTGOING, 0, 1), plain(RETURN, 0), plain(RETURN, u32::MAX)];

/// Bytes that [`LEAVING`] shows of a packet: IP headers with some options, and the ports.
pub(super) const LEAVING_BYTES: usize = 128;

/// For a socket that is shown packets from their IP header on: of what comes in, one packet in sixteen, whichever, and each that
/// begins a TCP connection.
pub(super) const LEAVING: &[Instruction] = &[
    plain(LOAD_WORD, DIRECTION),
    equal(OUTGOING, 20, 0),
    plain(LOAD_WORD, RANDOM),
    plain(AND, 15),
    equal(0, 16, 0),
    plain(LOAD_WORD, PROTOCOL),
    equal(0x800, 0, 8),
    // IPv4: no fragment behind the first, SYN without ACK
    plain(LOAD_BYTE, 9),
    equal(6, 0, 13),
    plain(LOAD_HALF, 6),
    Instruction { code: JUMP_ANY_BIT, if_true: 11, if_false: 0, operand: 0x1fff },
    plain(LOAD_X_HEADER, 0),
    plain(LOAD_BYTE_AT_X, 13),
    plain(AND, 0x12),
    equal(0x02, 6, 7),
    equal(0x86dd, 0, 6),
    plain(LOAD_BYTE, 6),
    equal(6, 0, 4),
    plain(LOAD_BYTE, 40 + 13),
    plain(AND, 0x12),
    equal(0x02, 0, 1),
    plain(RETURN, LEAVING_BYTES as u32),
    plain(RETURN, 0),
];

/// Nothing at all.
pub(super) const NOTHING: &[Instruction] = &[plain(RETURN, 0)];

/// What is known of interfaces is decided in the kernel; frames of others are shown, so that one that has just appeared is
/// seen from its first frame. Interfaces that do not fit are left to whoever asks [`See::holds`].
pub(super) fn interfaces(known: &BTreeMap<u32, See>) -> Vec<Instruction> {
    // what comes often stands first: nothing is known of that, so those that are not looked at, which cost the most
    let mut rows: Vec<(u32, See)> = known.iter().map(|(index, see)| (*index, *see)).collect();
    rows.sort_by_key(|(_, see)| *see != See::Nothing);
    rows.truncate((INSTRUCTIONS_MAX - 16) / 2);
    let end = 1 + rows.len() * 2;
    // where the last instructions stand, after the rows
    let (accept, reject, incoming, outgoing) = (end, end + 1, end + 2, end + 5);
    let mut program = vec![plain(LOAD_WORD, INTERFACE)];
    for (index, see) in rows {
        program.push(equal(index, 0, 1));
        let target = match see {
            See::Both => accept,
            See::Nothing => reject,
            See::Incoming => incoming,
            See::Outgoing => outgoing,
        };
        program.push(plain(JUMP, (target - program.len() - 1) as u32));
    }
    program.extend([
        plain(RETURN, u32::MAX),
        plain(RETURN, 0),
        plain(LOAD_WORD, DIRECTION),
        equal(OUTGOING, 0, 4),
        plain(RETURN, 0),
        plain(LOAD_WORD, DIRECTION),
        equal(OUTGOING, 1, 0),
        plain(RETURN, 0),
        plain(RETURN, u32::MAX),
    ]);
    program
}

/// Spreads frames by their two IP addresses alone: both directions, all flows between the two and all fragments go the same
/// way. Looks through one VLAN tag; what is not IP goes to the first socket.
pub(super) fn by_addresses() -> Vec<Instruction> {
    let mut program = vec![
        // the tag that hardware took off is not there any more; a second one is
        plain(LOAD_X, 0),
        plain(LOAD_WORD, PROTOCOL),
        equal(0x8100, 2, 0),
        equal(0x88a8, 1, 0),
        plain(JUMP, 1),
        plain(LOAD_X, 4),
        plain(LOAD_BYTE_AT_X, NETWORK),
        plain(SHIFT_RIGHT, 4),
        equal(4, 2, 0),
        equal(6, 6, 0),
        plain(RETURN, 0),
        // IPv4
        plain(LOAD_WORD_AT_X, NETWORK + 12),
        plain(STORE, 0),
        plain(LOAD_WORD_AT_X, NETWORK + 16),
        plain(LOAD_X_MEMORY, 0),
        plain(JUMP, 0),
    ];
    let to_mix = program.len() - 1;
    // IPv6: the eight words are kept, then brought together
    for word in 0..8 {
        program.push(plain(LOAD_WORD_AT_X, NETWORK + 8 + word * 4));
        program.push(plain(STORE, word));
    }
    program.push(plain(LOAD_MEMORY, 0));
    for word in 1..7 {
        program.push(plain(LOAD_X_MEMORY, word));
        program.push(plain(XOR_X, 0));
    }
    program.push(plain(LOAD_X_MEMORY, 7));
    let mix = program.len();
    if let Some(jump) = program.get_mut(to_mix) {
        jump.operand = (mix - to_mix - 1) as u32;
    }
    // the golden ratio brings what differs in the lower bits into the upper ones
    program.extend([
        plain(XOR_X, 0),
        plain(MULTIPLY, 0x9e37_79b1),
        plain(SHIFT_RIGHT, 16),
        plain(RETURN_A, 0),
    ]);
    program
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// What is taken as a random number.
    static DICE: AtomicU32 = AtomicU32::new(1);

    /// What the kernel does with a program, for one frame.
    fn run(program: &[Instruction], network: &[u8], protocol: u32, direction: u32, interface: u32) -> u32 {
        let (mut a, mut x, mut memory, mut at) = (0u32, 0u32, [0u32; 16], 0);
        for _ in 0..10_000 {
            let Instruction { code, if_true, if_false, operand } = program[at];
            at += 1;
            let bytes = |offset: u32, len: usize| {
                // with and without the offset that says so, the network header begins at 0
                let offset = offset.wrapping_sub(if offset >= NETWORK { NETWORK } else { 0 }) as usize;
                let bytes = network.get(offset..offset + len)?;
                Some(bytes.iter().fold(0, |value, byte| (value << 8) | u32::from(*byte)))
            };
            let loaded = match code {
                LOAD_WORD => match operand {
                    PROTOCOL => Some(protocol),
                    DIRECTION => Some(direction),
                    INTERFACE => Some(interface),
                    RANDOM => Some(DICE.load(Ordering::Relaxed)),
                    _ => bytes(operand, 4),
                },
                LOAD_HALF => bytes(operand, 2),
                LOAD_BYTE => bytes(operand, 1),
                LOAD_WORD_AT_X => bytes(operand.wrapping_add(x), 4),
                LOAD_BYTE_AT_X => bytes(operand.wrapping_add(x), 1),
                LOAD_MEMORY => Some(memory[operand as usize]),
                _ => Some(a),
            };
            let Some(loaded) = loaded else { return 0 };
            a = loaded;
            match code {
                LOAD_X => x = operand,
                LOAD_X_HEADER => x = bytes(operand, 1).map_or(0, |first| (first & 15) * 4),
                AND => a &= operand,
                JUMP_ANY_BIT => at += usize::from(if a & operand != 0 { if_true } else { if_false }),
                LOAD_X_MEMORY => x = memory[operand as usize],
                STORE => memory[operand as usize] = a,
                MULTIPLY => a = a.wrapping_mul(operand),
                SHIFT_RIGHT => a >>= operand,
                XOR_X => a ^= x,
                JUMP => at += operand as usize,
                JUMP_EQUAL => at += usize::from(if a == operand { if_true } else { if_false }),
                RETURN => return operand,
                RETURN_A => return a,
                _ => {}
            }
        }
        panic!("no end");
    }

    #[test]
    fn every_interface_is_judged_and_unknown_ones_are_shown() {
        let sees = [See::Both, See::Nothing, See::Incoming, See::Outgoing];
        for count in [0, 1, 4, 400, 10_000] {
            let known: BTreeMap<u32, See> =
                (0..count).map(|nth| (nth + 10, sees[nth as usize % 4])).collect();
            let program = interfaces(&known);
            assert!(program.len() <= INSTRUCTIONS_MAX);
            for (index, see) in known.iter().take(1000) {
                for direction in [0, 1, 3, OUTGOING] {
                    let shown = run(&program, &[], 0x800, direction, *index) != 0;
                    // what did not fit is shown
                    assert!(shown == see.holds(direction == OUTGOING) || count > 4000 && shown);
                }
            }
            assert_ne!(run(&program, &[], 0x800, 0, 5), 0, "unknown");
        }
    }

    #[test]
    fn what_leaves_is_shown_by_chance_and_where_a_connection_begins() {
        let v4 = |fragment: u8, protocol: u8, flags: u8| {
            let mut bytes = vec![0x46, 0, 0, 44, 0, 1, 0, fragment, 64, protocol, 0, 0];
            bytes.extend([10; 8]);
            bytes.extend([1; 4]);
            bytes.extend([0; 13]);
            bytes.push(flags);
            bytes.extend([0; 6]);
            bytes
        };
        let v6 = |protocol: u8, flags: u8| {
            let mut bytes = vec![0x60, 0, 0, 0, 0, 20, protocol, 64];
            bytes.extend([0xfd; 32 + 13]);
            bytes.push(flags);
            bytes.extend([0; 6]);
            bytes
        };
        let shown = |packet: &[u8], protocol, direction| run(LEAVING, packet, protocol, direction, 1) != 0;
        for (packet, kind, expected) in [
            (v4(0, 6, 0x02), 0x800, true),
            (v4(0, 6, 0xc2), 0x800, true),
            (v4(0, 6, 0x12), 0x800, false),
            (v4(0, 6, 0x10), 0x800, false),
            (v4(0, 17, 0x02), 0x800, false),
            (v4(1, 6, 0x02), 0x800, false),
            (v6(6, 0x02), 0x86dd, true),
            (v6(6, 0x12), 0x86dd, false),
            (v6(17, 0x02), 0x86dd, false),
            (vec![0; 40], 0x806, false),
        ] {
            assert_eq!(shown(&packet, kind, 0), expected, "{packet:?}");
            assert!(!shown(&packet, kind, OUTGOING));
            DICE.store(48, Ordering::Relaxed);
            assert!(shown(&packet, kind, 3) && !shown(&packet, kind, OUTGOING));
            DICE.store(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn both_directions_and_fragments_go_the_same_way() {
        let program = by_addresses();
        let v4 = |from: u8, to: u8, fragment: u8| {
            let mut bytes =
                vec![0x45, 0, 0, 20, 0, 1, fragment, 0, 64, 6, 0, 0, 10, 1, 2, from, 10, 1, 2, to];
            bytes.extend([fragment; 8]);
            bytes
        };
        let there = run(&program, &v4(1, 2, 0), 0x800, 0, 1);
        assert_eq!(there, run(&program, &v4(2, 1, 0x20), 0x800, 0, 1));
        let tagged = [&[0, 5, 8, 0][..], &v4(1, 2, 0)].concat();
        assert_eq!(there, run(&program, &tagged, 0x8100, 0, 1));
        assert_eq!(there, run(&program, &tagged, 0x88a8, 0, 1));
        let v6 = |from: u8, to: u8| {
            let mut bytes = vec![0x60, 0, 0, 0, 0, 0, 6, 64];
            bytes.extend([0xfd; 15]);
            bytes.push(from);
            bytes.extend([0xfd; 15]);
            bytes.push(to);
            bytes
        };
        assert_eq!(run(&program, &v6(1, 2), 0x86dd, 0, 1), run(&program, &v6(2, 1), 0x86dd, 0, 1));
        assert_eq!(run(&program, &[0, 1, 8, 0, 6, 4], 0x806, 0, 1), 0, "ARP");
        assert_eq!(run(&program, &v4(1, 2, 0)[..15], 0x800, 0, 1), 0, "cut short");
        // neighbours are spread
        for workers in [2, 4, 8] {
            let mut loads = vec![0; workers as usize];
            for (from, to) in (1..40).flat_map(|from| (1..from).map(move |to| (from, to))) {
                loads[(run(&program, &v4(from, to, 0), 0x800, 0, 1) % workers) as usize] += 1;
                loads[(run(&program, &v6(from, to), 0x86dd, 0, 1) % workers) as usize] += 1;
            }
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            assert!(*least * 3 > *most, "{loads:?}");
        }
    }
}
