//! The buffers and numbers of a DNP3 message, one [`Slot`] each, whole at once.

use crate::app::Slot;

/// `dnp3_data`: the application fragments behind the link and transport headers, put together.
pub const DATA: Slot = Slot(0);
/// `dnp3_func`
pub const FUNCTION: Slot = Slot(1);
/// `dnp3_ind`
pub const INDICATORS: Slot = Slot(2);
/// `dnp3_obj`: group and variation of each object, as one number.
pub const OBJECT: Slot = Slot(3);
