//! The names of what can be wrong with a conversation (`app-layer-event:smtp.<name>`).

macro_rules! events {
    ($($name:ident = $text:literal;)*) => {
        $(#[allow(dead_code, reason = "rules may name what is never found")] pub(super) const $name: &str = $text;)*
        /// All of them.
        pub(super) const ALL: &[&str] = &[$($text),*];
    };
}

events! {
    INVALID_REPLY = "invalid_reply";
    UNABLE_TO_MATCH_REPLY_WITH_REQUEST = "unable_to_match_reply_with_request";
    MAX_COMMAND_LINE_LEN_EXCEEDED = "max_command_line_len_exceeded";
    MAX_REPLY_LINE_LEN_EXCEEDED = "max_reply_line_len_exceeded";
    INVALID_PIPELINED_SEQUENCE = "invalid_pipelined_sequence";
    BDAT_CHUNK_LEN_EXCEEDED = "bdat_chunk_len_exceeded";
    NO_SERVER_WELCOME_MESSAGE = "no_server_welcome_message";
    TLS_REJECTED = "tls_rejected";
    DATA_COMMAND_REJECTED = "data_command_rejected";
    FAILED_PROTOCOL_CHANGE = "failed_protocol_change";
    MIME_PARSE_FAILED = "mime_parse_failed";
    MIME_MALFORMED_MSG = "mime_malformed_msg";
    MIME_INVALID_BASE64 = "mime_invalid_base64";
    MIME_INVALID_QP = "mime_invalid_qp";
    MIME_LONG_LINE = "mime_long_line";
    MIME_LONG_ENC_LINE = "mime_long_enc_line";
    MIME_LONG_HEADER_NAME = "mime_long_header_name";
    MIME_LONG_HEADER_VALUE = "mime_long_header_value";
    MIME_LONG_BOUNDARY = "mime_long_boundary";
    MIME_LONG_FILENAME = "mime_long_filename";
    DUPLICATE_FIELDS = "duplicate_fields";
    UNPARSABLE_CONTENT = "unparsable_content";
    TRUNCATED_LINE = "truncated_line";
}
