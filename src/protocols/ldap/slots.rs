//! What is kept of an LDAP transaction, one [`Slot`] each.

use crate::app::Slot;

/// The name that the request is about.
pub const REQUEST_DN: Slot = Slot(0);
/// The filter of a search.
pub const REQUEST_FILTER: Slot = Slot(1);
/// Attributes that the request names.
pub const REQUEST_ATTRIBUTE: Slot = Slot(2);
/// The extended operation that is asked for.
pub const REQUEST_NAME: Slot = Slot(3);
/// The names that answers are about.
pub const RESPONSES_DN: Slot = Slot(4);
/// What answers say beside their result.
pub const RESPONSES_MESSAGE: Slot = Slot(5);
/// Attributes in answers.
pub const RESPONSES_ATTRIBUTE: Slot = Slot(6);
/// Values of attributes in answers, and where references lead.
pub const RESPONSES_VALUE: Slot = Slot(7);
/// The request, as a record shows it.
pub(super) const SHOWN_REQUEST: Slot = Slot(8);
/// Each answer, as a record shows it.
pub(super) const SHOWN_RESPONSE: Slot = Slot(9);
/// What is asked for.
pub const REQUEST_OPERATION: Slot = Slot(20);
/// What each answer is.
pub const RESPONSES_OPERATION: Slot = Slot(21);
/// The result of each answer that has one.
pub const RESPONSES_RESULT: Slot = Slot(22);
/// How many answers there were.
pub const RESPONSES_COUNT: Slot = Slot(23);
