//! The rule keywords of SIP and SDP.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, Place};
use crate::types::Direction;

const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

const fn request(slot: Slot, kind: Kind) -> Place {
    Place { dir: Direction::ToServer, slot, progress: DONE, kind }
}

const fn response(slot: Slot, kind: Kind) -> Place {
    Place { dir: Direction::ToClient, slot, progress: DONE, kind }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("sip.method", "the method of a request", &[request(METHOD, Kind::Bytes)]),
    buffer("sip.uri", "the URI of a request", &[request(URI, Kind::Bytes)]),
    buffer("sip.request_line", "the first line of a request", &[request(REQUEST_LINE, Kind::Bytes)]),
    buffer("sip.stat_code", "the status code of a response", &[response(STAT_CODE, Kind::Bytes)]),
    buffer("sip.stat_msg", "the reason phrase of a response", &[response(STAT_MSG, Kind::Bytes)]),
    buffer("sip.response_line", "the first line of a response", &[response(RESPONSE_LINE, Kind::Bytes)]),
    buffer(
        "sip.protocol",
        "the version of the protocol",
        &[request(PROTOCOL, Kind::Bytes), response(PROTOCOL, Kind::Bytes)],
    ),
    buffer("sip.from", "each From header", &[request(FROM, Kind::Multi), response(FROM, Kind::Multi)]),
    buffer("sip.to", "each To header", &[request(TO, Kind::Multi), response(TO, Kind::Multi)]),
    buffer("sip.via", "each Via header", &[request(VIA, Kind::Multi), response(VIA, Kind::Multi)]),
    buffer(
        "sip.user_agent",
        "each User-Agent header",
        &[request(USER_AGENT, Kind::Multi), response(USER_AGENT, Kind::Multi)],
    ),
    buffer(
        "sip.content_type",
        "each Content-Type header",
        &[request(CONTENT_TYPE, Kind::Multi), response(CONTENT_TYPE, Kind::Multi)],
    ),
    buffer(
        "sip.content_length",
        "each Content-Length header",
        &[request(CONTENT_LENGTH, Kind::Multi), response(CONTENT_LENGTH, Kind::Multi)],
    ),
    buffer(
        "sdp.origin",
        "who began the session (o=)",
        &[request(SDP_ORIGIN, Kind::Bytes), response(SDP_ORIGIN, Kind::Bytes)],
    ),
    buffer(
        "sdp.session_name",
        "the name of the session (s=)",
        &[request(SDP_SESSION_NAME, Kind::Bytes), response(SDP_SESSION_NAME, Kind::Bytes)],
    ),
    buffer(
        "sdp.session_info",
        "what the session is about (i=)",
        &[request(SDP_SESSION_INFO, Kind::Bytes), response(SDP_SESSION_INFO, Kind::Bytes)],
    ),
    buffer(
        "sdp.uri",
        "where more is told of it (u=)",
        &[request(SDP_URI, Kind::Bytes), response(SDP_URI, Kind::Bytes)],
    ),
    buffer(
        "sdp.email",
        "each address of mail (e=)",
        &[request(SDP_EMAIL, Kind::Multi), response(SDP_EMAIL, Kind::Multi)],
    ),
    buffer(
        "sdp.phone_number",
        "each phone number (p=)",
        &[request(SDP_PHONE_NUMBER, Kind::Multi), response(SDP_PHONE_NUMBER, Kind::Multi)],
    ),
    buffer(
        "sdp.connection_data",
        "the address of the session (c=)",
        &[request(SDP_CONNECTION_DATA, Kind::Bytes), response(SDP_CONNECTION_DATA, Kind::Bytes)],
    ),
    buffer(
        "sdp.bandwidth",
        "each proposed bandwidth (b=)",
        &[request(SDP_BANDWIDTH, Kind::Multi), response(SDP_BANDWIDTH, Kind::Multi)],
    ),
    buffer(
        "sdp.time",
        "each start and stop time (t=)",
        &[request(SDP_TIME, Kind::Multi), response(SDP_TIME, Kind::Multi)],
    ),
    buffer(
        "sdp.repeat_time",
        "each repetition (r=)",
        &[request(SDP_REPEAT_TIME, Kind::Multi), response(SDP_REPEAT_TIME, Kind::Multi)],
    ),
    buffer(
        "sdp.timezone",
        "the adjustments of time zones (z=)",
        &[request(SDP_TIMEZONE, Kind::Bytes), response(SDP_TIMEZONE, Kind::Bytes)],
    ),
    buffer(
        "sdp.encryption_key",
        "the key of the session (k=)",
        &[request(SDP_ENCRYPTION_KEY, Kind::Bytes), response(SDP_ENCRYPTION_KEY, Kind::Bytes)],
    ),
    buffer(
        "sdp.attribute",
        "each attribute of the session or of a medium (a=)",
        &[request(SDP_ATTRIBUTE, Kind::Multi), response(SDP_ATTRIBUTE, Kind::Multi)],
    ),
    buffer(
        "sdp.media.media",
        "each medium (m=)",
        &[request(SDP_MEDIA, Kind::Multi), response(SDP_MEDIA, Kind::Multi)],
    ),
    buffer(
        "sdp.media.session_info",
        "what each medium is about (i=)",
        &[request(SDP_MEDIA_SESSION_INFO, Kind::Multi), response(SDP_MEDIA_SESSION_INFO, Kind::Multi)],
    ),
    buffer(
        "sdp.media.connection_data",
        "the address of each medium (c=)",
        &[request(SDP_MEDIA_CONNECTION_DATA, Kind::Multi), response(SDP_MEDIA_CONNECTION_DATA, Kind::Multi)],
    ),
    buffer(
        "sdp.media.encryption_key",
        "the key of each medium (k=)",
        &[request(SDP_MEDIA_ENCRYPTION_KEY, Kind::Multi), response(SDP_MEDIA_ENCRYPTION_KEY, Kind::Multi)],
    ),
];
