//! What many transactions keep: texts and numbers by slot, each slot's in the order they came.
//!
//! Bounds: [`ROWS_MAX`] texts and as many numbers; what is beyond is left out. Bytes are bounded by the message they are of.

use crate::app::Slot;

/// Texts, and numbers, that are kept of one transaction.
pub(super) const ROWS_MAX: usize = 1024;

/// Texts and numbers by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
    /// Slot, start and end; by slot, then in the order they came.
    texts: Vec<(Slot, u32, u32)>,
    numbers: Vec<(Slot, u64)>,
}

impl Values {
    /// One more text of that slot.
    pub(super) fn push(&mut self, slot: Slot, text: &[u8]) {
        let start = self.bytes.len();
        let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(start + text.len())) else { return };
        if self.texts.len() >= ROWS_MAX {
            return;
        }
        self.bytes.extend_from_slice(text);
        let at = self.texts.partition_point(|(known, ..)| *known <= slot);
        self.texts.insert(at, (slot, from, to));
    }

    /// One more number of that slot.
    pub(super) fn push_number(&mut self, slot: Slot, number: impl Into<u64>) {
        if self.numbers.len() < ROWS_MAX {
            let at = self.numbers.partition_point(|(known, _)| *known <= slot);
            self.numbers.insert(at, (slot, number.into()));
        }
    }

    /// The `nth` text of that slot.
    pub(super) fn text(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let at = self.texts.partition_point(|(known, ..)| *known < slot).checked_add(nth)?;
        let (_, from, to) = self.texts.get(at).filter(|(known, ..)| *known == slot)?;
        self.bytes.get(*from as usize..*to as usize)
    }

    /// All texts of that slot.
    pub(super) fn all(&self, slot: Slot) -> impl Iterator<Item = &[u8]> {
        (0..).map_while(move |nth| self.text(slot, nth))
    }

    /// The `nth` number of that slot.
    pub(super) fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        let at = self.numbers.partition_point(|(known, _)| *known < slot).checked_add(nth)?;
        self.numbers.get(at).filter(|(known, _)| *known == slot).map(|(_, number)| *number)
    }

    /// Memory held beside itself, bytes.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.texts.capacity() * size_of::<(Slot, u32, u32)>()
            + self.numbers.capacity() * size_of::<(Slot, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_its_own_in_order() {
        let mut values = Values::default();
        for (slot, text) in [(2, "b"), (1, "a"), (2, "c"), (0, ""), (2, "b")] {
            values.push(Slot(slot), text.as_bytes());
        }
        values.push_number(Slot(2), 7u8);
        values.push_number(Slot(1), 9u32);
        assert_eq!(values.all(Slot(2)).collect::<Vec<_>>(), [b"b", b"c", b"b"]);
        assert_eq!((values.text(Slot(0), 0), values.text(Slot(0), 1)), (Some(&b""[..]), None));
        assert_eq!((values.text(Slot(3), 0), values.text(Slot(2), usize::MAX)), (None, None));
        assert_eq!((values.number(Slot(2), 0), values.number(Slot(2), 1)), (Some(7), None));
        for _ in 0..2 * ROWS_MAX {
            values.push(Slot(5), b"x");
            values.push_number(Slot(5), 1u8);
        }
        assert!(values.memory() < 64 << 10);
    }
}
