//! What a DCERPC call answers for. SMB carries calls in named pipes and answers for the same slots, so they are numbered
//! apart from its own.

use crate::app::Slot;

/// What follows the header of a request, all fragments.
pub const STUB_REQUEST: Slot = Slot(1000);
/// What follows the header of a response, all fragments.
pub const STUB_RESPONSE: Slot = Slot(1001);
/// Number: the operation that a request asks for.
pub const OPNUM: Slot = Slot(1002);
/// Bytes, many: the interfaces a request may be for, see [`super::call::Interface::packed`].
pub const INTERFACE: Slot = Slot(1003);
/// Number: 1 for a request of which only the first fragment was seen.
pub const FIRST: Slot = Slot(1004);

/// Progress: something of the call was seen, on whichever side. What a request asks for is known to rules on its response.
pub const BEGUN: u8 = 1;
