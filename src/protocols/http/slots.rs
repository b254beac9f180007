//! The buffers and numbers of an HTTP/1 transaction, the steps of a message, and which rule keyword asks for which.
//!
//! A slot belongs to one direction: a keyword that exists in both (`http.header`) has a row for each.

use crate::app::{DONE, Slot};
use crate::types::Direction;

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
    /// The response's body without chunk framing, decompressed.
    FILE_DATA_RESPONSE = 37;
    /// The status code as text.
    STAT_CODE = 38;
    /// The reason phrase.
    STAT_MSG = 39;
    /// Length of [`URI`], bytes.
    URI_LEN = 40;
    /// Length of [`URI_RAW`], bytes.
    URI_RAW_LEN = 41;
    /// The name of each uploaded file.
    FILE_NAME_REQUEST = 42;
    /// The name of the file in the response.
    FILE_NAME_RESPONSE = 43;
    /// The status code as a number.
    STATUS = 44;
    /// Length of each uploaded file so far, bytes.
    FILE_SIZE_REQUEST = 45;
    /// Length of the file in the response so far, bytes.
    FILE_SIZE_RESPONSE = 46;
}

/// How a slot is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`crate::app::Transaction::bytes`] with `nth` 0.
    Bytes,
    /// [`crate::app::Transaction::bytes`] with `nth` 0, 1, … until there is none.
    Multi,
    /// [`crate::app::Transaction::number`].
    Number,
    /// [`crate::app::Transaction::body`] with `nth` 0.
    Body,
    /// [`crate::app::Transaction::body`] with `nth` 0, 1, … until there is none.
    MultiBody,
}

/// A keyword in one direction.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The sticky buffer's (or number's) name.
    pub keyword: &'static str,
    /// Old names: content modifiers, or earlier names of the sticky buffer.
    pub aliases: &'static [&'static str],
    /// What it asks for.
    pub slot: Slot,
    /// Whose message.
    pub dir: Direction,
    /// The step from which the slot answers. Header rows answer again, with trailing headers, from [`TRAILER`].
    pub progress: u8,
    /// How it is asked for.
    pub kind: Kind,
}

const fn row(
    keyword: &'static str,
    aliases: &'static [&'static str],
    slot: Slot,
    dir: Direction,
    progress: u8,
    kind: Kind,
) -> Row {
    Row { keyword, aliases, slot, dir, progress, kind }
}

use Direction::{ToClient, ToServer};
use Kind::{Body, Bytes, Multi, MultiBody, Number};

/// Every keyword of the protocol, a row for each direction it exists in.
pub const ROWS: &[Row] = &[
    row("http.method", &["http_method"], METHOD, ToServer, LINE, Bytes),
    row("http.uri", &["http_uri"], URI, ToServer, LINE, Bytes),
    row("http.uri.raw", &["http_raw_uri"], URI_RAW, ToServer, LINE, Bytes),
    row("urilen", &[], URI_LEN, ToServer, LINE, Number),
    row("urilen,raw", &[], URI_RAW_LEN, ToServer, LINE, Number),
    row("http.protocol", &["http_protocol"], PROTOCOL_REQUEST, ToServer, LINE, Bytes),
    row("http.protocol", &["http_protocol"], PROTOCOL_RESPONSE, ToClient, LINE, Bytes),
    row("http.request_line", &["http_request_line"], REQUEST_LINE, ToServer, LINE, Bytes),
    row("http.response_line", &["http_response_line"], RESPONSE_LINE, ToClient, LINE, Bytes),
    row("http.stat_code", &["http_stat_code"], STAT_CODE, ToClient, LINE, Bytes),
    row("http.stat_msg", &["http_stat_msg"], STAT_MSG, ToClient, LINE, Bytes),
    row("http.request_header", &[], REQUEST_HEADER, ToServer, HEADERS, Multi),
    row("http.response_header", &[], RESPONSE_HEADER, ToClient, HEADERS, Multi),
    row("http.header", &["http_header"], HEADER_REQUEST, ToServer, HEADERS, Bytes),
    row("http.header", &["http_header"], HEADER_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.header.raw", &["http_raw_header"], HEADER_RAW_REQUEST, ToServer, HEADERS, Bytes),
    row("http.header.raw", &["http_raw_header"], HEADER_RAW_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.header_names", &["http_header_names"], HEADER_NAMES_REQUEST, ToServer, HEADERS, Bytes),
    row("http.header_names", &["http_header_names"], HEADER_NAMES_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.cookie", &["http_cookie"], COOKIE_REQUEST, ToServer, HEADERS, Bytes),
    row("http.cookie", &["http_cookie"], COOKIE_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.user_agent", &["http_user_agent"], USER_AGENT, ToServer, HEADERS, Bytes),
    row("http.host", &["http_host"], HOST, ToServer, HEADERS, Bytes),
    row("http.host.raw", &["http_raw_host"], HOST_RAW, ToServer, HEADERS, Bytes),
    row("http.accept", &["http_accept"], ACCEPT, ToServer, HEADERS, Bytes),
    row("http.accept_enc", &["http_accept_enc"], ACCEPT_ENC, ToServer, HEADERS, Bytes),
    row("http.accept_lang", &["http_accept_lang"], ACCEPT_LANG, ToServer, HEADERS, Bytes),
    row("http.connection", &["http_connection"], CONNECTION_REQUEST, ToServer, HEADERS, Bytes),
    row("http.connection", &["http_connection"], CONNECTION_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.content_len", &["http_content_len"], CONTENT_LEN_REQUEST, ToServer, HEADERS, Bytes),
    row("http.content_len", &["http_content_len"], CONTENT_LEN_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.content_type", &["http_content_type"], CONTENT_TYPE_REQUEST, ToServer, HEADERS, Bytes),
    row("http.content_type", &["http_content_type"], CONTENT_TYPE_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.location", &[], LOCATION, ToClient, HEADERS, Bytes),
    row("http.referer", &["http_referer"], REFERER, ToServer, HEADERS, Bytes),
    row("http.server", &[], SERVER, ToClient, HEADERS, Bytes),
    row("http.start", &["http_start"], START_REQUEST, ToServer, HEADERS, Bytes),
    row("http.start", &["http_start"], START_RESPONSE, ToClient, HEADERS, Bytes),
    row("http.request_body", &["http_client_body"], REQUEST_BODY, ToServer, BODY, Body),
    row("http.response_body", &["http_server_body"], RESPONSE_BODY, ToClient, BODY, Body),
    row("file.data", &["file_data"], FILE_DATA_REQUEST, ToServer, BODY, MultiBody),
    row("file.data", &["file_data"], FILE_DATA_RESPONSE, ToClient, BODY, Body),
    row("file.name", &["filename", "fileext"], FILE_NAME_REQUEST, ToServer, BODY, Multi),
    row("file.name", &["filename", "fileext"], FILE_NAME_RESPONSE, ToClient, BODY, Bytes),
    row("filesize", &[], FILE_SIZE_REQUEST, ToServer, DONE, Number),
    row("filesize", &[], FILE_SIZE_RESPONSE, ToClient, DONE, Number),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_but_the_bare_status_has_one_row() {
        for n in 0..COUNT {
            let rows = ROWS.iter().filter(|row| usize::from(row.slot.0) == n).count();
            assert_eq!(rows, usize::from(Slot(n as u16) != STATUS), "slot {n}");
        }
    }

    #[test]
    fn a_keyword_has_at_most_one_row_in_a_direction() {
        for (i, a) in ROWS.iter().enumerate() {
            assert!(ROWS[..i].iter().all(|b| a.keyword != b.keyword || a.dir != b.dir), "{}", a.keyword);
        }
    }
}
