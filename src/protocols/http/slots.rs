//! The buffers and numbers of an HTTP/1 transaction, and the steps of a message.
//!
//! Which keyword asks for which slot is in `keywords.rs`.
//!
//! A slot belongs to one direction: a keyword that exists in both (`http.header`) has a row for each.

use crate::app::Slot;

/// The request or status line was read.
pub const LINE: u8 = 1;
/// All headers were read.
pub const HEADERS: u8 = 2;
/// A body is arriving.
pub const BODY: u8 = 3;
/// The body is whole, trailing headers (if any) were read.
pub const TRAILER: u8 = 4;

macro_rules! slots {
    ($($(#[doc = $doc:literal])* $name:ident = $n:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: Slot = Slot($n);)*
        /// How many slots there are: they are numbered from 0.
        pub const COUNT: usize = [$($n),*].len();
    };
}

slots! {
    /// The request's method.
    METHOD = 0;
    /// The request's path and query, normalised.
    URI = 1;
    /// The request's target as sent.
    URI_RAW = 2;
    /// The request's protocol (`HTTP/1.1`).
    PROTOCOL_REQUEST = 3;
    /// The response's protocol.
    PROTOCOL_RESPONSE = 4;
    /// The request line without its line end.
    REQUEST_LINE = 5;
    /// The status line without its line end.
    RESPONSE_LINE = 6;
    /// Each request header as `name: value`.
    REQUEST_HEADER = 7;
    /// Each response header as `name: value`.
    RESPONSE_HEADER = 8;
    /// All request headers but the cookie, as `name: value\r\n`.
    HEADER_REQUEST = 9;
    /// All response headers but the set cookie, as `name: value\r\n`.
    HEADER_RESPONSE = 10;
    /// The request's header block as sent, its empty line included.
    HEADER_RAW_REQUEST = 11;
    /// The response's header block as sent, its empty line included.
    HEADER_RAW_RESPONSE = 12;
    /// The names of the request headers: `\r\nHost\r\nAccept\r\n\r\n`.
    HEADER_NAMES_REQUEST = 13;
    /// The names of the response headers.
    HEADER_NAMES_RESPONSE = 14;
    /// The value of `Cookie`.
    COOKIE_REQUEST = 15;
    /// The value of `Set-Cookie`.
    COOKIE_RESPONSE = 16;
    /// The value of `User-Agent`.
    USER_AGENT = 17;
    /// The host: lower case, without port.
    HOST = 18;
    /// The value of `Host`, or the host of an absolute target.
    HOST_RAW = 19;
    /// The value of `Accept`.
    ACCEPT = 20;
    /// The value of `Accept-Encoding`.
    ACCEPT_ENC = 21;
    /// The value of `Accept-Language`.
    ACCEPT_LANG = 22;
    /// The value of the request's `Connection`.
    CONNECTION_REQUEST = 23;
    /// The value of the response's `Connection`.
    CONNECTION_RESPONSE = 24;
    /// The value of the request's `Content-Length`.
    CONTENT_LEN_REQUEST = 25;
    /// The value of the response's `Content-Length`.
    CONTENT_LEN_RESPONSE = 26;
    /// The value of the request's `Content-Type`.
    CONTENT_TYPE_REQUEST = 27;
    /// The value of the response's `Content-Type`.
    CONTENT_TYPE_RESPONSE = 28;
    /// The value of `Location`.
    LOCATION = 29;
    /// The value of `Referer`.
    REFERER = 30;
    /// The value of `Server`.
    SERVER = 31;
    /// Request line and headers, then an empty line.
    START_REQUEST = 32;
    /// Status line and headers, then an empty line.
    START_RESPONSE = 33;
    /// The request's body without chunk framing.
    REQUEST_BODY = 34;
    /// The response's body without chunk framing, decompressed.
    RESPONSE_BODY = 35;
    /// Each uploaded file.
    FILE_DATA_REQUEST = 36;
    /// The status code as text.
    STAT_CODE = 37;
    /// The reason phrase.
    STAT_MSG = 38;
    /// Length of [`URI`], bytes.
    URI_LEN = 39;
    /// Length of [`URI_RAW`], bytes.
    URI_RAW_LEN = 40;
    /// The name of each uploaded file.
    FILE_NAME_REQUEST = 41;
    /// The name of the file in the response.
    FILE_NAME_RESPONSE = 42;
    /// The status code as a number.
    STATUS = 43;
    /// Length of each uploaded file so far, bytes.
    FILE_SIZE_REQUEST = 44;
    /// Length of the file in the response so far, bytes.
    FILE_SIZE_RESPONSE = 45;
    /// What each uploaded file is by its first bytes.
    FILE_MAGIC_REQUEST = 46;
    /// What the file in the response is by its first bytes.
    FILE_MAGIC_RESPONSE = 47;
}
