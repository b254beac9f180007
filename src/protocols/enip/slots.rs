//! What is kept of an EtherNet/IP message, one [`Slot`] each.

use crate::app::Slot;

/// The product's name in an identity.
pub const PRODUCT_NAME: Slot = Slot(0);
/// The name of a service that is listed.
pub const SERVICE_NAME: Slot = Slot(1);
/// The command.
pub const COMMAND: Slot = Slot(10);
/// The status of the header.
pub const STATUS: Slot = Slot(11);
/// The version of the protocol: of a session, an identity or a listed service.
pub const PROTOCOL_VERSION: Slot = Slot(12);
/// What a listed service can do.
pub const CAPABILITIES: Slot = Slot(13);
/// Of an identity.
pub const VENDOR: Slot = Slot(14);
/// Of an identity.
pub const DEVICE_TYPE: Slot = Slot(15);
/// Of an identity.
pub const PRODUCT_CODE: Slot = Slot(16);
/// Of an identity, the major number in the upper byte.
pub const REVISION: Slot = Slot(17);
/// Of an identity.
pub const IDENTITY_STATUS: Slot = Slot(18);
/// Of an identity.
pub const SERIAL: Slot = Slot(19);
/// Of an identity.
pub const STATE: Slot = Slot(20);
/// Classes in paths.
pub const CLASS: Slot = Slot(21);
/// Instances in paths.
pub const INSTANCE: Slot = Slot(22);
/// Attributes in paths and lists.
pub const ATTRIBUTE: Slot = Slot(23);
/// General status of answers.
pub const CIP_STATUS: Slot = Slot(24);
/// Words of extended status of answers.
pub const EXTENDED_STATUS: Slot = Slot(25);
/// Services with class and attribute, as [`super::cip::packed`] has them: what `cip_service` looks at.
pub(super) const SERVICE: Slot = Slot(26);
/// Services that are asked for or answered: for records.
pub(super) const SHOWN_SERVICE: Slot = Slot(27);
/// The session: for records.
pub(super) const SESSION: Slot = Slot(28);
/// Those of answers: for records.
pub(super) const ANSWERED_COMMAND: Slot = Slot(30);
pub(super) const ANSWERED_STATUS: Slot = Slot(31);
pub(super) const ANSWERED_SESSION: Slot = Slot(32);
pub(super) const ANSWERED_SERVICE: Slot = Slot(33);
/// Those of requests: for records.
pub(super) const SHOWN_COMMAND: Slot = Slot(34);
pub(super) const SHOWN_STATUS: Slot = Slot(35);
