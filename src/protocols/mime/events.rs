//! The names of what can be wrong with a message. Protocols that carry some list them among their events.

pub(super) const MIME_PARSE_FAILED: &str = "mime_parse_failed";
pub(super) const MIME_MALFORMED_MSG: &str = "mime_malformed_msg";
pub(super) const MIME_INVALID_QP: &str = "mime_invalid_qp";
pub(super) const MIME_LONG_LINE: &str = "mime_long_line";
pub(super) const MIME_LONG_ENC_LINE: &str = "mime_long_enc_line";
pub(super) const MIME_LONG_HEADER_NAME: &str = "mime_long_header_name";
pub(super) const MIME_LONG_HEADER_VALUE: &str = "mime_long_header_value";
pub(super) const MIME_LONG_BOUNDARY: &str = "mime_long_boundary";
pub(super) const MIME_LONG_FILENAME: &str = "mime_long_filename";
