//! What the keyword asks of a request, one [`Slot`] each.

use super::message::{Content, Message, Write};
use crate::app::Slot;

/// The function.
pub(super) const FUNCTION: Slot = Slot(0);
/// The diagnostic, or the kind of encapsulated interface.
pub(super) const SUBFUNCTION: Slot = Slot(1);
/// The kind of function, bits of [`super::function::category`].
pub(super) const CATEGORY: Slot = Slot(2);
/// What is touched, bits of [`super::function::access`].
pub(super) const ACCESS: Slot = Slot(3);
/// The unit.
pub(super) const UNIT: Slot = Slot(4);
/// The first address that is read, counted from 1, and how many.
pub(super) const READ: [Slot; 2] = [Slot(5), Slot(6)];
/// The same of what is written.
pub(super) const WRITE: [Slot; 2] = [Slot(7), Slot(8)];
/// What is written, value by value.
pub(super) const VALUE: Slot = Slot(9);

pub(super) fn number(request: &Message, slot: Slot, nth: usize) -> Option<u64> {
    if slot == VALUE {
        return value(request, nth);
    }
    let (read, write) = match &request.content {
        Content::Access { read, write } => (*read, write.as_ref()),
        _ => (None, None),
    };
    let count = |write: &Write| match write {
        Write::Many { quantity, .. } => u64::from(*quantity),
        Write::One { .. } | Write::Mask { .. } => 1,
    };
    Some(match slot {
        _ if nth > 0 => return None,
        FUNCTION => (request.raw & 0x7f).into(),
        SUBFUNCTION => match request.content {
            Content::Diagnostic(number, _) => number.into(),
            Content::Interface(kind, _) => kind.into(),
            _ => return None,
        },
        CATEGORY => request.category.into(),
        ACCESS => request.access.into(),
        UNIT => request.unit.into(),
        _ if slot == READ[0] => u64::from(read?.0) + 1,
        _ if slot == READ[1] => read?.1.into(),
        _ if slot == WRITE[0] => u64::from(write?.address()) + 1,
        _ if slot == WRITE[1] => count(write?),
        _ => return None,
    })
}

fn value(request: &Message, nth: usize) -> Option<u64> {
    let Content::Access { write: Some(write), .. } = &request.content else { return None };
    let coils = matches!(request.raw, 5 | 15);
    match write {
        Write::One { value, .. } if nth == 0 && coils => Some(u64::from(*value != 0)),
        Write::One { value, .. } if nth == 0 => Some((*value).into()),
        Write::Many { quantity, data, .. } if nth < usize::from(*quantity) => {
            if coils {
                return data.get(nth / 8).map(|byte| u64::from(byte >> (nth % 8) & 1));
            }
            let pair = data.get(nth.checked_mul(2)?..)?.first_chunk::<2>()?;
            Some(u16::from_be_bytes(*pair).into())
        }
        _ => None,
    }
}
