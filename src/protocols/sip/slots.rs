//! The buffers of a SIP transaction, one [`Slot`] each; `keywords` says what the rule language calls them.
//!
//! A header that stands several times has several texts. Values of headers are without the whitespace around them, and of a
//! folded header each line break is one space. Texts of SDP are what stands behind `=`.

use crate::app::Slot;

/// Method, of requests.
pub const METHOD: Slot = Slot(0);
/// Request-URI.
pub const URI: Slot = Slot(1);
/// The version, `SIP/2.0`, of both.
pub const PROTOCOL: Slot = Slot(2);
/// Status code, of responses.
pub const STAT_CODE: Slot = Slot(3);
/// Reason phrase.
pub const STAT_MSG: Slot = Slot(4);
/// The first line of a request, without its line break.
pub const REQUEST_LINE: Slot = Slot(5);
/// The first line of a response.
pub const RESPONSE_LINE: Slot = Slot(6);
/// `From`, `f`
pub const FROM: Slot = Slot(7);
/// `To`, `t`
pub const TO: Slot = Slot(8);
/// `Via`, `v`
pub const VIA: Slot = Slot(9);
/// `User-Agent`
pub const USER_AGENT: Slot = Slot(10);
/// `Content-Type`, `c`
pub const CONTENT_TYPE: Slot = Slot(11);
/// `Content-Length`, `l`
pub const CONTENT_LENGTH: Slot = Slot(12);
/// `o=`
pub const SDP_ORIGIN: Slot = Slot(13);
/// `s=`
pub const SDP_SESSION_NAME: Slot = Slot(14);
/// `i=` before the first `m=`
pub const SDP_SESSION_INFO: Slot = Slot(15);
/// `u=`
pub const SDP_URI: Slot = Slot(16);
/// `e=`
pub const SDP_EMAIL: Slot = Slot(17);
/// `p=`
pub const SDP_PHONE_NUMBER: Slot = Slot(18);
/// `c=` before the first `m=`
pub const SDP_CONNECTION_DATA: Slot = Slot(19);
/// `b=`
pub const SDP_BANDWIDTH: Slot = Slot(20);
/// `t=`
pub const SDP_TIME: Slot = Slot(21);
/// `r=`
pub const SDP_REPEAT_TIME: Slot = Slot(22);
/// `z=`
pub const SDP_TIMEZONE: Slot = Slot(23);
/// `k=` before the first `m=`
pub const SDP_ENCRYPTION_KEY: Slot = Slot(24);
/// `a=`, of the session and of media
pub const SDP_ATTRIBUTE: Slot = Slot(25);
/// `m=`
pub const SDP_MEDIA: Slot = Slot(26);
/// `i=` of a medium
pub const SDP_MEDIA_SESSION_INFO: Slot = Slot(27);
/// `c=` of a medium
pub const SDP_MEDIA_CONNECTION_DATA: Slot = Slot(28);
/// `k=` of a medium
pub const SDP_MEDIA_ENCRYPTION_KEY: Slot = Slot(29);
