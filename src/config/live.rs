//! Live traffic: `nfq` as a suricata.yaml has it, and `inline`, our own.

use super::section::Section;
pub use crate::capture::Onward;

/// How live traffic is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSection {
    /// `inline.fail`, or `nfq.fail-open`: traffic goes on while we are away.
    pub fail_open: bool,
    /// `inline.queue`: the first queue of the kernel.
    pub queue: u16,
    /// `inline.queue-max`: packets that a queue holds.
    pub queue_max: u32,
    /// `inline.buffer`: bytes that the kernel holds for one queue.
    pub buffer: u64,
    /// `nfq.batchcount`: verdicts given together at most.
    pub batch: u16,
    /// `nfq.bypass-mark`, `nfq.bypass-mask`
    pub bypass: Option<(u32, u32)>,
    /// `nfq.mode`, with what belongs to it.
    pub onward: Onward,
    /// `inline.depth-for: unknown`: `stream.reassembly.depth` is for streams of which no protocol is known.
    pub depth_for_unknown: bool,
    /// `inline.br-netfilter: set`: bridged packets may be sent through netfilter where they are not.
    pub set_bridge: bool,
}

impl LiveSection {
    pub(super) fn read(nfq: Section<'_>, inline: Section<'_>) -> Self {
        let onward = onward(&nfq);
        let mark = hexadecimal(&nfq, "bypass-mark");
        let mask = hexadecimal(&nfq, "bypass-mask");
        let fail_open = nfq.flag("fail-open", true);
        let fail = inline.word("fail", &[("open", true), ("closed", false)], "");
        let live = LiveSection {
            fail_open: fail.unwrap_or(fail_open),
            queue: inline.number("queue", 4100, 0..=65_535),
            queue_max: inline.number("queue-max", 4096, 1..=1_000_000),
            buffer: inline.size("buffer", 32 << 20),
            batch: nfq.number("batchcount", 32, 1..=1024),
            bypass: mark.map(|mark| (mark, mask.unwrap_or(mark))),
            onward,
            depth_for_unknown: inline.word("depth-for", &[("all", false), ("unknown", true)], "all")
                == Some(true),
            set_bridge: inline.word("br-netfilter", &[("check", false), ("set", true)], "check")
                == Some(true),
        };
        nfq.finish();
        inline.finish();
        live
    }
}

/// How packets that may go on do so.
fn onward(nfq: &Section<'_>) -> Onward {
    let (mark, mask) = (hexadecimal(nfq, "repeat-mark"), hexadecimal(nfq, "repeat-mask"));
    let route = nfq.text("route-queue").map(|text| (text.trim().parse::<u16>().ok(), text));
    match nfq.word("mode", &[("accept", 0), ("repeat", 1), ("route", 2)], "accept") {
        Some(1) => {
            let mark = mark.unwrap_or(1);
            let mask = mask.unwrap_or(mark);
            if mark & mask == 0 {
                let hint = "a packet must be known again: give a mark and a mask that share a bit";
                nfq.wrong("repeat-mark", &format!("{mark:#x} under the mask {mask:#x} is no mark"), hint);
            }
            Onward::Repeat { mark: mark & mask, mask }
        }
        Some(2) => match route {
            Some((Some(queue), _)) => Onward::Route(queue),
            Some((None, text)) => {
                nfq.wrong("route-queue", &format!("{text:?} is no number of a queue"), "write 0 to 65535");
                Onward::Accept
            }
            None => {
                nfq.wrong("route-queue", "mode: route needs the queue", "write route-queue: 2");
                Onward::Accept
            }
        },
        _ => Onward::Accept,
    }
}

/// A mark: decimal, or hexadecimal behind 0x.
fn hexadecimal(section: &Section<'_>, key: &'static str) -> Option<u32> {
    let text = section.text(key)?;
    let text = text.trim();
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    if number.is_err() {
        section.wrong(key, &format!("{text:?} is not a mark"), "write a number as 1 or 0x1");
    }
    number.ok()
}
