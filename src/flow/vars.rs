//! What rules write into a flow: bits and integers, by number.

use smallvec::SmallVec;

/// Flow bits and flow integers. Names are numbers here; the rule set knows the names.
#[derive(Clone, Debug, Default)]
pub struct Vars {
    bits: SmallVec<[u64; 2]>,
    ints: SmallVec<[(u32, u32); 2]>,
}

impl Vars {
    /// Whether the bit is set.
    pub fn bit(&self, id: u32) -> bool {
        self.bits.get(id as usize / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// Sets or clears the bit.
    pub fn set_bit(&mut self, id: u32, on: bool) {
        let at = id as usize / 64;
        if at >= self.bits.len() {
            if !on {
                return;
            }
            self.bits.resize(at + 1, 0);
        }
        if on {
            self.bits[at] |= 1 << (id % 64);
        } else {
            self.bits[at] &= !(1 << (id % 64));
        }
    }

    /// The numbers of the bits that are set, rising.
    pub fn bits(&self) -> impl Iterator<Item = u32> + '_ {
        self.bits.iter().enumerate().flat_map(|(at, word)| {
            (0..64u32).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at as u32 * 64 + bit)
        })
    }

    /// The integer, if it was ever set.
    pub fn int(&self, id: u32) -> Option<u32> {
        self.ints.iter().find(|(known, _)| *known == id).map(|(_, value)| *value)
    }

    /// Sets the integer.
    pub fn set_int(&mut self, id: u32, value: u32) {
        match self.ints.iter_mut().find(|(known, _)| *known == id) {
            Some((_, old)) => *old = value,
            None => self.ints.push((id, value)),
        }
    }

    /// Other rules follow: what they know by the same names stays.
    pub fn renew(&mut self, bit: &dyn Fn(u32) -> Option<u32>, int: &dyn Fn(u32) -> Option<u32>) {
        let old = std::mem::take(self);
        old.bits().filter_map(bit).for_each(|id| self.set_bit(id, true));
        self.ints = old.ints.iter().filter_map(|(id, value)| Some((int(*id)?, *value))).collect();
    }

    /// The integers that were set, in the order of their first setting.
    pub fn ints(&self) -> &[(u32, u32)] {
        &self.ints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_integers_are_remembered() {
        let mut vars = Vars::default();
        for id in [0, 63, 64, 1000] {
            assert!(!vars.bit(id));
            vars.set_bit(id, true);
            assert!(vars.bit(id));
        }
        vars.set_bit(63, false);
        vars.set_bit(100_000, false);
        assert_eq!(vars.bits().collect::<Vec<_>>(), [0, 64, 1000]);
        assert_eq!(vars.int(7), None);
        vars.set_int(7, 1);
        vars.set_int(7, 2);
        assert_eq!(vars.int(7), Some(2));
    }
}
