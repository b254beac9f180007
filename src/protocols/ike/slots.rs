//! The buffers and numbers of an IKE message, one [`Slot`] each, whole at once.

use crate::app::Slot;

/// `ike.init_spi`, as hexadecimal digits.
pub const INIT_SPI: Slot = Slot(0);
/// `ike.resp_spi`, as hexadecimal digits.
pub const RESP_SPI: Slot = Slot(1);
/// `ike.vendor`, one each, as hexadecimal digits.
pub const VENDOR: Slot = Slot(2);
/// `ike.key_exchange_payload`
pub const KEY_EXCHANGE: Slot = Slot(3);
/// `ike.nonce_payload`
pub const NONCE: Slot = Slot(4);
/// `ike.exchtype`
pub const EXCHANGE: Slot = Slot(5);
/// `ike.key_exchange_payload_length`
pub const KEY_EXCHANGE_LEN: Slot = Slot(6);
/// `ike.nonce_payload_length`
pub const NONCE_LEN: Slot = Slot(7);
/// `ike.chosen_sa_attribute`: this and the place of the attribute in [`super::names::ATTRIBUTES`].
pub(super) const CHOSEN: u16 = 16;
