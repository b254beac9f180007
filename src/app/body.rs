//! A body as it arrives: what is kept of it for inspection, under its limits.

use super::transaction::Body;

/// Limits of one direction's bodies.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of a body that are looked at; what follows is counted only. `u64::MAX` for no limit.
    pub limit: u64,
    /// Bytes kept at once.
    pub kept_max: usize,
    /// See [`Body::inspect_min`].
    pub inspect_min: usize,
    /// See [`Body::window`].
    pub window: usize,
}

/// A body without its framing.
#[derive(Debug, Default)]
pub struct Kept {
    bytes: Vec<u8>,
    offset: u64,
    /// Bytes seen, lost ones included.
    total: u64,
    /// Its end came within the limit and nothing is missing.
    end_seen: bool,
    complete: bool,
    /// Bytes beyond the limit were not kept.
    cut: bool,
    gaps: bool,
}

impl Kept {
    /// Adds bytes; gives back those that are within the limit.
    pub fn add<'a>(&mut self, bytes: &'a [u8], limits: &BodyLimits) -> &'a [u8] {
        let room = limits.limit.saturating_sub(self.total);
        self.total = self.total.saturating_add(bytes.len() as u64);
        let take = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.cut |= take < bytes.len();
        let within = bytes.get(..take).unwrap_or_default();
        self.bytes.extend_from_slice(within);
        // dropping in big steps keeps the copying linear
        let kept_max = limits.kept_max.max(limits.inspect_min.saturating_add(limits.window));
        if self.bytes.len() > kept_max.saturating_mul(2) {
            self.drop_front(self.bytes.len() - kept_max);
        }
        within
    }

    /// Bytes were lost: what follows is not next to what came before.
    pub fn gap(&mut self, len: u64) {
        self.total = self.total.saturating_add(len);
        self.gaps = true;
        self.bytes.clear();
        self.offset = self.total;
    }

    fn drop_front(&mut self, len: usize) {
        self.bytes.drain(..len.min(self.bytes.len()));
        self.offset += len as u64;
    }

    /// Nothing more will come; `whole` when its end was seen.
    pub fn finish(&mut self, whole: bool) {
        self.complete = true;
        self.end_seen = whole && !self.cut && !self.gaps;
    }

    /// The bytes that are kept.
    pub fn kept(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes seen, lost ones included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes beyond the limit were not kept.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Bytes were lost.
    pub fn has_gaps(&self) -> bool {
        self.gaps
    }

    /// Nothing more will come.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Memory held, bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// As inspection sees it; `None` before the first byte.
    pub fn body(&self, limits: &BodyLimits) -> Option<Body<'_>> {
        if self.total == 0 {
            return None;
        }
        Some(Body {
            bytes: &self.bytes,
            offset: self.offset,
            // what is cut off will never be inspected
            complete: self.complete || self.cut,
            end_seen: self.end_seen,
            inspect_min: limits.inspect_min,
            window: limits.window,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BodyLimits = BodyLimits { limit: 10, kept_max: 10, inspect_min: 2, window: 1 };

    #[test]
    fn the_limit_cuts() {
        let mut kept = Kept::default();
        assert_eq!(kept.body(&LIMITS), None);
        assert_eq!(kept.add(b"0123456", &LIMITS), b"0123456");
        assert!(!kept.body(&LIMITS).unwrap().complete);
        assert_eq!(kept.add(b"789abc", &LIMITS), b"789");
        assert_eq!(kept.add(b"d", &LIMITS), b"");
        kept.finish(true);
        let body = kept.body(&LIMITS).unwrap();
        assert_eq!(
            (body.bytes, body.offset, body.complete, body.end_seen),
            (&b"0123456789"[..], 0, true, false)
        );
        assert_eq!(kept.total(), 14);
    }

    #[test]
    fn without_a_limit_memory_stays_bounded() {
        let limits = BodyLimits { limit: u64::MAX, ..LIMITS };
        let mut kept = Kept::default();
        for n in 0..1000u32 {
            kept.add(&n.to_be_bytes(), &limits);
            assert!(kept.memory() < 100);
        }
        kept.finish(true);
        let body = kept.body(&limits).unwrap();
        assert_eq!(body.offset + body.bytes.len() as u64, 4000);
        assert!(body.bytes.ends_with(&999u32.to_be_bytes()) && body.bytes.len() >= 10 && body.end_seen);
    }

    #[test]
    fn bytes_on_both_sides_of_a_gap_do_not_touch() {
        let mut kept = Kept::default();
        kept.add(b"ab", &LIMITS);
        kept.gap(3);
        kept.add(b"cd", &LIMITS);
        kept.finish(true);
        let body = kept.body(&LIMITS).unwrap();
        assert_eq!((body.bytes, body.offset, body.end_seen), (&b"cd"[..], 5, false));
    }
}
