//! A packet socket on one interface, read and written many frames at a time. A frame goes out as it came in: with what its sender
//! left to hardware (segments to be cut, a checksum to be filled in) told by the header of virtio before it.
#![allow(
    unsafe_code,
    reason = "packet sockets and system calls for many messages, which have no safe interface; each block says why it is sound"
)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use crate::capture::filter;
use crate::capture::ring;

/// Bytes of the header of virtio.
pub(super) const HEADER: usize = 10;
/// Bytes left free before it, so that a VLAN tag can be put back into the frame.
const TAG: usize = 4;
/// Bytes of the two link addresses.
const ADDRESSES: usize = 12;
/// Bytes of a slot: the longest packet, its link header with two tags, and what stands before.
const SLOT: usize = TAG + HEADER + 65_536 + 22;
/// Room for what the kernel tells beside a frame, words of 8 bytes.
const CONTROL: usize = 8;
/// Flag in the header of virtio: the checksum is yet to be filled in.
const NEEDS_CHECKSUM: u8 = 1;

/// A socket that is shown what comes in by its interface once it is told to.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Opens it on that interface, with room for so many bytes in the kernel.
    pub(super) fn open(index: u32, buffer: usize) -> io::Result<Socket> {
        // SAFETY: no pointer is passed; a descriptor that is not negative was just opened and belongs to nobody else
        let fd = unsafe {
            let fd =
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, buffer)
            .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(&fd, buffer));
        ring::set(&fd, libc::PACKET_VNET_HDR, &(1 as libc::c_int))?;
        ring::set(&fd, libc::PACKET_AUXDATA, &(1 as libc::c_int))?;
        ring::filter(fd.as_fd(), filter::NOTHING)?;
        ring::bind(&fd, index)?;
        Ok(Socket { fd })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Receives what is there, without waiting.
    pub(super) fn receive(&self, slots: &mut Slots, most: usize) -> io::Result<()> {
        slots.frames.clear();
        let count = most.min(slots.parts.len());
        for (nth, slot) in slots.bytes.chunks_exact_mut(SLOT).take(count).enumerate() {
            let (Some(part), Some(header)) = (slots.parts.get_mut(nth), slots.headers.get_mut(nth)) else {
                break;
            };
            let Some(control) = slots.controls.get_mut(nth) else { break };
            let Some(room) = slot.get_mut(TAG..) else { break };
            *part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            // SAFETY: all zero is a valid message header
            *header = unsafe { zeroed() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = (CONTROL * 8) as _;
        }
        // SAFETY: headers, parts, controls and slots are as many as said and live until the call returns
        let received = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                slots.headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                // the interface went down: what comes when it is up again is shown again
                Some(libc::EAGAIN | libc::EINTR | libc::ENETDOWN) => Ok(()),
                _ => Err(error),
            };
        };
        for nth in 0..received {
            slots.take(nth);
        }
        Ok(())
    }

    /// Sends what came in by another socket, in its order: the frames of these numbers. Returns how many could not be sent.
    pub(super) fn send(&self, slots: &mut Slots, numbers: &[usize]) -> u64 {
        let mut count = 0;
        for number in numbers {
            let Some(frame) = slots.frames.get(*number) else { continue };
            let (start, len) = (number * SLOT + frame.start, frame.len);
            let Some(bytes) = slots.bytes.get_mut(start..start + len) else { continue };
            let (Some(part), Some(header)) = (slots.parts.get_mut(count), slots.headers.get_mut(count))
            else {
                break;
            };
            *part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: len };
            // SAFETY: all zero is a valid message header
            *header = unsafe { zeroed() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        let (mut sent, mut unsent, mut waited) = (0, 0, false);
        while sent < count {
            let Some(rest) = slots.headers.get_mut(sent..count) else { break };
            // SAFETY: headers, parts and slots are as many as said and live until the call returns
            let done = unsafe {
                libc::sendmmsg(
                    self.fd.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            if let Ok(done) = usize::try_from(done)
                && done > 0
            {
                sent += done;
                continue;
            }
            match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {}
                // the interface has no room: waited for once, then the frame is lost as on any full link
                Some(libc::EAGAIN | libc::ENOBUFS) if !waited => {
                    waited = true;
                    let mut ready = [rustix::event::PollFd::new(&self.fd, rustix::event::PollFlags::OUT)];
                    let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
                    let _ = rustix::event::poll(&mut ready, Some(&wait));
                }
                // too long for the interface, or it is down
                _ => {
                    sent += 1;
                    unsent += 1;
                }
            }
        }
        unsent
    }

    /// Sends one frame of our own.
    pub(super) fn send_own(&self, frame: &[u8]) -> io::Result<()> {
        let bytes = [&[0; HEADER][..], frame].concat();
        rustix::net::send(&self.fd, &bytes, rustix::net::SendFlags::DONTWAIT)?;
        Ok(())
    }

    /// Frames taken in, and those that found no room, since the last call.
    pub(super) fn statistics(&self) -> io::Result<(u32, u32)> {
        let (packets, dropped, _) = ring::statistics(self.fd())?;
        Ok((packets, dropped))
    }
}

/// Frames as they were received, one a slot.
pub(super) struct Slots {
    bytes: Box<[u8]>,
    frames: Vec<Received>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    controls: Vec<[u64; CONTROL]>,
}

// SAFETY: the raw pointers in `parts` and `headers` are set anew before every call and point into the same structure
unsafe impl Send for Slots {}

/// A frame in its slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Where its header of virtio begins in the slot.
    start: usize,
    /// Bytes, with that header.
    len: usize,
    /// Its length on the wire.
    pub(super) wire_len: u32,
    /// Its checksums are yet to be filled in, or were found right.
    pub(super) checksums_settled: bool,
    /// It is not whole.
    pub(super) truncated: bool,
}

impl Slots {
    pub(super) fn new(count: usize) -> Slots {
        // SAFETY: all zero is a valid message header and a valid part
        let (header, part): (libc::mmsghdr, libc::iovec) = unsafe { (zeroed(), zeroed()) };
        Slots {
            bytes: vec![0; count * SLOT].into(),
            frames: Vec::with_capacity(count),
            parts: vec![part; count],
            headers: vec![header; count],
            controls: vec![[0; CONTROL]; count],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// A frame and its bytes.
    pub(super) fn frame(&self, nth: usize) -> Option<(Received, &[u8])> {
        let frame = *self.frames.get(nth)?;
        let start = nth * SLOT + frame.start;
        Some((frame, self.bytes.get(start + HEADER..start + frame.len)?))
    }

    /// Puts other bytes, with whole checksums, into the place of a frame that is as long.
    pub(super) fn change(&mut self, nth: usize, bytes: &[u8]) {
        let Some(frame) = self.frames.get(nth) else { return };
        let start = nth * SLOT + frame.start;
        let Some(slot) = self.bytes.get_mut(start..start + frame.len) else { return };
        let Some((header, place)) = slot.split_at_mut_checked(HEADER) else { return };
        if let (Some(flags), true) = (header.first_mut(), place.len() == bytes.len()) {
            *flags &= !NEEDS_CHECKSUM;
            place.copy_from_slice(bytes);
        }
    }

    /// Takes in what was received into a slot.
    fn take(&mut self, nth: usize) {
        let mut frame =
            Received { start: TAG, len: 0, wire_len: 0, checksums_settled: false, truncated: true };
        if let (Some(header), Some(slot)) =
            (self.headers.get(nth), self.bytes.get_mut(nth * SLOT..(nth + 1) * SLOT))
        {
            let len = (header.msg_len as usize).min(SLOT - TAG);
            frame.len = len.max(HEADER);
            frame.wire_len = len.saturating_sub(HEADER) as u32;
            frame.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 || len < HEADER;
            if let Some(told) = told(&header.msg_hdr) {
                frame.wire_len = frame.wire_len.max(told.tp_len);
                frame.truncated |= told.tp_len as usize > len.saturating_sub(HEADER);
                frame.checksums_settled =
                    told.tp_status & (libc::TP_STATUS_CSUMNOTREADY | libc::TP_STATUS_CSUM_VALID) != 0;
                if told.tp_status & libc::TP_STATUS_VLAN_VALID != 0 && frame.len >= HEADER + ADDRESSES + 2 {
                    let kind = match told.tp_status & libc::TP_STATUS_VLAN_TPID_VALID {
                        0 => 0x8100,
                        _ => told.tp_vlan_tpid,
                    };
                    put_tag(slot, kind, told.tp_vlan_tci);
                    frame.start = 0;
                    frame.len += TAG;
                    frame.wire_len = frame.wire_len.saturating_add(TAG as u32);
                }
            }
        }
        self.frames.push(frame);
    }
}

/// Puts the tag that the kernel took off back into the frame of a slot, and moves by as much what its header says of places.
fn put_tag(slot: &mut [u8], kind: u16, tag: u16) {
    slot.copy_within(TAG..TAG + HEADER + ADDRESSES, 0);
    let [k0, k1] = kind.to_be_bytes();
    let [t0, t1] = tag.to_be_bytes();
    if let Some(place) = slot.get_mut(HEADER + ADDRESSES..HEADER + ADDRESSES + TAG) {
        place.copy_from_slice(&[k0, k1, t0, t1]);
    }
    let Some([flags, segments, l0, l1, _, _, c0, c1, _, _]) = slot.first_chunk_mut::<HEADER>() else {
        return;
    };
    let moved = |low: &mut u8, high: &mut u8| {
        let place = u16::from_ne_bytes([*low, *high]).saturating_add(TAG as u16).to_ne_bytes();
        [*low, *high] = place;
    };
    if *flags & NEEDS_CHECKSUM != 0 {
        moved(c0, c1);
    }
    if *segments != 0 {
        moved(l0, l1);
    }
}

/// What the kernel tells beside a frame.
fn told(header: &libc::msghdr) -> Option<libc::tpacket_auxdata> {
    // SAFETY: the kernel has filled the control buffer that the header points to, which lives, and has set its length
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: not null: within the control buffer; its data is as long as its length says, which is checked
        unsafe {
            let needed = libc::CMSG_LEN(size_of::<libc::tpacket_auxdata>() as libc::c_uint) as usize;
            if (*message).cmsg_level == libc::SOL_PACKET
                && (*message).cmsg_type == libc::PACKET_AUXDATA
                && (*message).cmsg_len as usize >= needed
            {
                return Some(libc::CMSG_DATA(message).cast::<libc::tpacket_auxdata>().read_unaligned());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_moves_what_stands_behind_it() {
        let mut slot = vec![0; 64];
        slot[TAG..].iter_mut().enumerate().for_each(|(nth, byte)| *byte = nth as u8);
        let header = &mut slot[TAG..TAG + HEADER];
        header[0] = NEEDS_CHECKSUM;
        header[1] = 1;
        header[2..4].copy_from_slice(&54u16.to_ne_bytes());
        header[6..8].copy_from_slice(&34u16.to_ne_bytes());
        put_tag(&mut slot, 0x8100, 0x2005);
        assert_eq!(slot[2..4], 58u16.to_ne_bytes());
        assert_eq!(slot[6..8], 38u16.to_ne_bytes());
        assert_eq!(slot[HEADER..HEADER + ADDRESSES], (10..22).collect::<Vec<u8>>());
        assert_eq!(slot[HEADER + ADDRESSES..HEADER + ADDRESSES + 8], [0x81, 0, 0x20, 5, 22, 23, 24, 25]);
    }
}
