//! The first place of a literal: two of its bytes are looked for at 32 places at once, the others only where both stand.
//!
//! Buffers that rules are evaluated on are short, and a literal's rarest byte alone is still in most of them; two are hardly ever.
#![allow(unsafe_code)] // SIMD loads; each block says why it is sound

/// A literal to be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needle<'n> {
    /// Its bytes, in lower case where case does not count; at least one.
    pub(super) text: &'n [u8],
    /// Which two of them are looked for, not behind the last: the rarest first.
    pub(super) pair: [u16; 2],
    /// Letters are alike in both cases.
    pub(super) nocase: bool,
}

impl Needle<'_> {
    /// Where it begins for the first time.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        bytes.len().checked_sub(self.text.len())?;
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as was asked just now.
            let seen = unsafe {
                match self.nocase {
                    true => self.find_avx2::<true>(bytes),
                    false => self.find_avx2::<false>(bytes),
                }
            };
            return match seen {
                Seen::At(start) => Some(start),
                Seen::NotBefore(from) => self.find_one(bytes, from),
            };
        }
        self.find_one(bytes, 0)
    }

    /// By the rarest byte alone, from that index on.
    fn find_one(&self, bytes: &[u8], mut from: usize) -> Option<usize> {
        let last = bytes.len().checked_sub(self.text.len())?;
        let at = usize::from(self.pair[0]);
        let rare = *self.text.get(at)?;
        let both = self.nocase && rare.is_ascii_alphabetic();
        while from <= last {
            let area = bytes.get(from + at..=last + at)?;
            let hit = match both {
                true => memchr::memchr2(rare, rare.to_ascii_uppercase(), area),
                false => memchr::memchr(rare, area),
            }?;
            from += hit;
            if self.stands_at(bytes, from) {
                return Some(from);
            }
            from += 1;
        }
        None
    }

    /// Whether it begins there.
    #[inline]
    pub(super) fn stands_at(&self, bytes: &[u8], start: usize) -> bool {
        let here = bytes.get(start..).and_then(|rest| rest.get(..self.text.len()));
        here.is_some_and(|here| *here == *self.text || self.nocase && here.eq_ignore_ascii_case(self.text))
    }

    /// # Safety
    ///
    /// The processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn find_avx2<const NOCASE: bool>(&self, bytes: &[u8]) -> Seen {
        use std::arch::x86_64::*;

        const BLOCK: usize = 32;
        // letters in lower case; what else falls together is told apart by the comparison in full
        let folded = |block: __m256i| match NOCASE {
            true => _mm256_or_si256(
                block,
                _mm256_and_si256(_mm256_srli_epi32::<1>(block), _mm256_set1_epi8(0x20)),
            ),
            false => block,
        };
        let [one, two] = self.pair.map(usize::from);
        let (Some(&rare), Some(&other)) = (self.text.get(one), self.text.get(two)) else {
            return Seen::NotBefore(0);
        };
        let (rare, other) =
            (folded(_mm256_set1_epi8(rare.cast_signed())), folded(_mm256_set1_epi8(other.cast_signed())));
        let mut at = 0;
        while let (Some(first), Some(second)) =
            (bytes.get(at + one..at + one + BLOCK), bytes.get(at + two..at + two + BLOCK))
        {
            // SAFETY: both slices have 32 bytes, and the loads need no alignment.
            let (first, second) = unsafe {
                (_mm256_loadu_si256(first.as_ptr().cast()), _mm256_loadu_si256(second.as_ptr().cast()))
            };
            let both = _mm256_and_si256(
                _mm256_cmpeq_epi8(folded(first), rare),
                _mm256_cmpeq_epi8(folded(second), other),
            );
            let mut places = _mm256_movemask_epi8(both) as u32;
            while places != 0 {
                let start = at + places.trailing_zeros() as usize;
                if self.stands_at(bytes, start) {
                    return Seen::At(start);
                }
                places &= places - 1;
            }
            at += BLOCK;
        }
        Seen::NotBefore(at)
    }
}

/// What is known after the wide search.
enum Seen {
    /// It begins there.
    At(usize),
    /// It does not begin before that index.
    NotBefore(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::literal;

    #[test]
    fn it_finds_what_a_naive_search_finds() {
        let mut seed = 11u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize % below
        };
        let mut found = 0;
        for round in 0..20_000 {
            let alphabet: &[u8] =
                [&b"abAB"[..], b"a@`[{ \x00\x80\xc1\xe1\xff", b"xyzXYZ0123456789"][round % 3];
            let mut text =
                |len: usize| -> Vec<u8> { (0..len).map(|_| alphabet[random(alphabet.len())]).collect() };
            let longest = if round % 11 == 0 { 70 } else { 7 };
            let (mut needle, bytes) = (text(1 + round % longest), text(round % 150));
            let nocase = round % 2 == 0;
            if nocase {
                needle.make_ascii_lowercase();
            }
            let same = |here: &[u8]| *here == *needle || nocase && here.eq_ignore_ascii_case(&needle);
            let expected = bytes.windows(needle.len()).position(same);
            let this = Needle { text: &needle, pair: literal::rarest(&needle), nocase };
            assert_eq!(this.find(&bytes), expected, "{needle:?} {nocase} in {bytes:?}");
            assert_eq!(this.find_one(&bytes, 0), expected, "{needle:?} {nocase} in {bytes:?}");
            found += usize::from(expected.is_some());
        }
        assert!(found > 1000, "{found} found: the test tests little");
    }
}
