//! A packet socket whose frames the kernel writes into memory that is shared with us (`man 7 packet`, TPACKET_V3).
//!
//! The memory is a ring of blocks. The kernel fills one, hands it over, and does not touch it until it is given back: frames
//! are lent out of a block, and it is given back after its last one, so that none changes while it is looked at. A frame is
//! there as the kernel carries it: one that is to be cut into segments later (GSO) is whole, and its checksum may be missing.
//! The status word of a frame tells that; the header that `PACKET_VNET_HDR` would put before it tells beside that only how
//! long the segments are to be, which nobody here needs to know.
//!
//! All `unsafe` of the ring is here: the system calls, and the memory behind the ring.
#![allow(
    unsafe_code,
    reason = "shared memory and socket options that no safe interface has; each block says why it is sound"
)]

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::filter::Instruction;

/// Bytes left free before a frame, so that a VLAN tag can be put back: one tag.
const TAG: usize = 4;
/// `PACKET_IGNORE_OUTGOING`
const IGNORE_OUTGOING: libc::c_int = 23;
/// Where the tag belongs: behind the two link addresses.
const ADDRESSES: usize = 12;

/// How large a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes of a block, a power of two and a multiple of the size of a page. No frame is longer.
    pub(super) block: usize,
    /// Blocks.
    pub(super) blocks: usize,
    /// Milliseconds after which a block is handed over that is not full.
    pub(super) block_timeout: u32,
}

/// A frame in the ring.
pub(super) struct RingFrame<'a> {
    pub(super) seconds: u32,
    pub(super) nanoseconds: u32,
    /// Number of the interface.
    pub(super) index: u32,
    /// This host sent it.
    pub(super) outgoing: bool,
    /// Kind of hardware (`ARPHRD_*`).
    pub(super) hardware: u16,
    /// Its checksums are yet to be filled in, or were found right.
    pub(super) checksums_settled: bool,
    pub(super) bytes: &'a [u8],
    pub(super) wire_len: u32,
}

/// A ring and its socket. It is shown nothing before [`Ring::filter`] says what.
#[derive(Debug)]
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    size: Size,
    /// The block that is read, or that is waited for.
    block: usize,
    /// What is left of it.
    cursor: Option<Cursor>,
}

// SAFETY: the memory belongs to this ring alone (and the kernel), whichever thread uses it; nothing in it is tied to a thread.
unsafe impl Send for Ring {}

/// The next frame of a block that is ours.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// Its offset in the block.
    at: usize,
    frames: u32,
}

impl Ring {
    /// A ring over all interfaces of this namespace.
    pub(super) fn open(size: Size) -> io::Result<Ring> {
        // SAFETY: plain numbers; the descriptor that comes back is ours alone
        let socket = unsafe {
            let raw =
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(raw)
        };
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as libc::c_int))?;
        set(&socket, libc::PACKET_RESERVE, &(TAG as libc::c_uint))?;
        let frame = 2048;
        set(
            &socket,
            libc::PACKET_RX_RING,
            &libc::tpacket_req3 {
                tp_block_size: size.block as libc::c_uint,
                tp_block_nr: size.blocks as libc::c_uint,
                tp_frame_size: frame as libc::c_uint,
                tp_frame_nr: (size.block / frame * size.blocks) as libc::c_uint,
                tp_retire_blk_tov: size.block_timeout,
                tp_sizeof_priv: 0,
                tp_feature_req_word: 0,
            },
        )?;
        // SAFETY: a new mapping at an address of the kernel's choice, of the length that the ring has
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size.block * size.blocks,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        let memory = match NonNull::new(memory.cast::<u8>()) {
            Some(memory) if memory.as_ptr().cast() != libc::MAP_FAILED => memory,
            _ => return Err(io::Error::last_os_error()),
        };
        let ring = Ring { socket, memory, size, block: 0, cursor: None };
        attach(&ring.socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, super::filter::NOTHING)?;
        bind(&ring.socket, 0)?;
        Ok(ring)
    }

    /// The socket, to wait for and to change from elsewhere.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Lends frames, at most so many, without waiting; returns how many there were.
    pub(super) fn each(&mut self, budget: usize, handle: &mut dyn FnMut(RingFrame<'_>)) -> usize {
        let mut handed = 0;
        while handed < budget {
            let cursor = match self.cursor {
                Some(cursor) => cursor,
                None => match self.begin() {
                    Some(cursor) => cursor,
                    None => break,
                },
            };
            if cursor.frames == 0 {
                self.give_back();
                continue;
            }
            let Some((frame, next)) = self.frame(cursor.at) else {
                // cannot be: the kernel wrote what is outside its block
                self.give_back();
                continue;
            };
            handed += 1;
            handle(frame);
            self.cursor = Some(Cursor { at: next, frames: cursor.frames - 1 });
        }
        // what waits in vain for the next call would be kept from the kernel
        if self.cursor.is_some_and(|cursor| cursor.frames == 0) {
            self.give_back();
        }
        handed
    }

    /// Takes the next block, when the kernel has handed it over.
    fn begin(&mut self) -> Option<Cursor> {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let header = self.header();
        // SAFETY: the header of a block lies at its beginning, aligned; the block is ours until it is given back
        let (frames, first) = unsafe { ((*header).num_pkts, (*header).offset_to_first_pkt) };
        let cursor = Cursor { at: first as usize, frames };
        self.cursor = Some(cursor);
        Some(cursor)
    }

    fn give_back(&mut self) {
        self.cursor = None;
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.block = (self.block + 1) % self.size.blocks;
    }

    /// The beginning of the block at hand.
    fn start(&self) -> *mut u8 {
        // SAFETY: `block` is less than the number of blocks, all of which are mapped
        unsafe { self.memory.as_ptr().add(self.block * self.size.block) }
    }

    fn header(&self) -> *mut libc::tpacket_hdr_v1 {
        self.start().wrapping_add(offset_of!(libc::tpacket_block_desc, hdr)).cast()
    }

    /// Whose the block at hand is.
    fn status(&self) -> &AtomicU32 {
        let status = self.header().wrapping_byte_add(offset_of!(libc::tpacket_hdr_v1, block_status));
        // SAFETY: aligned and mapped as long as `self`; the kernel and we reach this word only as a whole
        unsafe { AtomicU32::from_ptr(status.cast()) }
    }

    /// The frame at an offset of the block at hand, which is ours, and the offset of the next one.
    fn frame(&mut self, at: usize) -> Option<(RingFrame<'_>, usize)> {
        let end = self.size.block;
        let inside = |offset: usize, len: usize| offset.checked_add(len).is_some_and(|sum| sum <= end);
        let address = libc::TPACKET3_HDRLEN - size_of::<libc::sockaddr_ll>();
        if !inside(at, libc::TPACKET3_HDRLEN) || !at.is_multiple_of(8) {
            return None;
        }
        let start = self.start();
        // SAFETY: both lie within the block, as was checked, and the block is ours; they are read as plain numbers
        let (header, address) = unsafe {
            (
                start.add(at).cast::<libc::tpacket3_hdr>().read_unaligned(),
                start.add(at + address).cast::<libc::sockaddr_ll>().read_unaligned(),
            )
        };
        let mut mac = at + usize::from(header.tp_mac);
        let mut len = header.tp_snaplen as usize;
        if !inside(mac, len) {
            return None;
        }
        let mut wire_len = header.tp_len;
        let tagged = header.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
        if tagged && len >= ADDRESSES + 2 && usize::from(header.tp_mac) >= libc::TPACKET3_HDRLEN + TAG {
            let kind = match header.tp_status & libc::TP_STATUS_VLAN_TPID_VALID {
                0 => 0x8100,
                _ => header.hv1.tp_vlan_tpid,
            };
            let [k0, k1] = kind.to_be_bytes();
            let [t0, t1] = (header.hv1.tp_vlan_tci as u16).to_be_bytes();
            // SAFETY: the addresses and the free bytes before them lie within the block, behind the frame's header, as
            // was checked; the block is ours, and no frame of it is lent at the moment (`&mut self`)
            unsafe {
                let addresses = start.add(mac);
                std::ptr::copy(addresses, addresses.sub(TAG), ADDRESSES);
                let tag = addresses.add(ADDRESSES - TAG);
                std::ptr::copy_nonoverlapping([k0, k1, t0, t1].as_ptr(), tag, TAG);
            }
            (mac, len, wire_len) = (mac - TAG, len + TAG, wire_len.saturating_add(TAG as u32));
        }
        // SAFETY: within the block, as was checked; nobody writes to it before it is given back, which needs `&mut self`,
        // and the slice borrows from `self`
        let bytes = unsafe { std::slice::from_raw_parts(start.add(mac), len) };
        let frame = RingFrame {
            seconds: header.tp_sec,
            nanoseconds: header.tp_nsec,
            index: address.sll_ifindex as u32,
            outgoing: address.sll_pkttype == libc::PACKET_OUTGOING,
            hardware: address.sll_hatype,
            checksums_settled: header.tp_status & (libc::TP_STATUS_CSUMNOTREADY | libc::TP_STATUS_CSUM_VALID)
                != 0,
            bytes,
            wire_len,
        };
        Some((frame, at + header.tp_next_offset as usize))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping that `open` made, of that length; no frame of it is lent any more
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.size.block * self.size.blocks) };
    }
}

/// Which frames a socket is shown, from now on.
pub(super) fn filter(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    attach(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)
}

/// Spreads the frames of all interfaces over several sockets; `group` is a number that nobody else uses in this namespace,
/// or `None` for one of the kernel's choice. The order of the sockets is that of what the program answers.
pub(super) fn spread(
    sockets: &[BorrowedFd<'_>],
    group: Option<u16>,
    program: &[Instruction],
) -> io::Result<()> {
    let mut group = group;
    for (nth, socket) in sockets.iter().enumerate() {
        let mode = match group {
            Some(_) => libc::PACKET_FANOUT_CBPF,
            None => libc::PACKET_FANOUT_CBPF | libc::PACKET_FANOUT_FLAG_UNIQUEID,
        };
        set(socket, libc::PACKET_FANOUT, &(libc::c_uint::from(group.unwrap_or(0)) | mode << 16))?;
        if group.is_none() {
            let mut chosen: libc::c_uint = 0;
            get(socket, libc::PACKET_FANOUT, &mut chosen)?;
            group = Some(chosen as u16);
        }
        if nth == 0 {
            attach(socket, libc::SOL_PACKET, libc::PACKET_FANOUT_DATA, program)?;
        }
    }
    Ok(())
}

/// Whether an interface takes in what is addressed to others, as long as the socket wants it.
pub(super) fn promiscuous(socket: BorrowedFd<'_>, index: u32, on: bool) -> io::Result<()> {
    let wanted = libc::packet_mreq {
        mr_ifindex: index as libc::c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(&socket, if on { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP }, &wanted)
}

/// Frames taken in, frames that found no room, and how often the ring was full, since the last call.
pub(super) fn statistics(socket: BorrowedFd<'_>) -> io::Result<(u32, u32, u32)> {
    let mut counted = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    get(&socket, libc::PACKET_STATISTICS, &mut counted)?;
    Ok((counted.tp_packets, counted.tp_drops, counted.tp_freeze_q_cnt))
}

/// A socket without a ring that is shown, from their network header on, what the program chooses of the packets that come in by that
/// interface.
pub(super) fn copies(index: u32, program: &[Instruction]) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the descriptor that comes back is ours alone
    let socket = unsafe {
        let raw =
            libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(raw)
    };
    attach(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)?;
    // an older kernel makes a copy first and asks the program then
    let _ = set(&socket, IGNORE_OUTGOING, &(1 as libc::c_int));
    bind(&socket, index)?;
    Ok(socket)
}

/// Takes in frames of that interface; 0 for all.
pub(super) fn bind(socket: &impl AsFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::c_ushort,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index as libc::c_int,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the address is what a packet socket takes, with its length
    let bound = unsafe {
        libc::bind(
            socket.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What options of a packet socket are: plain numbers without padding that matters.
pub(super) trait Plain: Copy {}
impl Plain for libc::c_int {}
impl Plain for libc::c_uint {}
impl Plain for libc::tpacket_req3 {}
impl Plain for libc::packet_mreq {}
impl Plain for libc::tpacket_stats_v3 {}

pub(super) fn set<T: Plain>(socket: &impl AsFd, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value is plain memory of that length, and is only read
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn get<T: Plain>(socket: &impl AsFd, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value is plain memory of that length; any bytes are a value of it
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            name,
            std::ptr::from_mut(value).cast(),
            &mut len,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives the kernel a program.
fn attach(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    program: &[Instruction],
) -> io::Result<()> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|one| libc::sock_filter { code: one.code, jt: one.if_true, jf: one.if_false, k: one.operand })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(io::Error::other)?,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: the program points to so many instructions, which live until the kernel has copied them
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
